/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that apply a layer share: layer.c (the tar), layer_place.c (making things),
 * layer_attributes.c (owners, modes, times, xattrs, ACLs). */
#ifndef CLOCHE_IMAGE_LAYER_INTERNAL_H
#define CLOCHE_IMAGE_LAYER_INTERNAL_H

#include <archive.h>
#include <archive_entry.h>
#include <time.h>

#include "image/layer.h"

/* Times of a directory, set when the layer is complete since filling it changes them. */
struct directory_times {
	char *path;
	struct timespec times[2]; /* access, modification */
};

struct layer {
	int root;
	const struct merged *lower;
	struct layer_result *out;
	struct archive *archive;
	/* the directory used last: most entries share it with the one before */
	int parent;
	char parent_path[PATH_MAX];
	struct directory_times *directories;
	size_t directory_count;
	bool root_opaque; /* the layer hides everything below it */
};

/* A thing just made: by fd where it has one, else by name in its directory. */
struct placed {
	int fd; /* -1: use parent and leaf */
	int parent;
	const char *leaf;
	bool symlink;
};

/* ---- layer.c ---- */

typedef int (*layer_entry_fn)(struct layer *l, struct archive_entry *e, struct err *err);
/* Reads a tar to its end and hands over every entry. */
int must_check layer_read(struct layer *l, struct stream *tar, layer_entry_fn entry,
			  struct err *err);
void layer_free(struct layer *l);

/* ---- layer_attributes.c ---- */

/* Owner, mode, xattrs and ACLs of e, in the order in which none undoes another. path is for
 * messages. */
int must_check attributes_apply(struct layer *l, struct archive_entry *e, const struct placed *p,
				const char *path, struct err *err);
void attributes_times(struct archive_entry *e, struct timespec out[2]);
/* Owner, mode and xattrs of the lower layer's directory or file `from` for `to`. */
int must_check attributes_copy(int from, int to, const struct stat *st);
/* -errno; what overlayfs keeps for itself is neither set nor copied. */
int must_check attributes_copy_xattrs(int from, int to);

/* ---- layer_place.c ---- */

/* Before the first entry: the root is as in the layers below until the tar says otherwise. */
int must_check layer_start(struct layer *l, struct err *err);
/* The directory (borrowed from l) that holds path, made when the tar did not mention it; leaf points
 * into path. */
int must_check layer_parent(struct layer *l, const char *path, const char **leaf, struct err *err);
/* Makes what e describes at path, in place of what is there. */
int must_check layer_place(struct layer *l, struct archive_entry *e, const char *path,
			   struct err *err);
/* Makes it where the caller, who called layer_parent(), has seen to it that nothing is. */
int must_check layer_make(struct layer *l, struct archive_entry *e, const char *leaf,
			  const char *path, struct err *err);
/* Hides `name` of the lower layers in the directory of path ("a/.wh.name"). */
int must_check layer_whiteout(struct layer *l, const char *path, const char *name, struct err *err);
/* Hides everything the lower layers have in the directory of path ("a/.wh..wh..opq"). */
int must_check layer_opaque(struct layer *l, const char *path, struct err *err);
/* Remembers a directory's times. */
void layer_note_times(struct layer *l, const char *path, const struct timespec times[2]);
/* After the last entry: hides the lower layers' root if asked to, sets directories' times. */
int must_check layer_finish(struct layer *l, struct err *err);

#endif

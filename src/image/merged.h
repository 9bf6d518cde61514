/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in a stack of unpacked layers as overlayfs would show it: whiteouts hide, opaque
 * directories hide, symlinks resolve inside the stack. For what must be known of an image while
 * nothing is mounted.
 */
#ifndef CLOCHE_IMAGE_MERGED_H
#define CLOCHE_IMAGE_MERGED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

#define OVERLAY_OPAQUE "trusted.overlay.opaque"

struct merged {
	const int *layers; /* directory fds (readable, not O_PATH), topmost first; borrowed */
	size_t count;
};

struct merged_entry {
	int dir;                 /* the directory that holds it, in the layer it is in */
	char leaf[NAME_MAX + 1]; /* "." for the root */
	char path[PATH_MAX];     /* where it is once symlinks are resolved, without leading slash */
	struct stat st;
};

static inline bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Finds path. follow: resolve a symlink in the last component too. 0, -ENOENT, -ENOTDIR, -ELOOP or
 * another -errno. The caller closes out->dir. */
int must_check merged_find(const struct merged *m, const char *path, bool follow,
			   struct merged_entry *out);
/* Reads a regular file of at most max bytes; the caller frees *out. -ENOENT when it is missing or
 * not a regular file. */
int must_check merged_read(const struct merged *m, const char *path, size_t max, char **out,
			   size_t *len);

struct strv;
/* Adds the names that the directory path shows, each once, in no order. path has no symlinks or dots
 * in it. -ENOENT or -ENOTDIR when it is no directory of the stack. */
int must_check merged_list(const struct merged *m, const char *path, struct strv *names);

#endif

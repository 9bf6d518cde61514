/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into and out of a container as tar streams: what `cp` and the API's archive calls do.
 * Whatever a path is given as, it is the container's: symlinks resolve inside its root. A path that
 * ends in "/" or "/." means the directory that it leads to; any other path means the object itself,
 * a symlink not followed.
 */
#ifndef CLOCHE_ENGINE_ARCHIVE_H
#define CLOCHE_ENGINE_ARCHIVE_H

#include <limits.h>
#include <sys/stat.h>

#include "engine/root.h"
#include "image/tar_write.h"

struct archive {
	struct engine *e; /* borrowed, like c */
	struct container *c;
	const char *named; /* what the caller called it, for messages */
	struct container_root root;
};

/* Opens c's root with all that is mounted there. The caller closes *out, also after an error. */
int must_check archive_open(struct engine *e, struct container *c, const char *named,
			    struct archive *out, struct err *err);
void archive_close(struct archive *a);
#define auto_archive __attribute__((cleanup(archive_close)))

struct archive_stat {
	char name[PATH_MAX]; /* last component as asked for; "." and "/" too */
	struct stat st;
	char link_target[PATH_MAX]; /* of a symlink: where it leads inside the container, absolute and
				     * without symlinks, whether that exists or not; else "" */
};

/* Looks at path. ERR_NOT_FOUND "Could not find the file PATH in container NAME". */
int must_check archive_stat(const struct archive *a, const char *path, struct archive_stat *out,
			    struct err *err);

/* Writes the tree at path into w, its top named `name` (NULL: as in archive_stat). nanoseconds: keep
 * times to that precision. Does not finish the archive. */
int must_check archive_read(const struct archive *a, const char *path, const char *name,
			    bool nanoseconds, struct tar_writer *w, struct err *err);

struct archive_write_options {
	bool keep_owner;          /* as the tar has it; else root */
	bool replace_directories; /* by other things, and the other way round */
};

/* A tar on its way into a directory. */
struct archive_target {
	char directory[PATH_MAX]; /* resolved, below the root */
};

/* Resolves and checks the directory that a tar is to go into. ERR_NOT_FOUND as archive_stat(),
 * ERR_INVALID "extraction point is not a directory", ERR_FORBIDDEN with Docker's words for what is
 * read-only. */
int must_check archive_target_find(const struct archive *a, const char *path,
				   struct archive_target *out, struct err *err);

struct image_program;
/* Starts unpacking the tar (plain, gzip or zstd) that input gives into the target. */
int must_check archive_write_start(const struct archive *a, const struct archive_target *target,
				   int input, const struct archive_write_options *options,
				   struct image_program *out, struct err *err);
/* Waits for its end, and says so to the journal. */
int must_check archive_write_wait(const struct archive *a, struct image_program *p,
				  struct err *err);
/* The same into a directory of the host, for content of a container: without keep_owner everything
 * belongs to uid:gid of this process, and devices, set-id bits and capabilities stay behind.
 * Ended by image_program_wait(). */
int must_check archive_write_host_start(int directory, const char *shown, int input,
					const struct archive_write_options *options,
					struct image_program *out, struct err *err);

/* Go's filepath.Clean on an absolute path: lexical, "" becomes "/". */
int must_check archive_clean_path(const char *path, char out[static PATH_MAX]);
/* True for "x/" and "x/.", which only a directory can be. */
bool archive_asserts_directory(const char *path);
/* True for "." and "x/.". */
bool archive_names_content(const char *path);
/* Follows every symlink of path, the last component's too if `last`, lexically inside the root; what
 * does not exist is kept as it is. out is absolute. */
int must_check archive_resolve(int root, const char *path, bool last, char out[static PATH_MAX]);

#endif

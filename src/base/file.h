/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of our own state: a file is either complete or absent. Paths here are ours; paths inside a
 * container's root go through kernel/path instead.
 */
#ifndef CLOCHE_BASE_FILE_H
#define CLOCHE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum file_durability {
	FILE_VOLATILE, /* complete or absent for every process; a power cut may lose it */
	FILE_DURABLE,  /* on disk, name included, when the call returns */
};

/* Reads a whole file of at most max bytes (-EFBIG beyond) into a heap buffer, terminated by a NUL
 * that *len does not count. dirfd may be AT_FDCWD. The caller frees *out. 0 or -errno; the error
 * text is the caller's to make. */
int must_check file_read_at(int dirfd, const char *path, size_t max, char **out, size_t *len);
/* The same of what is open, from where it stands. */
int must_check file_read_fd(int fd, size_t max, char **out, size_t *len);
/* The same into a caller's buffer of size bytes, NUL included; for small kernel files. Returns
 * bytes read or -errno (-EFBIG when it does not fit). */
ssize_t must_check file_read_small_at(int dirfd, const char *path, char *out, size_t size);
/* Opens, writes all bytes with one write() and closes: kernel control files. 0 or -errno. */
int must_check file_write_kernel_at(int dirfd, const char *path, const char *text);
/* Replaces path atomically: writes "<path>.<pid>.tmp" aside, then renames it. mode is exact,
 * whatever the umask. 0 or -errno; on failure nothing is left. */
int must_check file_replace_at(int dirfd, const char *path, const void *bytes, size_t n,
			       mode_t mode, enum file_durability durability);
/* mkdir -p below dirfd; existing directories are left as they are. 0 or -errno. */
int must_check file_mkdir_all_at(int dirfd, const char *path, mode_t mode);
/* fsync of the directory itself, so that names made in it survive. */
int must_check file_sync_dir_at(int dirfd, const char *path);

/* Removes name (file or whole tree) below dirfd. Uses a fixed amount of memory whatever the depth,
 * follows no symlink, crosses no mount point. Missing is fine. 0 or the first -errno met, after
 * removing all that can be removed. */
int must_check remove_tree_at(int dirfd, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of one log: PATH and, renamed by rotation, PATH.1 (newer), PATH.2, ... Opened as a set that
 * stood at one moment, so that a reader has every line once, however often the writer rotates.
 */
#ifndef CLOCHE_ENGINE_LOG_FILES_H
#define CLOCHE_ENGINE_LOG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LOG_FILES_MAX 1024 /* more are not looked for */
#define LOG_BEGIN_XATTR "user.cloche.begin"

struct log_files {
	int *fds; /* oldest first, the last is PATH itself unless it does not exist */
	size_t count;
	size_t first; /* the oldest that was not taken */
};

/* Opens all there are; none is an empty set. path is absolute. The caller ends it with
 * log_files_close(), which closes from `first` on. 0 or -errno. */
int must_check log_files_open(const char *path, struct log_files *out);
void log_files_close(struct log_files *f);
/* Takes the oldest that is left out of the set; -1 when there is none. */
int log_files_take(struct log_files *f);
/* Drops the files up to and with the one that fd is. false (and all are kept) when it is not among
 * them: rotation has removed it. */
bool log_files_drop_until(struct log_files *f, int fd);
/* Where the last n lines of all files together begin: drops the files before, *offset is the place in
 * the first that is left. n 0: at the end of the last. */
int must_check log_files_tail(struct log_files *f, uint64_t n, off_t *offset);

/* Bytes of the log before this file begins, as its writer noted (LOG_BEGIN_XATTR, eight bytes); -1 when
 * it did not. */
int64_t log_file_begin(int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the files of a log, and finding its last lines without reading the rest. */
#include "engine/log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"

#define OPEN_TRIES 1000
#define BLOCK_BYTES 65536

static int open_numbered(const char *path, size_t number)
{
	char numbered[PATH_MAX];
	int fd;

	if (number == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	} else {
		if (str_format(numbered, sizeof(numbered), "%s.%zu", path, number) < 0)
			return -ENAMETOOLONG;
		fd = open(numbered, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	return fd < 0 ? -errno : fd;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

/* Newest first. *hole: a number is missing between others, as in the middle of a rotation. */
static int open_once(const char *path, struct log_files *out, bool *hole)
{
	bool missing = false;

	*hole = false;
	for (size_t i = 0; i < LOG_FILES_MAX; i++) {
		int fd = open_numbered(path, i);

		if (fd == -ENOENT && missing)
			return 0;
		if (fd == -ENOENT) {
			missing = true;
			continue;
		}
		if (fd < 0)
			return fd;
		*hole = *hole || missing;
		missing = false;
		out->fds = xrealloc(out->fds, (out->count + 1) * sizeof(int));
		out->fds[out->count++] = fd;
	}
	return 0;
}

static bool same_set(const struct log_files *a, const struct log_files *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!same_file(a->fds[i], b->fds[i]))
			return false;
	}
	return true;
}

static void reverse(struct log_files *f)
{
	for (size_t i = 0, k = f->count; i + 1 < k; i++) {
		int swap = f->fds[i];

		f->fds[i] = f->fds[--k];
		f->fds[k] = swap;
	}
}

int log_files_open(const char *path, struct log_files *out)
{
	*out = (struct log_files){.fds = NULL};
	for (int i = 0;; i++) {
		struct log_files again = {.fds = NULL};
		bool hole, hole_again;
		int rc = open_once(path, out, &hole);

		if (rc == 0)
			rc = open_once(path, &again, &hole_again);
		if (rc == 0 && ((!hole && same_set(out, &again)) || i == OPEN_TRIES)) {
			log_files_close(&again);
			reverse(out);
			return 0;
		}
		log_files_close(&again);
		log_files_close(out);
		if (rc < 0)
			return rc;
		sched_yield();
	}
}

void log_files_close(struct log_files *f)
{
	for (size_t i = f->first; i < f->count; i++)
		close(f->fds[i]);
	free(f->fds);
	*f = (struct log_files){.fds = NULL};
}

int log_files_take(struct log_files *f)
{
	return f->first < f->count ? f->fds[f->first++] : -1;
}

bool log_files_drop_until(struct log_files *f, int fd)
{
	for (size_t i = f->first; i < f->count; i++) {
		if (!same_file(f->fds[i], fd))
			continue;
		while (f->first <= i)
			close(f->fds[f->first++]);
		return true;
	}
	return false;
}

/* Looks for the n-th newline from the end of what lies before `end`, not counting one at its very end:
 * *n is what is left to find, *at the place after the one found, when it comes to 0. */
static int search_back(int fd, off_t end, uint64_t *n, off_t *at)
{
	char block[BLOCK_BYTES];
	off_t last = end - 1;

	while (end > 0) {
		off_t begin = end > BLOCK_BYTES ? end - BLOCK_BYTES : 0;
		ssize_t got = pread(fd, block, (size_t)(end - begin), begin);
		const char *found;
		size_t left;

		if (got < 0)
			return -errno;
		left = (size_t)got;
		while ((found = memrchr(block, '\n', left)) != NULL) {
			left = (size_t)(found - block);
			if (begin + (off_t)left == last)
				continue;
			if (--*n == 0) {
				*at = begin + (off_t)left + 1;
				return 0;
			}
		}
		end = begin;
	}
	return 0;
}

int log_files_tail(struct log_files *f, uint64_t n, off_t *offset)
{
	*offset = 0;
	for (size_t i = f->count; i-- > f->first;) {
		struct stat st;
		uint64_t left = n;
		int rc;

		if (fstat(f->fds[i], &st) < 0)
			return -errno;
		*offset = st.st_size;
		rc = n ? search_back(f->fds[i], st.st_size, &left, offset) : 0;
		if (rc < 0)
			return rc;
		if (n == 0 || left == 0) {
			while (f->first < i)
				close(f->fds[f->first++]);
			return 0;
		}
		/* Its first line is one as well, and no newline stands before it. */
		n = st.st_size > 0 ? left - 1 : left;
		*offset = 0;
		if (n == 0) {
			while (f->first < i)
				close(f->fds[f->first++]);
			return 0;
		}
	}
	return 0;
}

int64_t log_file_begin(int fd)
{
	uint64_t begin;
	ssize_t n = fgetxattr(fd, LOG_BEGIN_XATTR, &begin, sizeof(begin));

	/* The first file has none. */
	if (n < 0 && errno == ENODATA)
		return 0;
	return n == sizeof(begin) && begin <= INT64_MAX ? (int64_t)begin : -1;
}

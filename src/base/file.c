/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-file reads and atomic replacement. Allocation only in file_read_at(). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

int file_read_fd(int fd, size_t max, char **out, size_t *len)
{
	size_t cap, n = 0;
	auto_free char *buf = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* /proc and /sys say 0: start with a page and grow. */
	cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
	for (;;) {
		char *bigger;
		ssize_t got;

		if (cap > max + 1)
			cap = max + 1;
		bigger = realloc(buf, cap + 1);
		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		got = fd_read_full(fd, buf + n, cap - n);
		if (got < 0)
			return (int)got;
		n += (size_t)got;
		if (n < cap)
			break;
		if (n > max)
			return -EFBIG;
		cap *= 2;
	}
	buf[n] = '\0';
	*out = take_ptr(&buf);
	if (len)
		*len = n;
	return 0;
}

int file_read_at(int dirfd, const char *path, size_t max, char **out, size_t *len)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : file_read_fd(fd, max, out, len);
}

ssize_t file_read_small_at(int dirfd, const char *path, char *out, size_t size)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = fd_read_full(fd, out, size);
	if (got < 0)
		return got;
	if ((size_t)got == size)
		return -EFBIG;
	out[got] = '\0';
	return got;
}

int file_write_kernel_at(int dirfd, const char *path, const char *text)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t n = strlen(text);
	ssize_t w;

	if (fd < 0)
		return -errno;
	do
		w = write(fd, text, n);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -EIO;
}

static int write_aside(int dirfd, const char *tmp, const void *bytes, size_t n, mode_t mode,
		       bool durable)
{
	auto_close int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fd_write_all(fd, bytes, n);
	if (rc < 0)
		return rc;
	if (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0))
		return -errno;
	/* A full disk or quota may show only at close. */
	return close(take_fd(&fd)) < 0 ? -errno : 0;
}

int file_replace_at(int dirfd, const char *path, const void *bytes, size_t n, mode_t mode,
		    enum file_durability durability)
{
	bool durable = durability == FILE_DURABLE;
	char tmp[PATH_MAX];
	int rc;

	if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, getpid()) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	rc = write_aside(dirfd, tmp, bytes, n, mode, durable);
	if (rc == 0 && renameat(dirfd, tmp, dirfd, path) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(dirfd, tmp, 0);
		return rc;
	}
	if (durable) {
		char *slash = strrchr(tmp, '/');

		if (slash)
			slash[slash == tmp] = '\0';
		return file_sync_dir_at(dirfd, slash ? tmp : ".");
	}
	return 0;
}

int file_sync_dir_at(int dirfd, const char *path)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_mkdir_all_at(int dirfd, const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (mkdirat(dirfd, path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, part, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdirat(dirfd, part, mode) < 0 && errno != EEXIST ? -errno : 0;
}

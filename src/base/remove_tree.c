/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a directory tree that its former owner may have filled with anything. Walks by fd with
 * ".." back up, checked by inode, so depth costs no memory and a rename under the walk cannot lead
 * it elsewhere. Never follows a symlink and never enters another mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

/* What getdents64(2) fills in; libcs disagree on the name of the struct. */
struct dirent_record {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Removes all entries of dir that are not directories with content. Descends into the first such
 * directory: returns its fd, or -1 with *done when the directory is empty or nothing more can go. */
static int empty_until_subdir(int dir, dev_t dev, int *first_error, bool *progress, char *sub)
{
	char buf[4096] __attribute__((aligned(8)));
	long n;

	lseek(dir, 0, SEEK_SET);
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			struct dirent_record *e = (struct dirent_record *)(buf + at);
			struct stat st;
			int fd;

			at += e->length;
			if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
				continue;
			if (unlinkat(dir, e->name, 0) == 0 ||
			    ((errno == EISDIR || errno == EPERM) &&
			     unlinkat(dir, e->name, AT_REMOVEDIR) == 0)) {
				*progress = true;
				continue;
			}
			if (errno == ENOENT)
				continue;
			if (errno != ENOTEMPTY && errno != EEXIST) {
				*first_error = *first_error ? *first_error : -errno;
				continue;
			}
			fd = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev) {
				strncpy(sub, e->name, 255);
				sub[255] = '\0';
				return fd;
			}
			*first_error = *first_error ? *first_error : (fd < 0 ? -errno : -EBUSY);
			if (fd >= 0)
				close(fd);
		}
	}
	return -1;
}

/* Goes up from *dir, which must be the directory it was entered from. */
static int ascend(int *dir, dev_t dev)
{
	int up = openat(*dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (up < 0)
		return -errno;
	if (fstat(up, &st) < 0 || st.st_dev != dev) {
		close(up);
		return -EXDEV;
	}
	close(*dir);
	*dir = up;
	return 0;
}

static int empty_tree(int top, dev_t dev, ino_t top_inode)
{
	auto_close int dir = dup(top);
	int first_error = 0;
	char sub[256];

	if (dir < 0)
		return -errno;
	for (;;) {
		bool progress = false;
		struct stat st;
		int errors_before = first_error;
		int next = empty_until_subdir(dir, dev, &first_error, &progress, sub);

		if (next >= 0) {
			close(dir);
			dir = next;
			continue;
		}
		if (fstat(dir, &st) < 0)
			return -errno;
		if (st.st_ino == top_inode)
			return first_error;
		/* Something here cannot go: its parents cannot either, so stop instead of looping. */
		if (first_error != errors_before)
			return first_error;
		if (ascend(&dir, dev) < 0)
			return first_error ? first_error : -EXDEV;
	}
}

int remove_tree_at(int dirfd, const char *name)
{
	auto_close int top = -1;
	struct stat st;
	int rc;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || fstat(top, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = empty_tree(top, st.st_dev, st.st_ino);
	if (rc < 0)
		return rc;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

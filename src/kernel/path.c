/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openat2(2) is called here and nowhere else. What must hold: a name is only ever created in a
 * directory fd that this door has opened, with O_EXCL or mkdir, so no symlink that a container swaps
 * in between can redirect it.
 */
#include "kernel/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The kernel's struct open_how and its flags (linux/openat2.h), spelled here since musl's headers
 * come without the kernel's. */
struct path_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};
#define HOW_NO_MAGICLINKS 0x02u
#define HOW_NO_SYMLINKS 0x04u
#define HOW_IN_ROOT 0x10u

/* The kernel answers EAGAIN when a rename anywhere raced with a ".." step. A container may rename
 * without end, so patience is bounded. */
#define AGAIN_MAX 512
#define DANGLING_MAX 40

static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct path_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777u : 0,
		.resolve = resolve | HOW_IN_ROOT | HOW_NO_MAGICLINKS,
	};

	for (int i = 0; i < AGAIN_MAX; i++) {
		long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int path_open(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, 0);
}

int path_open_nosymlink(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, HOW_NO_SYMLINKS);
}

/* The descriptor stays on what it was opened on, so what is checked is what is opened. */
int path_open_regular(int rootfd, const char *path, bool symlinks)
{
	auto_close int found = symlinks ? path_open(rootfd, path, O_PATH, 0)
					: path_open_nosymlink(rootfd, path, O_PATH, 0);
	char own[32];
	struct stat st;
	int fd;

	if (found < 0)
		return found;
	if (fstat(found, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", found);
	fd = open(own, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The last component of path without trailing slashes: its start, and the end of it. */
static size_t leaf_bounds(const char *path, size_t *end)
{
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] == '/')
		n--;
	*end = n;
	while (n > 0 && path[n - 1] != '/')
		n--;
	return n;
}

int path_open_parent(int rootfd, const char *path, char leaf[static PATH_LEAF_SIZE])
{
	char dir[PATH_MAX];
	size_t end;
	size_t start = leaf_bounds(path, &end);
	size_t n = end - start;

	if (n == 0 || (n == 1 && path[start] == '.') ||
	    (n == 2 && path[start] == '.' && path[start + 1] == '.'))
		return -EINVAL;
	if (n >= PATH_LEAF_SIZE || start >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(leaf, path + start, n);
	leaf[n] = '\0';
	memcpy(dir, path, start);
	dir[start] = '\0';
	return path_open(rootfd, start ? dir : ".", O_PATH | O_DIRECTORY, 0);
}

/* Gives what was just made as leaf in dirfd its exact owner and mode, through an fd that can only be
 * that object. */
static int settle(int fd, mode_t mode, uid_t uid, gid_t gid)
{
	if ((uid != PATH_KEEP_OWNER || gid != (gid_t)PATH_KEEP_OWNER) && fchown(fd, uid, gid) < 0)
		return -errno;
	/* after fchown, which clears setuid and setgid */
	if (fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

/* Returns an fd of the new directory. */
static int make_dir(int dirfd, const char *leaf, mode_t mode, uid_t uid, gid_t gid)
{
	auto_close int fd = -1;
	int ret;

	if (mkdirat(dirfd, leaf, mode & 0700) < 0)
		return -errno;
	fd = openat(dirfd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = settle(fd, mode, uid, gid);
	return ret < 0 ? ret : take_fd(&fd);
}

/* The usual case of path_mkdir_all(), at a third of the walk's price: only the last component is
 * missing. Anything else, a dangling symlink included, is an error and left to the walk. */
static int make_last(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int parent = path_open_parent(rootfd, path, leaf);

	return parent < 0 ? parent : make_dir(parent, leaf, mode, uid, gid);
}

/* Replaces the dangling symlink dirfd/leaf, which is path[0..end), by its target inside path. */
static int splice_target(int dirfd, const char *leaf, char path[static PATH_MAX], size_t end)
{
	char target[PATH_MAX];
	char whole[PATH_MAX];
	size_t start = end - strlen(leaf);
	ssize_t n = readlinkat(dirfd, leaf, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return errno == EINVAL ? -ENOTDIR : -errno;
	target[n] = '\0';
	len = snprintf(whole, sizeof(whole), "%.*s%s%s", target[0] == '/' ? 0 : (int)start, path,
		       target, path + end);
	if (len < 0 || (size_t)len >= sizeof(whole))
		return -ENAMETOOLONG;
	memcpy(path, whole, (size_t)len + 1);
	return 0;
}

/* The length of the shortest prefix of path that has one component more than path[0..from). */
static size_t next_prefix(const char *path, size_t from)
{
	while (path[from] == '/')
		from++;
	while (path[from] != '\0' && path[from] != '/')
		from++;
	return from;
}

/* Opens the directory path[0..end), making it when missing. 1: path was rewritten, start again. */
static int open_or_make(int rootfd, char path[static PATH_MAX], size_t end, mode_t mode, uid_t uid,
			gid_t gid, int *out)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int parent = -1;
	char cut = path[end];
	int fd, ret;

	path[end] = '\0';
	fd = path_open(rootfd, path, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		parent = path_open_parent(rootfd, path, leaf);
	if (fd == -ENOENT && parent >= 0) {
		fd = make_dir(parent, leaf, mode, uid, gid);
		if (fd == -EEXIST)
			fd = path_open(rootfd, path, O_PATH | O_DIRECTORY, 0);
	}
	path[end] = cut;
	if (fd == -ENOENT && parent >= 0) {
		ret = splice_target(parent, leaf, path, end);
		return ret < 0 ? ret : 1;
	}
	if (fd < 0)
		return fd;
	*out = fd;
	return 0;
}

int path_mkdir_all(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char work[PATH_MAX];
	auto_close int fd = -1;
	size_t n = strlen(path);
	int spliced = 0;

	if (n >= sizeof(work))
		return -ENAMETOOLONG;
	memcpy(work, path, n + 1);
	fd = path_open(rootfd, work, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0)
		return take_fd(&fd);
	if (fd != -ENOENT || n == 0)
		return fd;
	fd = make_last(rootfd, work, mode, uid, gid);
	if (fd >= 0)
		return take_fd(&fd);
	for (size_t end = next_prefix(work, 0);;) {
		int next = -1;
		int ret = open_or_make(rootfd, work, end, mode, uid, gid, &next);

		if (ret < 0)
			return ret;
		if (ret == 1) {
			if (++spliced > DANGLING_MAX)
				return -ELOOP;
			end = next_prefix(work, 0);
			continue;
		}
		if (next_prefix(work, end) == end || work[end + strspn(work + end, "/")] == '\0')
			return next;
		close(next);
		end = next_prefix(work, end);
	}
}

/* Makes leaf in dirfd. 0, or 1 when something exists there. */
static int make_leaf(int dirfd, const char *leaf, mode_t mode, uid_t uid, gid_t gid)
{
	auto_close int fd = openat(dirfd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? 1 : -errno;
	return settle(fd, mode, uid, gid);
}

/* Opens the directory above work's last component, making it when missing. */
static int make_parent(int rootfd, char *work, uid_t uid, gid_t gid,
		       char leaf[static PATH_LEAF_SIZE])
{
	size_t end;
	size_t start = leaf_bounds(work, &end);
	char first = work[start];
	int fd = path_open_parent(rootfd, work, leaf);

	if (fd != -ENOENT)
		return fd;
	work[start] = '\0';
	fd = path_mkdir_all(rootfd, work, 0755, uid, gid);
	work[start] = first;
	return fd;
}

int path_make_file(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char work[PATH_MAX];
	char leaf[PATH_LEAF_SIZE];
	size_t n = strlen(path);

	if (n >= sizeof(work))
		return -ENAMETOOLONG;
	memcpy(work, path, n + 1);
	for (int i = 0; i < DANGLING_MAX; i++) {
		auto_close int parent = -1;
		int ret = path_open(rootfd, work, O_PATH, 0);
		size_t end;

		if (ret != -ENOENT)
			return ret;
		parent = make_parent(rootfd, work, uid, gid, leaf);
		if (parent < 0)
			return parent;
		ret = make_leaf(parent, leaf, mode, uid, gid);
		if (ret < 0)
			return ret;
		leaf_bounds(work, &end);
		work[end] = '\0';
		/* what exists and yet cannot be opened is a dangling symlink */
		if (ret == 1 && splice_target(parent, leaf, work, end) == -ENAMETOOLONG)
			return -ENAMETOOLONG;
	}
	return -ELOOP;
}

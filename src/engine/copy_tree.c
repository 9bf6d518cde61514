/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tree copying by descriptors, one component at a time and never through a symlink, so that nothing
 * in the source can lead out of it. Order per file: content, owner, xattrs, mode, times, since
 * changing the owner clears set-id bits and file capabilities.
 */
#include "engine/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"

#define DEPTH_MAX 200
#define SEND_MAX (1u << 30)

struct seen_link {
	dev_t device;
	ino_t inode;
	char *path; /* below the destination */
};

struct copier {
	int dst_root;
	struct strbuf path; /* of the entry under way, below either root */
	struct seen_link *links;
	size_t link_count;
	struct err *err;
};

/* A file by descriptor, or by path where it cannot be opened (links, devices). */
struct place {
	int fd; /* -1: path */
	const char *path;
};

static int fail(struct copier *c, const char *what)
{
	return err_sys(c->err, "%s %s", what, strbuf_str(&c->path));
}

static ssize_t list_xattrs(const struct place *p, char *out, size_t n)
{
	return p->fd >= 0 ? flistxattr(p->fd, out, n) : llistxattr(p->path, out, n);
}

static ssize_t get_xattr(const struct place *p, const char *name, void *out, size_t n)
{
	return p->fd >= 0 ? fgetxattr(p->fd, name, out, n) : lgetxattr(p->path, name, out, n);
}

static int set_xattr(const struct place *p, const char *name, const void *value, size_t n)
{
	return p->fd >= 0 ? fsetxattr(p->fd, name, value, n, 0)
			  : lsetxattr(p->path, name, value, n, 0);
}

static int copy_xattrs(struct copier *c, const struct place *from, const struct place *to)
{
	char names[XATTR_LIST_MAX];
	auto_free char *value = NULL;
	ssize_t n = list_xattrs(from, names, sizeof(names));

	if (n < 0)
		return errno == ENOTSUP ? 0 : fail(c, "read the attributes of");
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t size;

		if (str_starts(name, "trusted.overlay."))
			continue;
		if (!value)
			value = xrealloc(NULL, XATTR_SIZE_MAX);
		size = get_xattr(from, name, value, XATTR_SIZE_MAX);
		if (size < 0 || set_xattr(to, name, value, (size_t)size) < 0)
			return fail(c, "copy the attributes of");
	}
	return 0;
}

static int copy_attributes_fd(struct copier *c, int src, int dst, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	const struct place from = {.fd = src}, to = {.fd = dst};
	int rc;

	if (fchown(dst, st->st_uid, st->st_gid) < 0)
		return fail(c, "set the owner of");
	rc = copy_xattrs(c, &from, &to);
	if (rc < 0)
		return rc;
	if (fchmod(dst, st->st_mode & 07777) < 0)
		return fail(c, "set the mode of");
	return futimens(dst, times) < 0 ? fail(c, "set the times of") : 0;
}

/* For what is not opened. Nobody else is in the destination, so the name is still what we made. */
static int copy_attributes_at(struct copier *c, int src_dir, int dst_dir, const char *name,
			      const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	char src_path[NAME_MAX + 32], dst_path[NAME_MAX + 32];
	const struct place from = {-1, src_path}, to = {-1, dst_path};
	int rc;

	if (str_format(src_path, sizeof(src_path), "/proc/self/fd/%d/%s", src_dir, name) < 0 ||
	    str_format(dst_path, sizeof(dst_path), "/proc/self/fd/%d/%s", dst_dir, name) < 0)
		return err_set(c->err, ERR_SYSTEM, ENAMETOOLONG, "%s: name too long",
			       strbuf_str(&c->path));
	if (fchownat(dst_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, "set the owner of");
	rc = copy_xattrs(c, &from, &to);
	if (rc < 0)
		return rc;
	if (!S_ISLNK(st->st_mode) && fchmodat(dst_dir, name, st->st_mode & 07777, 0) < 0)
		return fail(c, "set the mode of");
	return utimensat(dst_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0
		       ? fail(c, "set the times of")
		       : 0;
}

static int copy_data(struct copier *c, int src, int dst, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(src, at, SEEK_DATA);
		off_t end = data < 0 ? -1 : lseek(src, data, SEEK_HOLE);

		/* Nothing but a hole up to the end. */
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 || end < 0 || lseek(dst, data, SEEK_SET) < 0)
			return fail(c, "read");
		for (at = data; at < end;) {
			ssize_t n = sendfile(dst, src, &at,
					     end - at > SEND_MAX ? SEND_MAX : (size_t)(end - at));

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return fail(c, "copy");
			if (n == 0)
				return 0;
		}
	}
	return ftruncate(dst, size) < 0 ? fail(c, "copy") : 0;
}

/* 1: made as a link to an earlier copy. */
static int copy_hard_link(struct copier *c, int dst_dir, const char *name, const struct stat *st)
{
	struct seen_link *link;

	if (st->st_nlink < 2)
		return 0;
	for (size_t i = 0; i < c->link_count; i++) {
		link = &c->links[i];
		if (link->inode != st->st_ino || link->device != st->st_dev)
			continue;
		return linkat(c->dst_root, link->path, dst_dir, name, 0) < 0 ? fail(c, "link") : 1;
	}
	c->links = xrealloc(c->links, (c->link_count + 1) * sizeof(*c->links));
	link = &c->links[c->link_count++];
	*link = (struct seen_link){st->st_dev, st->st_ino, xstrdup(strbuf_str(&c->path))};
	return 0;
}

static int copy_file(struct copier *c, int src_dir, int dst_dir, const char *name,
		     const struct stat *st)
{
	auto_close int src = openat(src_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int dst = -1;
	int rc;

	if (src < 0)
		return fail(c, "open");
	dst = openat(dst_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dst < 0)
		return fail(c, "make");
	rc = copy_data(c, src, dst, st->st_size);
	return rc < 0 ? rc : copy_attributes_fd(c, src, dst, st);
}

static int copy_symlink(struct copier *c, int src_dir, int dst_dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(src_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(c, "read");
	target[n] = '\0';
	return symlinkat(target, dst_dir, name) < 0 ? fail(c, "make") : 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int copy_other(struct copier *c, int src_dir, int dst_dir, const char *name,
		      const struct stat *st)
{
	int rc;

	if (is_whiteout(st))
		return 0;
	if (S_ISLNK(st->st_mode))
		rc = copy_symlink(c, src_dir, dst_dir, name);
	else
		rc = mknodat(dst_dir, name, st->st_mode & (S_IFMT | 0600), st->st_rdev) < 0
			     ? fail(c, "make")
			     : 0;
	return rc < 0 ? rc : copy_attributes_at(c, src_dir, dst_dir, name, st);
}

static int copy_directory(struct copier *c, int src_fd, int dst_fd, int depth);

static int copy_subdirectory(struct copier *c, int src_dir, int dst_dir, const char *name,
			     int depth)
{
	auto_close int src = openat(src_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int dst = -1;

	if (src < 0)
		return fail(c, "open");
	if (mkdirat(dst_dir, name, 0700) < 0)
		return fail(c, "make");
	dst = openat(dst_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dst < 0 ? fail(c, "open") : copy_directory(c, src, dst, depth + 1);
}

static int copy_entry(struct copier *c, int src_dir, int dst_dir, const char *name, int depth)
{
	struct stat st;
	int rc;

	if (fstatat(src_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, "look at");
	if (S_ISDIR(st.st_mode))
		return copy_subdirectory(c, src_dir, dst_dir, name, depth);
	rc = copy_hard_link(c, dst_dir, name, &st);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return S_ISREG(st.st_mode) ? copy_file(c, src_dir, dst_dir, name, &st)
				   : copy_other(c, src_dir, dst_dir, name, &st);
}

static int copy_entries(struct copier *c, DIR *dir, int src_fd, int dst_fd, int depth)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		size_t before = c->path.len;
		int rc;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		strbuf_printf(&c->path, "%s%s", before ? "/" : "", entry->d_name);
		rc = copy_entry(c, src_fd, dst_fd, entry->d_name, depth);
		if (rc < 0)
			return rc;
		c->path.len = before;
		c->path.data[before] = '\0';
	}
	return 0;
}

static int copy_directory(struct copier *c, int src_fd, int dst_fd, int depth)
{
	auto_close int scan = openat(src_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = scan < 0 ? NULL : fdopendir(scan);
	struct stat st;
	int rc;

	if (!dir || fstat(src_fd, &st) < 0)
		return fail(c, "open");
	take_fd(&scan);
	if (depth > DEPTH_MAX)
		return err_set(c->err, ERR_UNSUPPORTED, ELOOP, "%s: more than %d directories deep",
			       strbuf_str(&c->path), DEPTH_MAX);
	rc = copy_entries(c, dir, src_fd, dst_fd, depth);
	return rc < 0 ? rc : copy_attributes_fd(c, src_fd, dst_fd, &st);
}

int copy_tree(int src_fd, int dst_fd, struct err *err)
{
	struct copier c = {.dst_root = dst_fd, .err = err};
	int rc = copy_directory(&c, src_fd, dst_fd, 0);

	for (size_t i = 0; i < c.link_count; i++)
		free(c.links[i].path);
	free(c.links);
	strbuf_free(&c.path);
	return rc;
}

int copy_attributes(int src_fd, int dst_fd, struct err *err)
{
	struct copier c = {.dst_root = dst_fd, .err = err};
	struct stat st;
	int rc = fstat(src_fd, &st) < 0 ? fail(&c, "open")
					: copy_attributes_fd(&c, src_fd, dst_fd, &st);

	strbuf_free(&c.path);
	return rc;
}

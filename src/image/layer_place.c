/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the things a layer names. Directories are opened through the door; a name is then made in the
 * opened directory, exclusively, after what was there is gone. Nothing is ever opened by a path that
 * the tar chose in full.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "image/image_archive.h"
#include "image/layer_internal.h"
#include "kernel/path.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
/* Directories whose times wait for the end: more than any image has, less than memory. */
#define DIRECTORIES_MAX (4u << 20)

static int fail(struct err *err, const char *path, const char *what)
{
	return err_sys(err, "%.200s: %s", path, what);
}

static int fail_code(struct err *err, int rc, const char *path, const char *what)
{
	return err_set(err, ERR_SYSTEM, -rc, "%.200s: %s: %s", path, what, err_errno_text(-rc));
}

void layer_note_times(struct layer *l, const char *path, const struct timespec times[2])
{
	size_t n = l->directory_count;

	if (n >= DIRECTORIES_MAX)
		return;
	if ((n & (n + 1)) == 0)
		l->directories = xrealloc(l->directories, 2 * (n + 1) * sizeof(*l->directories));
	l->directories[n].path = xstrdup(path);
	memcpy(l->directories[n].times, times, sizeof(l->directories[n].times));
	l->directory_count++;
}

/* ---- directories above ---- */

static void forget_parent(struct layer *l)
{
	if (l->parent >= 0)
		close(l->parent);
	l->parent = -1;
}

/* Gives a directory that the tar does not mention the attributes it has in the layers below. */
static int inherit(struct layer *l, const char *path, int fd)
{
	struct merged_entry below;
	auto_close int from = -1, dir = -1;
	struct timespec times[2];
	int rc = merged_find(l->lower, path, false, &below);

	if (rc < 0)
		return fchmod(fd, 0755) < 0 ? -errno : 0;
	dir = below.dir;
	if (!S_ISDIR(below.st.st_mode))
		return fchmod(fd, 0755) < 0 ? -errno : 0;
	from = path_open_nosymlink(dir, below.leaf, OPEN_DIR, 0);
	if (from < 0)
		return from;
	times[0] = below.st.st_atim;
	times[1] = below.st.st_mtim;
	layer_note_times(l, path, times);
	return attributes_copy(from, fd, &below.st);
}

int layer_start(struct layer *l, struct err *err)
{
	int rc = l->lower->count ? inherit(l, ".", l->root) : 0;

	return rc < 0 ? fail_code(err, rc, "/", "take over its attributes") : 0;
}

static int make_implied(struct layer *l, const char *path)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int parent = path_open_parent(l->root, path, leaf);
	auto_close int fd = -1;

	if (parent < 0)
		return parent;
	if (mkdirat(parent, leaf, 0700) < 0) {
		if (errno != EEXIST)
			return -errno;
		/* a dangling symlink: what it points to gets made */
		fd = path_mkdir_all(l->root, path, 0755, 0, 0);
		return fd < 0 ? fd : 0;
	}
	fd = path_open_nosymlink(parent, leaf, OPEN_DIR, 0);
	return fd < 0 ? fd : inherit(l, path, fd);
}

/* Opens the directory path, making every missing one on the way. */
static int open_directory(struct layer *l, const char *path)
{
	char part[PATH_MAX];
	int fd = path_open(l->root, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	for (size_t n = strcspn(path, "/");; n += 1 + strcspn(path + n + 1, "/")) {
		memcpy(part, path, n);
		part[n] = '\0';
		fd = path_open(l->root, part, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0)
			close(fd);
		else if (fd == -ENOENT)
			fd = make_implied(l, part);
		if (fd < 0)
			return fd;
		if (path[n] == '\0')
			return path_open(l->root, path, O_RDONLY | O_DIRECTORY, 0);
	}
}

int layer_parent(struct layer *l, const char *path, const char **leaf, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 1;
	const char *dir = slash ? path : ".";

	*leaf = slash ? slash + 1 : path;
	if (strlen(*leaf) > NAME_MAX)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "%.100s...: name too long", path);
	if (l->parent >= 0 && strlen(l->parent_path) == n && memcmp(l->parent_path, dir, n) == 0)
		return 0;
	forget_parent(l);
	memcpy(l->parent_path, dir, n);
	l->parent_path[n] = '\0';
	l->parent = open_directory(l, l->parent_path);
	if (l->parent < 0) {
		int rc = l->parent;

		l->parent = -1;
		return fail_code(err, rc, path, "open its directory");
	}
	return 0;
}

/* ---- one thing of each type ---- */

typedef int (*maker)(struct layer *l, struct archive_entry *e, const char *leaf, const char *path,
		     struct err *err);

/* Owner, mode and so on of what has no fd: symlinks, devices, fifos. */
static int finish_named(struct layer *l, struct archive_entry *e, const char *leaf, bool symlink,
			const char *path, struct err *err)
{
	struct placed p = {.fd = -1, .parent = l->parent, .leaf = leaf, .symlink = symlink};
	struct timespec times[2];
	int rc = attributes_apply(l, e, &p, path, err);

	attributes_times(e, times);
	if (rc == 0 && utimensat(l->parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail(err, path, "set its times");
	return rc;
}

static int write_block(int fd, const void *block, size_t n, la_int64_t offset)
{
	const char *bytes = block;

	while (n > 0) {
		ssize_t w = pwrite(fd, bytes, n, (off_t)offset);

		if (w < 0 && errno != EINTR)
			return -errno;
		if (w > 0) {
			bytes += w;
			offset += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

static int write_data(struct layer *l, int fd, la_int64_t size, const char *path, struct err *err)
{
	la_int64_t end = 0;

	for (;;) {
		const void *block;
		la_int64_t offset;
		size_t n;
		int rc = archive_read_data_block(l->archive, &block, &n, &offset);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return err_set(err, ERR_INVALID, EBADMSG, "%.200s: %s", path,
				       archive_error_string(l->archive)
					       ? archive_error_string(l->archive)
					       : "damaged");
		if (offset < 0 || (la_int64_t)n > size - offset)
			return err_set(err, ERR_INVALID, EBADMSG,
				       "%.200s: has more data than its size", path);
		rc = write_block(fd, block, n, offset);
		if (rc < 0)
			return fail_code(err, rc, path, "write");
		end = offset + (la_int64_t)n;
	}
	if (end < size && ftruncate(fd, size) < 0)
		return fail(err, path, "set its size");
	return 0;
}

static int make_file(struct layer *l, struct archive_entry *e, const char *leaf, const char *path,
		     struct err *err)
{
	struct placed p = {.parent = l->parent, .leaf = leaf};
	auto_close int fd = -1;
	struct timespec times[2];
	la_int64_t size = archive_entry_size(e);
	int rc;

	if (size < 0)
		return err_set(err, ERR_INVALID, EINVAL, "%.200s: negative size", path);
	fd = openat(l->parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, path, "create");
	rc = write_data(l, fd, size, path, err);
	p.fd = fd;
	if (rc == 0)
		rc = attributes_apply(l, e, &p, path, err);
	attributes_times(e, times);
	if (rc == 0 && futimens(fd, times) < 0)
		rc = fail(err, path, "set its times");
	l->out->size_bytes += (uint64_t)size;
	return rc;
}

static int make_directory(struct layer *l, struct archive_entry *e, const char *leaf,
			  const char *path, struct err *err)
{
	struct placed p = {.parent = l->parent, .leaf = leaf};
	auto_close int fd = -1;
	struct timespec times[2];

	if (mkdirat(l->parent, leaf, 0700) < 0 && errno != EEXIST)
		return fail(err, path, "create");
	fd = path_open_nosymlink(l->parent, leaf, OPEN_DIR, 0);
	if (fd < 0)
		return fail_code(err, fd, path, "open");
	attributes_times(e, times);
	layer_note_times(l, path, times);
	p.fd = fd;
	return attributes_apply(l, e, &p, path, err);
}

static int make_symlink(struct layer *l, struct archive_entry *e, const char *leaf,
			const char *path, struct err *err)
{
	const char *target = archive_entry_symlink(e);

	if (!target || !target[0])
		return err_set(err, ERR_INVALID, EINVAL, "%.200s: symlink without a target", path);
	if (symlinkat(target, l->parent, leaf) < 0)
		return fail(err, path, "create");
	l->out->size_bytes += strlen(target);
	return finish_named(l, e, leaf, true, path, err);
}

static int make_node(struct layer *l, struct archive_entry *e, const char *leaf, const char *path,
		     struct err *err)
{
	mode_t type = archive_entry_filetype(e);

	if (mknodat(l->parent, leaf, type | 0600, archive_entry_rdev(e)) < 0)
		return fail(err, path, "create");
	return finish_named(l, e, leaf, false, path, err);
}

/* ---- hard links ---- */

/* Copies the contents of a regular file, keeping holes. */
static int copy_data(int from, int to, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole, out;

		if (data < 0)
			break;
		hole = lseek(from, data, SEEK_HOLE);
		out = data;
		while (hole > data) {
			ssize_t n =
				copy_file_range(from, &data, to, &out, (size_t)(hole - data), 0);

			if (n < 0)
				return -errno;
			if (n == 0)
				return -EIO;
		}
		at = hole;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

static int copy_up_file(int dir, const char *leaf, const struct merged_entry *from)
{
	const struct timespec times[2] = {from->st.st_atim, from->st.st_mtim};
	auto_close int in = -1, out = -1;
	int rc;

	in = path_open_nosymlink(from->dir, from->leaf, O_RDONLY | O_NOFOLLOW, 0);
	if (in < 0)
		return in;
	out = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	rc = copy_data(in, out, from->st.st_size);
	if (rc == 0)
		rc = attributes_copy(in, out, &from->st);
	return rc == 0 && futimens(out, times) < 0 ? -errno : rc;
}

static int copy_up_special(int dir, const char *leaf, const struct merged_entry *from)
{
	const struct timespec times[2] = {from->st.st_atim, from->st.st_mtim};
	char target[PATH_MAX];

	if (S_ISLNK(from->st.st_mode)) {
		ssize_t n = readlinkat(from->dir, from->leaf, target, sizeof(target) - 1);

		if (n < 0)
			return -errno;
		target[n] = '\0';
		if (symlinkat(target, dir, leaf) < 0)
			return -errno;
	} else if (mknodat(dir, leaf, from->st.st_mode & ~07777u, from->st.st_rdev) < 0) {
		return -errno;
	}
	if (fchownat(dir, leaf, from->st.st_uid, from->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(from->st.st_mode) && fchmodat(dir, leaf, from->st.st_mode & 07777, 0) < 0) ||
	    utimensat(dir, leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* Brings a file of the layers below into this one, as overlayfs does before it links. */
static int copy_up(struct layer *l, const struct merged_entry *from, char leaf[PATH_LEAF_SIZE])
{
	const char *slash = strrchr(from->path, '/');
	char dir[PATH_MAX];
	int fd, rc;

	if (str_format(dir, sizeof(dir), "%.*s", slash ? (int)(slash - from->path) : 1,
		       slash ? from->path : ".") < 0)
		return -ENAMETOOLONG;
	strcpy(leaf, from->leaf);
	fd = open_directory(l, dir);
	if (fd < 0)
		return fd;
	rc = S_ISREG(from->st.st_mode) ? copy_up_file(fd, leaf, from)
				       : copy_up_special(fd, leaf, from);
	if (rc < 0 && rc != -EEXIST) {
		close(fd);
		return rc;
	}
	if (rc == 0 && S_ISREG(from->st.st_mode))
		l->out->size_bytes += (uint64_t)from->st.st_size;
	return fd;
}

/* Finds the target in the layers below, with this one on top. A directory fd, or -errno. */
static int find_below(struct layer *l, const char *target, char leaf[PATH_LEAF_SIZE])
{
	auto_free int *layers = xcalloc(l->lower->count + 1, sizeof(*layers));
	struct merged all = {.layers = layers, .count = l->lower->count + 1};
	struct merged_entry found;
	int rc;

	layers[0] = l->root;
	memcpy(layers + 1, l->lower->layers, l->lower->count * sizeof(*layers));
	rc = merged_find(&all, target, false, &found);
	if (rc < 0)
		return rc;
	rc = S_ISDIR(found.st.st_mode) ? -EPERM : copy_up(l, &found, leaf);
	close(found.dir);
	return rc;
}

static int make_hard_link(struct layer *l, struct archive_entry *e, const char *leaf,
			  const char *path, struct err *err)
{
	char clean[PATH_MAX], target_leaf[PATH_LEAF_SIZE];
	const char *target = archive_entry_hardlink(e);
	auto_close int dir = -1;
	struct stat st;

	if (archive_clean_name(target, clean) < 0 || str_eq(clean, "."))
		return err_set(err, ERR_INVALID, EINVAL,
			       "%.200s: hard link to \"%.200s\" leads out of the image", path,
			       target);
	dir = path_open_parent(l->root, clean, target_leaf);
	if (dir >= 0 && fstatat(dir, target_leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		close(dir);
		dir = -ENOENT;
	} else if (dir >= 0 && is_whiteout(&st)) {
		return err_set(err, ERR_INVALID, ENOENT,
			       "%.200s: hard link to \"%.200s\", which does not exist", path,
			       target);
	}
	if (dir == -ENOENT)
		dir = find_below(l, clean, target_leaf);
	if (dir < 0) {
		int rc = dir;

		dir = -1;
		return err_set(err, ERR_INVALID, -rc, "%.200s: hard link to \"%.200s\": %s", path,
			       target, err_errno_text(-rc));
	}
	/* flags 0: a symlink is linked, not followed */
	if (linkat(dir, target_leaf, l->parent, leaf, 0) < 0)
		return err_sys(err, "%.200s: hard link to \"%.200s\"", path, target);
	return 0;
}

/* ---- placing ---- */

static maker maker_of(struct archive_entry *e)
{
	static const struct {
		mode_t type;
		maker make;
	} makers[] = {
		{AE_IFREG, make_file}, {AE_IFDIR, make_directory}, {AE_IFLNK, make_symlink},
		{AE_IFCHR, make_node}, {AE_IFBLK, make_node},      {AE_IFIFO, make_node},
	};

	if (archive_entry_hardlink(e))
		return make_hard_link;
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (makers[i].type == archive_entry_filetype(e))
			return makers[i].make;
	return NULL;
}

static int set_opaque(int dir)
{
	return fsetxattr(dir, OVERLAY_OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
}

/* Clears the place for a new thing. *hid: a whiteout was there, so what is made must hide too. */
static int clear_place(struct layer *l, const char *leaf, bool directory, bool *hid)
{
	struct stat st;

	*hid = false;
	if (fstatat(l->parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (directory && S_ISDIR(st.st_mode))
		return 0;
	*hid = is_whiteout(&st);
	/* by way of a symlink this may be the very directory that is remembered */
	l->parent_path[0] = '\0';
	return remove_tree_at(l->parent, leaf);
}

int layer_make(struct layer *l, struct archive_entry *e, const char *leaf, const char *path,
	       struct err *err)
{
	maker make = maker_of(e);

	if (!make)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%.200s: unknown type of entry",
			       path);
	return make(l, e, leaf, path, err);
}

int layer_place(struct layer *l, struct archive_entry *e, const char *path, struct err *err)
{
	bool directory = archive_entry_filetype(e) == AE_IFDIR && !archive_entry_hardlink(e);
	const char *leaf;
	bool hid;
	int rc = layer_parent(l, path, &leaf, err);

	if (rc < 0)
		return rc;
	rc = clear_place(l, leaf, directory, &hid);
	if (rc < 0)
		return fail_code(err, rc, path, "replace");
	rc = layer_make(l, e, leaf, path, err);
	if (rc == 0 && hid && directory) {
		auto_close int fd = path_open_nosymlink(l->parent, leaf, OPEN_DIR, 0);

		rc = fd < 0 ? fd : set_opaque(fd);
		if (rc < 0)
			return fail_code(err, rc, path, "make opaque");
	}
	return rc;
}

int layer_whiteout(struct layer *l, const char *path, const char *name, struct err *err)
{
	const char *unused;
	auto_close int fd = -1;
	struct stat st;
	int rc = layer_parent(l, path, &unused, err);

	if (rc < 0)
		return rc;
	if (fstatat(l->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return fail(err, path, "look for what it hides");
		if (mknodat(l->parent, name, S_IFCHR, makedev(0, 0)) < 0)
			return fail(err, path, "create whiteout");
		return 0;
	}
	/* what this very layer has stays (OCI: whiteouts apply to lower layers only) */
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = path_open_nosymlink(l->parent, name, OPEN_DIR, 0);
	rc = fd < 0 ? fd : set_opaque(fd);
	return rc < 0 ? fail_code(err, rc, path, "make opaque") : 0;
}

int layer_opaque(struct layer *l, const char *path, struct err *err)
{
	const char *unused;
	int rc = layer_parent(l, path, &unused, err);

	if (rc < 0)
		return rc;
	if (!strchr(path, '/')) {
		l->root_opaque = true;
		return 0;
	}
	rc = set_opaque(l->parent);
	return rc < 0 ? fail_code(err, rc, path, "make opaque") : 0;
}

/* ---- the end ---- */

/* overlayfs always merges the roots of its layers, so a root that hides needs a whiteout for each
 * name below. */
static int hide_name(struct layer *l, const char *name)
{
	auto_close int fd = -1;
	struct stat st;

	if (str_eq(name, ".") || str_eq(name, ".."))
		return 0;
	if (fstatat(l->root, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		return mknodat(l->root, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = path_open_nosymlink(l->root, name, OPEN_DIR, 0);
	return fd < 0 ? fd : set_opaque(fd);
}

static int hide_roots(struct layer *l)
{
	for (size_t i = 0; i < l->lower->count; i++) {
		int fd = path_open_nosymlink(l->lower->layers[i], ".", OPEN_DIR, 0);
		auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *e;

		if (!dir)
			return fd < 0 ? fd : -errno;
		while ((e = readdir(dir))) {
			int rc = hide_name(l, e->d_name);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int layer_finish(struct layer *l, struct err *err)
{
	int rc = l->root_opaque ? hide_roots(l) : 0;

	if (rc < 0)
		return fail_code(err, rc, "/", "make opaque");
	for (size_t i = 0; i < l->directory_count; i++) {
		const struct directory_times *d = &l->directories[i];
		auto_close int fd = path_open(l->root, d->path, OPEN_DIR, 0);

		/* replaced by something else since */
		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
			continue;
		if (fd < 0)
			return fail_code(err, fd, d->path, "open");
		if (futimens(fd, d->times) < 0)
			return fail(err, d->path, "set its times");
	}
	forget_parent(l);
	return 0;
}

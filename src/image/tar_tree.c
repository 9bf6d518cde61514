/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees into tar. Every object is first opened as a mere name (O_PATH | O_NOFOLLOW) and looked at
 * through that descriptor; only what then is a plain file or a directory is opened for reading, by
 * way of /proc/self/fd, which is the same object whatever the container has put in its place since.
 * Where there is no /proc (cloche-image), nobody else changes the tree.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/strv.h"
#include "image/merged.h"
#include "image/tar_write.h"

/* One descriptor a level; the usual limit is 1,024. */
#define DEPTH_MAX 500
#define CHUNK (128u << 10)
#define XATTR_BYTES 65536
#define FIRST_LINKS 64u

struct walk {
	struct tar_writer *w;
	const struct tar_tree_options *o;
	struct strbuf name; /* of the entry under way */
	unsigned depth;
	unsigned char *chunk;
	struct err *err;
};

/* An object that was looked at. */
struct node {
	int fd;  /* O_PATH */
	int dir; /* that holds it under leaf */
	const char *leaf;
	struct stat st;
};

static int fail(struct walk *k, const char *what)
{
	return err_sys(k->err, "%s %.300s", what, strbuf_str(&k->name));
}

static int fail_code(struct walk *k, int rc, const char *what)
{
	return err_set(k->err, ERR_SYSTEM, -rc, "%s %.300s: %s", what, strbuf_str(&k->name),
		       err_errno_text(-rc));
}

/* ---- hard links ---- */

static size_t link_slot(const struct tar_writer *w, const struct stat *st)
{
	size_t at = ((size_t)st->st_ino * 0x9e3779b97f4a7c15ull ^ (size_t)st->st_dev) &
		    (w->link_size - 1);

	while (w->links[at].name &&
	       (w->links[at].inode != st->st_ino || w->links[at].device != st->st_dev))
		at = (at + 1) & (w->link_size - 1);
	return at;
}

static void grow_links(struct tar_writer *w)
{
	struct tar_writer old = *w;

	w->link_size = old.link_size ? 2 * old.link_size : FIRST_LINKS;
	w->links = xcalloc(w->link_size, sizeof(*w->links));
	for (size_t i = 0; i < old.link_size; i++) {
		const struct stat st = {.st_dev = old.links[i].device,
					.st_ino = old.links[i].inode};

		if (old.links[i].name)
			w->links[link_slot(w, &st)] = old.links[i];
	}
	free(old.links);
}

/* The name under which this file is in the archive, or NULL the first time. */
static const char *seen_as(struct tar_writer *w, const struct stat *st, const char *name)
{
	size_t at;

	if (st->st_nlink < 2)
		return NULL;
	if (2 * w->link_count >= w->link_size)
		grow_links(w);
	at = link_slot(w, st);
	if (w->links[at].name)
		return w->links[at].name;
	w->links[at] = (struct tar_link){st->st_dev, st->st_ino, xstrdup(name)};
	w->link_count++;
	return NULL;
}

/* ---- one object ---- */

/* The object itself, for reading. */
static int reopen(const struct node *n, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", n->fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	if (fd < 0 && errno == ENOENT)
		fd = openat(n->dir, n->leaf,
			    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

static bool is_private_xattr(const char *name)
{
	return str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay.") ||
	       str_eq(name, "security.selinux");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* fd must be readable. Attributes that the file system does not have are none. */
static int read_xattrs(struct walk *k, int fd, struct strbuf *out, bool *opaque)
{
	auto_free char *list = xrealloc(NULL, XATTR_BYTES);
	auto_strv struct strv names = {0};
	ssize_t n = flistxattr(fd, list, XATTR_BYTES);

	*opaque = false;
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : fail(k, "read the attributes of");
	for (const char *name = list; name < list + n; name += strlen(name) + 1)
		strv_add(&names, name);
	if (names.count)
		qsort(names.items, names.count, sizeof(char *), by_name);
	for (size_t i = 0; i < names.count; i++) {
		auto_free char *key = xasprintf("SCHILY.xattr.%s", names.items[i]);
		ssize_t size = fgetxattr(fd, names.items[i], list, XATTR_BYTES);

		/* taken away meanwhile */
		if (size < 0 && errno == ENODATA)
			continue;
		if (size < 0)
			return fail(k, "read the attributes of");
		if (str_eq(names.items[i], OVERLAY_OPAQUE))
			*opaque = size == 1 && list[0] == 'y';
		else if (!is_private_xattr(names.items[i]))
			tar_pax_record(out, key, list, (size_t)size);
	}
	return 0;
}

static int write_content(struct walk *k, int fd, uint64_t size)
{
	uint64_t left = size;
	int rc = 0;

	while (rc == 0 && left > 0) {
		size_t want = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = read(fd, k->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(k, "read");
		/* it shrank: what the header promised is filled up */
		if (n == 0) {
			memset(k->chunk, 0, want);
			n = (ssize_t)want;
		}
		rc = tar_write_data(k->w, k->chunk, (size_t)n, k->err);
		left -= (uint64_t)n;
	}
	return rc < 0 ? rc : tar_end_data(k->w, size, k->err);
}

static struct tar_entry entry_of(struct walk *k, const struct stat *st)
{
	return (struct tar_entry){
		.name = strbuf_str(&k->name), .st = st, .nanoseconds = k->o->nanoseconds};
}

static int write_file(struct walk *k, struct node *n)
{
	auto_strbuf struct strbuf xattrs = {0};
	auto_close int fd = reopen(n, 0);
	struct tar_entry e = entry_of(k, &n->st);
	bool opaque;
	int rc;

	if (fd < 0)
		return fail_code(k, fd, "open");
	/* its size now, not when it was looked at */
	if (fstat(fd, &n->st) < 0 || !S_ISREG(n->st.st_mode))
		return fail_code(k, -EBUSY, "open");
	rc = read_xattrs(k, fd, &xattrs, &opaque);
	e.xattrs = &xattrs;
	if (rc == 0)
		rc = tar_write_header(k->w, &e, k->err);
	return rc < 0 ? rc : write_content(k, fd, (uint64_t)n->st.st_size);
}

static int write_symlink(struct walk *k, struct node *n)
{
	struct tar_entry e = entry_of(k, &n->st);
	char target[PATH_MAX];
	ssize_t size = readlinkat(n->fd, "", target, sizeof(target) - 1);

	if (size < 0)
		return fail(k, "read");
	target[size] = '\0';
	e.target = target;
	return tar_write_header(k->w, &e, k->err);
}

/* A whiteout "x" of overlayfs is a file ".wh.x" in a layer. */
static int write_whiteout(struct walk *k, struct node *n)
{
	const struct stat st = {.st_mode = S_IFREG, .st_mtim = n->st.st_mtim};
	const char *name = strbuf_str(&k->name), *slash = strrchr(name, '/');
	size_t dir = slash ? (size_t)(slash - name) + 1 : 0;
	auto_free char *hidden = xasprintf("%.*s.wh.%s", (int)dir, name, name + dir);
	struct tar_entry e = {.name = hidden, .st = &st};

	return tar_write_header(k->w, &e, k->err);
}

static int write_other(struct walk *k, struct node *n)
{
	struct tar_entry e = entry_of(k, &n->st);

	if (S_ISSOCK(n->st.st_mode))
		return 0;
	if (k->o->overlay_upper && is_whiteout(&n->st))
		return write_whiteout(k, n);
	return tar_write_header(k->w, &e, k->err);
}

/* ---- directories ---- */

static int list_names(struct walk *k, int fd, struct strv *names)
{
	auto_close int scan = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = scan < 0 ? NULL : fdopendir(scan);
	struct dirent *e;

	if (!dir)
		return fail(k, "open");
	take_fd(&scan);
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			strv_add(names, e->d_name);
	}
	if (errno)
		return fail(k, "read");
	if (names->count)
		qsort(names->items, names->count, sizeof(char *), by_name);
	return 0;
}

static int write_node(struct walk *k, int dir, const char *leaf);

static int write_children(struct walk *k, int fd)
{
	auto_strv struct strv names = {0};
	size_t before = k->name.len;
	int rc = list_names(k, fd, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		strbuf_puts(&k->name, names.items[i]);
		rc = write_node(k, fd, names.items[i]);
		if (rc == 0) {
			k->name.len = before;
			k->name.data[before] = '\0';
		}
	}
	return rc;
}

static int write_directory_entry(struct walk *k, struct node *n, int fd)
{
	auto_strbuf struct strbuf xattrs = {0};
	struct tar_entry e;
	bool opaque = false;
	int rc = read_xattrs(k, fd, &xattrs, &opaque);

	if (k->name.len && k->name.data[k->name.len - 1] != '/')
		strbuf_putc(&k->name, '/');
	e = entry_of(k, &n->st);
	e.xattrs = &xattrs;
	if (rc == 0)
		rc = tar_write_header(k->w, &e, k->err);
	if (rc == 0 && opaque && k->o->overlay_upper) {
		auto_free char *name = xasprintf("%s.wh..wh..opq", e.name);
		const struct stat st = {.st_mode = S_IFREG, .st_mtim = n->st.st_mtim};
		const struct tar_entry hide = {.name = name, .st = &st};

		rc = tar_write_header(k->w, &hide, k->err);
	}
	return rc;
}

static int write_directory(struct walk *k, struct node *n)
{
	bool top = k->depth == 0;
	auto_close int fd = reopen(n, O_DIRECTORY);
	int rc = 0;

	if (fd < 0)
		return fail_code(k, fd, "open");
	if (k->depth >= DEPTH_MAX)
		return err_set(k->err, ERR_UNSUPPORTED, ELOOP,
			       "%.200s...: more than %d directories deep", strbuf_str(&k->name),
			       DEPTH_MAX);
	if (!top || !k->o->contents_only)
		rc = write_directory_entry(k, n, fd);
	k->depth++;
	if (rc == 0)
		rc = write_children(k, fd);
	k->depth--;
	return rc;
}

static int write_node(struct walk *k, int dir, const char *leaf)
{
	auto_close int fd = openat(dir, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct node n = {.fd = fd, .dir = dir, .leaf = leaf};
	const char *link;

	/* below the start things come and go */
	if (fd < 0 && errno == ENOENT && k->depth)
		return 0;
	if (fd < 0 || fstat(fd, &n.st) < 0)
		return fail(k, "open");
	if (k->o->skip && k->o->skip(k->o->context, strbuf_str(&k->name), &n.st))
		return 0;
	if (S_ISDIR(n.st.st_mode))
		return write_directory(k, &n);
	link = is_whiteout(&n.st) || S_ISSOCK(n.st.st_mode)
		       ? NULL
		       : seen_as(k->w, &n.st, strbuf_str(&k->name));
	if (link) {
		struct tar_entry e = entry_of(k, &n.st);

		e.target = link;
		e.hard_link = true;
		return tar_write_header(k->w, &e, k->err);
	}
	if (S_ISREG(n.st.st_mode))
		return write_file(k, &n);
	return S_ISLNK(n.st.st_mode) ? write_symlink(k, &n) : write_other(k, &n);
}

int tar_write_tree(struct tar_writer *w, int dir, const char *leaf, const char *name,
		   const struct tar_tree_options *options, struct err *err)
{
	auto_free unsigned char *chunk = xrealloc(NULL, CHUNK);
	struct walk k = {.w = w, .o = options, .chunk = chunk, .err = err};
	int rc;

	strbuf_puts(&k.name, name);
	rc = write_node(&k, dir, leaf);
	strbuf_free(&k.name);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks one component at a time, in all layers at once. Names opened here are single components
 * through the door with no symlink followed; symlinks are read and put in front of what is left.
 */
#include "image/merged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "base/strv.h"
#include "kernel/path.h"

#define RESTARTS_MAX 64

struct walk {
	const struct merged *m;
	int *dirs;           /* the current directory in each layer, -1 where it is not */
	char done[PATH_MAX]; /* resolved: no symlinks, no dots */
	char todo[PATH_MAX];
};

static void close_dirs(int *dirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (dirs[i] >= 0)
			close(dirs[i]);
}

static int to_root(struct walk *w)
{
	close_dirs(w->dirs, w->m->count);
	for (size_t i = 0; i < w->m->count; i++)
		w->dirs[i] = -1;
	for (size_t i = 0; i < w->m->count; i++) {
		w->dirs[i] = path_open_nosymlink(w->m->layers[i], ".", O_RDONLY | O_DIRECTORY, 0);
		if (w->dirs[i] < 0)
			return w->dirs[i];
	}
	w->done[0] = '\0';
	return 0;
}

static bool is_opaque(int dir)
{
	char value = 0;

	return fgetxattr(dir, OVERLAY_OPAQUE, &value, 1) == 1 && value == 'y';
}

/* The topmost layer that shows name in the current directory: its index or -ENOENT, -errno. */
static ssize_t find_layer(struct walk *w, const char *name, struct stat *st)
{
	for (size_t i = 0; i < w->m->count; i++) {
		if (w->dirs[i] < 0)
			continue;
		if (fstatat(w->dirs[i], name, st, AT_SYMLINK_NOFOLLOW) == 0)
			return is_whiteout(st) ? -ENOENT : (ssize_t)i;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

/* Makes directory name, first shown by layer `top`, the current one. */
static int descend(struct walk *w, const char *name, size_t top)
{
	bool hidden = false;

	for (size_t i = 0; i < w->m->count; i++) {
		struct stat st;
		int next = -1;

		if (w->dirs[i] < 0)
			continue;
		if (!hidden && i >= top &&
		    fstatat(w->dirs[i], name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (S_ISDIR(st.st_mode)) {
				next = path_open_nosymlink(w->dirs[i], name, O_RDONLY | O_DIRECTORY,
							   0);
				if (next < 0)
					return next;
				hidden = is_opaque(next);
			} else {
				hidden = true;
			}
		}
		close(w->dirs[i]);
		w->dirs[i] = next;
	}
	return 0;
}

/* Puts the symlink's target in front of what is left and goes back to the root. */
static int splice_link(struct walk *w, const char *name, size_t layer)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t n = readlinkat(w->dirs[layer], name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (str_format(whole, sizeof(whole), "%s/%s/%s", target[0] == '/' ? "" : w->done, target,
		       w->todo) < 0)
		return -ENAMETOOLONG;
	memcpy(w->todo, whole, strlen(whole) + 1);
	return to_root(w);
}

/* "..": forgets the last component of what is resolved and walks there again. */
static int ascend(struct walk *w)
{
	char whole[PATH_MAX];
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
	else
		w->done[0] = '\0';
	if (str_format(whole, sizeof(whole), "%s/%s", w->done, w->todo) < 0)
		return -ENAMETOOLONG;
	memcpy(w->todo, whole, strlen(whole) + 1);
	return to_root(w);
}

/* Takes the first component off what is left; "" when there is none. */
static int take_component(struct walk *w, char name[static NAME_MAX + 1])
{
	const char *start = w->todo + strspn(w->todo, "/");
	size_t n = strcspn(start, "/");
	size_t rest;

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, start, n);
	name[n] = '\0';
	start += n;
	start += strspn(start, "/");
	rest = strlen(start);
	memmove(w->todo, start, rest + 1);
	return 0;
}

static int found(struct walk *w, const char *name, size_t layer, const struct stat *st,
		 struct merged_entry *out)
{
	if (str_format(out->path, sizeof(out->path), "%s%s%s", w->done, w->done[0] ? "/" : "",
		       name) < 0)
		return -ENAMETOOLONG;
	strcpy(out->leaf, name);
	out->st = *st;
	out->dir = take_fd(&w->dirs[layer]);
	return 1;
}

/* One component. 1: found, 0: go on. */
static int step(struct walk *w, bool follow, int *restarts, struct merged_entry *out)
{
	char name[NAME_MAX + 1];
	struct stat st;
	ssize_t layer;
	size_t n;
	int rc = take_component(w, name);

	if (rc < 0)
		return rc;
	if (str_eq(name, ".") && w->todo[0])
		return 0;
	if (str_eq(name, "..")) {
		if (++*restarts > RESTARTS_MAX)
			return -ELOOP;
		return ascend(w);
	}
	if (!name[0])
		strcpy(name, ".");
	layer = find_layer(w, name, &st);
	if (layer < 0)
		return (int)layer;
	if (S_ISLNK(st.st_mode) && (w->todo[0] || follow)) {
		if (++*restarts > RESTARTS_MAX)
			return -ELOOP;
		return splice_link(w, name, (size_t)layer);
	}
	if (!w->todo[0])
		return found(w, name, (size_t)layer, &st, out);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	n = strlen(w->done);
	if (str_format(w->done + n, sizeof(w->done) - n, "%s%s", n ? "/" : "", name) < 0)
		return -ENAMETOOLONG;
	return descend(w, name, (size_t)layer);
}

int merged_find(const struct merged *m, const char *path, bool follow, struct merged_entry *out)
{
	struct walk w = {.m = m};
	int restarts = 0;
	int rc;

	out->dir = -1;
	if (m->count == 0)
		return -ENOENT;
	if (str_format(w.todo, sizeof(w.todo), "%s", path) < 0)
		return -ENAMETOOLONG;
	w.dirs = xcalloc(m->count, sizeof(*w.dirs));
	for (size_t i = 0; i < m->count; i++)
		w.dirs[i] = -1;
	rc = to_root(&w);
	while (rc == 0)
		rc = step(&w, follow, &restarts, out);
	close_dirs(w.dirs, m->count);
	free(w.dirs);
	return rc < 0 ? rc : 0;
}

int merged_read(const struct merged *m, const char *path, size_t max, char **out, size_t *len)
{
	struct merged_entry e;
	int rc = merged_find(m, path, true, &e);

	if (rc < 0)
		return rc;
	/* the leaf is no symlink, so the plain name is safe */
	rc = S_ISREG(e.st.st_mode) ? file_read_at(e.dir, e.leaf, max, out, len) : -ENOENT;
	close(e.dir);
	return rc;
}

/* Adds what one layer's directory shows that none above it hides. */
static int list_layer(int fd, struct strv *hidden, struct strv *names)
{
	auto_close int scan = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = scan < 0 ? NULL : fdopendir(scan);
	struct dirent *e;

	if (!dir)
		return -errno;
	take_fd(&scan);
	while ((errno = 0, e = readdir(dir)) != NULL) {
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    strv_contains(hidden, e->d_name) || strv_contains(names, e->d_name))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		strv_add(is_whiteout(&st) ? hidden : names, e->d_name);
	}
	return -errno;
}

int merged_list(const struct merged *m, const char *path, struct strv *names)
{
	auto_free int *dirs = xcalloc(m->count + 1, sizeof(*dirs));
	struct walk w = {.m = m, .dirs = dirs};
	auto_strv struct strv hidden = {0};
	char name[NAME_MAX + 1];
	int rc;

	for (size_t i = 0; i < m->count; i++)
		dirs[i] = -1;
	rc = str_format(w.todo, sizeof(w.todo), "%s", path);
	if (rc == 0)
		rc = to_root(&w);
	while (rc == 0 && (rc = take_component(&w, name)) == 0 && name[0]) {
		struct stat st;
		ssize_t layer = find_layer(&w, name, &st);

		rc = layer < 0 ? (int)layer : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
		if (rc == 0)
			rc = descend(&w, name, (size_t)layer);
	}
	for (size_t i = 0; rc == 0 && i < m->count; i++)
		if (dirs[i] >= 0)
			rc = list_layer(dirs[i], &hidden, names);
	close_dirs(dirs, m->count);
	return rc;
}

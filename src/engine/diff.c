/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the upper directory with the layers below it, which is what overlayfs recorded: only what
 * is in the upper directory can have changed. What counts as a change is moby's rule (statDifferent in
 * pkg/archive): type, mode, owner, device, and for what is no directory size and time of content.
 */
#include "engine/diff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/str.h"
#include "image/merged.h"

#define DEPTH_MAX 500

struct differ {
	struct merged lower;
	struct strbuf path; /* of the directory under way, relative, "" for the root */
	struct container_change *changes;
	size_t count;
	unsigned depth;
	struct err *err;
};

/* What a directory of the upper layer stands on. */
struct ground {
	bool lower;  /* the layers below have a directory of this path */
	bool opaque; /* and none of it shows through */
};

static const struct {
	const char *name;
	mode_t type;
} mount_points[] = {
	{"dev", S_IFDIR},           {"dev/console", S_IFREG}, {"dev/mqueue", S_IFDIR},
	{"dev/pts", S_IFDIR},       {"dev/shm", S_IFDIR},     {"etc", S_IFDIR},
	{"etc/hostname", S_IFREG},  {"etc/hosts", S_IFREG},   {"etc/resolv.conf", S_IFREG},
	{"proc", S_IFDIR},          {"sys", S_IFDIR},         {"sys/fs", S_IFDIR},
	{"sys/fs/cgroup", S_IFDIR},
};

bool container_is_mount_point(const char *name, const struct stat *st)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
		if (str_eq(mount_points[i].name, name) &&
		    (st->st_mode & S_IFMT) == mount_points[i].type)
			return S_ISDIR(st->st_mode) || st->st_size == 0;
	}
	return false;
}

static int fail(struct differ *d, int rc, const char *what)
{
	return err_set(d->err, ERR_SYSTEM, -rc, "%s /%s: %s", what, strbuf_str(&d->path),
		       err_errno_text(-rc));
}

static void add_change(struct differ *d, size_t at, enum change_kind kind)
{
	if ((d->count & (d->count + 1)) == 0)
		d->changes = xrealloc(d->changes, 2 * (d->count + 1) * sizeof(*d->changes));
	memmove(d->changes + at + 1, d->changes + at, (d->count - at) * sizeof(*d->changes));
	d->changes[at] = (struct container_change){xasprintf("/%s", strbuf_str(&d->path)), kind};
	d->count++;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_upper(struct differ *d, int fd, struct strv *names)
{
	auto_close int scan = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = scan < 0 ? NULL : fdopendir(scan);
	struct dirent *e;

	if (!dir)
		return fail(d, -errno, "open");
	take_fd(&scan);
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			strv_add(names, e->d_name);
	}
	return errno ? fail(d, -errno, "read") : 0;
}

/* Go's sameFsTimeSpec: a file system without fractions says nothing about them. */
static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec &&
	       (a->tv_nsec == b->tv_nsec || a->tv_nsec == 0 || b->tv_nsec == 0);
}

static bool is_different(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
	    a->st_rdev != b->st_rdev)
		return true;
	return !S_ISDIR(a->st_mode) &&
	       (a->st_size != b->st_size || !same_time(&a->st_mtim, &b->st_mtim));
}

/* What the layers below have at the path under way. 1 when there is something. */
static int find_lower(struct differ *d, const struct ground *ground, struct stat *st)
{
	struct merged_entry found;
	int rc = ground->lower ? merged_find(&d->lower, strbuf_str(&d->path), false, &found)
			       : -ENOENT;

	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc < 0)
		return fail(d, rc, "look below");
	close(found.dir);
	*st = found.st;
	return 1;
}

static int diff_directory(struct differ *d, int fd, struct ground ground);

static int diff_subdirectory(struct differ *d, int dir, const char *name, struct ground above,
			     const struct stat *below)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct ground ground = {.lower = below && S_ISDIR(below->st_mode)};
	char value = 0;
	int rc;

	/* removed or replaced meanwhile */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0)
		return fail(d, -errno, "open");
	if (d->depth >= DEPTH_MAX)
		return fail(d, -ELOOP, "descend into");
	ground.opaque = above.opaque ||
			(fgetxattr(fd, OVERLAY_OPAQUE, &value, 1) == 1 && value == 'y');
	d->depth++;
	rc = diff_directory(d, fd, ground);
	d->depth--;
	return rc;
}

static int diff_entry(struct differ *d, int dir, const char *name, struct ground ground)
{
	struct stat st, below = {.st_mode = 0};
	int here = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	int has = find_lower(d, &ground, &below);
	size_t at = d->count;
	bool noted = true;
	int rc = 0;

	if (has < 0 || (here < 0 && here != -ENOENT))
		return has < 0 ? has : fail(d, here, "look at");
	if (here < 0 || is_whiteout(&st)) {
		if (has)
			add_change(d, at, CHANGE_DELETED);
		return 0;
	}
	if (!has && container_is_mount_point(strbuf_str(&d->path), &st))
		noted = false;
	else if (!has)
		add_change(d, at, CHANGE_ADDED);
	else if (is_different(&st, &below))
		add_change(d, at, CHANGE_MODIFIED);
	else
		noted = false;
	if (S_ISDIR(st.st_mode))
		rc = diff_subdirectory(d, dir, name, ground, has ? &below : NULL);
	if (rc == 0 && !noted && d->count > at)
		add_change(d, at, CHANGE_MODIFIED);
	return rc;
}

static int diff_directory(struct differ *d, int fd, struct ground ground)
{
	auto_strv struct strv names = {0};
	size_t before = d->path.len;
	int rc = list_upper(d, fd, &names);

	/* of what does not show through, everything that is not here again is gone */
	if (rc == 0 && ground.lower && ground.opaque) {
		auto_strv struct strv below = {0};

		rc = merged_list(&d->lower, strbuf_str(&d->path), &below);
		if (rc < 0)
			return fail(d, rc, "look below");
		for (size_t i = 0; i < below.count; i++)
			if (!strv_contains(&names, below.items[i]))
				strv_add(&names, below.items[i]);
	}
	if (names.count)
		qsort(names.items, names.count, sizeof(char *), by_name);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		strbuf_printf(&d->path, "%s%s", before ? "/" : "", names.items[i]);
		rc = diff_entry(d, fd, names.items[i], ground);
		d->path.len = before;
		d->path.data[before] = '\0';
	}
	return rc;
}

static int open_lower(struct engine *e, const char *lower, int **out, size_t *count,
		      struct err *err)
{
	const char *at = lower ? lower : "";

	*out = NULL;
	*count = 0;
	while (*at) {
		size_t n = strcspn(at, ":");
		auto_free char *path = xasprintf("overlay2/%.*s", (int)n, at);
		int fd = openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(err, "open layer %s", path);
		*out = xrealloc(*out, (*count + 1) * sizeof(**out));
		(*out)[(*count)++] = fd;
		at += n + (at[n] == ':');
	}
	return 0;
}

int container_diff(struct engine *e, const struct container *c, struct container_change **out,
		   size_t *count, struct err *err)
{
	auto_free char *path = xasprintf("overlay2/%s/diff", c->id);
	struct ground ground = {.lower = true};
	struct differ d = {.err = err};
	auto_close int upper = -1;
	auto_free int *layers = NULL;
	size_t layer_count = 0;
	int rc;

	*out = NULL;
	*count = 0;
	if (c->config.rootfs)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s runs in a plain folder (--rootfs), which keeps no changes apart",
			       c->name);
	upper = openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* the layer is made at the first start */
	if (upper < 0 && errno == ENOENT)
		return 0;
	rc = upper < 0 ? err_sys(err, "open %s", path)
		       : open_lower(e, c->lower, &layers, &layer_count, err);
	d.lower = (struct merged){.layers = layers, .count = layer_count};
	ground.lower = layer_count > 0;
	strbuf_puts(&d.path, "");
	if (rc == 0)
		rc = diff_directory(&d, upper, ground);
	for (size_t i = 0; i < layer_count; i++)
		close(layers[i]);
	strbuf_free(&d.path);
	if (rc < 0) {
		container_changes_free(d.changes, d.count);
		return rc;
	}
	*out = d.changes;
	*count = d.count;
	return 0;
}

void container_changes_free(struct container_change *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the directories of a stack and compares each entry with the layers above and below it, as
 * overlayfs does when it merges them: a whiteout hides what has its name, anything but a directory
 * hides everything below its name, an opaque directory hides what lower ones of its name hold.
 *
 * A container may write to the upper directory meanwhile. Every look is by kernel/path below the layer's
 * own descriptor and through no symlink, so the walk stays in the layer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/merged.h"
#include "kernel/path.h"
#include "observe/probe/layers.h"

#define DEPTH_MAX 256

struct walk {
	struct layers_stack *stack;
	int *roots;   /* of each directory of the stack, readable; -1: could not be opened */
	size_t layer; /* being walked */
	/* Of that layer. Of an inode with several names each name counts its part, so that it counts
	 * once without a list of those seen; the parts add up to a whole number. */
	double bytes, disk_bytes;
};

enum hiding { SEEN, BY_WHITEOUT, BY_NEWER, BY_OPAQUE };

static const char *const hiding_names[] = {"", "whiteout", "replaced", "opaque directory"};

/* lstat of a path of a layer. False: not there, or below something that is no directory. */
static bool look(int root, const char *path, struct stat *st)
{
	auto_close int fd = -1;

	if (root < 0)
		return false;
	fd = path_open_nosymlink(root, path, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0 && fstat(fd, st) == 0;
}

static bool has_mark(int fd, const char *name)
{
	char trusted[64], user[64], value[256];

	snprintf(trusted, sizeof(trusted), "trusted.overlay.%s", name);
	snprintf(user, sizeof(user), "user.overlay.%s", name);
	return fgetxattr(fd, trusted, value, sizeof(value)) > 0 ||
	       fgetxattr(fd, user, value, sizeof(value)) > 0;
}

static bool path_has_mark(int root, const char *path, bool directory, const char *name)
{
	auto_close int fd = directory ? path_open_nosymlink(root, path, O_RDONLY | O_DIRECTORY, 0)
				      : path_open_regular(root, path, false);

	return fd >= 0 && has_mark(fd, name);
}

/* Whether a layer above hides the entry itself or, for a directory, all that it holds. */
static enum hiding hidden_by(const struct walk *w, const char *path, bool directory)
{
	struct stat st;

	for (size_t i = 0; i < w->layer; i++) {
		if (!look(w->roots[i], path, &st))
			continue;
		if (is_whiteout(&st))
			return BY_WHITEOUT;
		if (!S_ISDIR(st.st_mode) || !directory)
			return BY_NEWER;
		if (path_has_mark(w->roots[i], path, true, "opaque"))
			return BY_OPAQUE;
	}
	return SEEN;
}

/* Whether the layers below show something of that name. */
static bool below_has(const struct walk *w, const char *path)
{
	struct stat st;

	for (size_t i = w->layer + 1; i < w->stack->count; i++) {
		if (look(w->roots[i], path, &st))
			return !is_whiteout(&st);
	}
	return false;
}

static void example(struct strv *list, char *text)
{
	auto_free char *own = text;

	if (list->count < LAYERS_EXAMPLES)
		strv_add(list, own);
}

static void note_change(struct layers_directory *d, char kind, const char *path)
{
	switch (kind) {
	case 'A':
		d->added++;
		break;
	case 'C':
		d->changed++;
		break;
	default:
		d->removed++;
		break;
	}
	example(&d->change_examples, xasprintf("%c /%s", kind, path));
}

static void note_hidden(struct layers_directory *d, enum hiding how, const char *path,
			const struct stat *st)
{
	d->hidden_files++;
	if (S_ISREG(st->st_mode))
		d->hidden_bytes += (uint64_t)st->st_size;
	if (how != BY_NEWER)
		d->hidden_by_whiteout++;
	example(&d->hidden_examples, xasprintf("/%s (%s)", path, hiding_names[how]));
}

static void count_regular(struct walk *w, const char *path, const struct stat *st)
{
	struct layers_directory *d = &w->stack->directories[w->layer];
	uint64_t blocks = (uint64_t)st->st_blocks * 512;
	double names = st->st_nlink > 0 ? (double)st->st_nlink : 1;

	d->files++;
	w->bytes += (double)st->st_size / names;
	w->disk_bytes += (double)blocks / names;
	if (d->upper && path_has_mark(w->roots[w->layer], path, false, "origin")) {
		d->copied_up++;
		d->copied_up_bytes += blocks;
	}
}

static void visit_file(struct walk *w, const char *path, const struct stat *st, enum hiding how)
{
	struct layers_directory *d = &w->stack->directories[w->layer];

	if (is_whiteout(st)) {
		d->whiteouts++;
		note_change(d, 'D', path);
		return;
	}
	if (S_ISREG(st->st_mode))
		count_regular(w, path, st);
	else if (S_ISLNK(st->st_mode))
		d->symlinks++;
	else
		d->others++;
	if (how == SEEN)
		how = hidden_by(w, path, false);
	if (how != SEEN)
		note_hidden(d, how, path, st);
	note_change(d, below_has(w, path) ? 'C' : 'A', path);
}

static void visit_directory(struct walk *w, int fd, const char *path, enum hiding how,
			    unsigned depth);

/* Anything inside: an entry of the directory `path` ("" for the root). */
static void visit(struct walk *w, const char *path, enum hiding how, unsigned depth)
{
	int root = w->roots[w->layer];
	struct layers_directory *d = &w->stack->directories[w->layer];
	auto_close int fd = -1;
	struct stat st;

	if (!look(root, path, &st))
		return;
	if (!S_ISDIR(st.st_mode)) {
		visit_file(w, path, &st, how);
		return;
	}
	d->directories++;
	if (how == SEEN)
		how = hidden_by(w, path, true);
	fd = path_open_nosymlink(root, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	if (has_mark(fd, "opaque")) {
		d->opaque++;
		if (below_has(w, path))
			note_change(d, 'C', path);
	} else if (!below_has(w, path)) {
		note_change(d, 'A', path);
	}
	if (depth < DEPTH_MAX)
		visit_directory(w, take_fd(&fd), path, how, depth);
}

/* Takes fd. */
static void visit_directory(struct walk *w, int fd, const char *path, enum hiding how,
			    unsigned depth)
{
	auto_closedir DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		auto_free char *below = NULL;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		below = *path ? xasprintf("%s/%s", path, entry->d_name) : xstrdup(entry->d_name);
		if (strlen(below) < PATH_MAX)
			visit(w, below, how, depth + 1);
	}
}

static void add_directory(struct layers_stack *s, const char *path, bool upper)
{
	s->directories = xrealloc(s->directories, (s->count + 1) * sizeof(*s->directories));
	s->directories[s->count++] =
		(struct layers_directory){.path = xstrdup(path), .upper = upper};
}

static void close_roots(struct walk *w)
{
	for (size_t i = 0; i < w->stack->count; i++) {
		if (w->roots[i] >= 0)
			close(w->roots[i]);
	}
	free(w->roots);
}

int layers_walk(const struct layers_mount *m, struct layers_stack *out, struct err *err)
{
	struct walk w = {.stack = out};
	int rc = 0;

	*out = (struct layers_stack){0};
	if (!m->overlay)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the root is a %s, not an overlay: it has no layers", m->fs_type);
	if (m->upper)
		add_directory(out, m->upper, true);
	for (size_t i = 0; i < m->lower.count; i++)
		add_directory(out, m->lower.items[i], false);
	w.roots = xcalloc(out->count + 1, sizeof(*w.roots));
	for (size_t i = 0; i < out->count; i++) {
		w.roots[i] = open(out->directories[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (w.roots[i] < 0 && rc == 0)
			rc = err_sys(err, "open the layer %s", out->directories[i].path);
	}
	for (w.layer = 0; w.layer < out->count && rc == 0; w.layer++) {
		struct layers_directory *d = &out->directories[w.layer];
		int fd = fcntl(w.roots[w.layer], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			rc = err_sys(err, "walk %s", d->path);
			break;
		}
		w.bytes = w.disk_bytes = 0;
		visit_directory(&w, fd, "", SEEN, 0);
		d->bytes = (uint64_t)llround(w.bytes);
		d->disk_bytes = (uint64_t)llround(w.disk_bytes);
	}
	close_roots(&w);
	return rc;
}

void layers_stack_free(struct layers_stack *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->directories[i].path);
		strv_free(&s->directories[i].hidden_examples);
		strv_free(&s->directories[i].change_examples);
	}
	free(s->directories);
	*s = (struct layers_stack){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes of trees, which containers may be changing, and may have filled with anything, at that moment.
 * Each directory is opened from the top by a path without symlinks, so a rename under the walk cannot
 * lead it elsewhere, and depth costs no descriptors.
 */
#include "engine/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "image/image.h"
#include "kernel/path.h"

/* A file that has more names; it is counted at the end, once. */
struct linked_file {
	dev_t device;
	ino_t inode;
	uint64_t bytes;
};

struct tree_walk {
	int top;
	struct strv pending; /* directories, relative to top */
	uint64_t bytes;
	struct linked_file *linked;
	size_t linked_count;
	int skipped; /* -errno of the first directory that could not be read */
};

static void count_file(struct tree_walk *w, const struct stat *st)
{
	if (st->st_nlink < 2) {
		w->bytes += (uint64_t)st->st_size;
		return;
	}
	/* Room at powers of two. */
	if ((w->linked_count & (w->linked_count - 1)) == 0)
		w->linked = xrealloc(w->linked, (w->linked_count ? 2 * w->linked_count : 1) *
							sizeof(*w->linked));
	w->linked[w->linked_count++] = (struct linked_file){
		.device = st->st_dev, .inode = st->st_ino, .bytes = (uint64_t)st->st_size};
}

static void read_directory(struct tree_walk *w, const char *path)
{
	int fd = path_open_nosymlink(w->top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		/* Gone, or replaced by something else. */
		if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP && !w->skipped)
			w->skipped = fd;
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			strv_add_taken(&w->pending, xasprintf("%s/%s", path, entry->d_name));
		else
			count_file(w, &st);
	}
}

static int compare_files(const void *a, const void *b)
{
	const struct linked_file *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static void count_linked(struct tree_walk *w)
{
	if (w->linked_count)
		qsort(w->linked, w->linked_count, sizeof(*w->linked), compare_files);
	for (size_t i = 0; i < w->linked_count; i++) {
		if (i == 0 || compare_files(&w->linked[i - 1], &w->linked[i]) != 0)
			w->bytes += w->linked[i].bytes;
	}
}

int tree_size_at(int dirfd, const char *path, uint64_t *bytes)
{
	auto_close int top = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tree_walk w = {.top = top};

	*bytes = 0;
	if (top < 0)
		return -errno;
	strv_add(&w.pending, ".");
	while (w.pending.count) {
		auto_free char *next = w.pending.items[--w.pending.count];

		read_directory(&w, next);
	}
	count_linked(&w);
	*bytes = w.bytes;
	free(w.linked);
	free(w.pending.items);
	return w.skipped;
}

int container_size(struct engine *e, const struct container *c, struct container_size *out,
		   struct err *err)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	auto_free char *path = xasprintf("overlay2/%s/diff", c->id);
	struct image_summary image = {0};
	int rc;

	*out = (struct container_size){0};
	if (c->config.rootfs)
		return 0;
	rc = tree_size_at(e->root_fd, path, &out->rw_bytes);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "size of container %.12s: %s", c->id,
			       err_errno_text(-rc));
	out->rootfs_bytes = out->rw_bytes;
	if (!c->image_id)
		return 0;
	rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);
	if (rc == 0)
		rc = image_summarize(&store, c->image_id, &image, err);
	if (rc == 0)
		out->rootfs_bytes += image.size_bytes;
	image_summary_free(&image);
	return rc == -ENOENT ? 0 : rc;
}

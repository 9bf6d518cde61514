/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a hostile layer, plain or compressed, applied to a directory above another layer. Whatever
 * they say: nothing beside the layer's directory changes, the layer below does not change, and
 * overlayfs finds no attribute of its own that a tar brought.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "image/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	struct stream base;
	const uint8_t *data;
	size_t size;
};

static ssize_t memory_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct memory *m = (struct memory *)s;
	size_t n = m->size < 4096 ? m->size : 4096;

	(void)err;
	*bytes = m->data;
	m->data += n;
	m->size -= n;
	return (ssize_t)n;
}

static void memory_close(struct stream *s)
{
	(void)s;
}

/* The names in a directory, which must be the same before and after. */
static size_t count_names(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	return n;
}

static void make_lower(int top)
{
	if (mkdirat(top, "lower", 0755) < 0 || mkdirat(top, "lower/etc", 0750) < 0 ||
	    file_replace_at(top, "lower/etc/passwd", "root:x:0:0", 10, 0644, FILE_VOLATILE) < 0 ||
	    symlinkat("etc", top, "lower/link") < 0 || symlinkat("/", top, "lower/root") < 0)
		abort();
}

static void check_outside(int top, const struct stat *before)
{
	struct stat now;

	if (count_names(top, ".") != 4 || count_names(top, "lower") != 5 ||
	    count_names(top, "lower/etc") != 3)
		abort();
	if (fstatat(top, "lower/etc/passwd", &now, 0) < 0 || now.st_size != before->st_size ||
	    now.st_mode != before->st_mode || now.st_nlink != 1 || now.st_uid != before->st_uid)
		abort();
}

static void apply(int top, const uint8_t *data, size_t size)
{
	struct stream_budget budget = {.max_bytes = 4u << 20, .input_bytes = size, .where = "here"};
	struct memory source = {
		.base = {.next = memory_next, .close = memory_close}, .data = data, .size = size};
	auto_stream struct stream *s = stream_decompress(&source.base, &budget, "");
	auto_close int lower = openat(top, "lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int dir = openat(top, "diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct merged below = {.layers = &lower, .count = 1};
	struct layer_result result;
	struct err err = ERR_INIT;
	char value[16];

	if (layer_apply(s, dir, &below, &result, &err) < 0 && err.kind == ERR_NONE)
		abort();
	if (fgetxattr(dir, "trusted.overlay.redirect", value, sizeof(value)) >= 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char path[256];
	struct stat before;

	umask(0);
	snprintf(path, sizeof(path), "%s/layer-XXXXXX", tmp);
	if (!mkdtemp(path))
		abort();
	{
		auto_close int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		make_lower(top);
		if (mkdirat(top, "diff", 0755) < 0 ||
		    fstatat(top, "lower/etc/passwd", &before, 0) < 0)
			abort();
		apply(top, data, size);
		check_outside(top, &before);
	}
	if (remove_tree_at(AT_FDCWD, path) < 0)
		abort();
	return 0;
}

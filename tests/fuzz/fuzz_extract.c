/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar of `cp -`: whatever it says, nothing outside the root changes. The root already has a
 * directory, a file and links that lead out of it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "image/extract.h"

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

static void make_tree(int top)
{
	if (mkdirat(top, "outside", 0755) < 0 || mkdirat(top, "root", 0755) < 0 ||
	    mkdirat(top, "root/d", 0755) < 0 ||
	    file_replace_at(top, "outside/secret", "secret", 6, 0600, FILE_VOLATILE) < 0 ||
	    file_replace_at(top, "root/d/f", "x", 1, 0644, FILE_VOLATILE) < 0 ||
	    symlinkat("../../outside", top, "root/d/up") < 0 ||
	    symlinkat("../outside/secret", top, "root/l") < 0)
		abort();
}

static void check_outside(int top)
{
	char text[16] = "";
	struct stat st;

	if (fstatat(top, "outside/secret", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink != 1 ||
	    st.st_size != 6 || (st.st_mode & 07777) != 0600 ||
	    file_read_small_at(top, "outside/secret", text, sizeof(text)) != 6 ||
	    strcmp(text, "secret") != 0)
		abort();
	if (fstatat(top, "outside", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink != 2 ||
	    (st.st_mode & 07777) != 0755)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	struct extract_options options = {.directory = "d", .shown = "/d"};
	struct stream_budget budget = {.max_bytes = 4u << 20, .input_bytes = size, .where = "here"};
	struct extract_result result;
	struct err err = ERR_INIT;
	char path[256];

	if (size == 0)
		return 0;
	/* the first byte chooses how */
	options.keep_owner = data[0] & 1;
	options.foreign = data[0] & 2;
	options.replace_directories = data[0] & 4;
	options.directory = data[0] & 8 ? "." : "d";
	umask(0);
	snprintf(path, sizeof(path), "%s/extract-XXXXXX", tmp);
	if (!mkdtemp(path))
		abort();
	{
		struct memory source = {.base = {.next = memory_next, .close = memory_close},
					.data = data + 1,
					.size = size - 1};
		auto_stream struct stream *s = stream_decompress(&source.base, &budget, "");
		auto_close int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		auto_close int root = -1;

		make_tree(top);
		root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (extract_tar(s, root, &options, &result, &err) < 0 && err.kind == ERR_NONE)
			abort();
		check_outside(top);
	}
	if (remove_tree_at(AT_FDCWD, path) < 0)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is written as tar is read by others as it was meant, and a layer's record gives its tar back
 * byte for byte, whatever the tar is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "image/tar_record.h"
#include "image/tar_write.h"

struct world {
	char top[64];
	int fd; /* of top */
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->top, "/tmp/tar-XXXXXX");
	if (!mkdtemp(w->top))
		return -1;
	w->fd = open(w->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	return w->fd < 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->fd);
	if (remove_tree_at(AT_FDCWD, w->top) < 0)
		return -1;
	free(w);
	return 0;
}

static int to_buffer(void *context, const void *bytes, size_t n)
{
	strbuf_add(context, bytes, n);
	return 0;
}

/* A source in chunks of one size. */
struct chunks {
	struct stream base;
	const struct strbuf *text;
	size_t at, chunk;
};

static ssize_t chunks_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct chunks *c = (struct chunks *)s;
	size_t left = c->text->len - c->at;
	size_t n = left < c->chunk ? left : c->chunk;

	(void)err;
	*bytes = (const unsigned char *)c->text->data + c->at;
	c->at += n;
	return (ssize_t)n;
}

static void chunks_close(struct stream *s)
{
	(void)s;
}

/* Records text, as it comes in chunks, and gives it back with the files below diff. */
static void assert_given_back(struct world *w, const struct strbuf *text, size_t chunk, int diff)
{
	struct chunks source = {{chunks_next, chunks_close}, text, 0, chunk};
	auto_close int record = openat(w->fd, "record", O_RDWR | O_CREAT | O_TRUNC, 0600);
	auto_strbuf struct strbuf out = {0};
	auto_stream struct stream *tap = NULL;
	const unsigned char *bytes;
	struct tar_recorder *recorder;
	struct err err = ERR_INIT;
	uint64_t counted = 0, size = 0;

	tap = tar_record_tap(&source.base, record, &recorder);
	while (tap->next(tap, &bytes, &err) > 0)
		;
	assert_int_equal(tar_record_finish(recorder, &err), 0);
	assert_int_equal(tar_record_replay(record, -1, NULL, NULL, &counted, &err), 0);
	if (tar_record_replay(record, diff, to_buffer, &out, &size, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(counted, text->len);
	assert_int_equal(size, text->len);
	assert_int_equal(out.len, text->len);
	assert_memory_equal(out.data ? out.data : "", text->data, text->len);
}

static void make_file(int dir, const char *name, size_t n)
{
	auto_free char *bytes = xcalloc(1, n + 1);

	memset(bytes, 'x', n);
	assert_int_equal(file_replace_at(dir, name, bytes, n, 0640, FILE_VOLATILE), 0);
}

/* What ustar alone cannot hold is among it. */
static int make_tree(struct world *w)
{
	char name[230], target[300];
	int dir;

	assert_int_equal(mkdirat(w->fd, "tree", 0755), 0);
	dir = openat(w->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	make_file(dir, "a", 0);
	make_file(dir, "b", 512);
	make_file(dir, "c", 70001);
	make_file(dir, name, 3);
	assert_int_equal(linkat(dir, "c", dir, "link", 0), 0);
	assert_int_equal(symlinkat(target, dir, "long"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, "\xc3\xa9", 01777), 0);
	{
		const struct timespec old[2] = {{.tv_sec = -5}, {.tv_sec = -5}};

		assert_int_equal(utimensat(dir, "b", old, 0), 0);
	}
	return dir;
}

static void write_tree(int dir, struct strbuf *out)
{
	const struct tar_tree_options options = {.contents_only = true};
	auto_tar_writer struct tar_writer w = {0};
	struct err err = ERR_INIT;

	tar_writer_init(&w, to_buffer, out);
	if (tar_write_tree(&w, dir, ".", "", &options, &err) < 0 || tar_writer_finish(&w, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(w.size_bytes, out->len);
}

/* GNU tar's view of it, by names, types, modes and links. */
static void test_tar_reads_what_is_written(void **state)
{
	struct world *w = *state;
	auto_close int dir = make_tree(w);
	auto_strbuf struct strbuf text = {0};
	auto_free char *command = xasprintf(
		"cd %s && mkdir out && tar -xf x.tar -C out && cmp tree/c out/c && "
		"for d in tree out; do (cd $d && find . -mindepth 1 -printf '%%P %%y %%m %%n %%l\n' | "
		"sort >../$d.list); done && cmp tree.list out.list && "
		"test \"$(stat -c %%Y tree/b)\" = \"$(stat -c %%Y out/b)\"",
		w->top);

	if (system("command -v tar >/dev/null") != 0)
		skip();
	write_tree(dir, &text);
	assert_int_equal(file_replace_at(w->fd, "x.tar", text.data, text.len, 0600, FILE_VOLATILE),
			 0);
	assert_int_equal(system(command), 0);
}

static void test_a_record_gives_a_tar_back(void **state)
{
	static const size_t chunks[] = {1, 511, 512, 65536};
	struct world *w = *state;
	auto_close int dir = make_tree(w);
	auto_strbuf struct strbuf text = {0};

	write_tree(dir, &text);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		assert_given_back(w, &text, chunks[i], dir);
	/* cut anywhere, and with something behind it */
	text.len -= 700;
	assert_given_back(w, &text, 4096, dir);
	for (int i = 0; i < 3000; i++)
		strbuf_putc(&text, (char)(i * 31));
	assert_given_back(w, &text, 4096, dir);
}

static void test_a_record_gives_garbage_back(void **state)
{
	struct world *w = *state;
	auto_strbuf struct strbuf text = {0};

	strbuf_puts(&text, "");
	assert_given_back(w, &text, 4096, w->fd);
	srand(7);
	for (int i = 0; i < 100000; i++)
		strbuf_putc(&text, (char)rand());
	assert_given_back(w, &text, 4096, w->fd);
}

/* POSIX.1-2017, pax: the length counts the whole record, its own digits among it. */
static void test_pax_lengths_count_themselves(void **state)
{
	auto_strbuf struct strbuf out = {0};
	char value[200];

	(void)state;
	tar_pax_record(&out, "path", "ab", 2);
	assert_string_equal(strbuf_str(&out), "11 path=ab\n");
	/* 98 bytes without the number: two digits would make it 100, which has three */
	memset(value, 'v', sizeof(value));
	out.len = 0;
	tar_pax_record(&out, "k", value, 94);
	assert_int_equal(out.len, 101);
	assert_memory_equal(out.data, "101 k=v", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tar_reads_what_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_record_gives_a_tar_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_record_gives_garbage_back, setup, teardown),
		cmocka_unit_test(test_pax_lengths_count_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

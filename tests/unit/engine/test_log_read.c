/* SPDX-License-Identifier: Apache-2.0 */
/* Reading logs: the decoder, the last lines over several files, and following a writer that rotates
 * faster than the reader reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "engine/log_files.h"
#include "engine/log_read.h"
#include "engine_fixture.h"

#define TIME "\"time\":\"2026-11-22T07:00:00.5Z\""

static void test_decode(void **state)
{
	static const struct {
		const char *line, *text;
		bool is_stderr;
		const char *time;
	} rows[] = {
		{"{\"log\":\"a\\n\",\"stream\":\"stdout\"," TIME "}\n", "a\n", false,
		 "2026-11-22T07:00:00.500000000Z"},
		{"{\"log\":\"\",\"stream\":\"stderr\",\"time\":\"2026-11-22T07:00:00Z\"}", "", true,
		 "2026-11-22T07:00:00.000000000Z"},
		{"{\"log\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"," TIME "}", "\"\\/\b\f\n\r\t", false,
		 NULL},
		{"{\"log\":\"\\u0041\\u00e9\\u20AC\"," TIME "}", "A\xc3\xa9\xe2\x82\xac", false,
		 NULL},
		{"{\"log\":\"\\ud83d\\ude00!\"," TIME "}", "\xf0\x9f\x98\x80!", false, NULL},
		/* Halves of pairs, as Go decodes them. */
		{"{\"log\":\"\\ud83d!\"," TIME "}", "\xef\xbf\xbd!", false, NULL},
		{"{\"log\":\"\\ude00\\ud83d\"," TIME "}", "\xef\xbf\xbd\xef\xbf\xbd", false, NULL},
		{"{\"log\":\"\\ud83d\\ud83d\\ude00\"," TIME "}", "\xef\xbf\xbd\xf0\x9f\x98\x80",
		 false, NULL},
		{" { " TIME " , \"attrs\" : {\"a\":\"}\"} , \"log\" : \"x\" } ", "x", false, NULL},
		{"{\"other\":[1,{\"y\":\"]\"},null,-1e5],\"log\":\"x\"," TIME "}", "x", false,
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].line);
		char *buffer = malloc(n), time[LOG_TIME_LEN + 1];
		struct log_line line;

		if (log_line_decode(rows[i].line, n, buffer, &line) < 0)
			fail_msg("not decoded: %s", rows[i].line);
		assert_int_equal(line.text_len, strlen(rows[i].text));
		assert_memory_equal(line.text, rows[i].text, line.text_len);
		assert_int_equal(line.is_stderr, rows[i].is_stderr);
		assert_int_equal(log_line_time(&line, time), 0);
		if (rows[i].time)
			assert_string_equal(time, rows[i].time);
		free(buffer);
	}
}

static void test_refuse(void **state)
{
	static const char *const lines[] = {
		"",
		"{}",
		"{\"log\":\"x\"}",
		"{\"log\":\"x\"," TIME,
		"{\"log\":\"x," TIME "}",
		"{\"log\":\"\\x\"," TIME "}",
		"{\"log\":\"\\u12g4\"," TIME "}",
		"{\"log\":\"\\u12",
		"{\"log\":\"x\",\"log\":\"y\"," TIME "}",
		"{\"log\":5," TIME "}",
		"{\"log\":\"x\"," TIME "}x",
		"{\"log\":\"x\" " TIME "}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t n = strlen(lines[i]);
		char *buffer = malloc(n + 1);
		struct log_line line;

		if (log_line_decode(lines[i], n, buffer, &line) == 0)
			fail_msg("decoded: %s", lines[i]);
		free(buffer);
	}
}

/* ---- files ---- */

#define HEAD "ab"

static char *log_path(struct fixture *f)
{
	char id[ID_LEN + 1];

	fixture_id(id, HEAD);
	return xasprintf("%s/containers/%s/%s-json.log", f->e.root, id, id);
}

static void put_file(struct fixture *f, int number, const char *text)
{
	auto_free char *path = log_path(f);
	auto_free char *numbered = number ? xasprintf("%s.%d", path, number) : xstrdup(path);
	auto_fclose FILE *file = fopen(numbered, "w");

	assert_non_null(file);
	fputs(text, file);
}

static void open_log(struct fixture *f, const struct log_query *q, struct log_reader **r)
{
	auto_container struct container c;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	container_init(&c);
	fixture_id(id, HEAD);
	if (container_record_read(&f->e, id, &c, &err) < 0 ||
	    log_reader_open(&f->e, &c, q, r, &err) < 0)
		fail_msg("open: %s", err.msg);
}

static int next(struct log_reader *r, struct log_entry *entry)
{
	struct err err = ERR_INIT;
	int rc = log_reader_next(r, entry, &err);

	if (rc < 0)
		fail_msg("next: %s", err.msg);
	return rc;
}

/* All entries of a query, joined. */
static void expect(struct fixture *f, const struct log_query *q, const char *expected)
{
	auto_strbuf struct strbuf text = {0};
	struct log_reader *r;
	struct log_entry entry;

	open_log(f, q, &r);
	while (next(r, &entry) == LOG_ENTRY)
		strbuf_add(&text, entry.text, entry.len);
	assert_string_equal(strbuf_str(&text), expected);
	log_reader_close(r);
}

#define LINE(text, second) \
	"{\"log\":\"" text "\",\"stream\":\"stdout\",\"time\":\"2026-11-22T07:00:0" second "Z\"}\n"

static void test_files(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int64_t tail;
		const char *text;
	} rows[] = {{-1, "abcdef"}, {0, ""},      {1, "f"},      {2, "ef"},     {3, "def"},
		    {4, "cdef"},    {5, "bcdef"}, {6, "abcdef"}, {7, "abcdef"}, {1000, "abcdef"}};

	fixture_container(f, HEAD, "web", 1, true);
	expect(f, &(struct log_query){.tail = -1}, "");
	expect(f, &(struct log_query){.tail = 3}, "");
	put_file(f, 2, LINE("a", "1") LINE("b", "2.5"));
	put_file(f, 1, LINE("c", "3") LINE("d", "4"));
	put_file(f, 0, LINE("e", "5") LINE("f", "6"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(f, &(struct log_query){.tail = rows[i].tail}, rows[i].text);
	/* 1795330800 is 07:00:00. Of the last lines those within the time. */
	expect(f, &(struct log_query){.tail = -1, .since_ns = 1795330802500000000u}, "bcdef");
	expect(f, &(struct log_query){.tail = -1, .since_ns = 1795330802500000001u}, "cdef");
	expect(f, &(struct log_query){.tail = 3, .until_ns = 1795330805000000000u}, "de");
	expect(f, &(struct log_query){.tail = -1, .only_stderr = true}, "");
	/* Half a line of a writer that was killed; another that is being written. */
	put_file(f, 0, "{\"log\":\"lost" LINE("g", "7") "{\"log\":\"unfinished");
	expect(f, &(struct log_query){.tail = -1}, "abcdg");
}

/* ---- following ---- */

#define LINES 30000
#define FILE_BYTES 20000
#define FILES 3

static void mark(int fd, uint64_t begin)
{
	if (fsetxattr(fd, LOG_BEGIN_XATTR, &begin, sizeof(begin), 0) < 0)
		_exit(2);
}

static void rotate(const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s.%d", path, FILES - 2);
	snprintf(to, sizeof(to), "%s.%d", path, FILES - 1);
	rename(from, to);
	rename(path, from);
}

/* Stands in for a monitor: holds the lock, writes numbered lines of one length, rotates. */
static void write_log(struct fixture *f, int ready, int go)
{
	auto_free char *path = log_path(f);
	uint64_t begin = 0, size = 0;
	char id[ID_LEN + 1], line[128], byte = 0;
	int lock, fd = -1;

	fixture_id(id, HEAD);
	if (container_lock(&f->e, id, true, &lock) < 0)
		_exit(1);
	snprintf(line, sizeof(line),
		 "{\"SchemaVersion\":1,\"Status\":\"running\",\"Pid\":%d,\"MonitorPid\":%d,"
		 "\"StartedNs\":1}",
		 getpid(), getpid());
	fixture_state(f, HEAD, line);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	for (int i = 0; i < LINES; i++) {
		int n = snprintf(line, sizeof(line),
				 "{\"log\":\"%08d\\n\",\"stream\":\"stdout\"," TIME "}\n", i);

		if (fd < 0) {
			fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			mark(fd, begin);
		}
		if (write(fd, line, (size_t)n) != n)
			_exit(3);
		size += (uint64_t)n;
		if (size >= FILE_BYTES) {
			close(fd);
			fd = -1;
			begin += size;
			size = 0;
			rotate(path);
		}
	}
	_exit(0);
}

/* Every line is read once and in order, or counted as missed; the end of the writer is the end. */
static void follow(struct fixture *f, bool slowly)
{
	const struct log_query q = {.follow = true, .tail = -1};
	struct err err = ERR_INIT;
	struct log_reader *r;
	struct log_entry entry;
	int ready[2], go[2], status, rc, last = -1;
	int64_t seen = 0, missed = 0;
	char byte = 0;
	pid_t pid;

	fixture_container(f, HEAD, "web", 1, true);
	assert_int_equal(pipe(ready) | pipe(go), 0);
	pid = fork();
	if (pid == 0)
		write_log(f, ready[1], go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	open_log(f, &q, &r);
	assert_int_equal(write(go[1], &byte, 1), 1);
	/* Not before all was written and most of it rotated away. */
	if (slowly)
		assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	while ((rc = next(r, &entry)) != LOG_END) {
		if (rc == LOG_NONE) {
			assert_int_equal(log_reader_wait(r, &err), 0);
		} else if (rc == LOG_GAP) {
			assert_true(entry.bytes_missed > 0);
			missed += entry.bytes_missed;
		} else {
			char text[16];

			snprintf(text, sizeof(text), "%.*s", (int)entry.len, entry.text);
			assert_true(atoi(text) > last);
			last = atoi(text);
			seen++;
		}
	}
	log_reader_close(r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(last, LINES - 1);
	/* All lines have one length. */
	assert_int_equal(
		seen * (int64_t)strlen("{\"log\":\"00000000\\n\",\"stream\":\"stdout\"," TIME
				       "}\n") +
			missed,
		LINES * (int64_t)strlen("{\"log\":\"00000000\\n\",\"stream\":\"stdout\"," TIME
					"}\n"));
	assert_true(!slowly || missed > 0);
	close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
}

static void test_follow(void **state)
{
	follow(*state, false);
}

static void test_overtaken(void **state)
{
	follow(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test_setup_teardown(test_files, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_follow, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_overtaken, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

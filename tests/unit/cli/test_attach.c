/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end of an attachment against a monitor that this test plays: frames cut anywhere,
 * ends of every kind, frames that are none. The client runs in a process of its own, with files for
 * its standard streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/attach.h"

struct outcome {
	struct attach_result result;
	struct err err;
};

struct client {
	int socket; /* the monitor's end */
	int out, error;
	pid_t pid;
	struct outcome *outcome; /* shared with the client */
};

static int memory_file(const char *text)
{
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void begin(struct client *c, const char *input)
{
	int pair[2], in = memory_file(input ? input : "");

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	c->out = memory_file("");
	c->error = memory_file("");
	c->outcome = mmap(NULL, sizeof(*c->outcome), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(c->outcome != MAP_FAILED);
	c->pid = fork();
	if (c->pid == 0) {
		const struct attach_options options = {
			.fd = pair[1], .input = input != NULL, .output = true, .error = true};

		close(pair[0]);
		dup2(in, STDIN_FILENO);
		dup2(c->out, STDOUT_FILENO);
		dup2(c->error, STDERR_FILENO);
		attach_run(&options, &c->outcome->result, &c->outcome->err);
		_exit(0);
	}
	assert_true(c->pid > 0);
	close(pair[1]);
	close(in);
	c->socket = pair[0];
}

static void add_frame(struct strbuf *b, enum frame_type type, const void *payload, size_t n)
{
	struct frame_header header;

	frame_header_set(&header, type, (uint32_t)n);
	strbuf_add(b, (const char *)&header, sizeof(header));
	strbuf_add(b, payload, n);
}

static void add_started(struct strbuf *b)
{
	const struct frame_started started = {.pid = 77};

	add_frame(b, FRAME_STARTED, &started, sizeof(started));
}

static void add_exit(struct strbuf *b, int code)
{
	const struct frame_exit end = {.code = code};

	add_frame(b, FRAME_EXIT, &end, sizeof(end));
}

/* Sends the bytes in pieces of `step`. */
static void say(struct client *c, const struct strbuf *b, size_t step)
{
	for (size_t i = 0; i < b->len; i += step)
		assert_int_equal(
			fd_write_all(c->socket, b->data + i, b->len - i < step ? b->len - i : step),
			0);
}

static void check_file(int fd, const char *expected)
{
	char text[256] = "";

	assert_true(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	assert_string_equal(text, expected);
	close(fd);
}

static void finish(struct client *c, const char *out, const char *error)
{
	int status;

	close(c->socket);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	check_file(c->out, out);
	check_file(c->error, error);
}

static void drop(struct client *c)
{
	munmap(c->outcome, sizeof(*c->outcome));
}

static void test_any_cut(void **state)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 8, 9, 13, 4096};
	auto_strbuf struct strbuf all = {0};

	(void)state;
	add_started(&all);
	add_frame(&all, FRAME_STDOUT, "one ", 4);
	add_frame(&all, FRAME_STDOUT, "", 0);
	add_frame(&all, FRAME_STDERR, "bad\n", 4);
	add_frame(&all, FRAME_STDOUT, "two\n", 4);
	add_exit(&all, 3);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct client c;

		begin(&c, NULL);
		say(&c, &all, steps[i]);
		finish(&c, "one two\n", "bad\n");
		assert_int_equal(c.outcome->result.end, ATTACH_EXITED);
		assert_int_equal(c.outcome->result.exit.code, 3);
		assert_int_equal(c.outcome->result.pid, 77);
		assert_true(c.outcome->result.started_ns > 0);
		assert_true(c.outcome->result.ended_ns >= c.outcome->result.started_ns);
		drop(&c);
	}
}

static void test_lost(void **state)
{
	auto_strbuf struct strbuf all = {0};
	struct client c;

	(void)state;
	add_started(&all);
	add_frame(&all, FRAME_STDOUT, "last words", 10);
	begin(&c, NULL);
	say(&c, &all, 4096);
	finish(&c, "last words", "");
	assert_int_equal(c.outcome->result.end, ATTACH_LOST);
	drop(&c);
}

static void test_not_started(void **state)
{
	struct err reason = {.kind = ERR_NO_COMMAND, .sys_errno = 2, .msg = "exec: no such file"};
	auto_strbuf struct strbuf all = {0};
	struct client c;

	(void)state;
	add_frame(&all, FRAME_ERROR, &reason, sizeof(reason));
	begin(&c, NULL);
	say(&c, &all, 11);
	finish(&c, "", "");
	assert_int_equal(c.outcome->result.end, ATTACH_NOT_STARTED);
	assert_int_equal(c.outcome->err.kind, ERR_NO_COMMAND);
	assert_string_equal(c.outcome->err.msg, "exec: no such file");
	drop(&c);
}

static void test_no_frames(void **state)
{
	static const struct {
		unsigned char bytes[9];
		size_t n;
	} cases[] = {{{77, 0, 0, 0, 0, 0, 0, 1, 'x'}, 9},
		     {{FRAME_STDOUT, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 8},
		     {{FRAME_EXIT, 0, 0, 0, 0, 0, 0, 1, 'x'}, 9},
		     {{FRAME_ERROR, 0, 0, 0, 0, 0xff, 0, 0}, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c;

		begin(&c, NULL);
		assert_int_equal(fd_write_all(c.socket, cases[i].bytes, cases[i].n), 0);
		finish(&c, "", "");
		assert_int_equal(c.outcome->result.end, ATTACH_FAILED);
		assert_true(c.outcome->err.kind == ERR_CORRUPT);
		drop(&c);
	}
}

/* What the client sends until STDIN_END, as the container would read it. */
static void hear_input(struct client *c, struct strbuf *input)
{
	for (;;) {
		struct frame_header header;
		char payload[FRAME_PAYLOAD_MAX];
		size_t n;

		assert_int_equal(fd_read_full(c->socket, &header, sizeof(header)), sizeof(header));
		n = frame_length(&header);
		assert_true(n <= sizeof(payload));
		assert_int_equal(fd_read_full(c->socket, payload, n), n);
		if (header.type == FRAME_STDIN_END)
			return;
		assert_int_equal(header.type, FRAME_STDIN);
		strbuf_add(input, payload, n);
	}
}

static void test_input(void **state)
{
	auto_strbuf struct strbuf given = {0}, heard = {0}, all = {0};
	struct client c;

	(void)state;
	for (int i = 0; i < 50000; i++)
		strbuf_printf(&given, "line %d\n", i);
	begin(&c, given.data);
	hear_input(&c, &heard);
	assert_int_equal(heard.len, given.len);
	assert_memory_equal(heard.data, given.data, given.len);
	/* The half-close of the input is not the end of the output. */
	add_started(&all);
	add_frame(&all, FRAME_STDOUT, "after", 5);
	add_exit(&all, 0);
	say(&c, &all, 4096);
	finish(&c, "after", "");
	assert_int_equal(c.outcome->result.end, ATTACH_EXITED);
	drop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_cut),     cmocka_unit_test(test_lost),
		cmocka_unit_test(test_not_started), cmocka_unit_test(test_no_frames),
		cmocka_unit_test(test_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

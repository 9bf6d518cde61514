/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to a command, and what its start waited for, from recordings made by hand. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "observe/trace/recorder.h"
#include "observe/trace/trace_svg.h"

#define BEGIN 1000000
#define COMMAND 100 /* the command's pid */
#define DAEMON 50
#define DAEMON_NAME "\033[2Jd" /* would clear a terminal */

/* Adds a record; the caller fills what is special to it. */
static struct raw_record *record(struct recording *r, int kind, unsigned pid, uint64_t at)
{
	struct raw_record *n = xcalloc(1, sizeof(*n));

	r->records = xrealloc(r->records, (r->count + 1) * sizeof(struct raw_record *));
	r->records[r->count++] = n;
	n->head.kind = (uint16_t)kind;
	n->head.tgid = n->head.tid = pid;
	n->head.ns = BEGIN + at;
	snprintf(n->comm, sizeof(n->comm), "%s", pid == DAEMON ? DAEMON_NAME : "thread");
	return n;
}

static void fork_at(struct recording *r, unsigned parent, unsigned child, uint64_t at)
{
	record(r, RAW_TASK, parent, at)->head.extra = child;
}

static void exec_at(struct recording *r, unsigned pid, uint64_t at, const char *program)
{
	struct raw_record *n = record(r, RAW_EXEC, pid, at);

	n->head.extra = pid;
	snprintf(n->text[0], RAW_TEXT, "%s", program);
}

static struct raw_record *call(struct recording *r, unsigned pid, int nr, uint64_t begin,
			       uint64_t end)
{
	struct raw_record *n = record(r, RAW_CALL, pid, end);

	n->head.nr = (uint16_t)nr;
	n->head.begin_ns = BEGIN + begin;
	return n;
}

static struct raw_head *scheduled(struct recording *r, int kind, unsigned tid, unsigned other,
				  uint64_t at)
{
	r->scheduling =
		xrealloc(r->scheduling, (r->scheduling_count + 1) * sizeof(struct raw_head));
	r->scheduling[r->scheduling_count] = (struct raw_head){
		.kind = (uint16_t)kind, .tid = tid, .extra = other, .ns = BEGIN + at};
	return &r->scheduling[r->scheduling_count++];
}

/* tid sleeps (state 1) or is preempted (0), and other gets the processor. */
static void switched(struct recording *r, unsigned tid, unsigned other, uint64_t at, int state)
{
	scheduled(r, RAW_SWITCH, tid, other, at)->begin_ns = (uint64_t)state;
}

static void woken(struct recording *r, unsigned waker, unsigned tid, uint64_t at, int in)
{
	scheduled(r, RAW_WAKE, waker, tid, at)->begin_ns = (uint64_t)(in + 1);
}

static void known(struct recording *r, int pid, const char *name)
{
	r->known = xrealloc(r->known, (r->known_count + 1) * sizeof(*r->known));
	r->known[r->known_count] = (struct known_thread){.tid = pid, .tgid = pid, .parent = 1};
	snprintf(r->known[r->known_count++].comm, 16, "%s", name);
}

static const struct trace_process *named(const struct trace *t, const char *name)
{
	for (size_t i = 0; i < t->process_count; i++) {
		if (str_eq(t->processes[i].name, name))
			return &t->processes[i];
	}
	return NULL;
}

static uint64_t sum(const struct trace_bill_line *lines, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += lines[i].ns;
	return all;
}

static uint64_t billed(const struct trace *t, const char *what)
{
	for (size_t i = 0; i < t->phase_count; i++) {
		if (str_eq(t->phases[i].what, what))
			return t->phases[i].ns;
	}
	return 0;
}

/* A client asks a daemon, which forks a child; that pivots, sleeps 40 us and executes the program. */
static void make_client_and_daemon(struct recording *r, int asks_by)
{
	*r = (struct recording){
		.command = COMMAND, .begin_ns = BEGIN, .end_ns = BEGIN + 300000, .exit_code = 3};
	known(r, DAEMON, DAEMON_NAME);
	known(r, 60, "bystander");
	exec_at(r, COMMAND, 10000, "/usr/bin/client");
	call(r, DAEMON, SYS_epoll_pwait, 0, 60000)->head.begin_ns = 0;
	r->records[r->count - 1]->result = 1;
	fork_at(r, DAEMON, 200, 80000);
	fork_at(r, 60, 300, 81000);
	call(r, 300, SYS_unshare, 82000, 83000)->args[0] = CLONE_NEWNS;
	call(r, 200, SYS_unshare, 100000, 110000)->args[0] = CLONE_NEWNS | CLONE_NEWPID;
	call(r, 200, SYS_pivot_root, 110000, 112000);
	call(r, 200, SYS_clock_nanosleep, 120000, 165000);
	exec_at(r, 200, 200000, "/bin/program");
	record(r, RAW_EXIT, 200, 250000);
	switched(r, 0, COMMAND, 5000, 0);
	woken(r, COMMAND, DAEMON, 50000, asks_by);
	switched(r, COMMAND, DAEMON, 55000, 1);
	switched(r, DAEMON, 200, 90000, 1);
	switched(r, 200, 0, 122000, 1);
	woken(r, DAEMON, 200, 162000, -1); /* a clock, whose interrupt came while the daemon ran */
	switched(r, 0, 200, 164000, 0);
	switched(r, 200, 0, 251000, 64);
}

static void test_daemon_that_was_asked(void **state)
{
	auto_recording struct recording r;
	auto_trace struct trace *t = NULL;

	(void)state;
	make_client_and_daemon(&r, SYS_write);
	t = trace_build(&r);
	assert_int_equal(t->exit_code, 3);
	assert_int_equal(t->process_count, 3);
	assert_string_equal(t->processes[0].name, "client");
	assert_int_equal(t->processes[0].role, TRACE_COMMAND);
	assert_non_null(named(t, "?[2Jd"));
	assert_int_equal(named(t, "?[2Jd")->role, TRACE_DAEMON);
	assert_int_equal(named(t, "?[2Jd")->contact_ns, 50000);
	assert_string_equal(t->processes[t->init].name, "program");
	assert_int_equal(t->program_ns, 200000);
	assert_int_equal(t->program_end_ns, 250000);
	assert_int_equal(t->left_out_processes, 1);
	assert_null(named(t, "bystander"));
}

static void test_path_has_no_gaps(void **state)
{
	auto_recording struct recording r;
	auto_trace struct trace *t = NULL;

	(void)state;
	make_client_and_daemon(&r, SYS_write);
	t = trace_build(&r);
	assert_true(t->path_count > 4);
	assert_int_equal(t->path[0].begin_ns, 0);
	for (size_t i = 1; i < t->path_count; i++)
		assert_int_equal(t->path[i].begin_ns, t->path[i - 1].end_ns);
	assert_int_equal(t->path[t->path_count - 1].end_ns, 200000);
	assert_int_equal(sum(t->phases, t->phase_count), 200000);
	assert_int_equal(sum(t->programs, t->program_count), 200000);
	assert_int_equal(billed(t, "namespaces"), 10000);
	assert_int_equal(billed(t, "mounts"), 2000);
	assert_int_equal(t->waits[0].end_ns - t->waits[0].begin_ns, 40000);
	assert_int_equal(t->waits[0].state, TRACE_ASLEEP);
	assert_string_equal(t->waits[0].in, "clock_nanosleep");
	assert_int_equal(t->waits[0].process, t->init);
}

/* An interrupt while the client runs wakes the daemon: nobody asked it. */
static void test_daemon_that_was_not_asked(void **state)
{
	auto_recording struct recording r;
	auto_trace struct trace *t = NULL;

	(void)state;
	make_client_and_daemon(&r, -1);
	t = trace_build(&r);
	assert_int_equal(t->process_count, 1);
	assert_int_equal(t->init, TRACE_NONE);
	assert_true(t->program_ns == TRACE_NEVER);
	assert_int_equal(t->left_out_processes, 2);
}

static void test_texts_and_json_of_nothing(void **state)
{
	auto_recording struct recording r = {
		.command = COMMAND, .begin_ns = BEGIN, .end_ns = BEGIN + 1};
	auto_trace struct trace *t = trace_build(&r);
	auto_strbuf struct strbuf text = {0};
	auto_strbuf struct strbuf json = {0};

	(void)state;
	trace_text(t, true, &text);
	trace_json(t, &json);
	assert_non_null(strstr(text.data, "0 records, 0 lost, 0 switches"));
	assert_non_null(strstr(json.data, "\"program_ns\":null"));
}

/* What a daemon starts when the command has ended has no length on an axis that ends with it. */
static void test_picture_of_what_comes_afterwards(void **state)
{
	auto_recording struct recording r;
	auto_trace struct trace *t = NULL;
	auto_strbuf struct strbuf svg = {0};

	(void)state;
	make_client_and_daemon(&r, SYS_write);
	fork_at(&r, DAEMON, 400, 310000);
	exec_at(&r, 400, 320000, "/usr/bin/tidy");
	t = trace_build(&r);
	assert_non_null(named(t, "tidy"));
	trace_svg(t, &svg);
	assert_non_null(strstr(svg.data, ">afterwards<"));
	assert_null(strstr(svg.data, "184467"));
}

/* The command's words are the user's, but a line is a line. */
static void test_heading_is_one_line(void **state)
{
	auto_recording struct recording r = {
		.command = COMMAND, .begin_ns = BEGIN, .end_ns = BEGIN + 1};
	auto_trace struct trace *t = trace_build(&r);
	auto_strbuf struct strbuf text = {0};

	(void)state;
	strv_add(&t->command, "sh");
	strv_add(&t->command, "one\ntwo\033[2J \303\244");
	trace_text(t, false, &text);
	assert_true(str_starts(text.data, "sh one two?[2J \303\244\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daemon_that_was_asked),
		cmocka_unit_test(test_path_has_no_gaps),
		cmocka_unit_test(test_daemon_that_was_not_asked),
		cmocka_unit_test(test_texts_and_json_of_nothing),
		cmocka_unit_test(test_picture_of_what_comes_afterwards),
		cmocka_unit_test(test_heading_is_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

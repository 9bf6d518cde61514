/* SPDX-License-Identifier: Apache-2.0 */
/* The counter on a process whose calls are known: all of its children and threads, nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "observe/experiment/syscalls_internal.h"
#include "observe/trace/count.h"

#define TIMES 500

static void *make_calls(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		syscall(SYS_getppid);
		syscall(SYS_fchdir, -1);
	}
	return arg;
}

/* Waits to be told, makes calls itself, in two threads and in a grandchild; ends when it is told. */
static void be_watched(int go)
{
	pthread_t threads[2];
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	make_calls(NULL);
	for (int i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, make_calls, NULL) != 0)
			_exit(2);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (fork() == 0) {
		make_calls(NULL);
		_exit(0);
	}
	wait(NULL);
	_exit(read(go, &c, 1) == 1 ? 0 : 3);
}

static int open_counter(struct call_counter **out)
{
	struct err err = ERR_INIT;
	int rc = call_counter_open(out, &err);

	if (rc < 0 && (err.kind == ERR_UNSUPPORTED || rc == -EPERM || rc == -EACCES)) {
		print_message("no counting here: %s\n", err.msg);
		skip();
	}
	if (rc < 0)
		fail_msg("%s", err.msg);
	return rc;
}

static const struct call_count *of(const struct call_counts *c, const char *name)
{
	int number = call_number(name);

	assert_true(number >= 0);
	return &c->numbers[number];
}

static void wait_until_made(struct call_counter *c, struct call_counts *out, uint64_t wanted)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 2000; i++) {
		assert_int_equal(call_counter_read(c, out, &err), 0);
		if (of(out, "getppid")->begun >= wanted && out->gone >= 3)
			return;
		usleep(5000);
	}
	fail_msg("%llu calls after ten seconds", (unsigned long long)of(out, "getppid")->begun);
}

static void test_children_and_threads_are_followed(void **state)
{
	auto_call_counter struct call_counter *c = NULL;
	auto_free struct call_counts *before = xcalloc(1, sizeof(*before));
	auto_free struct call_counts *after = xcalloc(1, sizeof(*after));
	struct err err = ERR_INIT;
	int go[2], status;
	size_t added;
	pid_t pid;

	(void)state;
	open_counter(&c);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		be_watched(go[0]);
	}
	assert_int_equal(call_counter_follow(c, pid, false, &added, &err), 0);
	assert_int_equal(added, 1);
	assert_int_equal(call_counter_follow(c, pid, false, &added, &err), 0);
	assert_int_equal(added, 0);
	assert_int_equal(call_counter_read(c, before, &err), 0);
	assert_int_equal(of(before, "getppid")->begun, 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	make_calls(NULL); /* ours are nobody's business */
	wait_until_made(c, after, 4 * TIMES);
	assert_int_equal(of(after, "getppid")->begun, 4 * TIMES);
	assert_int_equal(of(after, "getppid")->ended, 4 * TIMES);
	assert_int_equal(of(after, "getppid")->errors, 0);
	assert_true(of(after, "getppid")->time_ns > 0);
	assert_true(of(after, "getppid")->longest_ns <= of(after, "getppid")->time_ns);
	assert_int_equal(of(after, "fchdir")->begun, 4 * TIMES);
	assert_int_equal(of(after, "fchdir")->errors, 4 * TIMES);
	assert_int_equal(of(after, "fchdir")->refused, 0);
	assert_int_equal(after->born, 3);
	assert_int_equal(after->lost, 0);
	assert_true(call_counts_total(after).begun >= 8 * TIMES);
	call_counts_subtract(after, before);
	assert_int_equal(of(after, "getppid")->begun, 4 * TIMES);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go[0]);
	close(go[1]);
}

static void test_names(void **state)
{
	auto_free char *known = call_name((size_t)call_number("mount"));
	auto_free char *rest = call_name(CALL_NUMBERS);
	auto_free char *none = call_name(CALL_NUMBERS - 1);

	(void)state;
	assert_string_equal(known, "mount");
	assert_string_equal(rest, "other numbers");
	assert_string_equal(none, "call 511");
	assert_int_equal(call_number("no_such_call"), -1);
}

static void test_table_of_strace(void **state)
{
	static const char table[] =
		"% time     seconds  usecs/call     calls    errors syscall\n"
		"------ ----------- ----------- --------- --------- ----------------\n"
		" 62.50    0.000500           5       100           getppid\n"
		" 37.50    0.000300           3        90        80 fchdir\n"
		"------ ----------- ----------- --------- --------- ----------------\n"
		"100.00    0.000800           4       190        80 total\n";
	uint64_t calls, errors;

	(void)state;
	syscalls_parse_strace(table, "getppid", &calls, &errors);
	assert_int_equal(calls, 100);
	assert_int_equal(errors, 0);
	syscalls_parse_strace(table, "fchdir", &calls, &errors);
	assert_int_equal(calls, 90);
	assert_int_equal(errors, 80);
	syscalls_parse_strace(table, "keyctl", &calls, &errors);
	assert_int_equal(calls, 0);
	syscalls_parse_strace("", "keyctl", &calls, &errors);
	assert_int_equal(calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_and_threads_are_followed),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_table_of_strace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces by inode: a process of one's own, one that left, and lines of status made by hand. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/probe/namespaces.h"

static void test_pids_of_each_level(void **state)
{
	pid_t pids[3];

	(void)state;
	assert_int_equal(
		namespaces_parse_pids("Name:\tx\nNSpid:\t4711\t12\t1\nNSpgid:\t1\n", pids, 3), 3);
	assert_int_equal(pids[0], 4711);
	assert_int_equal(pids[2], 1);
	assert_int_equal(namespaces_parse_pids("Name:\tx\nNSpid:\t4711\t12\t1\n", pids, 2), 2);
	assert_int_equal(namespaces_parse_pids("Name:\tNSpid: 3\nPid:\t7\n", pids, 3), 0);
}

static void test_own_namespaces_are_the_same(void **state)
{
	struct namespace_set a, b;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(namespaces_read(0, &a, &err), 0);
	assert_int_equal(namespaces_read(getpid(), &b, &err), 0);
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (!a.errors[kind])
			assert_int_equal(namespaces_relate(&a, &b, kind), NAMESPACE_SAME);
	assert_int_equal(a.pids[0], getpid());
	assert_int_equal(a.pid_for_children, a.inode[NAMESPACE_PID]);
}

static void test_a_process_that_is_not(void **state)
{
	struct namespace_set s;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(namespaces_read(0x3fffffff, &s, &err), -ESRCH);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* A child in new user and UTS namespaces; tells by a byte whether it got them. */
static pid_t start_child_apart(int ready)
{
	pid_t pid = fork();

	if (pid == 0) {
		char done = unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0;

		if (write(ready, &done, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	return pid;
}

static void test_a_child_that_left_two(void **state)
{
	auto_namespace_census struct namespace_census census = {0};
	struct namespace_set own, child = {0};
	struct err err = ERR_INIT;
	char done = 0;
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = start_child_apart(ends[1]);
	assert_true(pid > 0);
	assert_int_equal(read(ends[0], &done, 1), 1);
	if (done) {
		assert_int_equal(namespaces_read(0, &own, &err), 0);
		assert_int_equal(namespaces_read(pid, &child, &err), 0);
		assert_int_equal(namespaces_census(&census, &err), 0);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	if (!done)
		skip();
	assert_int_equal(namespaces_relate(&own, &child, NAMESPACE_USER), NAMESPACE_APART);
	assert_int_equal(namespaces_relate(&own, &child, NAMESPACE_UTS), NAMESPACE_APART);
	assert_int_equal(namespaces_relate(&own, &child, NAMESPACE_NET), NAMESPACE_SAME);
	assert_int_equal(child.owner[NAMESPACE_UTS], child.inode[NAMESPACE_USER]);
	assert_int_equal(child.owner[NAMESPACE_USER], own.inode[NAMESPACE_USER]);
	assert_int_equal(namespaces_count(&census, NAMESPACE_UTS, child.inode[NAMESPACE_UTS]), 1);
	assert_true(namespaces_count(&census, NAMESPACE_PID, own.inode[NAMESPACE_PID]) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pids_of_each_level),
		cmocka_unit_test(test_own_namespaces_are_the_same),
		cmocka_unit_test(test_a_process_that_is_not),
		cmocka_unit_test(test_a_child_that_left_two),
	};

	return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}

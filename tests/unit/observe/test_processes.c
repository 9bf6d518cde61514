/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/probe/processes.h"

static void reads_stat_with_any_name(void **state)
{
	struct process p = {.name = NULL};

	(void)state;
	assert_int_equal(
		process_parse_stat("7 (a) R 1) S 3 4 5 0 -1 4194560 10 20 30 40 50 6 8 9 20 0 "
				   "3 0 1234 99 0\n",
				   &p),
		0);
	assert_string_equal(p.name, "a) R 1");
	assert_int_equal(p.state, 'S');
	assert_int_equal(p.parent, 3);
	assert_int_equal(p.group, 4);
	assert_int_equal(p.session, 5);
	assert_int_equal(p.gone_children_faults, 20);
	assert_int_equal(p.cpu_ticks, 56);
	assert_int_equal(p.gone_children_ticks, 17);
	assert_int_equal(p.threads, 3);
	assert_int_equal(p.start_ticks, 1234);
	free(p.name);
}

static void refuses_a_torn_stat(void **state)
{
	struct process p = {.name = NULL};

	(void)state;
	assert_int_equal(process_parse_stat("7 (a) S 3", &p), -EBADMSG);
	assert_int_equal(process_parse_stat("7 )a( S 3 4 5", &p), -EBADMSG);
	assert_int_equal(process_parse_stat("", &p), -EBADMSG);
	assert_null(p.name);
}

static void reads_numbers_at_each_level(void **state)
{
	struct process p = {.level_count = 9};

	(void)state;
	assert_int_equal(
		process_parse_status("Name:\ta\nUid:\t33\t0\t0\t0\nNSpid:\t812\t7\t1\nX:\n", &p),
		0);
	assert_int_equal(p.uid, 33);
	assert_int_equal(p.level_count, 3);
	assert_int_equal(p.ns_pids[0], 812);
	assert_int_equal(p.ns_pids[2], 1);
	assert_int_equal(process_parse_status("Uid:\t0\nNSpid:\t8 x\n", &p), -EBADMSG);
	assert_int_equal(process_parse_status("NSpid:\t8\n", &p), -EBADMSG);
}

static void finds_the_group_of_a_hierarchy(void **state)
{
	const char *text = "11:cpu,cpuacct:/a\n4:pids:/b\n1:name=systemd:/c\n0::/d:e\n";
	const struct {
		const char *controller, *path;
	} cases[] = {{"cpu", "/a"},          {"cpuacct", "/a"}, {"pids", "/b"}, {"", "/d:e"},
		     {"name=systemd", "/c"}, {"memory", NULL},  {"cp", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = NULL;
		int rc = process_group_path(text, cases[i].controller, &path);

		assert_int_equal(rc, cases[i].path ? 0 : -ENOENT);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		free(path);
	}
}

/* This process and its child, which is nobody's container. */
static void knows_a_tree(void **state)
{
	struct process_table t;
	struct err err = ERR_INIT;
	const struct process *parents[64], *child;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(process_table_read(getpid(), false, &t, &err), 0);
	child = process_find(&t, pid);
	assert_non_null(child);
	assert_int_equal(child->parent, getpid());
	assert_true(child->member);
	assert_true(process_ancestors(&t, pid, parents, 64) >= 1);
	assert_int_equal(parents[0]->pid, getpid());
	assert_true(process_count_pid_ns(&t, child->pid_ns) >= 2);
	process_table_free(&t);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(process_table_read(pid, false, &t, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_stat_with_any_name),
		cmocka_unit_test(refuses_a_torn_stat),
		cmocka_unit_test(reads_numbers_at_each_level),
		cmocka_unit_test(finds_the_group_of_a_hierarchy),
		cmocka_unit_test(knows_a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What ps says, cut down to a container's processes by Docker's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/top.h"

static const int pids[] = {7, 120};

static void test_parse(void **state)
{
	auto_top struct top_table t = {.rows = NULL};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(top_parse_ps("  USER   PID COMMAND\n"
				      "root     7  sleep   1 \t 2\n"
				      "root     -  -\n"
				      "root    12 sleep 120\n"
				      "root     -  of another\n"
				      "root   120\n",
				      pids, 2, &t, &err),
			 0);
	assert_int_equal(t.titles.count, 3);
	assert_string_equal(t.titles.items[2], "COMMAND");
	assert_int_equal(t.row_count, 3);
	assert_string_equal(t.rows[0].items[0], "root");
	assert_string_equal(t.rows[0].items[1], "7");
	assert_string_equal(t.rows[0].items[2], "sleep 1 2");
	/* A thread of the process above. */
	assert_string_equal(t.rows[1].items[1], "-");
	/* Every row has every cell. */
	assert_int_equal(t.rows[2].count, 3);
	assert_string_equal(t.rows[2].items[1], "120");
	assert_string_equal(t.rows[2].items[2], "");
}

static void test_refuse(void **state)
{
	struct err err = ERR_INIT;
	auto_top struct top_table no_pid = {.rows = NULL}, bad = {.rows = NULL};

	(void)state;
	assert_true(top_parse_ps("USER COMMAND\nroot sleep\n", pids, 2, &no_pid, &err) < 0);
	assert_string_equal(err.msg, "Couldn't find PID field in ps output");
	assert_true(top_parse_ps("PID COMMAND\nroot sleep\n", pids, 2, &bad, &err) < 0);
	assert_string_equal(err.msg, "Unexpected pid 'root'");
	/* docker 20.10: only the column of pids may be called so. */
	assert_int_equal(top_check_args("-o pid=PID,args", &err), 0);
	assert_int_equal(top_check_args("aux", &err), 0);
	assert_int_equal(top_check_args("-o args=COMMAND", &err), 0);
	assert_true(top_check_args("-e -o uid=PID", &err) < 0);
	assert_string_equal(err.msg, "specifying \"uid=PID\" is not allowed");
	assert_true(top_check_args("ae -O uid= PID", &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

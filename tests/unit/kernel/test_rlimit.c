/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's --ulimit syntax and its words for what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "kernel/rlimit.h"

static void test_good_values(void **state)
{
	struct err err = ERR_INIT;
	struct rlimit_value v;

	(void)state;
	assert_int_equal(rlimit_parse("nofile=1024:2048", &v, &err), 0);
	assert_int_equal(v.resource, RLIMIT_NOFILE);
	assert_int_equal(v.soft, 1024);
	assert_int_equal(v.hard, 2048);
	assert_int_equal(rlimit_parse("core=0", &v, &err), 0);
	assert_int_equal(v.hard, 0);
	assert_int_equal(rlimit_parse("memlock=-1:-1", &v, &err), 0);
	assert_int_equal(v.soft, RLIMIT_UNLIMITED);
	assert_int_equal(v.hard, RLIMIT_UNLIMITED);
}

static void assert_refused(const char *text, const char *message)
{
	struct err err = ERR_INIT;
	struct rlimit_value v;

	assert_true(rlimit_parse(text, &v, &err) < 0);
	assert_string_equal(err.msg, message);
	assert_int_equal(err.kind, ERR_INVALID);
}

static void test_bad_values(void **state)
{
	(void)state;
	assert_refused("nofile", "invalid ulimit argument: nofile");
	assert_refused("noflie=1", "invalid ulimit type: noflie");
	assert_refused("RLIMIT_NOFILE=1", "invalid ulimit type: RLIMIT_NOFILE");
	assert_refused("nofile=", "invalid ulimit value \"\"");
	assert_refused("nofile=1:2:3", "invalid ulimit value \"1:2:3\"");
	assert_refused("nofile=12x", "invalid ulimit value \"12x\"");
	assert_refused("nofile=3:2", "ulimit soft limit must be less than or equal to hard limit: "
				     "3 > 2");
	assert_refused("nofile=-1:2",
		       "ulimit soft limit must be less than or equal to hard limit: -1 > 2");
}

static void test_names_both_ways(void **state)
{
	(void)state;
	assert_int_equal(rlimit_number("RLIMIT_RTTIME"), RLIMIT_RTTIME);
	assert_string_equal(rlimit_name(RLIMIT_NPROC), "RLIMIT_NPROC");
	assert_null(rlimit_name(99));
	assert_true(rlimit_number("RLIMIT_") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_names_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

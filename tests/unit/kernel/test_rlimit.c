/* SPDX-License-Identifier: Apache-2.0 */
/* Names of resource limits, the kernel's, OCI's and Docker's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "kernel/rlimit.h"

static void test_names_both_ways(void **state)
{
	(void)state;
	assert_int_equal(rlimit_number("RLIMIT_RTTIME"), RLIMIT_RTTIME);
	assert_int_equal(rlimit_number("nofile"), RLIMIT_NOFILE);
	assert_true(rlimit_number("noflie") < 0);
	assert_string_equal(rlimit_name(RLIMIT_NPROC), "RLIMIT_NPROC");
	assert_null(rlimit_name(99));
	assert_true(rlimit_number("RLIMIT_") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

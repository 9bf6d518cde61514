/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "observe/statistics/line.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* NIST StRD Norris, 36 observations: certified intercept -0.262323073774029, slope 1.00211681802045,
 * R squared 0.999993745883712. */
static void meets_nist_norris(void **state)
{
	static const double y[] = {0.1,   338.8, 118.1, 888.0, 9.2,   228.1, 668.5, 998.5, 449.1,
				   778.9, 559.2, 0.3,   0.1,   778.1, 668.8, 339.3, 448.9, 10.8,
				   557.7, 228.3, 998.0, 888.8, 119.6, 0.3,   0.6,   557.6, 339.3,
				   888.0, 998.5, 778.9, 10.2,  117.6, 228.9, 668.4, 449.2, 0.2};
	static const double x[] = {0.2,   337.4, 118.2, 884.6, 10.1,  226.5, 666.3, 996.3, 448.6,
				   777.0, 558.2, 0.4,   0.6,   775.5, 666.9, 338.0, 447.5, 11.6,
				   556.0, 228.1, 995.8, 887.6, 120.2, 0.3,   0.3,   556.8, 339.1,
				   887.2, 999.0, 779.0, 11.1,  118.3, 229.2, 669.1, 448.9, 0.5};
	struct line l;

	(void)state;
	assert_int_equal(statistics_line(x, y, 36, &l), 0);
	assert_close(l.intercept, -0.262323073774029, 1e-11);
	assert_close(l.slope, 1.00211681802045, 1e-12);
	assert_close(l.r_squared, 0.999993745883712, 1e-12);
}

static void refuses_what_has_no_direction(void **state)
{
	static const double x[] = {3, 3}, y[] = {1, 2};
	struct line l;

	(void)state;
	assert_true(statistics_line(x, y, 2, &l) < 0);
	assert_true(statistics_line(x, y, 1, &l) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meets_nist_norris),
		cmocka_unit_test(refuses_what_has_no_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

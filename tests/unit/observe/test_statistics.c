/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

#include "observe/statistics/statistics.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* NIST StRD NumAcc1: certified mean 10000002, standard deviation 1. */
static void meets_nist_numacc1(void **state)
{
	double v[] = {10000001, 10000003, 10000002};
	struct summary s;

	(void)state;
	statistics_summarize(v, 3, &s);
	assert_close(s.mean, 10000002.0, 1e-9);
	assert_close(s.sd, 1.0, 1e-12);
	assert_close(s.median, 10000002.0, 0);
}

/* NIST StRD NumAcc4: 1001 values, certified mean 10000000.2, standard deviation 0.1; a one-pass sum
 * of squares fails it. */
static void meets_nist_numacc4(void **state)
{
	static double v[1001];
	struct summary s;

	(void)state;
	v[0] = 10000000.2;
	for (int i = 1; i < 1001; i += 2) {
		v[i] = 10000000.1;
		v[i + 1] = 10000000.3;
	}
	statistics_summarize(v, 1001, &s);
	assert_close(s.mean, 10000000.2, 1e-6);
	assert_close(s.sd, 0.1, 1e-8);
	assert_int_equal(s.n, 1001);
	assert_close(s.min, 10000000.1, 0);
	assert_close(s.max, 10000000.3, 0);
}

/* Efron and Tibshirani (1993), table 2.1: survival of the treated mice. The bootstrap distribution of
 * a median of seven is known exactly: P(median* <= x(k)) = P(Binomial(7, k/7) >= 4), which is 0.010
 * for k = 1, 0.108 for k = 2 and 0.892, 0.990 for k = 5, 6. So the 2.5 % and 97.5 % quantiles are
 * the second and the sixth value. */
static void meets_the_exact_bootstrap_of_the_mouse_data(void **state)
{
	double v[] = {94, 197, 16, 38, 99, 141, 23};
	struct summary s;

	(void)state;
	statistics_summarize(v, 7, &s);
	assert_close(s.median, 94, 0);
	assert_close(s.mean, 86.857, 0.001);
	assert_close(s.sd, 66.767, 0.001);
	assert_close(s.median_low, 23, 0);
	assert_close(s.median_high, 141, 0);
}

static void takes_the_middle_of_an_even_count(void **state)
{
	double v[] = {4, 1, 3, 2};
	struct summary s;

	(void)state;
	statistics_summarize(v, 4, &s);
	assert_close(s.median, 2.5, 0);
	assert_close(v[0], 1, 0);
	assert_close(v[3], 4, 0);
}

static void one_sample_has_no_spread(void **state)
{
	double v[] = {7};
	struct summary s;

	(void)state;
	statistics_summarize(v, 1, &s);
	assert_close(s.sd, 0, 0);
	assert_close(s.median_low, 7, 0);
	assert_close(s.median_high, 7, 0);
}

/* The asymptotic interval of a median is +-1.96 sd sqrt(pi / 2n); for 1,000 values of a uniform
 * distribution on 0..1 it is +-0.031 (density 1: 1.96 / (2 sqrt n)). */
static void interval_has_the_asymptotic_width(void **state)
{
	static double v[1000];
	struct summary s;

	(void)state;
	for (int i = 0; i < 1000; i++)
		v[i] = (i + 0.5) / 1000;
	statistics_summarize(v, 1000, &s);
	assert_close(s.median, 0.5, 1e-9);
	assert_close(s.median_high - s.median_low, 2 * 0.031, 0.006);
}

static void ratio_covers_the_true_one_and_repeats(void **state)
{
	static double a[200], b[100];
	struct interval first, second;
	struct summary s;

	(void)state;
	for (int i = 0; i < 200; i++)
		a[i] = 30 + i % 10;
	for (int i = 0; i < 100; i++)
		b[i] = 10 + i % 10;
	statistics_summarize(a, 200, &s);
	statistics_summarize(b, 100, &s);
	first = statistics_median_ratio(a, 200, b, 100);
	second = statistics_median_ratio(a, 200, b, 100);
	assert_close(first.value, 34.5 / 14.5, 1e-9);
	assert_true(first.low < first.value && first.value < first.high);
	assert_true(first.low > 2 && first.high < 2.8);
	assert_close(first.low, second.low, 0);
	assert_close(first.high, second.high, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meets_nist_numacc1),
		cmocka_unit_test(meets_nist_numacc4),
		cmocka_unit_test(meets_the_exact_bootstrap_of_the_mouse_data),
		cmocka_unit_test(takes_the_middle_of_an_even_count),
		cmocka_unit_test(one_sample_has_no_spread),
		cmocka_unit_test(interval_has_the_asymptotic_width),
		cmocka_unit_test(ratio_covers_the_true_one_and_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

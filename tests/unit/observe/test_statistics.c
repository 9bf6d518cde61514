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

/* splitmix64, 0 to 1 */
static double uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* The sum of twelve uniform ones less six. */
static double normal(uint64_t *state)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(state);
	return sum;
}

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
 * distribution on 0..1 it is +-0.031 (density 1: 1.96 / (2 sqrt n)); from ten blocks of them some more. */
static void interval_has_the_asymptotic_width(void **state)
{
	static double v[1000];
	uint64_t seed = 5;
	double width = 0;

	(void)state;
	for (int run = 0; run < 20; run++) {
		struct summary s;

		for (int i = 0; i < 1000; i++)
			v[i] = uniform(&seed);
		statistics_summarize(v, 1000, &s);
		assert_close(s.median, 0.5, 0.06);
		width += (s.median_high - s.median_low) / 20;
	}
	assert_true(width > 0.9 * 2 * 0.031 && width < 1.4 * 2 * 0.031);
}

static void ratio_covers_the_true_one_and_repeats(void **state)
{
	static double a[200], b[100];
	struct interval first, second;
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 200; i++)
		a[i] = 30 + 10 * uniform(&seed);
	for (int i = 0; i < 100; i++)
		b[i] = 10 + 10 * uniform(&seed);
	first = statistics_median_ratio(a, 200, b, 100);
	second = statistics_median_ratio(a, 200, b, 100);
	assert_true(first.low < first.value && first.value < first.high);
	assert_true(first.low < 35.0 / 15 && first.high > 35.0 / 15);
	assert_true(first.low > 2 && first.high < 2.8);
	assert_close(first.low, second.low, 0);
	assert_close(first.high, second.high, 0);
}

/* ---- a machine that is not the same from moment to moment ---- */

#define RUNS 300
#define SAMPLES 30
#define MOMENTS 10

/* One run of a figure whose long-run median is 100: `level` is how much moments differ, `own` how much the
 * samples of one moment do. A level is kept for `kept` moments. */
static void take_run(double level, double own, int kept, uint64_t *state, double out[SAMPLES])
{
	double now = 0;

	for (int i = 0; i < SAMPLES; i++) {
		if (i % (kept * SAMPLES / MOMENTS) == 0)
			now = level * normal(state);
		out[i] = 100 + now + own * normal(state);
	}
}

struct coverage {
	double held;       /* intervals that the long-run median is in */
	double overlapped; /* of two runs after one another */
	double width;      /* mean */
};

static struct coverage cover(double level, double own, int kept)
{
	struct coverage out = {0};
	struct summary before = {0};
	uint64_t state = 1;

	for (int i = 0; i < RUNS; i++) {
		double v[SAMPLES];
		struct summary s;

		take_run(level, own, kept, &state, v);
		statistics_summarize(v, SAMPLES, &s);
		out.held += (s.median_low <= 100 && s.median_high >= 100) / (double)RUNS;
		out.width += (s.median_high - s.median_low) / RUNS;
		out.overlapped += (i && s.median_low <= before.median_high &&
				   before.median_low <= s.median_high) /
				  (double)(RUNS - 1);
		before = s;
	}
	print_message("moments differ by %.0f, samples by %.0f: %.3f held, %.3f overlapped, width "
		      "%.2f\n",
		      level, own, out.held, out.overlapped, out.width);
	return out;
}

/* The interval of independent values must not be wider than such a one has to be: for a normal
 * distribution 2 * 1.96 * 1.2533 sd / sqrt(n), a quarter more for having but ten blocks. */
static void holds_the_median_of_a_steady_machine(void **state)
{
	struct coverage c = cover(0, 5, 1);

	(void)state;
	assert_true(c.held >= 0.93);
	assert_true(c.width < 1.3 * 2 * 1.96 * 1.2533 * 5 / sqrt(SAMPLES));
}

/* Single samples, drawn as if each were of its own, hold it in three of four runs. */
static void holds_the_median_where_moments_differ(void **state)
{
	struct coverage c = cover(10, 5, 1);

	(void)state;
	assert_true(c.held >= 0.93);
	assert_true(c.overlapped >= 0.98);
	/* No more than what ten independent levels of that spread leave open (t with 9 degrees). */
	assert_true(c.width < 1.25 * 2 * 2.262 * sqrt((100 + 25 / 3.0 * 1.57) / MOMENTS));
}

/* A level that lasts for two moments: five of them are in a run, which says less. */
static void two_runs_agree_where_a_level_lasts(void **state)
{
	struct coverage c = cover(10, 5, 2);

	(void)state;
	assert_true(c.held >= 0.88);
	assert_true(c.overlapped >= 0.97);
}

/* What the machine does to both sides of a comparison is not in their ratio. */
static void a_ratio_knows_that_subjects_take_turns(void **state)
{
	uint64_t seed = 3;
	double a[SAMPLES], b[SAMPLES];
	struct interval together, apart;
	struct summary s;

	(void)state;
	take_run(15, 1, 1, &seed, b);
	for (int i = 0; i < SAMPLES; i++)
		a[i] = 1.2 * b[i] + normal(&seed);
	together = statistics_median_ratio(a, SAMPLES, b, SAMPLES);
	apart = statistics_median_ratio(a, SAMPLES, b, SAMPLES - 1);
	statistics_summarize(b, SAMPLES, &s);
	assert_true(together.low <= 1.2 && together.high >= 1.2);
	assert_true(together.high - together.low < 0.05);
	assert_true(apart.high - apart.low > 0.15);
	assert_true(s.median_high - s.median_low > 15);
}

/* Subjects that take turns and do not differ, on a machine whose levels do: p is below 0.05 in no more than
 * one of twenty runs. What moves both sides makes the test more careful, not less. */
static void interleaved_equals_are_not_told_apart(void **state)
{
	uint64_t seed = 9;
	int shown = 0;

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		double a[SAMPLES], b[SAMPLES], level = 0;

		for (int k = 0; k < SAMPLES; k++) {
			if (k % (SAMPLES / MOMENTS) == 0)
				level = 10 * normal(&seed);
			a[k] = level + 5 * normal(&seed);
			b[k] = level + 5 * normal(&seed);
		}
		shown += statistics_mann_whitney(a, SAMPLES, b, SAMPLES).p < 0.05;
	}
	assert_true(shown <= RUNS / 20);
}

static void blocks_by_count(void **state)
{
	(void)state;
	assert_int_equal(statistics_blocks(1), 1);
	assert_int_equal(statistics_blocks(17), 17);
	assert_int_equal(statistics_blocks(18), 6);
	assert_int_equal(statistics_blocks(29), 9);
	assert_int_equal(statistics_blocks(30), 10);
	assert_int_equal(statistics_blocks(1000), 10);
}

/* Hollander and Wolfe (1973), p. 69: permeability of the human chorioamnion at term and at 12 to 26
 * weeks. R's manual (wilcox.test) prints W = 35 and a one-sided p of 0.1272; two-sided it is twice
 * that, 764 of 3003 choices. */
static void meets_hollander_and_wolfe(void **state)
{
	double a[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
	double b[] = {1.15, 0.88, 0.90, 0.74, 1.21};
	struct mann_whitney m = statistics_mann_whitney(a, 10, b, 5);

	(void)state;
	assert_close(m.u, 35, 0);
	assert_close(m.p, 764.0 / 3003, 1e-12);
	assert_true(m.exact);
}

/* The example of SciPy's manual (mannwhitneyu): age at diagnosis, U = 17, p = 0.1111. */
static void meets_the_example_of_scipy(void **state)
{
	double males[] = {19, 22, 16, 29, 24}, females[] = {20, 11, 17, 12};
	struct mann_whitney m = statistics_mann_whitney(males, 5, females, 4);

	(void)state;
	assert_close(m.u, 17, 0);
	assert_close(m.p, 1.0 / 9, 1e-12);
	m = statistics_mann_whitney(females, 4, males, 5);
	assert_close(m.u, 3, 0);
	assert_close(m.p, 1.0 / 9, 1e-12);
}

/* Thirty runs each without ties; U and p from scipy.stats.mannwhitneyu (1.10.1, method="exact"). */
static void is_exact_for_thirty_runs_each(void **state)
{
	double a[30], b[30];
	struct mann_whitney m;

	(void)state;
	for (int i = 0; i < 30; i++) {
		a[i] = 10 + (i * 17 % 31) / 7.0;
		b[i] = 11 + (i * 11 % 31) / 5.0 + 0.01;
	}
	m = statistics_mann_whitney(a, 30, b, 30);
	assert_true(m.exact);
	assert_close(m.u, 202, 0);
	assert_close(m.p, 0.00016364096288062387, 1e-15);
}

/* 56 of the 252 ways to deal these ranks lie as far out; counted one by one with itertools. */
static void counts_ties_exactly(void **state)
{
	double a[] = {1, 2, 2, 3, 5}, b[] = {2, 3, 4, 4, 6}, same[] = {1, 1, 1};
	struct mann_whitney m = statistics_mann_whitney(a, 5, b, 5);

	(void)state;
	assert_close(m.p, 56.0 / 252, 1e-12);
	m = statistics_mann_whitney(same, 3, same, 3);
	assert_close(m.p, 1, 0);
	assert_close(m.cliff_delta, 0, 0);
}

/* Beyond 60 values; U and p from scipy.stats.mannwhitneyu (1.10.1, method="asymptotic"), without ties
 * and with many. */
static void meets_scipy_by_the_normal_approximation(void **state)
{
	double a[40], b[45];
	struct mann_whitney m;

	(void)state;
	for (int i = 0; i < 40; i++)
		a[i] = 1 + (i * 37 % 101) / 10.0;
	for (int i = 0; i < 35; i++)
		b[i] = 2.5 + (i * 53 % 97) / 10.0;
	m = statistics_mann_whitney(a, 40, b, 35);
	assert_false(m.exact);
	assert_close(m.u, 571, 0);
	assert_close(m.p, 0.17233092280113071, 1e-12);
	for (int i = 0; i < 40; i++)
		a[i] = i * 7 % 10;
	for (int i = 0; i < 45; i++)
		b[i] = 2 + i * 3 % 9;
	m = statistics_mann_whitney(a, 40, b, 45);
	assert_close(m.u, 810, 0);
	assert_close(m.p, 0.4226723994951975, 1e-12);
}

/* Pairs of 1 2 3 with 2 3 4: one has the first as the larger, six the second, two are ties. */
static void delta_counts_pairs(void **state)
{
	double a[] = {3, 1, 2}, b[] = {2, 4, 3};

	(void)state;
	assert_close(statistics_mann_whitney(a, 3, b, 3).cliff_delta, -5.0 / 9, 1e-12);
	assert_close(statistics_mann_whitney(b, 3, a, 3).cliff_delta, 5.0 / 9, 1e-12);
	assert_string_equal(statistics_magnitude(-0.146), "negligible");
	assert_string_equal(statistics_magnitude(-0.15), "small");
	assert_string_equal(statistics_magnitude(0.34), "medium");
	assert_string_equal(statistics_magnitude(-1), "large");
}

/* Four tests at 0.01, 0.04, 0.03 and 0.005 (the example of most textbooks, and of R's p.adjust). */
static void holm_corrects_step_by_step(void **state)
{
	double p[] = {0.01, 0.04, 0.03, 0.005, 0.9}, out[5];

	(void)state;
	statistics_holm(p, 4, out);
	assert_close(out[0], 0.03, 1e-12);
	assert_close(out[1], 0.06, 1e-12);
	assert_close(out[2], 0.06, 1e-12);
	assert_close(out[3], 0.02, 1e-12);
	statistics_holm(p, 5, out);
	assert_close(out[4], 0.9, 1e-12);
	statistics_holm(p, 0, out);
}

/* Three against three have 20 ways, five against five 252: two of them are the farthest. */
static void knows_what_few_runs_cannot_show(void **state)
{
	double low[] = {1, 2, 3}, high[] = {7, 8, 9};

	(void)state;
	assert_close(statistics_smallest_p(3, 3), 0.1, 1e-12);
	assert_close(statistics_smallest_p(5, 5), 2.0 / 252, 1e-12);
	assert_close(statistics_mann_whitney(low, 3, high, 3).p, 0.1, 1e-12);
	assert_close(statistics_smallest_p(1, 1), 1, 0);
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
		cmocka_unit_test(blocks_by_count),
		cmocka_unit_test(holds_the_median_of_a_steady_machine),
		cmocka_unit_test(holds_the_median_where_moments_differ),
		cmocka_unit_test(two_runs_agree_where_a_level_lasts),
		cmocka_unit_test(a_ratio_knows_that_subjects_take_turns),
		cmocka_unit_test(interleaved_equals_are_not_told_apart),
		cmocka_unit_test(meets_hollander_and_wolfe),
		cmocka_unit_test(meets_the_example_of_scipy),
		cmocka_unit_test(is_exact_for_thirty_runs_each),
		cmocka_unit_test(counts_ties_exactly),
		cmocka_unit_test(meets_scipy_by_the_normal_approximation),
		cmocka_unit_test(delta_counts_pairs),
		cmocka_unit_test(holm_corrects_step_by_step),
		cmocka_unit_test(knows_what_few_runs_cannot_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

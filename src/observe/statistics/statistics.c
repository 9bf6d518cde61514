/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Medians and their bootstrap intervals (percentile method, Efron and Tibshirani 1993, chapter 13).
 * A resample of sorted values is drawn as how often each value was taken, so that its median is found
 * by counting instead of sorting.
 */
#include "observe/statistics/statistics.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define TAIL 0.025 /* on each side */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double statistics_median(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* The value at rank (from 0) of a resample that took sorted[i] counts[i] times. */
static double value_at_rank(const double *sorted, const unsigned *counts, size_t n, size_t rank)
{
	size_t seen = 0, i;

	for (i = 0; i < n - 1; i++) {
		seen += counts[i];
		if (seen > rank)
			break;
	}
	return sorted[i];
}

/* The median of one resample of n sorted values; counts is room for n. */
static double resampled_median(const double *sorted, size_t n, unsigned *counts, uint64_t *state)
{
	double upper;

	memset(counts, 0, n * sizeof(*counts));
	for (size_t i = 0; i < n; i++)
		counts[(size_t)(((unsigned __int128)next_random(state) * n) >> 64)]++;
	upper = value_at_rank(sorted, counts, n, n / 2);
	return n % 2 ? upper : (value_at_rank(sorted, counts, n, n / 2 - 1) + upper) / 2;
}

/* Sorts the STATISTICS_RESAMPLES estimates and cuts a tail off each end. */
static void cut_tails(double *estimates, double *low, double *high)
{
	size_t tail = (size_t)(TAIL * STATISTICS_RESAMPLES);

	qsort(estimates, STATISTICS_RESAMPLES, sizeof(*estimates), ascending);
	*low = estimates[tail];
	*high = estimates[STATISTICS_RESAMPLES - 1 - tail];
}

static void median_interval(const double *sorted, size_t n, double *low, double *high)
{
	auto_free unsigned *counts = xcalloc(n, sizeof(*counts));
	auto_free double *estimates = xcalloc(STATISTICS_RESAMPLES, sizeof(*estimates));
	uint64_t state = n;

	for (size_t i = 0; i < STATISTICS_RESAMPLES; i++)
		estimates[i] = resampled_median(sorted, n, counts, &state);
	cut_tails(estimates, low, high);
}

void statistics_summarize(double *values, size_t n, struct summary *out)
{
	double sum = 0, squares = 0;

	qsort(values, n, sizeof(*values), ascending);
	*out = (struct summary){.n = n,
				.median = statistics_median(values, n),
				.min = values[0],
				.max = values[n - 1]};
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	out->mean = sum / (double)n;
	/* Two passes: the deviations are small beside the values. */
	for (size_t i = 0; i < n; i++)
		squares += (values[i] - out->mean) * (values[i] - out->mean);
	out->sd = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
	median_interval(values, n, &out->median_low, &out->median_high);
}

struct interval statistics_median_ratio(const double *a, size_t na, const double *b, size_t nb)
{
	auto_free unsigned *counts = xcalloc(na > nb ? na : nb, sizeof(*counts));
	auto_free double *estimates = xcalloc(STATISTICS_RESAMPLES, sizeof(*estimates));
	struct interval out = {.value = statistics_median(a, na) / statistics_median(b, nb)};
	uint64_t state = na * 31 + nb;

	for (size_t i = 0; i < STATISTICS_RESAMPLES; i++) {
		double top = resampled_median(a, na, counts, &state);

		estimates[i] = top / resampled_median(b, nb, counts, &state);
	}
	cut_tails(estimates, &out.low, &out.high);
	return out;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Medians and their bootstrap intervals (Efron and Tibshirani 1993, chapter 13). What is drawn are
 * blocks of samples that were taken one after another, not single ones: a machine's speed comes and goes
 * by the second, so that neighbours are alike, and thirty samples of one moment say less than their number
 * seems to. So few blocks make percentiles too narrow; the tails are therefore cut where a t interval of
 * as many independent values would have them (the expanded percentile interval of Hesterberg 2015).
 *
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
/* A block has as many samples at least, and there are as many blocks, or they are too few to tell how far
 * blocks differ. */
#define BLOCK_MIN 3
#define BLOCKED_MIN (6 * BLOCK_MIN)
/* More cannot be told from ten blocks. */
#define SERIAL_MAX 0.6

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void statistics_sort(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), ascending);
}

double statistics_median(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double statistics_median_of(double *values, size_t n)
{
	statistics_sort(values, n);
	return statistics_median(values, n);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Samples in two orders: by value, and by when they were taken. */
struct ordered {
	double *sorted;
	size_t *places; /* of the i-th sample taken, in sorted */
	size_t n, blocks;
	unsigned *counts; /* room: how often a resample took each of sorted */
};

static void ordered_free(struct ordered *o)
{
	free(o->sorted);
	free(o->places);
	free(o->counts);
}
#define auto_ordered __attribute__((cleanup(ordered_free)))

size_t statistics_blocks(size_t n)
{
	size_t blocks = n / BLOCK_MIN;

	if (n < BLOCKED_MIN)
		return n;
	return blocks < STATISTICS_BLOCKS ? blocks : STATISTICS_BLOCKS;
}

/* In ascending order; equal ones as they stand. */
static int by_pointed_value(const void *a, const void *b)
{
	const double *x = *(const double *const *)a, *y = *(const double *const *)b;

	return *x == *y ? (x > y) - (x < y) : (*x > *y) - (*x < *y);
}

static struct ordered order(const double *values, size_t n)
{
	struct ordered o = {.n = n, .blocks = statistics_blocks(n)};
	auto_free const double **by_value = xcalloc(n, sizeof(*by_value));

	o.sorted = xcalloc(n, sizeof(*o.sorted));
	o.places = xcalloc(n, sizeof(*o.places));
	o.counts = xcalloc(n, sizeof(*o.counts));
	for (size_t i = 0; i < n; i++)
		by_value[i] = &values[i];
	qsort(by_value, n, sizeof(const double *), by_pointed_value);
	for (size_t i = 0; i < n; i++) {
		o.sorted[i] = *by_value[i];
		o.places[by_value[i] - values] = i;
	}
	return o;
}

/* The value at rank (from 0) of a resample that took sorted[i] counts[i] times. */
static double value_at_rank(const struct ordered *o, size_t rank)
{
	size_t seen = 0, i;

	for (i = 0; i < o->n - 1; i++) {
		seen += o->counts[i];
		if (seen > rank)
			break;
	}
	return o->sorted[i];
}

/* The median of the samples of the blocks drawn; draws has as many numbers as there are blocks. */
static double resampled_median(struct ordered *o, const size_t *draws)
{
	size_t taken = 0;
	double upper;

	memset(o->counts, 0, o->n * sizeof(*o->counts));
	for (size_t b = 0; b < o->blocks; b++) {
		size_t first = draws[b] * o->n / o->blocks, end = (draws[b] + 1) * o->n / o->blocks;

		for (size_t i = first; i < end; i++)
			o->counts[o->places[i]]++;
		taken += end - first;
	}
	upper = value_at_rank(o, taken / 2);
	return taken % 2 ? upper : (value_at_rank(o, taken / 2 - 1) + upper) / 2;
}

static void draw(size_t *draws, size_t blocks, uint64_t *state)
{
	for (size_t b = 0; b < blocks; b++)
		draws[b] = (size_t)(((unsigned __int128)next_random(state) * blocks) >> 64);
}

/* What is cut off each end: P(Z < -t sqrt(B / (B - 1))), t the 97.5 % point of Student's distribution with
 * B - 1 degrees of freedom. Where every sample is a block of its own, the plain percentile: the median of
 * few values cannot lie beyond them, however little is cut. */
static double tail_of(size_t n, size_t blocks)
{
	static const double expanded[] = {
		[6] = 0.002432, [7] = 0.004109, [8] = 0.005738, [9] = 0.007225, [10] = 0.008551};

	return blocks < n && blocks < sizeof(expanded) / sizeof(expanded[0]) ? expanded[blocks]
									     : TAIL;
}

/* Sorts the STATISTICS_RESAMPLES estimates and cuts a tail off each end. */
static void cut_tails(double *estimates, double part, double *low, double *high)
{
	size_t tail = (size_t)(part * STATISTICS_RESAMPLES);

	statistics_sort(estimates, STATISTICS_RESAMPLES);
	*low = estimates[tail];
	*high = estimates[STATISTICS_RESAMPLES - 1 - tail];
}

static void median_interval(struct ordered *o, double *low, double *high)
{
	auto_free size_t *draws = xcalloc(o->blocks, sizeof(*draws));
	auto_free double *estimates = xcalloc(STATISTICS_RESAMPLES, sizeof(*estimates));
	uint64_t state = o->n;

	for (size_t i = 0; i < STATISTICS_RESAMPLES; i++) {
		draw(draws, o->blocks, &state);
		estimates[i] = resampled_median(o, draws);
	}
	cut_tails(estimates, tail_of(o->n, o->blocks), low, high);
}

/* The first serial correlation of the blocks' medians; 0 where it is negative, or there is none to tell. */
static double serial_correlation(const struct ordered *o, const double *values)
{
	double medians[STATISTICS_BLOCKS], mean = 0, square = 0, product = 0;
	size_t blocks = o->blocks;

	if (blocks == o->n)
		return 0;
	for (size_t b = 0; b < blocks; b++) {
		size_t first = b * o->n / blocks, n = (b + 1) * o->n / blocks - first;
		auto_free double *block = xcalloc(n, sizeof(*block));

		memcpy(block, values + first, n * sizeof(*block));
		statistics_sort(block, n);
		medians[b] = statistics_median(block, n);
		mean += medians[b] / (double)blocks;
	}
	for (size_t b = 0; b < blocks; b++) {
		square += (medians[b] - mean) * (medians[b] - mean);
		product += b ? (medians[b] - mean) * (medians[b - 1] - mean) : 0;
	}
	return square > 0 ? fmin(SERIAL_MAX, fmax(0, product / square)) : 0;
}

/* Of blocks that resemble the ones before them there are in effect fewer: B (1 - r) / (1 + r) (Bayley and
 * Hammersley 1946). The interval about the median widens by the root of that. */
static void widen(double r, struct summary *s)
{
	double factor = sqrt((1 + r) / (1 - r));

	s->median_low = s->median - (s->median - s->median_low) * factor;
	s->median_high = s->median + (s->median_high - s->median) * factor;
}

void statistics_summarize(double *values, size_t n, struct summary *out)
{
	auto_ordered struct ordered o = order(values, n);
	double serial = serial_correlation(&o, values), sum = 0, squares = 0;

	memcpy(values, o.sorted, n * sizeof(*values));
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
	median_interval(&o, &out->median_low, &out->median_high);
	widen(serial, out);
}

struct interval statistics_median_ratio(const double *a, size_t na, const double *b, size_t nb)
{
	auto_ordered struct ordered top = order(a, na), bottom = order(b, nb);
	auto_free size_t *draws = xcalloc(top.blocks + bottom.blocks, sizeof(*draws));
	auto_free double *estimates = xcalloc(STATISTICS_RESAMPLES, sizeof(*estimates));
	struct interval out = {.value = statistics_median(top.sorted, na) /
					statistics_median(bottom.sorted, nb)};
	size_t fewer = top.blocks < bottom.blocks ? top.blocks : bottom.blocks;
	/* Blocks of single samples are no moments that both sides have in common. */
	bool paired = na == nb && top.blocks < na;
	uint64_t state = na * 31 + nb;

	for (size_t i = 0; i < STATISTICS_RESAMPLES; i++) {
		double value;

		draw(draws, top.blocks, &state);
		value = resampled_median(&top, draws);
		if (!paired)
			draw(draws, bottom.blocks, &state);
		estimates[i] = value / resampled_median(&bottom, draws);
	}
	cut_tails(estimates, tail_of(na < nb ? na : nb, fewer), &out.low, &out.high);
	return out;
}

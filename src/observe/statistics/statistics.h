/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about samples: order statistics, moments and percentile bootstrap intervals; and about
 * two of them: rank test, correction for many tests, size of the effect. The resampling generator is
 * seeded by a constant, so the same samples always give the same interval.
 */
#ifndef CLOCHE_OBSERVE_STATISTICS_STATISTICS_H
#define CLOCHE_OBSERVE_STATISTICS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

#define STATISTICS_RESAMPLES 4000
/* Samples are seen as so many blocks, each taken at one moment (statistics_blocks()). */
#define STATISTICS_BLOCKS 10
/* A median whose 95 % interval is wider than this part of it is called noisy: a change of a tenth,
 * which is what the instruments promise to see, could not be told from chance. */
#define STATISTICS_NOISY 0.20
/* The probability of chance below which a difference is said to be shown. */
#define STATISTICS_SIGNIFICANT 0.05

/* All in the unit of the samples. */
struct summary {
	size_t n;
	double median, mean;
	double sd;                      /* of the sample (n - 1); 0 for n = 1 */
	double median_low, median_high; /* 95 % bootstrap interval of the median */
	double min, max;
};

struct interval {
	double value, low, high; /* estimate and its 95 % bootstrap interval */
};

/* Into ascending order. */
void statistics_sort(double *values, size_t n);
/* Middle of n values in ascending order, the mean of the two middle ones for an even n. n > 0. */
double statistics_median(const double *sorted, size_t n);
/* The same of values in any order, which it sorts. Costs no resampling: what only wants the middle of what was
 * just measured must not keep the processor busy between two measurements. */
double statistics_median_of(double *values, size_t n);
/* Into how many blocks n samples fall that were taken one after another: STATISTICS_BLOCKS from thirty on,
 * of three samples each from eighteen on; below that, each is its own. Block b of B are the samples from
 * b * n / B to (b + 1) * n / B. */
size_t statistics_blocks(size_t n);
/* The values as they were taken, one after another; sorts them in place. n > 0. */
void statistics_summarize(double *values, size_t n, struct summary *out);
/* median(a) / median(b), both as they were taken, na, nb > 0, b's values > 0. Of as many samples on both
 * sides those of one block are taken to be of one moment, since subjects take turns: what the machine did
 * to both of them cancels out. Else the sides are resampled independently. */
struct interval statistics_median_ratio(const double *a, size_t na, const double *b, size_t nb);

struct mann_whitney {
	double u;           /* of a: pairs where a is the larger one, ties count half */
	double p;           /* two-sided */
	double cliff_delta; /* share of pairs with a > b less share with a < b; -1 to 1 */
	bool exact; /* p by counting; else by the normal approximation, corrected for ties */
};

/* Samples in any order, na, nb > 0. Exact up to 60 values in all (two times thirty runs). */
struct mann_whitney statistics_mann_whitney(const double *a, size_t na, const double *b, size_t nb);
/* The smallest p that samples of these sizes can give: when every value of one lies below every one
 * of the other. */
double statistics_smallest_p(size_t na, size_t nb);
/* p values of n tests, adjusted so that among all of them one is wrongly below a threshold no more
 * often than the threshold says (Holm's step-down). out in the order of p. */
void statistics_holm(const double *p, size_t n, double *out);
/* "negligible" below 0.147, "small" below 0.33, "medium" below 0.474, else "large" (Romano, Kromrey,
 * Coraggio, Skowronek 2006). */
const char *statistics_magnitude(double cliff_delta);

#endif

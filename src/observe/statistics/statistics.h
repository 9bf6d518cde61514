/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about samples: order statistics, moments and percentile bootstrap intervals. The
 * resampling generator is seeded by a constant, so the same samples always give the same interval.
 */
#ifndef CLOCHE_OBSERVE_STATISTICS_STATISTICS_H
#define CLOCHE_OBSERVE_STATISTICS_STATISTICS_H

#include <stddef.h>

#define STATISTICS_RESAMPLES 4000

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

/* Middle of n values in ascending order, the mean of the two middle ones for an even n. n > 0. */
double statistics_median(const double *sorted, size_t n);
/* Sorts the values in place. n > 0. */
void statistics_summarize(double *values, size_t n, struct summary *out);
/* median(a) / median(b), both sorted by statistics_summarize(), na, nb > 0, b's values > 0. Samples
 * are resampled independently of each other. */
struct interval statistics_median_ratio(const double *a, size_t na, const double *b, size_t nb);

#endif

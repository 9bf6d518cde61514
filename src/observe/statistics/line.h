/* SPDX-License-Identifier: Apache-2.0 */
/* The straight line through points, by least squares, and how much of their scatter it explains. */
#ifndef CLOCHE_OBSERVE_STATISTICS_LINE_H
#define CLOCHE_OBSERVE_STATISTICS_LINE_H

#include <stddef.h>

struct line {
	double intercept, slope; /* y = intercept + slope * x */
	double r_squared;        /* 1 - residual / total sum of squares; 1 when all y are equal */
};

/* n >= 2 points with at least two different x. 0, or -EINVAL. */
int statistics_line(const double *x, const double *y, size_t n, struct line *out)
	__attribute__((warn_unused_result));

#endif

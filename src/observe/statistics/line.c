/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes: sums of squares are taken about the means, so that large values with small differences
 * keep their digits. */
#include "observe/statistics/line.h"

#include <errno.h>

int statistics_line(const double *x, const double *y, size_t n, struct line *out)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0, residual = 0;

	if (n < 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		mean_x += x[i] / (double)n;
		mean_y += y[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		xx += (x[i] - mean_x) * (x[i] - mean_x);
		xy += (x[i] - mean_x) * (y[i] - mean_y);
		yy += (y[i] - mean_y) * (y[i] - mean_y);
	}
	if (xx <= 0)
		return -EINVAL;
	out->slope = xy / xx;
	out->intercept = mean_y - out->slope * mean_x;
	for (size_t i = 0; i < n; i++) {
		double off = y[i] - out->intercept - out->slope * x[i];

		residual += off * off;
	}
	out->r_squared = yy > 0 ? 1 - residual / yy : 1;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two samples differ and by how much: Mann and Whitney's U (1947), Holm's correction (1979),
 * Cliff's delta (1993). Nothing is assumed about the shape of what was measured, since run times have
 * long tails and a mean that one outlier moves.
 *
 * The exact p counts, among all ways to deal the pooled midranks to two groups of these sizes, those
 * whose sum of ranks lies at least as far from its mean: a permutation test, so ties need no other
 * treatment. Midranks are doubled to stay whole numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/statistics/statistics.h"

/* C(60, 30) is 1.2e17: counts fit 64 bits. */
#define EXACT_MAX 60

struct ranked {
	double value;
	uint32_t twice_rank;
	bool first; /* of the first sample */
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

/* Pools and ranks both samples; *ties gets the sum of t^3 - t over groups of t equal values. */
static struct ranked *rank_pooled(const double *a, size_t na, const double *b, size_t nb,
				  double *ties)
{
	struct ranked *all = xcalloc(na + nb, sizeof(*all));
	size_t n = na + nb;

	for (size_t i = 0; i < n; i++)
		all[i] = (struct ranked){.value = i < na ? a[i] : b[i - na], .first = i < na};
	qsort(all, n, sizeof(*all), by_value);
	*ties = 0;
	for (size_t i = 0, next; i < n; i = next) {
		double t;

		for (next = i + 1; next < n && all[next].value == all[i].value; next++)
			;
		for (size_t k = i; k < next; k++)
			all[k].twice_rank = (uint32_t)(i + 1 + next);
		t = (double)(next - i);
		*ties += t * t * t - t;
	}
	return all;
}

/* ways[k * width + s]: how many choices of k of the ranks sum to s. */
static void count_choices(const struct ranked *all, size_t n, size_t k_max, size_t width,
			  uint64_t *ways)
{
	ways[0] = 1;
	for (size_t i = 0; i < n; i++) {
		size_t rank = all[i].twice_rank;

		for (size_t k = k_max; k > 0; k--) {
			for (size_t s = rank; s < width; s++)
				ways[k * width + s] += ways[(k - 1) * width + s - rank];
		}
	}
}

static double exact_p(const struct ranked *all, size_t na, size_t nb, uint64_t twice_sum)
{
	size_t n = na + nb, width = n * (n + 1) + 1;
	auto_free uint64_t *ways = xcalloc((na + 1) * width, sizeof(*ways));
	/* Twice the mean of the doubled sum, so that it is whole as well. */
	int64_t mean = (int64_t)(na * (n + 1));
	int64_t far = llabs((int64_t)twice_sum - mean);
	uint64_t total = 0, beyond = 0;

	count_choices(all, n, na, width, ways);
	for (size_t s = 0; s < width; s++) {
		total += ways[na * width + s];
		if (llabs((int64_t)s - mean) >= far)
			beyond += ways[na * width + s];
	}
	return (double)beyond / (double)total;
}

/* With the correction for ties and half a step for continuity. */
static double normal_p(size_t na, size_t nb, double u, double ties)
{
	double product = (double)na * (double)nb, n = (double)(na + nb);
	double variance = product / 12 * (n + 1 - ties / (n * (n - 1)));
	double z;

	if (variance <= 0)
		return 1;
	z = (fabs(u - product / 2) - 0.5) / sqrt(variance);
	return fmin(1, erfc(fmax(0, z) / M_SQRT2));
}

struct mann_whitney statistics_mann_whitney(const double *a, size_t na, const double *b, size_t nb)
{
	double ties;
	auto_free struct ranked *all = rank_pooled(a, na, b, nb, &ties);
	struct mann_whitney out = {0};
	uint64_t twice_sum = 0;

	for (size_t i = 0; i < na + nb; i++)
		twice_sum += all[i].first ? all[i].twice_rank : 0;
	out.u = (double)twice_sum / 2 - (double)na * ((double)na + 1) / 2;
	out.exact = na + nb <= EXACT_MAX;
	out.p = out.exact ? exact_p(all, na, nb, twice_sum) : normal_p(na, nb, out.u, ties);
	/* (a > b) less (a < b) among all pairs, ties on neither side. */
	out.cliff_delta = 2 * out.u / ((double)na * (double)nb) - 1;
	return out;
}

double statistics_smallest_p(size_t na, size_t nb)
{
	double ways = 1;

	for (size_t i = 1; i <= na; i++)
		ways *= (double)(nb + i) / (double)i;
	return fmin(1, 2 / ways);
}

static int by_pointed_value(const void *a, const void *b)
{
	double x = **(const double *const *)a, y = **(const double *const *)b;

	return (x > y) - (x < y);
}

void statistics_holm(const double *p, size_t n, double *out)
{
	auto_free const double **order = xcalloc(n + 1, sizeof(*order));
	double least = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = &p[i];
	qsort(order, n, sizeof(const double *), by_pointed_value);
	for (size_t i = 0; i < n; i++) {
		least = fmax(least, fmin(1, *order[i] * (double)(n - i)));
		out[order[i] - p] = least;
	}
}

const char *statistics_magnitude(double cliff_delta)
{
	double d = fabs(cliff_delta);

	return d < 0.147 ? "negligible" : d < 0.33 ? "small" : d < 0.474 ? "medium" : "large";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is worked out of a filled model: nothing of it is worked out again by a renderer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "observe/report/report.h"

static void summarize(struct report_figure *f)
{
	auto_free double *values = NULL;

	if (!f->count || f->summary.n == f->count)
		return;
	values = xcalloc(f->count, sizeof(*values));
	memcpy(values, f->samples, f->count * sizeof(*values));
	statistics_summarize(values, f->count, &f->summary);
	f->noisy = f->summary.median_high - f->summary.median_low >
		   STATISTICS_NOISY * fabs(f->summary.median);
}

static void judge(struct report_check *c)
{
	double off = fabs(c->first - c->second);

	c->off_percent = c->second != 0 ? 100 * off / fabs(c->second) : off == 0 ? 0 : NAN;
	c->agrees = off <= c->bound_absolute || c->off_percent <= c->bound_percent;
}

void report_finish_test(struct report_test *t)
{
	for (size_t i = 0; i < t->figure_count; i++)
		summarize(t->figures[i]);
	for (size_t i = 0; i < t->check_count; i++)
		judge(t->checks[i]);
}

static struct report_comparison compare(const struct report_test *t,
					const struct report_figure *base,
					const struct report_figure *other)
{
	struct mann_whitney test =
		statistics_mann_whitney(other->samples, other->count, base->samples, base->count);
	struct report_comparison c = {
		.test = t, .base = base, .other = other, .ratio = {NAN, NAN, NAN}};

	/* A ratio to nothing, or to less than nothing, says nothing. */
	if (base->summary.min > 0)
		c.ratio = statistics_median_ratio(other->samples, other->count, base->samples,
						  base->count);
	c.p = test.p;
	c.cliff_delta = test.cliff_delta;
	c.magnitude = statistics_magnitude(test.cliff_delta);
	return c;
}

/* The figure of f's key of the first subject that has samples of it. */
static const struct report_figure *base_of(const struct report *r, const struct report_test *t,
					   const struct report_figure *f)
{
	for (size_t i = 0; i < r->subjects.count; i++) {
		const struct report_figure *g = report_find_figure(t, r->subjects.items[i], f->key);

		if (g && g->count)
			return g;
	}
	return NULL;
}

static void add_comparison(struct report *r, const struct report_comparison *c)
{
	r->comparisons =
		xrealloc(r->comparisons, (r->comparison_count + 1) * sizeof(*r->comparisons));
	r->comparisons[r->comparison_count++] = *c;
}

/* Subject after subject within a key, so that what belongs together stands together. */
static void compare_test(struct report *r, const struct report_test *t)
{
	for (size_t i = 0; i < t->figure_count; i++) {
		const struct report_figure *base = t->figures[i];

		if (base_of(r, t, base) != base)
			continue;
		for (size_t k = 0; k < r->subjects.count; k++) {
			const struct report_figure *f =
				report_find_figure(t, r->subjects.items[k], base->key);
			struct report_comparison c;

			if (!f || f == base || !f->count)
				continue;
			c = compare(t, base, f);
			add_comparison(r, &c);
		}
	}
}

/* A value that was read once has no spread to test against. */
static bool is_tested(const struct report_comparison *c)
{
	return c->base->count > 1 && c->other->count > 1;
}

static void judge_comparison(struct report_comparison *c, double p_holm, size_t tests)
{
	size_t n = c->base->count, m = c->other->count;

	if (!is_tested(c)) {
		c->p = c->p_holm = NAN;
		c->too_few = true;
		return;
	}
	c->p_holm = p_holm;
	c->shown = p_holm < STATISTICS_SIGNIFICANT && !str_eq(c->magnitude, "negligible");
	c->too_few = !c->shown &&
		     (double)tests * statistics_smallest_p(n, m) >= STATISTICS_SIGNIFICANT;
}

/* Holm's correction over every tested comparison of the report, and what may be said after it. */
static void correct(struct report *r)
{
	size_t n = r->comparison_count, tests = 0;
	auto_free double *p = xcalloc(n + 1, sizeof(*p));
	auto_free double *holm = xcalloc(n + 1, sizeof(*holm));

	for (size_t i = 0; i < n; i++) {
		if (is_tested(&r->comparisons[i]))
			p[tests++] = r->comparisons[i].p;
	}
	statistics_holm(p, tests, holm);
	for (size_t i = 0, at = 0; i < n; i++) {
		bool tested = is_tested(&r->comparisons[i]);

		judge_comparison(&r->comparisons[i], tested ? holm[at] : NAN, tests);
		at += tested ? 1 : 0;
	}
}

/* By severity, then by what it costs; equal ones as they came. */
static bool before(const struct report_finding *a, const struct report_finding *b)
{
	if (a->severity != b->severity)
		return a->severity > b->severity;
	return a->cost > b->cost;
}

static void order_findings(struct report *r)
{
	for (size_t i = 1; i < r->finding_count; i++) {
		struct report_finding *f = r->findings[i];
		size_t k = i;

		for (; k > 0 && before(f, r->findings[k - 1]); k--)
			r->findings[k] = r->findings[k - 1];
		r->findings[k] = f;
	}
}

/* Whether two tests came to the same advice: the same option of the same subject's command line. */
static bool advises_as(const struct report_finding *a, const struct report_finding *b)
{
	size_t n = a->flag ? strcspn(a->flag, " ") : 0;

	return n && a->flag[0] == '-' && b->flag && strcspn(b->flag, " ") == n &&
	       strncmp(a->flag, b->flag, n) == 0 && str_eq(a->subject, b->subject) &&
	       !str_eq(a->test, b->test);
}

/* Of ordered findings, only the costlier one of two tests is kept. */
static void drop_repeated(struct report *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->finding_count; i++) {
		bool repeats = false;

		for (size_t k = 0; k < kept && !repeats; k++)
			repeats = advises_as(r->findings[k], r->findings[i]);
		if (repeats)
			report_finding_free(r->findings[i]);
		else
			r->findings[kept++] = r->findings[i];
	}
	r->finding_count = kept;
}

void report_finish(struct report *r)
{
	struct report_steadiness *steady = &r->steadiness;

	steady->unsteady = steady->looks &&
			   steady->high_us - steady->low_us > STATISTICS_NOISY * steady->median_us;
	free(r->comparisons);
	r->comparisons = NULL;
	r->comparison_count = 0;
	for (size_t i = 0; i < r->test_count; i++) {
		report_finish_test(r->tests[i]);
		compare_test(r, r->tests[i]);
	}
	correct(r);
	order_findings(r);
	drop_repeated(r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What stands at the end: subjects side by side, what could not be measured, findings by their rank. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "observe/report/report_text.h"
#include "observe/report/unit.h"

/* ---- side by side ---- */

/* "38 x slower", "12 % more": only for what was shown. */
static void put_difference(const struct report_comparison *c, struct strbuf *out)
{
	struct unit_scale s = unit_scale(c->base->unit, 1, 1);
	bool rate = s.kind == UNIT_RATE || str_ends(c->base->unit, "/s");
	bool larger = c->cliff_delta > 0;
	bool speed = s.kind == UNIT_TIME || rate;
	const char *word = !speed           ? (larger ? "more" : "less")
			   : larger == rate ? "faster"
					    : "slower";
	double ratio = c->ratio.value, factor = ratio < 1 ? 1 / ratio : ratio;

	/* Medians may be equal, or lie the other way, although the samples differ. */
	if (!isfinite(factor) || factor <= 1 || (ratio > 1) != larger)
		strbuf_puts(out, word);
	else if (factor >= 10)
		strbuf_printf(out, "%.0f x %s", factor, word);
	else if (speed || factor >= 2)
		strbuf_printf(out, "%.*f x %s", factor < 2 ? 2 : 1, factor, word);
	else
		strbuf_printf(out, "%.0f %% %s", 100 * fabs(ratio - 1), word);
}

static void add_numbers(struct text_grid *g, const struct report_comparison *c)
{
	char ratio[64] = "", interval[64] = "", p[32] = "<0.001";
	bool tested = isfinite(c->p_holm);

	if (isfinite(c->ratio.value)) {
		(void)snprintf(ratio, sizeof(ratio), "%.3g", c->ratio.value);
		if (tested)
			(void)snprintf(interval, sizeof(interval), "%.3g-%.3g", c->ratio.low,
				       c->ratio.high);
	}
	if (c->p_holm >= 0.001)
		(void)snprintf(p, sizeof(p), "%.3f", c->p_holm);
	text_grid_add(g, ratio);
	text_grid_add(g, interval);
	text_grid_add(g, tested ? p : "");
	text_grid_add(g, tested ? c->magnitude : "");
}

static void add_median(struct text_grid *g, const struct report_figure *f)
{
	auto_strbuf struct strbuf cell = {0};

	text_grid_add(g, f->subject);
	unit_value(f->unit, f->summary.median, &cell);
	text_grid_add(g, strbuf_str(&cell));
}

static void add_comparison(struct text_grid *g, const struct report_comparison *c)
{
	auto_strbuf struct strbuf result = {0};

	text_grid_add(g, "");
	add_median(g, c->other);
	add_numbers(g, c);
	if (c->shown)
		put_difference(c, &result);
	else
		strbuf_puts(&result, !isfinite(c->p_holm) ? "read once"
				     : c->too_few         ? "too few runs to tell"
							  : "no difference shown");
	text_grid_add(g, strbuf_str(&result));
}

static void add_base(struct text_grid *g, const struct report_figure *f)
{
	text_grid_add(g, f->label);
	add_median(g, f);
	for (int i = 0; i < 5; i++)
		text_grid_add(g, "");
}

/* A first look is shown headlines and what differs. */
static bool worth_showing(const struct report_comparison *c, bool details)
{
	return details || c->base->headline || c->shown;
}

static void put_side_by_side(const struct text *t, const struct report *r, bool details)
{
	static const char *const heads[] = {"FIGURE", "SUBJECT", "MEDIAN", "RATIO",
					    "95 %",   "p",       "EFFECT", "RESULT"};
	static enum report_align align[] = {REPORT_LEFT,  REPORT_LEFT,  REPORT_RIGHT, REPORT_RIGHT,
					    REPORT_RIGHT, REPORT_RIGHT, REPORT_LEFT,  REPORT_LEFT};
	auto_text_grid struct text_grid g = {
		.align = align, .soft = 1, .spans = true, .max_lines = details ? 0 : 3};
	const struct report_figure *base = NULL;
	size_t left_out = 0, tests = 0;

	if (!r->comparison_count)
		return;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		text_grid_head(&g, heads[i]);
	for (size_t i = 0; i < r->comparison_count; i++) {
		const struct report_comparison *c = &r->comparisons[i];

		tests += isfinite(c->p_holm) ? 1 : 0;
		if (!worth_showing(c, details)) {
			left_out++;
			continue;
		}
		if (c->base != base)
			add_base(&g, c->base);
		base = c->base;
		add_comparison(&g, c);
	}
	text_styled(t, TEXT_BOLD, "Side by side");
	strbuf_printf(t->out,
		      "\n  p: Mann-Whitney U, two-sided, Holm's correction over %zu tests; EFFECT: "
		      "Cliff's delta\n",
		      tests);
	text_grid_put(t, &g, 2, 0);
	if (left_out)
		strbuf_printf(t->out,
			      "  ... %zu more where no difference shows; --details shows all\n",
			      left_out);
	strbuf_putc(t->out, '\n');
}

/* ---- what is missing ---- */

static void put_unmeasured(const struct text *t, const struct report *r)
{
	bool any = false;

	for (size_t i = 0; i < r->test_count; i++) {
		const struct report_test *test = r->tests[i];
		auto_strbuf struct strbuf line = {0};

		if (test->status == REPORT_DONE)
			continue;
		if (!any)
			text_styled(t, TEXT_BOLD, "Not, or not wholly, measured");
		strbuf_puts(t->out, any ? "" : "\n");
		any = true;
		strbuf_printf(&line, "%s, %s: %s", test->key, report_status_name(test->status),
			      test->reason ? test->reason : "");
		text_paragraph(t, 2, TEXT_WARN, "! ", strbuf_str(&line), 3);
	}
	if (any)
		strbuf_putc(t->out, '\n');
}

/* ---- findings ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && str_eq(a, b));
}

/* The same said of another subject: it shares the lines of the first. */
static bool says_the_same(const struct report_finding *a, const struct report_finding *b)
{
	return a->severity == b->severity && str_eq(a->test, b->test) &&
	       str_eq(a->title, b->title) && same_text(a->reason, b->reason) &&
	       same_text(a->recommendation, b->recommendation) && same_text(a->flag, b->flag);
}

/* Whether one before it said so already. */
static bool is_repeated(const struct report *r, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (says_the_same(r->findings[i], r->findings[at]))
			return true;
	}
	return false;
}

/* " [test, subject, subject]" */
static void put_whose(const struct report *r, size_t at, struct strbuf *line)
{
	const struct report_finding *f = r->findings[at];
	const char *comma = *f->test ? ", " : "";

	strbuf_printf(line, " [%s", f->test);
	for (size_t i = at; i < r->finding_count; i++) {
		if (!*r->findings[i]->subject || !says_the_same(f, r->findings[i]))
			continue;
		strbuf_printf(line, "%s%s", comma, r->findings[i]->subject);
		comma = ", ";
	}
	strbuf_putc(line, ']');
}

static void put_finding(const struct text *t, const struct report *r, size_t at, size_t rank)
{
	static const char *const names[] = {"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"};
	static const enum text_style styles[] = {TEXT_DIM, TEXT_PLAIN, TEXT_WARN, TEXT_BAD,
						 TEXT_BAD};
	const struct report_finding *f = r->findings[at];
	auto_free char *lead = xasprintf("%2zu  %-9s ", rank, names[f->severity]);
	auto_strbuf struct strbuf line = {0};
	size_t indent = text_width(lead);

	strbuf_puts(&line, f->title);
	if (*f->test || *f->subject)
		put_whose(r, at, &line);
	text_paragraph(t, 0, styles[f->severity], lead, strbuf_str(&line), 3);
	if (f->reason)
		text_paragraph(t, indent, TEXT_DIM, "why:  ", f->reason, 0);
	if (f->recommendation)
		text_paragraph(t, indent, TEXT_DIM, "do:   ", f->recommendation, 0);
	if (f->flag)
		text_paragraph(t, indent, TEXT_DIM, "with: ", f->flag, 0);
}

static void put_findings(const struct text *t, const struct report *r, size_t limit)
{
	size_t rank = 0;

	if (!r->finding_count)
		return;
	text_styled(t, TEXT_BOLD, "Findings, the costliest first");
	strbuf_putc(t->out, '\n');
	for (size_t i = 0; i < r->finding_count; i++) {
		if (is_repeated(r, i))
			continue;
		rank++;
		if (!limit || rank <= limit)
			put_finding(t, r, i, rank);
	}
	text_more(t, 4, rank, limit, "findings");
	strbuf_putc(t->out, '\n');
}

static void put_steadiness(const struct text *t, const struct report_steadiness *s)
{
	auto_strbuf struct strbuf line = {0};

	if (!s->looks)
		return;
	strbuf_printf(
		&line,
		"Steadiness: the same start of a program on the host took %.0f to %.0f us at %zu "
		"moments of this run (%.0f %%).",
		s->low_us, s->high_us, s->looks, 100 * (s->high_us - s->low_us) / s->median_us);
	if (s->unsteady)
		strbuf_puts(&line, " That is too noisy for figures that another run shall "
				   "agree with: repeat it when the machine is quiet.");
	text_paragraph(t, 0, s->unsteady ? TEXT_WARN : TEXT_PLAIN, "", strbuf_str(&line), 0);
}

/* A report knows itself how far it is to be trusted. */
static void put_noise(const struct text *t, const struct report *r)
{
	size_t sampled = 0, noisy = 0;

	for (size_t i = 0; i < r->test_count; i++) {
		for (size_t k = 0; k < r->tests[i]->figure_count; k++) {
			sampled += r->tests[i]->figures[k]->count > 1;
			noisy += r->tests[i]->figures[k]->noisy;
		}
	}
	put_steadiness(t, &r->steadiness);
	if (noisy)
		strbuf_printf(t->out,
			      "%zu of %zu sampled figures are noisy (~): do not build on their "
			      "digits.\n",
			      noisy, sampled);
}

void report_text_end(const struct report *r, const struct report_text_options *o,
		     struct strbuf *out)
{
	struct text t = {.out = out, .colour = o->colour};
	struct text_limits limits = text_limits(o);

	put_side_by_side(&t, r, o->details);
	put_unmeasured(&t, r);
	put_findings(&t, r, limits.findings);
	text_facts(&t, r, REPORT_AFTERWARDS, limits.lines);
	put_noise(&t, r);
	if (r->interrupted)
		text_paragraph(&t, 0, TEXT_WARN, "INTERRUPTED: ",
			       "what was measured until then is above; the rest is missing", 0);
	if (isfinite(r->took_s) && r->took_s > 0 && r->took_s < 1e7)
		strbuf_printf(out, "Took %.1f s.\n", r->took_s);
}

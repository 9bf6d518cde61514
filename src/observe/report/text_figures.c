/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of figures: what was sampled with its spread, what was read once as a value. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "observe/report/report_text.h"
#include "observe/report/unit.h"

/* Which columns a table of sampled figures has: none that says nothing. */
struct columns {
	bool subject, runs, floor;
	size_t usual_runs;
};

static bool has_floor(const struct report_figure *f)
{
	return isfinite(f->floor) && f->floor > 0;
}

/* Whose turn a figure has among those of its key: the report's subjects in their order, then others. */
static size_t turn(const struct report *r, const struct report_figure *f)
{
	size_t i = 0;

	while (i < r->subjects.count && !str_eq(r->subjects.items[i], f->subject))
		i++;
	return i;
}

/* Puts a figure behind those of its key that have an earlier or the same turn. */
static void insert(const struct report *r, const struct report_figure **list, size_t first,
		   size_t *count, const struct report_figure *f)
{
	size_t at = (*count)++;

	for (; at > first && turn(r, list[at - 1]) > turn(r, f); at--)
		list[at] = list[at - 1];
	list[at] = f;
}

/* Figures of one key stand together, in the order of the first of each key. */
static const struct report_figure **by_key(const struct report *r, const struct report_test *test,
					   bool sampled, bool with_details, size_t *count)
{
	const struct report_figure **out = xcalloc(test->figure_count + 1, sizeof(*out));

	*count = 0;
	for (size_t i = 0; i < test->figure_count; i++) {
		const struct report_figure *f = test->figures[i];
		size_t first = *count;
		bool seen = f->detail && !with_details;

		for (size_t k = 0; k < i && !seen; k++)
			seen = str_eq(test->figures[k]->key, f->key);
		for (size_t k = i; k < test->figure_count && !seen; k++) {
			if (str_eq(test->figures[k]->key, f->key) &&
			    (test->figures[k]->count > 1) == sampled)
				insert(r, out, first, count, test->figures[k]);
		}
	}
	return out;
}

static void add_taken(struct text_grid *g, struct strbuf *cell)
{
	text_grid_add(g, strbuf_str(cell));
	strbuf_free(cell);
	*cell = (struct strbuf){0};
}

static void add_times_floor(struct text_grid *g, const struct report_figure *f)
{
	double times = f->count && has_floor(f) ? f->summary.median / f->floor : NAN;
	char text[32] = "";

	if (isfinite(times))
		(void)snprintf(text, sizeof(text), "%.*f",
			       times < 10    ? 2
			       : times < 100 ? 1
					     : 0,
			       fmin(times, 1e9));
	text_grid_add(g, text);
}

/* Only where they are not those of the caption. */
static void add_runs(struct text_grid *g, const struct report_figure *f, size_t usual)
{
	auto_strbuf struct strbuf cell = {0};

	if (f->failed || f->count != usual)
		strbuf_printf(&cell, "%zu", f->count);
	if (f->failed)
		strbuf_printf(&cell, ", %zu failed", f->failed);
	text_grid_add(g, strbuf_str(&cell));
}

static void add_range(struct text_grid *g, const struct unit_scale *s, double low, double high,
		      const char *mark)
{
	auto_strbuf struct strbuf cell = {0};

	unit_number(s, low, &cell);
	strbuf_puts(&cell, " - ");
	unit_number(s, high, &cell);
	strbuf_puts(&cell, mark);
	text_grid_add(g, strbuf_str(&cell));
}

static void add_sampled(struct text_grid *g, const struct columns *has,
			const struct report_figure *f, bool same_label)
{
	struct unit_scale s = unit_scale(f->unit, f->summary.median, f->summary.max);
	struct strbuf cell = {0};
	int decimals = s.decimals;

	text_grid_add(g, same_label ? "" : f->label);
	if (has->subject)
		text_grid_add(g, f->subject);
	unit_number(&s, f->summary.median, &cell);
	strbuf_printf(&cell, "%s%s", *s.name ? " " : "", s.name);
	add_taken(g, &cell);
	add_range(g, &s, f->summary.median_low, f->summary.median_high, f->noisy ? " ~" : "");
	/* The mean of counts is none. */
	s.decimals += s.decimals == 0 && fabs(f->summary.median * s.factor) < 100 ? 1 : 0;
	unit_number(&s, f->summary.mean, &cell);
	add_taken(g, &cell);
	unit_number(&s, f->summary.sd, &cell);
	add_taken(g, &cell);
	s.decimals = decimals;
	add_range(g, &s, f->summary.min, f->summary.max, "");
	if (has->runs)
		add_runs(g, f, has->usual_runs);
	if (has->floor)
		add_times_floor(g, f);
}

static struct columns columns_for(const struct report_figure *const *figures, size_t n)
{
	struct columns has = {.usual_runs = n ? figures[0]->count : 0};

	for (size_t i = 0; i < n; i++) {
		has.subject |= !str_eq(figures[i]->subject, figures[0]->subject);
		has.runs |= figures[i]->failed || figures[i]->count != has.usual_runs;
		has.floor |= has_floor(figures[i]);
	}
	return has;
}

static void head(struct text_grid *g, enum report_align *align, bool wanted, enum report_align side,
		 const char *s)
{
	if (!wanted)
		return;
	align[g->heads.count] = side;
	text_grid_head(g, s);
}

static void put_caption(const struct text *t, const struct columns *has,
			const struct report_figure *first)
{
	auto_strbuf struct strbuf line = {0};

	strbuf_printf(&line, "medians with 95 %% intervals; %zu runs each", has->usual_runs);
	if (first->warm_ups)
		strbuf_printf(&line, ", %zu dropped before", first->warm_ups);
	if (has->runs)
		strbuf_puts(&line, ", unless RUNS says otherwise");
	text_paragraph(t, 2, TEXT_PLAIN, "", strbuf_str(&line), 0);
}

static void put_noise(const struct text *t, const struct report_figure *const *figures, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!figures[i]->noisy)
			continue;
		text_paragraph(t, 2, TEXT_WARN, "~ ",
			       "noisy: the interval is wider than a fifth of the median; more runs "
			       "(--runs) or a quieter machine would tell more",
			       0);
		return;
	}
}

static void put_sampled(const struct text *t, const struct report_figure *const *figures, size_t n,
			const struct text_limits *limits)
{
	size_t shown = limits->figures && limits->figures < n ? limits->figures : n;
	struct columns has = columns_for(figures, shown);
	enum report_align align[9];
	auto_text_grid struct text_grid g = {
		.align = align, .soft = 1, .spans = true, .max_lines = limits->lines};

	if (!n)
		return;
	put_caption(t, &has, figures[0]);
	head(&g, align, true, REPORT_LEFT, "FIGURE");
	head(&g, align, has.subject, REPORT_LEFT, "SUBJECT");
	head(&g, align, true, REPORT_RIGHT, "MEDIAN");
	head(&g, align, true, REPORT_RIGHT, "INTERVAL");
	head(&g, align, true, REPORT_RIGHT, "MEAN");
	head(&g, align, true, REPORT_RIGHT, "SD");
	head(&g, align, true, REPORT_RIGHT, "MIN - MAX");
	head(&g, align, has.runs, REPORT_RIGHT, "RUNS");
	head(&g, align, has.floor, REPORT_RIGHT, "x FLOOR");
	for (size_t i = 0; i < n; i++)
		add_sampled(&g, &has, figures[i],
			    i && str_eq(figures[i]->key, figures[i - 1]->key));
	text_grid_put(t, &g, 2, limits->figures);
	text_more(t, 2, n, limits->figures, "figures");
	put_noise(t, figures, n);
}

static void add_single(struct text_grid *g, const struct columns *has,
		       const struct report_figure *f, bool same_label)
{
	struct strbuf cell = {0};

	text_grid_add(g, same_label ? "" : f->label);
	if (has->subject)
		text_grid_add(g, f->subject);
	if (f->count)
		unit_value(f->unit, f->samples[0], &cell);
	else if (f->failed)
		strbuf_printf(&cell, "none: %zu runs failed", f->failed);
	else
		strbuf_puts(&cell, "none");
	add_taken(g, &cell);
	if (has->floor)
		add_times_floor(g, f);
}

static void put_single(const struct text *t, const struct report_figure *const *figures, size_t n,
		       const struct text_limits *limits)
{
	size_t shown = limits->figures && limits->figures < n ? limits->figures : n;
	struct columns has = columns_for(figures, shown);
	enum report_align align[4];
	auto_text_grid struct text_grid g = {
		.align = align, .soft = 1, .spans = true, .max_lines = limits->lines};

	if (!n)
		return;
	head(&g, align, true, REPORT_LEFT, "FIGURE");
	head(&g, align, has.subject, REPORT_LEFT, "SUBJECT");
	head(&g, align, true, REPORT_RIGHT, "VALUE");
	head(&g, align, has.floor, REPORT_RIGHT, "x FLOOR");
	for (size_t i = 0; i < n; i++)
		add_single(&g, &has, figures[i], i && str_eq(figures[i]->key, figures[i - 1]->key));
	text_grid_put(t, &g, 2, limits->figures);
	text_more(t, 2, n, limits->figures, "figures");
}

static const char *floor_label(const struct report_figure *f)
{
	return f->floor_label ? f->floor_label : "measured in the same run";
}

/* What the multiples are multiples of; figures whose floors are alike share a line. */
static void put_floors(const struct text *t, const struct report_test *test,
		       const struct text_limits *limits)
{
	for (size_t i = 0; i < test->figure_count; i++) {
		const struct report_figure *f = test->figures[i];
		auto_strbuf struct strbuf line = {0};
		bool seen = !has_floor(f) || (f->detail && !limits->details);

		for (size_t k = 0; k < i && !seen; k++)
			seen = has_floor(test->figures[k]) &&
			       str_eq(floor_label(f), floor_label(test->figures[k]));
		if (seen)
			continue;
		unit_value(f->unit, f->floor, &line);
		strbuf_printf(&line, ": %s (%s", floor_label(f), f->label);
		for (size_t k = i + 1; k < test->figure_count; k++) {
			const struct report_figure *g = test->figures[k];

			if ((!g->detail || limits->details) && has_floor(g) &&
			    str_eq(floor_label(f), floor_label(g)) && !str_eq(f->key, g->key) &&
			    str_eq(f->subject, g->subject)) {
				strbuf_printf(&line, "; %s", g->label);
				if (g->floor == f->floor)
					continue;
				strbuf_puts(&line, ": ");
				unit_value(g->unit, g->floor, &line);
			}
		}
		strbuf_puts(&line, ")");
		text_paragraph(t, 2, TEXT_DIM, "floor ", strbuf_str(&line), limits->lines);
	}
}

static void put_references(const struct text *t, const struct report_test *test,
			   const struct text_limits *limits)
{
	for (size_t i = 0; i < test->figure_count; i++) {
		const struct report_figure *f = test->figures[i];
		auto_strbuf struct strbuf line = {0};
		bool seen = !f->reference;

		for (size_t k = 0; k < i && !seen; k++)
			seen = str_eq(test->figures[k]->key, f->key) && test->figures[k]->reference;
		if (seen)
			continue;
		strbuf_printf(&line, "%s: %s", f->label, f->reference);
		text_paragraph(t, 2, TEXT_DIM, "elsewhere, ", strbuf_str(&line), limits->lines);
	}
}

void text_figures(const struct text *t, const struct report *r, const struct report_test *test,
		  const struct text_limits *limits)
{
	size_t sampled_count, single_count, hidden = 0;
	auto_free const struct report_figure **sampled =
		by_key(r, test, true, limits->details, &sampled_count);
	auto_free const struct report_figure **single =
		by_key(r, test, false, limits->details, &single_count);

	put_sampled(t, sampled, sampled_count, limits);
	if (sampled_count && single_count)
		strbuf_putc(t->out, '\n');
	put_single(t, single, single_count, limits);
	for (size_t i = 0; i < test->figure_count && !limits->details; i++)
		hidden += test->figures[i]->detail ? 1 : 0;
	/* One more than are hidden, of which one is shown: a limit of 0 would be none. */
	text_more(t, 2, hidden + 1, 1, "figures");
	put_floors(t, test, limits);
	put_references(t, test, limits);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report for a terminal: what was found out before, test by test. Without colour nothing is lost. */
#include "observe/report/report_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "observe/report/unit.h"

struct text_limits text_limits(const struct report_text_options *o)
{
	if (o->details)
		return (struct text_limits){.held = true, .details = true};
	if (o->brief)
		return (struct text_limits){.figures = 12,
					    .rows = 8,
					    .evidence = 3,
					    .findings = 8,
					    .claims = 8,
					    .lines = 2};
	return (struct text_limits){
		.figures = 24, .rows = 14, .evidence = 6, .findings = 15, .lines = 3, .held = true};
}

void text_more(const struct text *t, size_t indent, size_t count, size_t limit, const char *what)
{
	auto_strbuf struct strbuf line = {0};

	if (!limit || count <= limit)
		return;
	strbuf_printf(&line, "... %zu more %s; --details shows all", count - limit, what);
	strbuf_printf(t->out, "%*s", (int)indent, "");
	text_styled(t, TEXT_DIM, strbuf_str(&line));
	strbuf_putc(t->out, '\n');
}

/* ---- one test ---- */

static void put_heading(const struct text *t, const struct report_test *test)
{
	auto_strbuf struct strbuf line = {0}, right = {0}, rule = {0};
	auto_free char *title = text_clean(test->title);
	auto_free char *key = text_clean(test->key);
	auto_strv struct strv cut = {0}, cut_key = {0};
	size_t used;

	text_break(title, 60, 1, &cut);
	text_break(key, 20, 1, &cut_key);
	if (test->number)
		strbuf_printf(&line, "%u  ", test->number);
	strbuf_puts(&line, cut.items[0]);
	strbuf_puts(&right, cut_key.items[0]);
	if (isfinite(test->took_s) && test->took_s > 0 && test->took_s < 1e6)
		strbuf_printf(&right, ", %.1f s", test->took_s);
	used = text_width(strbuf_str(&line)) + text_width(strbuf_str(&right));
	text_styled(t, TEXT_BOLD, strbuf_str(&line));
	strbuf_printf(t->out, "%*s%s\n", (int)(used + 2 < TEXT_COLUMNS ? TEXT_COLUMNS - used : 2),
		      "", strbuf_str(&right));
	for (size_t i = 0; i < TEXT_COLUMNS; i++)
		strbuf_putc(&rule, '-');
	text_styled(t, TEXT_DIM, strbuf_str(&rule));
	strbuf_putc(t->out, '\n');
}

static void put_status(const struct text *t, const struct report_test *test)
{
	static const char *const leads[] = {
		"", "PARTLY MEASURED: ", "NOT MEASURED: ", "FAILED: ", "INTERRUPTED: "};

	if (test->status != REPORT_DONE)
		text_paragraph(t, 2, test->status == REPORT_FAILED ? TEXT_BAD : TEXT_WARN,
			       leads[test->status], test->reason, 0);
}

static void put_table(const struct text *t, const struct report_table *table,
		      const struct text_limits *limits)
{
	auto_text_grid struct text_grid g = {.align = table->align, .max_lines = limits->lines};
	size_t rows = table->columns.count ? table->cells.count / table->columns.count : 0;

	for (size_t i = 0; i < table->columns.count; i++)
		text_grid_head(&g, table->columns.items[i]);
	for (size_t i = 0; i < table->cells.count; i++)
		text_grid_add(&g, table->cells.items[i]);
	strbuf_putc(t->out, '\n');
	text_paragraph(t, 2, TEXT_PLAIN, "", table->title, 2);
	text_grid_put(t, &g, 4, limits->rows);
	text_more(t, 4, rows, limits->rows, "rows");
}

static void put_claim(const struct text *t, const struct report_claim *c, bool with_subject,
		      const struct text_limits *limits)
{
	static const char *const leads[] = {"HOLDS    ", "BROKEN   ", "UNKNOWN  "};
	static const enum text_style styles[] = {TEXT_GOOD, TEXT_BAD, TEXT_WARN};
	auto_strbuf struct strbuf line = {0};

	if (with_subject && *c->subject)
		strbuf_printf(&line, "%s: ", c->subject);
	strbuf_puts(&line, c->claim);
	text_paragraph(t, 2, styles[c->verdict], leads[c->verdict], strbuf_str(&line), 0);
	if (c->verdict == REPORT_HOLDS && !limits->held)
		return;
	for (size_t i = 0; i < c->evidence.count && (!limits->evidence || i < limits->evidence);
	     i++)
		text_paragraph(t, 11, TEXT_PLAIN, "- ", c->evidence.items[i], limits->lines);
	text_more(t, 11, c->evidence.count, limits->evidence, "lines of evidence");
	if (c->consequence)
		text_paragraph(t, 11, TEXT_PLAIN, "so: ", c->consequence, 0);
}

static void put_claims(const struct text *t, const struct report_test *test,
		       const struct text_limits *limits)
{
	bool with_subject = false;
	size_t held = 0;

	for (size_t i = 1; i < test->claim_count; i++)
		with_subject |= !str_eq(test->claims[i]->subject, test->claims[0]->subject);
	if (test->claim_count)
		strbuf_putc(t->out, '\n');
	for (size_t i = 0; i < test->claim_count; i++) {
		held += test->claims[i]->verdict == REPORT_HOLDS ? 1 : 0;
		if (test->claims[i]->verdict != REPORT_HOLDS || !limits->claims ||
		    held <= limits->claims)
			put_claim(t, test->claims[i], with_subject, limits);
	}
	text_more(t, 2, held, limits->claims, "claims that hold");
}

static void put_check(const struct text *t, const struct report_check *c)
{
	auto_strbuf struct strbuf line = {0};

	if (*c->subject)
		strbuf_printf(&line, "%s: ", c->subject);
	strbuf_printf(&line, "%s: ", c->what);
	unit_value(c->unit, c->first, &line);
	strbuf_printf(&line, " (%s) against ", c->first_name);
	unit_value(c->unit, c->second, &line);
	strbuf_printf(&line, " (%s)", c->second_name);
	if (isfinite(c->off_percent))
		strbuf_printf(&line, ", %.1f %% apart", c->off_percent);
	strbuf_printf(&line, "; allowed: %g %%", c->bound_percent);
	if (c->bound_absolute > 0) {
		strbuf_puts(&line, " or ");
		unit_value(c->unit, c->bound_absolute, &line);
	}
	text_paragraph(t, 2, c->agrees ? TEXT_GOOD : TEXT_BAD,
		       c->agrees ? "AGREES    " : "DISAGREES ", strbuf_str(&line), 0);
}

static void put_small_print(const struct text *t, const struct report_test *test, size_t lines)
{
	for (size_t i = 0; i < test->notes.count; i++)
		text_paragraph(t, 2, TEXT_DIM, "note: ", test->notes.items[i], lines);
	for (size_t i = 0; i < test->raw.count; i++)
		text_paragraph(t, 2, TEXT_DIM, "kept: ", test->raw.items[i], lines);
}

void report_text_test(struct report_test *test, const struct report *r,
		      const struct report_text_options *o, struct strbuf *out)
{
	struct text t = {.out = out, .colour = o->colour};
	struct text_limits limits = text_limits(o);

	report_finish_test(test);
	put_heading(&t, test);
	put_status(&t, test);
	text_figures(&t, r, test, &limits);
	for (size_t i = 0; i < test->table_count; i++)
		put_table(&t, test->tables[i], &limits);
	put_claims(&t, test, &limits);
	if (test->check_count)
		strbuf_puts(out, "\n  By a second instrument\n");
	for (size_t i = 0; i < test->check_count; i++)
		put_check(&t, test->checks[i]);
	put_small_print(&t, test, limits.lines);
	strbuf_putc(out, '\n');
}

/* ---- before the tests ---- */

static void put_prerequisites(const struct text *t, const struct report *r)
{
	auto_strbuf struct strbuf present = {0};

	for (size_t i = 0; i < r->fact_count; i++) {
		const struct report_fact *f = r->facts[i];
		auto_strbuf struct strbuf line = {0};

		if (!str_eq(f->section, "prerequisite"))
			continue;
		if (f->good) {
			strbuf_printf(&present, "%s%s", present.len ? ", " : "", f->key);
			continue;
		}
		strbuf_printf(&line, "%s%s%s", f->key, f->cost ? ": " : "", f->cost ? f->cost : "");
		text_paragraph(t, 0, TEXT_WARN, "missing  ", strbuf_str(&line), 0);
	}
	if (present.len)
		text_paragraph(t, 0, TEXT_PLAIN, "present  ", strbuf_str(&present), 0);
}

static size_t key_width(const struct report *r, const char *section)
{
	size_t widest = 0;

	for (size_t i = 0; i < r->fact_count; i++) {
		auto_free char *key = text_clean(r->facts[i]->key);
		size_t width = text_width(key);

		if (str_eq(r->facts[i]->section, section) && width > widest)
			widest = width;
	}
	return widest > 28 ? 28 : widest;
}

static void put_fact(const struct text *t, const struct report_fact *f, size_t width, size_t lines)
{
	auto_free char *key = text_clean(f->key);
	auto_strv struct strv cut = {0};
	auto_strbuf struct strbuf lead = {0};

	text_break(key, width < 4 ? 4 : width, 1, &cut);
	strbuf_puts(&lead, cut.items[0]);
	for (size_t i = text_width(cut.items[0]); i < width + 2; i++)
		strbuf_putc(&lead, ' ');
	text_paragraph(t, 2, TEXT_DIM, strbuf_str(&lead), f->value, lines);
}

static void put_section(const struct text *t, const char *section)
{
	auto_free char *clean = text_clean(section);
	auto_strv struct strv cut = {0};

	text_break(clean, TEXT_COLUMNS, 1, &cut);
	if (*cut.items[0] >= 'a' && *cut.items[0] <= 'z')
		*cut.items[0] = (char)(*cut.items[0] - 'a' + 'A');
	text_styled(t, TEXT_BOLD, cut.items[0]);
	strbuf_putc(t->out, '\n');
}

void text_facts(const struct text *t, const struct report *r, const char *section, size_t lines)
{
	size_t width = key_width(r, section);
	bool any = false;

	for (size_t i = 0; i < r->fact_count; i++) {
		if (!str_eq(r->facts[i]->section, section))
			continue;
		if (!any)
			put_section(t, section);
		any = true;
		put_fact(t, r->facts[i], width, lines);
	}
}

/* Sections in the order in which they first appear. */
static void put_facts(const struct text *t, const struct report *r, size_t lines)
{
	auto_strv struct strv done = {0};

	strv_add(&done, "prerequisite");
	strv_add(&done, REPORT_AFTERWARDS);
	for (size_t i = 0; i < r->fact_count; i++) {
		const char *section = r->facts[i]->section;

		if (strv_contains(&done, section))
			continue;
		strv_add(&done, section);
		strbuf_putc(t->out, '\n');
		text_facts(t, r, section, lines);
	}
}

void report_text_begin(const struct report *r, const struct report_text_options *o,
		       struct strbuf *out)
{
	struct text t = {.out = out, .colour = o->colour};
	auto_strbuf struct strbuf line = {0};

	strbuf_puts(&line, r->title ? r->title : "");
	/* To the second: the fraction is for machines. */
	if (r->started)
		strbuf_printf(&line, ", %.*s UTC", (int)strcspn(r->started, ".Z"), r->started);
	text_paragraph(&t, 0, TEXT_PLAIN, "", strbuf_str(&line), 2);
	strbuf_putc(out, '\n');
	put_prerequisites(&t, r);
	put_facts(&t, r, text_limits(o).lines);
	strbuf_putc(out, '\n');
}

void report_text(const struct report *r, const struct report_text_options *o, struct strbuf *out)
{
	report_text_begin(r, o, out);
	for (size_t i = 0; i < r->test_count; i++)
		report_text_test(r->tests[i], r, o, out);
	report_text_end(r, o, out);
}

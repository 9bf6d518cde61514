/* SPDX-License-Identifier: Apache-2.0 */
/* Building the model: every list grows by one, every string is copied. Works nothing out. */
#include "observe/report/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Appends p to a list of pointers whose length is *n. */
static void *push(void *list, size_t *n, void *p)
{
	void **items = xrealloc(list, (*n + 1) * sizeof(*items));

	items[(*n)++] = p;
	return items;
}

static char *format(const char *fmt, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		abort();
	return text;
}

#define FORMAT(text, fmt)                    \
	do {                                 \
		va_list args_;               \
		va_start(args_, fmt);        \
		(text) = format(fmt, args_); \
		va_end(args_);               \
	} while (0)

struct report_test *report_add_test(struct report *r, unsigned number, const char *key,
				    const char *title)
{
	struct report_test *t = xcalloc(1, sizeof(*t));

	t->number = number;
	t->key = xstrdup(key);
	t->title = xstrdup(title);
	r->tests = push(r->tests, &r->test_count, t);
	return t;
}

void report_status(struct report_test *t, enum report_status status, const char *fmt, ...)
{
	if (status <= t->status)
		return;
	t->status = status;
	free(t->reason);
	FORMAT(t->reason, fmt);
}

void report_note(struct report_test *t, const char *fmt, ...)
{
	char *text;

	FORMAT(text, fmt);
	/* Said at another moment of the run already. */
	if (strv_contains(&t->notes, text))
		free(text);
	else
		strv_add_taken(&t->notes, text);
}

struct report_figure *report_find_figure(const struct report_test *t, const char *subject,
					 const char *key)
{
	for (size_t i = 0; i < t->figure_count; i++) {
		if (str_eq(t->figures[i]->key, key) && str_eq(t->figures[i]->subject, subject))
			return t->figures[i];
	}
	return NULL;
}

struct report_figure *report_figure(struct report_test *t, const char *subject, const char *key,
				    const char *label, const char *unit, enum report_better better)
{
	struct report_figure *f = report_find_figure(t, subject, key);

	if (f)
		return f;
	f = xcalloc(1, sizeof(*f));
	f->key = xstrdup(key);
	f->label = xstrdup(label);
	f->unit = xstrdup(unit);
	f->subject = xstrdup(subject);
	f->better = better;
	f->floor = NAN;
	t->figures = push(t->figures, &t->figure_count, f);
	return f;
}

void report_sample(struct report_figure *f, double value)
{
	if (!isfinite(value)) {
		f->failed++;
		return;
	}
	if (f->count == f->room) {
		f->room = f->room ? 2 * f->room : 32;
		f->samples = xrealloc(f->samples, f->room * sizeof(*f->samples));
	}
	f->samples[f->count++] = value;
}

double report_median(const struct report_figure *f)
{
	auto_free double *values = NULL;

	if (!f || !f->count)
		return NAN;
	values = xcalloc(f->count, sizeof(*values));
	memcpy(values, f->samples, f->count * sizeof(*values));
	return statistics_median_of(values, f->count);
}

void report_floor(struct report_figure *f, double value, const char *label)
{
	f->floor = value;
	free(f->floor_label);
	f->floor_label = xstrdup(label);
}

struct report_claim *report_claim(struct report_test *t, const char *subject, const char *key,
				  enum report_verdict verdict, const char *fmt, ...)
{
	struct report_claim *c = xcalloc(1, sizeof(*c));

	c->key = xstrdup(key);
	c->subject = xstrdup(subject);
	c->verdict = verdict;
	FORMAT(c->claim, fmt);
	t->claims = push(t->claims, &t->claim_count, c);
	return c;
}

void report_evidence(struct report_claim *c, const char *fmt, ...)
{
	char *text;

	FORMAT(text, fmt);
	strv_add_taken(&c->evidence, text);
}

void report_consequence(struct report_claim *c, const char *fmt, ...)
{
	free(c->consequence);
	FORMAT(c->consequence, fmt);
}

struct report_table *report_table(struct report_test *t, const char *key, const char *title,
				  const char *const columns[])
{
	struct report_table *table = xcalloc(1, sizeof(*table));
	size_t n = 0;

	table->key = xstrdup(key);
	table->title = xstrdup(title);
	while (columns[n])
		n++;
	table->align = xcalloc(n, sizeof(*table->align));
	for (size_t i = 0; i < n; i++) {
		table->align[i] = columns[i][0] == '>' ? REPORT_RIGHT : REPORT_LEFT;
		strv_add(&table->columns, columns[i] + (columns[i][0] == '>'));
	}
	t->tables = push(t->tables, &t->table_count, table);
	return table;
}

void report_row(struct report_table *t, const char *const cells[])
{
	for (size_t i = 0; i < t->columns.count; i++)
		strv_add(&t->cells, cells[i]);
}

void report_check(struct report_test *t, const char *subject, const char *key, const char *what,
		  const char *unit, const char *first_name, double first, const char *second_name,
		  double second, double bound_percent, double bound_absolute)
{
	struct report_check *c = xcalloc(1, sizeof(*c));

	c->key = xstrdup(key);
	c->subject = xstrdup(subject);
	c->what = xstrdup(what);
	c->unit = xstrdup(unit);
	c->first_name = xstrdup(first_name);
	c->second_name = xstrdup(second_name);
	c->first = first;
	c->second = second;
	c->bound_percent = bound_percent;
	c->bound_absolute = bound_absolute;
	t->checks = push(t->checks, &t->check_count, c);
}

struct report_finding *report_finding(struct report *r, enum report_severity severity, double cost,
				      const char *test, const char *subject, const char *fmt, ...)
{
	struct report_finding *f = xcalloc(1, sizeof(*f));

	f->severity = severity;
	f->cost = cost;
	f->test = xstrdup(test);
	f->subject = xstrdup(subject);
	FORMAT(f->title, fmt);
	r->findings = push(r->findings, &r->finding_count, f);
	return f;
}

void report_reason(struct report_finding *f, const char *fmt, ...)
{
	free(f->reason);
	FORMAT(f->reason, fmt);
}

void report_recommend(struct report_finding *f, const char *flag, const char *fmt, ...)
{
	free(f->recommendation);
	free(f->flag);
	f->flag = flag ? xstrdup(flag) : NULL;
	FORMAT(f->recommendation, fmt);
}

static struct report_fact *add_fact(struct report *r, const char *section, const char *key)
{
	struct report_fact *f = xcalloc(1, sizeof(*f));

	f->section = xstrdup(section);
	f->key = xstrdup(key);
	r->facts = push(r->facts, &r->fact_count, f);
	return f;
}

void report_fact(struct report *r, const char *section, const char *key, const char *fmt, ...)
{
	struct report_fact *f = add_fact(r, section, key);

	f->good = true;
	FORMAT(f->value, fmt);
}

void report_prerequisite(struct report *r, const char *what, bool present, const char *cost)
{
	struct report_fact *f = add_fact(r, "prerequisite", what);

	f->good = present;
	f->value = xstrdup(present ? "present" : "missing");
	f->cost = cost ? xstrdup(cost) : NULL;
}

static void free_figure(struct report_figure *f)
{
	free(f->key);
	free(f->label);
	free(f->unit);
	free(f->subject);
	free(f->samples);
	free(f->floor_label);
	free(f->reference);
	free(f);
}

static void free_claim(struct report_claim *c)
{
	free(c->key);
	free(c->subject);
	free(c->claim);
	strv_free(&c->evidence);
	free(c->consequence);
	free(c);
}

static void free_table(struct report_table *t)
{
	free(t->key);
	free(t->title);
	strv_free(&t->columns);
	free(t->align);
	strv_free(&t->cells);
	free(t);
}

static void free_check(struct report_check *c)
{
	free(c->key);
	free(c->subject);
	free(c->what);
	free(c->unit);
	free(c->first_name);
	free(c->second_name);
	free(c);
}

static void free_test(struct report_test *t)
{
	for (size_t i = 0; i < t->figure_count; i++)
		free_figure(t->figures[i]);
	for (size_t i = 0; i < t->claim_count; i++)
		free_claim(t->claims[i]);
	for (size_t i = 0; i < t->table_count; i++)
		free_table(t->tables[i]);
	for (size_t i = 0; i < t->check_count; i++)
		free_check(t->checks[i]);
	free(t->figures);
	free(t->claims);
	free(t->tables);
	free(t->checks);
	free(t->key);
	free(t->title);
	free(t->reason);
	strv_free(&t->notes);
	strv_free(&t->raw);
	free(t);
}

void report_finding_free(struct report_finding *f)
{
	free(f->test);
	free(f->subject);
	free(f->title);
	free(f->reason);
	free(f->recommendation);
	free(f->flag);
	free(f);
}

static void free_fact(struct report_fact *f)
{
	free(f->section);
	free(f->key);
	free(f->value);
	free(f->cost);
	free(f);
}

void report_free(struct report *r)
{
	for (size_t i = 0; i < r->test_count; i++)
		free_test(r->tests[i]);
	for (size_t i = 0; i < r->finding_count; i++)
		report_finding_free(r->findings[i]);
	for (size_t i = 0; i < r->fact_count; i++)
		free_fact(r->facts[i]);
	free(r->tests);
	free(r->findings);
	free(r->facts);
	free(r->comparisons);
	free(r->kind);
	free(r->title);
	free(r->started);
	strv_free(&r->subjects);
	*r = (struct report){0};
}

const char *report_status_name(enum report_status status)
{
	static const char *const names[] = {"done", "partial", "unavailable", "failed",
					    "interrupted"};

	return names[status];
}

const char *report_verdict_name(enum report_verdict verdict)
{
	static const char *const names[] = {"holds", "broken", "unknown"};

	return names[verdict];
}

const char *report_severity_name(enum report_severity severity)
{
	static const char *const names[] = {"info", "low", "medium", "high", "critical"};

	return names[severity];
}

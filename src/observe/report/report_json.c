/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model as JSON, by report.schema.json: every value that is known, as exact as a double is, null
 * where there is none. Computes nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "observe/report/report_render.h"

/* The shortest of the usual precisions that reads back as the same double. */
static void write_number(struct json_writer *w, const char *key, double value)
{
	char text[40];

	if (!isfinite(value)) {
		json_write_raw(w, key, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		if (snprintf(text, sizeof(text), "%.*g", digits, value) >= (int)sizeof(text) ||
		    strtod(text, NULL) == value)
			break;
	}
	json_write_raw(w, key, text);
}

static void write_summary(struct json_writer *w, const struct report_figure *f)
{
	if (!f->count) {
		json_write_raw(w, "summary", "null");
		return;
	}
	json_write_begin(w, "summary", '{');
	write_number(w, "median", f->summary.median);
	write_number(w, "median_low", f->summary.median_low);
	write_number(w, "median_high", f->summary.median_high);
	write_number(w, "mean", f->summary.mean);
	write_number(w, "sd", f->summary.sd);
	write_number(w, "min", f->summary.min);
	write_number(w, "max", f->summary.max);
	json_write_bool(w, "noisy", f->noisy);
	json_write_end(w, '}');
}

static void write_figure(struct json_writer *w, const struct report_figure *f)
{
	static const char *const better[] = {NULL, "lower", "higher"};

	json_write_begin(w, NULL, '{');
	json_write_string(w, "key", f->key);
	json_write_string(w, "label", f->label);
	json_write_string(w, "unit", f->unit);
	json_write_string(w, "subject", f->subject);
	json_write_string(w, "better", better[f->better]);
	json_write_bool(w, "headline", f->headline);
	json_write_u64(w, "n", f->count);
	json_write_u64(w, "failed", f->failed);
	json_write_u64(w, "warm_ups", f->warm_ups);
	json_write_begin(w, "samples", '[');
	for (size_t i = 0; i < f->count; i++)
		write_number(w, NULL, f->samples[i]);
	json_write_end(w, ']');
	write_summary(w, f);
	write_number(w, "floor", f->floor);
	json_write_string(w, "floor_label", f->floor_label);
	json_write_string(w, "reference", f->reference);
	json_write_end(w, '}');
}

static void write_claim(struct json_writer *w, const struct report_claim *c)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "key", c->key);
	json_write_string(w, "subject", c->subject);
	json_write_string(w, "verdict", report_verdict_name(c->verdict));
	json_write_string(w, "claim", c->claim);
	json_write_strv(w, "evidence", &c->evidence);
	json_write_string(w, "consequence", c->consequence);
	json_write_end(w, '}');
}

static const char *skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

/* Whether the whole text is a number as JSON writes them (RFC 8259, section 6). */
static bool is_number(const char *s)
{
	const char *digits = s + (*s == '-'), *end = skip_digits(digits);

	if (end == digits || (*digits == '0' && end > digits + 1))
		return false;
	if (*end == '.') {
		digits = end + 1;
		end = skip_digits(digits);
		if (end == digits)
			return false;
	}
	/* An exponent could leave the range of a double; people do not write cells so. */
	return *end == '\0' && end - s <= 30;
}

static void write_table(struct json_writer *w, const struct report_table *t)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "key", t->key);
	json_write_string(w, "title", t->title);
	json_write_strv(w, "columns", &t->columns);
	json_write_begin(w, "rows", '[');
	for (size_t i = 0; i < t->cells.count; i++) {
		size_t column = i % t->columns.count;
		const char *cell = t->cells.items[i];

		if (column == 0)
			json_write_begin(w, NULL, '[');
		if (t->align[column] == REPORT_RIGHT && is_number(cell))
			json_write_raw(w, NULL, cell);
		else
			json_write_string(w, NULL, cell);
		if (column + 1 == t->columns.count)
			json_write_end(w, ']');
	}
	json_write_end(w, ']');
	json_write_end(w, '}');
}

static void write_check(struct json_writer *w, const struct report_check *c)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "key", c->key);
	json_write_string(w, "subject", c->subject);
	json_write_string(w, "what", c->what);
	json_write_string(w, "unit", c->unit);
	json_write_string(w, "first_name", c->first_name);
	write_number(w, "first", c->first);
	json_write_string(w, "second_name", c->second_name);
	write_number(w, "second", c->second);
	write_number(w, "off_percent", c->off_percent);
	write_number(w, "bound_percent", c->bound_percent);
	write_number(w, "bound_absolute", c->bound_absolute);
	json_write_bool(w, "agrees", c->agrees);
	json_write_end(w, '}');
}

static void write_test(struct json_writer *w, const struct report_test *t)
{
	json_write_begin(w, NULL, '{');
	json_write_u64(w, "number", t->number);
	json_write_string(w, "key", t->key);
	json_write_string(w, "title", t->title);
	json_write_string(w, "status", report_status_name(t->status));
	json_write_string(w, "reason", t->reason);
	write_number(w, "took_s", t->took_s);
	json_write_begin(w, "figures", '[');
	for (size_t i = 0; i < t->figure_count; i++)
		write_figure(w, t->figures[i]);
	json_write_end(w, ']');
	json_write_begin(w, "claims", '[');
	for (size_t i = 0; i < t->claim_count; i++)
		write_claim(w, t->claims[i]);
	json_write_end(w, ']');
	json_write_begin(w, "tables", '[');
	for (size_t i = 0; i < t->table_count; i++)
		write_table(w, t->tables[i]);
	json_write_end(w, ']');
	json_write_begin(w, "checks", '[');
	for (size_t i = 0; i < t->check_count; i++)
		write_check(w, t->checks[i]);
	json_write_end(w, ']');
	json_write_strv(w, "notes", &t->notes);
	json_write_strv(w, "raw", &t->raw);
	json_write_end(w, '}');
}

static void write_comparison(struct json_writer *w, const struct report_comparison *c)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "test", c->test->key);
	json_write_string(w, "key", c->base->key);
	json_write_string(w, "base", c->base->subject);
	json_write_string(w, "other", c->other->subject);
	write_number(w, "ratio", c->ratio.value);
	write_number(w, "ratio_low", c->ratio.low);
	write_number(w, "ratio_high", c->ratio.high);
	write_number(w, "p", c->p);
	write_number(w, "p_holm", c->p_holm);
	write_number(w, "cliff_delta", c->cliff_delta);
	json_write_string(w, "magnitude", c->magnitude);
	json_write_bool(w, "shown", c->shown);
	json_write_bool(w, "too_few", c->too_few);
	json_write_end(w, '}');
}

static void write_finding(struct json_writer *w, const struct report_finding *f)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "severity", report_severity_name(f->severity));
	write_number(w, "cost", f->cost);
	json_write_string(w, "test", f->test);
	json_write_string(w, "subject", f->subject);
	json_write_string(w, "title", f->title);
	json_write_string(w, "reason", f->reason);
	json_write_string(w, "recommendation", f->recommendation);
	json_write_string(w, "flag", f->flag);
	json_write_end(w, '}');
}

static void write_fact(struct json_writer *w, const struct report_fact *f)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "section", f->section);
	json_write_string(w, "key", f->key);
	json_write_string(w, "value", f->value);
	json_write_bool(w, "good", f->good);
	json_write_string(w, "cost", f->cost);
	json_write_end(w, '}');
}

static void write_steadiness(struct json_writer *w, const struct report_steadiness *s)
{
	if (!s->looks) {
		json_write_raw(w, "steadiness", "null");
		return;
	}
	json_write_begin(w, "steadiness", '{');
	json_write_u64(w, "looks", s->looks);
	write_number(w, "median_us", s->median_us);
	write_number(w, "low_us", s->low_us);
	write_number(w, "high_us", s->high_us);
	json_write_bool(w, "unsteady", s->unsteady);
	json_write_end(w, '}');
}

void report_json(const struct report *r, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	json_write_u64(&w, "schema_version", REPORT_SCHEMA_VERSION);
	json_write_string(&w, "kind", r->kind);
	json_write_string(&w, "title", r->title);
	json_write_string(&w, "tool_version", CLOCHE_VERSION);
	json_write_string(&w, "started", r->started);
	write_number(&w, "took_s", r->took_s);
	json_write_bool(&w, "interrupted", r->interrupted);
	json_write_strv(&w, "subjects", &r->subjects);
	json_write_begin(&w, "facts", '[');
	for (size_t i = 0; i < r->fact_count; i++)
		write_fact(&w, r->facts[i]);
	json_write_end(&w, ']');
	json_write_begin(&w, "tests", '[');
	for (size_t i = 0; i < r->test_count; i++)
		write_test(&w, r->tests[i]);
	json_write_end(&w, ']');
	json_write_begin(&w, "comparisons", '[');
	for (size_t i = 0; i < r->comparison_count; i++)
		write_comparison(&w, &r->comparisons[i]);
	json_write_end(&w, ']');
	write_steadiness(&w, &r->steadiness);
	json_write_begin(&w, "findings", '[');
	for (size_t i = 0; i < r->finding_count; i++)
		write_finding(&w, r->findings[i]);
	json_write_end(&w, ']');
	json_write_end(&w, '}');
	strbuf_putc(out, '\n');
}

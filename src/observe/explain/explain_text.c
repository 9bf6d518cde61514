/* SPDX-License-Identifier: Apache-2.0 */
/* An explanation to be read: each claim with its answer, then what was read, then what follows. Computes
 * nothing. */
#include "observe/explain/explain.h"

#include "observe/report/text.h"

#define ID_LENGTH 64
#define ID_SHOWN 12

/* A copy in which the ids of containers and layers are cut; the JSON has them whole. */
static char *short_ids(const char *text)
{
	struct strbuf out = {0};

	while (*text) {
		size_t word = strspn(text, "0123456789abcdef");
		size_t shown = word == ID_LENGTH ? ID_SHOWN : word + !word;

		strbuf_add(&out, text, shown);
		if (word == ID_LENGTH)
			strbuf_puts(&out, "...");
		text += word ? word : shown;
	}
	return strbuf_take(&out);
}

static void put_line(const struct text *t, size_t indent, enum text_style style, const char *lead,
		     const char *line)
{
	auto_free char *cut = short_ids(line);

	text_paragraph(t, indent, style, lead, cut, 0);
}

static void put_claim(const struct text *t, const struct report_claim *c)
{
	static const char *const answers[] = {
		[REPORT_HOLDS] = "yes  ", [REPORT_BROKEN] = "no   ", [REPORT_UNKNOWN] = "?    "};

	put_line(t, 2, TEXT_BOLD, answers[c->verdict], c->claim);
	for (size_t i = 0; i < c->evidence.count; i++)
		put_line(t, 7, TEXT_DIM, i ? "      " : "read  ", c->evidence.items[i]);
	if (c->consequence)
		put_line(t, 7, TEXT_DIM, "so    ", c->consequence);
	strbuf_putc(t->out, '\n');
}

static void put_table(const struct text *t, const struct report_table *table)
{
	auto_text_grid struct text_grid grid = {.align = table->align, .max_lines = 2};

	for (size_t i = 0; i < table->columns.count; i++)
		text_grid_head(&grid, table->columns.items[i]);
	for (size_t i = 0; i < table->cells.count; i++) {
		auto_free char *cut = short_ids(table->cells.items[i]);

		text_grid_add(&grid, cut);
	}
	text_paragraph(t, 7, TEXT_PLAIN, "", table->title, 0);
	text_grid_put(t, &grid, 7, 0);
	strbuf_putc(t->out, '\n');
}

static void put_test(const struct text *t, const struct report_test *test, bool course)
{
	const struct explain_topic *topic = explain_find_topic(test->key);
	auto_free char *lead = test->number ? xasprintf("%u  %s  ", test->number, test->key)
					    : xstrdup("");

	text_paragraph(t, 0, TEXT_BOLD, lead, test->title, 0);
	if (course && topic)
		text_paragraph(t, 3, TEXT_PLAIN, "", topic->lesson, 0);
	strbuf_putc(t->out, '\n');
	for (size_t i = 0; i < test->claim_count; i++)
		put_claim(t, test->claims[i]);
	for (size_t i = 0; i < test->table_count; i++)
		put_table(t, test->tables[i]);
	if (test->status != REPORT_DONE) {
		auto_free char *why = xasprintf("%s: %s", report_status_name(test->status),
						test->reason ? test->reason : "no reason given");

		text_paragraph(t, 2, TEXT_WARN, "!    ", why, 0);
	}
	for (size_t i = 0; i < test->notes.count; i++)
		put_line(t, 2, TEXT_DIM, "note ", test->notes.items[i]);
	if (test->notes.count || test->status != REPORT_DONE)
		strbuf_putc(t->out, '\n');
}

void explain_text(const struct report *r, bool colour, bool course, struct strbuf *out)
{
	const struct text t = {.out = out, .colour = colour};

	text_paragraph(&t, 0, TEXT_BOLD, "", r->title, 0);
	for (size_t i = 0; i < r->fact_count; i++) {
		auto_free char *line = xasprintf("%s: %s", r->facts[i]->key, r->facts[i]->value);

		if (str_eq(r->facts[i]->section, "subject"))
			text_paragraph(&t, 2, TEXT_PLAIN, "", line, 0);
	}
	strbuf_putc(out, '\n');
	for (size_t i = 0; i < r->test_count; i++)
		put_test(&t, r->tests[i], course);
	if (r->interrupted)
		text_paragraph(&t, 0, TEXT_WARN, "", "interrupted: what follows is missing", 0);
}

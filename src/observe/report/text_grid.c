/* SPDX-License-Identifier: Apache-2.0 */
/* Columns: as wide as what stands in them, narrowed from the widest on until a line fits. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "observe/report/text.h"

#define GAP 2
#define NARROWEST 4

void text_grid_head(struct text_grid *g, const char *s)
{
	strv_add_taken(&g->heads, text_clean(s));
}

void text_grid_add(struct text_grid *g, const char *s)
{
	strv_add_taken(&g->cells, text_clean(s));
}

void text_grid_free(struct text_grid *g)
{
	strv_free(&g->heads);
	strv_free(&g->cells);
}

static void measure(const struct text_grid *g, size_t most, size_t *widths)
{
	size_t n = g->heads.count;

	for (size_t i = 0; i < n + g->cells.count; i++) {
		const char *s = i < n ? g->heads.items[i] : g->cells.items[i - n];
		size_t width = text_width(s);

		width = width > most ? most : width;
		if (widths[i % n] < width)
			widths[i % n] = width;
	}
}

/* The column that is made narrower next: the widest one of words, else the widest one of numbers. */
static size_t widest(const struct text_grid *g, const size_t *widths)
{
	size_t best = 0, best_rank = 0;

	for (size_t i = 0; i < g->heads.count; i++) {
		/* Broken words are easier to read than broken numbers. */
		bool words = g->align[i] == REPORT_LEFT && widths[i] > 12 &&
			     (!g->soft || i < g->soft);
		size_t rank = widths[i] + (words ? TEXT_COLUMNS : 0);

		if (rank > best_rank) {
			best_rank = rank;
			best = i;
		}
	}
	return best;
}

static void narrow(const struct text_grid *g, size_t room, size_t *widths)
{
	size_t total = (g->heads.count - 1) * GAP;

	for (size_t i = 0; i < g->heads.count; i++) {
		if (widths[i] < NARROWEST)
			widths[i] = NARROWEST;
		total += widths[i];
	}
	for (; total > room; total--)
		widths[widest(g, widths)]--;
}

static void end_line(struct strbuf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	strbuf_putc(out, '\n');
}

/* One line of one cell, styled for headings. */
static void put_piece(const struct text *t, enum text_style style, enum report_align align,
		      const char *s, size_t width)
{
	size_t blanks = width - text_width(s);

	if (align == REPORT_RIGHT)
		strbuf_printf(t->out, "%*s", (int)blanks, "");
	text_styled(t, style, s);
	if (align == REPORT_LEFT)
		strbuf_printf(t->out, "%*s", (int)blanks, "");
}

/* A grid while it is written. */
struct lines {
	const struct text *t;
	const struct text_grid *g;
	size_t indent;
	const size_t *widths;
	struct strv label; /* lines of the first column's latest text, when it spans rows */
	size_t label_next;
};

/* Line `line` of each cell side by side. */
static void put_line(const struct lines *l, const struct strv *pieces, size_t line,
		     enum text_style style)
{
	strbuf_printf(l->t->out, "%*s", (int)l->indent, "");
	for (size_t i = 0; i < l->g->heads.count; i++) {
		const char *s = line < pieces[i].count ? pieces[i].items[line] : "";

		strbuf_printf(l->t->out, "%*s", i ? GAP : 0, "");
		put_piece(l->t, *s ? style : TEXT_PLAIN, l->g->align[i], s, l->widths[i]);
	}
	end_line(l->t->out);
}

/* What is left of a text that is longer than its rows are many. */
static void end_label(struct lines *l)
{
	for (; l->label_next < l->label.count; l->label_next++)
		strbuf_printf(l->t->out, "%*s%s\n", (int)l->indent, "",
			      l->label.items[l->label_next]);
	strv_free(&l->label);
	l->label = (struct strv){0};
	l->label_next = 0;
}

/* Hands the row as many lines of the spanning text as it has. */
static void take_label(struct lines *l, const char *cell, size_t height, struct strv *piece)
{
	if (*cell) {
		end_label(l);
		text_break(cell, l->widths[0], l->g->max_lines, &l->label);
	}
	for (size_t i = 0; i < height && l->label_next < l->label.count; i++)
		strv_add(piece, l->label.items[l->label_next++]);
}

static void put_row(struct lines *l, char *const *cells, enum text_style style)
{
	size_t n = l->g->heads.count, height = 1;
	auto_free struct strv *pieces = xcalloc(n, sizeof(*pieces));

	for (size_t i = l->g->spans ? 1 : 0; i < n; i++) {
		text_break(cells[i], l->widths[i], l->g->max_lines, &pieces[i]);
		if (pieces[i].count > height)
			height = pieces[i].count;
	}
	if (l->g->spans)
		take_label(l, cells[0], height, &pieces[0]);
	for (size_t line = 0; line < height; line++)
		put_line(l, pieces, line, style);
	for (size_t i = 0; i < n; i++)
		strv_free(&pieces[i]);
}

/* For tables of more columns than a terminal has room for. */
static void put_record(const struct text *t, const struct text_grid *g, char *const *cells,
		       size_t indent)
{
	for (size_t i = 0; i < g->heads.count; i++) {
		auto_free char *line = xasprintf("%s: %s", g->heads.items[i], cells[i]);

		text_paragraph(t, indent + (i ? 2 : 0), TEXT_PLAIN, "", line, g->max_lines);
	}
}

void text_grid_put(const struct text *t, const struct text_grid *g, size_t indent, size_t max_rows)
{
	size_t n = g->heads.count, room = TEXT_COLUMNS - indent, rows;
	auto_free size_t *widths = xcalloc(n + 1, sizeof(*widths));
	struct lines lines = {.t = t, .g = g, .indent = indent, .widths = widths};

	if (!n)
		return;
	rows = g->cells.count / n;
	if (max_rows && rows > max_rows)
		rows = max_rows;
	if (n * (NARROWEST + GAP) > room) {
		for (size_t i = 0; i < rows; i++)
			put_record(t, g, g->cells.items + i * n, indent);
		return;
	}
	measure(g, room, widths);
	narrow(g, room, widths);
	put_row(&lines, g->heads.items, TEXT_DIM);
	for (size_t i = 0; i < rows; i++)
		put_row(&lines, g->cells.items + i * n, TEXT_PLAIN);
	end_label(&lines);
}

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

static void put_row(const struct text *t, const struct text_grid *g, char *const *cells,
		    enum text_style style, size_t indent, const size_t *widths)
{
	size_t n = g->heads.count, height = 1;
	auto_free struct strv *pieces = xcalloc(n, sizeof(*pieces));

	for (size_t i = 0; i < n; i++) {
		text_break(cells[i], widths[i], g->max_lines, &pieces[i]);
		if (pieces[i].count > height)
			height = pieces[i].count;
	}
	for (size_t line = 0; line < height; line++) {
		strbuf_printf(t->out, "%*s", (int)indent, "");
		for (size_t i = 0; i < n; i++) {
			const char *s = line < pieces[i].count ? pieces[i].items[line] : "";

			strbuf_printf(t->out, "%*s", i ? GAP : 0, "");
			put_piece(t, *s ? style : TEXT_PLAIN, g->align[i], s, widths[i]);
		}
		end_line(t->out);
	}
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
	put_row(t, g, g->heads.items, TEXT_DIM, indent, widths);
	for (size_t i = 0; i < rows; i++)
		put_row(t, g, g->cells.items + i * n, TEXT_PLAIN, indent, widths);
}

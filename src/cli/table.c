/* SPDX-License-Identifier: Apache-2.0 */
/* Column widths count code points, so that "…" is one column wide. */
#include "cli/table.h"

#include "base/quote.h"

#define PADDING 3
#define COLUMN_MIN 10

/* Cell `column` of a line: its start and length. *padded: another cell follows. false: the line has
 * no such cell. */
static bool find_cell(const char *line, size_t column, const char **cell, size_t *len, bool *padded)
{
	for (;; line++) {
		size_t n = strcspn(line, "\t\n");

		if (column-- == 0) {
			*cell = line;
			*len = n;
			*padded = line[n] == '\t';
			return true;
		}
		line += n;
		if (*line != '\t')
			return false;
	}
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Width of a column in the block of lines that starts here and has it padded. */
static size_t block_width(const char *line, size_t column)
{
	size_t width = COLUMN_MIN, len;
	const char *cell;
	bool padded;

	for (; *line; line = next_line(line)) {
		size_t cells;

		if (!find_cell(line, column, &cell, &len, &padded) || !padded)
			break;
		cells = utf8_count(cell, len) + PADDING;
		width = cells > width ? cells : width;
	}
	return width;
}

struct column_widths {
	size_t *items; /* 0: not in a block */
	size_t count;
};

/* The width for this line, computed where its block begins and kept until the block ends. */
static size_t column_width(struct column_widths *w, const char *line, size_t column)
{
	if (column >= w->count) {
		w->items = xrealloc(w->items, (column + 1) * sizeof(*w->items));
		memset(w->items + w->count, 0, (column + 1 - w->count) * sizeof(*w->items));
		w->count = column + 1;
	}
	if (!w->items[column])
		w->items[column] = block_width(line, column);
	return w->items[column];
}

void table_align(const char *text, struct strbuf *out)
{
	struct column_widths widths = {.count = 0};

	for (const char *line = text; *line; line = next_line(line)) {
		size_t column = 0, len = 0;
		const char *cell = line;
		bool padded;

		for (; find_cell(line, column, &cell, &len, &padded) && padded; column++) {
			size_t width = column_width(&widths, line, column);

			strbuf_add(out, cell, len);
			strbuf_printf(out, "%*s", (int)(width - utf8_count(cell, len)), "");
		}
		strbuf_add(out, cell, len);
		if (cell[len])
			strbuf_putc(out, '\n');
		for (size_t i = column; i < widths.count; i++)
			widths.items[i] = 0;
	}
	free(widths.items);
}

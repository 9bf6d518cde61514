/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for a terminal of 100 columns: cleaning, wrapping, grids. What is shown comes from images,
 * containers and other engines, so nothing reaches the terminal before text_clean() went over it: no
 * control characters, no marks that turn the direction of writing, nothing that is not UTF-8.
 */
#ifndef CLOCHE_OBSERVE_REPORT_TEXT_H
#define CLOCHE_OBSERVE_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/strv.h"
#include "observe/report/report.h"

#define TEXT_COLUMNS 100

enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_GOOD,
	TEXT_WARN,
	TEXT_BAD,
};

struct text {
	struct strbuf *out; /* borrowed */
	bool colour;
};

/* A copy that may be shown: blanks for line ends and tabs, '?' for what must not reach a terminal.
 * NULL becomes "". The caller frees it. */
char *text_clean(const char *s);
/* How many columns a cleaned string takes. */
size_t text_width(const char *clean);
/* Adds the lines of a cleaned string, broken at blanks where there are any; at least one line. lines
 * beyond max_lines (0: no limit) are left out and the last one ends in "...". width >= 4. */
void text_break(const char *clean, size_t width, size_t max_lines, struct strv *lines);

void text_styled(const struct text *t, enum text_style style, const char *clean);
/* A paragraph: lead (cleaned, styled) before the first line, as many blanks before the others. */
void text_paragraph(const struct text *t, size_t indent, enum text_style style, const char *lead,
		    const char *s, size_t max_lines);

/* Cells in aligned columns below their headings; wide columns wrap, and what cannot stand side by side
 * at all is written as one line per cell. */
struct text_grid {
	struct strv heads, cells; /* cleaned by text_grid_add() */
	enum report_align *align; /* borrowed; heads.count of them */
	size_t max_lines;         /* of a cell; 0: no limit */
	bool spans;  /* an empty first cell goes on with the text of the one above it */
	size_t soft; /* so many columns, from the left, give way before the others do; 0: all */
};
void text_grid_head(struct text_grid *g, const char *s);
void text_grid_add(struct text_grid *g, const char *s);
/* The first max_rows rows (0: all). */
void text_grid_put(const struct text *t, const struct text_grid *g, size_t indent, size_t max_rows);
void text_grid_free(struct text_grid *g);
#define auto_text_grid __attribute__((cleanup(text_grid_free)))

#endif

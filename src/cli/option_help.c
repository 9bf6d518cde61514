/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of flags in a help text: one column of flags, one of words wrapped to the terminal, laid
 * out as Docker's users are used to.
 */
#include "cli/options.h"

#define WRAP_SLOP 5       /* a line may run over by this much to avoid an orphan word */
#define WRAP_WIDTH_MIN 24 /* narrower than this, text goes below the flag instead */
#define BLOCK_INDENT 16

/* Where the text may be cut so that at most limit bytes stay before the cut: the last newline
 * there, else the last blank. 0: no place. */
static size_t cut_position(const char *text, size_t limit)
{
	size_t blank = 0;

	for (size_t i = limit; i-- > 0;) {
		if (text[i] == '\n' && i > 0)
			return i;
		if (!blank && (text[i] == ' ' || text[i] == '\t'))
			blank = i;
	}
	return blank;
}

/* A newline in the text starts a new line at the same indentation. */
static void put_indented(struct strbuf *out, const char *text, size_t n, int indent)
{
	for (size_t i = 0; i < n; i++) {
		strbuf_putc(out, text[i]);
		if (text[i] == '\n')
			strbuf_printf(out, "%*s", indent, "");
	}
}

static void put_wrapped(struct strbuf *out, const char *text, int indent, int width)
{
	size_t limit;

	if (width - indent < WRAP_WIDTH_MIN) {
		indent = BLOCK_INDENT;
		strbuf_printf(out, "\n%*s", indent, "");
	}
	if (width - indent < WRAP_WIDTH_MIN) {
		put_indented(out, text, strlen(text), indent);
		return;
	}
	limit = (size_t)(width - indent - WRAP_SLOP);
	for (;;) {
		size_t len = strlen(text);
		size_t cut = len < limit + WRAP_SLOP ? 0 : cut_position(text, limit);

		if (!cut) {
			put_indented(out, text, len, indent);
			return;
		}
		put_indented(out, text, cut, indent);
		strbuf_printf(out, "\n%*s", indent, "");
		text += cut + 1;
	}
}

static void put_flag(struct strbuf *out, const struct option *o)
{
	if (o->letter)
		strbuf_printf(out, "  -%c, --%s", o->letter, o->name);
	else
		strbuf_printf(out, "      --%s", o->name);
	if (o->type->value_name[0])
		strbuf_printf(out, " %s", o->type->value_name);
}

static int by_name(const void *a, const void *b)
{
	return strcasecmp((*(const struct option *const *)a)->name,
			  (*(const struct option *const *)b)->name);
}

size_t options_sorted(const struct option_table *table, bool later, const struct option ***out)
{
	size_t total = 0, count = 0;

	for (const struct option_table *t = table; t; t = t->also)
		total += t->count;
	*out = xcalloc(total, sizeof(**out));
	for (const struct option_table *t = table; t; t = t->also) {
		for (size_t i = 0; i < t->count; i++) {
			const struct option *o = &t->rows[i];
			bool is_later = o->type == &option_later || o->type == &option_later_bool;

			if (later ? is_later : !is_later && o->help)
				(*out)[count++] = o;
		}
	}
	qsort(*out, count, sizeof(**out), by_name);
	return count;
}

static size_t flag_width(const struct option **rows, size_t count)
{
	size_t widest = 0;

	for (size_t i = 0; i < count; i++) {
		auto_strbuf struct strbuf flag = {0};

		put_flag(&flag, rows[i]);
		widest = flag.len > widest ? flag.len : widest;
	}
	return widest;
}

void options_describe(const struct option_table *table, int width, struct strbuf *out)
{
	auto_free const struct option **rows = NULL;
	size_t count = options_sorted(table, false, &rows);
	size_t column = flag_width(rows, count) + 3;

	for (size_t i = 0; i < count; i++) {
		auto_strbuf struct strbuf text = {0};
		size_t start = out->len;

		put_flag(out, rows[i]);
		strbuf_printf(out, "%*s", (int)(column - (out->len - start)), "");
		strbuf_puts(&text, rows[i]->help);
		if (rows[i]->shown_default)
			strbuf_printf(&text, " (default %s)", rows[i]->shown_default);
		put_wrapped(out, strbuf_str(&text), (int)column, width);
		strbuf_putc(out, '\n');
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning, measuring and breaking text. */
#include "observe/report/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

/* Controls, marks of direction, line separators, interlinear marks, tags, what is never a character. */
static bool is_forbidden(uint32_t c)
{
	static const struct range ranges[] = {
		{0x0, 0x1f},      {0x7f, 0x9f},       {0x61c, 0x61c},   {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f},   {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
		{0xfffe, 0xffff}, {0xe0000, 0xe007f},
	};

	return in_ranges(c, ranges, sizeof(ranges) / sizeof(*ranges));
}

/* The wide and full-width blocks of Unicode's East Asian width (UAX 11), generously. */
static bool is_wide(uint32_t c)
{
	static const struct range ranges[] = {
		{0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23f3},   {0x25fd, 0x27bf},
		{0x2b1b, 0x2b55},   {0x2e80, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
		{0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f000, 0x1faff},
		{0x20000, 0x3fffd},
	};

	return in_ranges(c, ranges, sizeof(ranges) / sizeof(*ranges));
}

/* Bytes of the character at s and its code point; 1 and 0 where s is not UTF-8 (RFC 3629). */
static size_t decode(const char *text, uint32_t *c)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	*c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4)
		n = 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			n = 0;
		else
			*c = *c << 6 | (s[i] & 0x3f);
	}
	if (n > 1 && (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff)))
		n = 0;
	if (n)
		return n;
	*c = 0;
	return 1;
}

char *text_clean(const char *s)
{
	struct strbuf out = {0};
	uint32_t c;

	for (size_t n; s && *s; s += n) {
		n = decode(s, &c);
		if (*s == '\n' || *s == '\t' || *s == '\r')
			strbuf_putc(&out, ' ');
		else if (is_forbidden(c))
			strbuf_putc(&out, '?');
		else
			strbuf_add(&out, s, n);
	}
	return strbuf_take(&out);
}

size_t text_width(const char *clean)
{
	size_t width = 0;
	uint32_t c;

	while (*clean) {
		clean += decode(clean, &c);
		width += is_wide(c) ? 2 : 1;
	}
	return width;
}

/* Bytes of the longest beginning that fits. */
static size_t fit(const char *clean, size_t width)
{
	size_t bytes = 0, used = 0;
	uint32_t c;

	while (clean[bytes]) {
		size_t n = decode(clean + bytes, &c);

		used += is_wide(c) ? 2 : 1;
		if (used > width)
			break;
		bytes += n;
	}
	return bytes;
}

/* Bytes of the next line: up to the last blank that fits. A word that no line could hold is broken
 * where the line ends. */
static size_t line_length(const char *s, size_t width)
{
	size_t n = fit(s, width), blank = n, word;

	if (s[n] == '\0' || s[n] == ' ')
		return n;
	while (blank > 0 && s[blank - 1] != ' ')
		blank--;
	word = blank + fit(s + blank, width);
	if (blank == 0 || (s[word] != '\0' && !memchr(s + blank, ' ', word - blank + 1)))
		return n;
	return blank;
}

/* The last line says that more is left out. */
static char *cut_line(const char *s, size_t width)
{
	return xasprintf("%.*s...", (int)fit(s, width - 3), s);
}

void text_break(const char *clean, size_t width, size_t max_lines, struct strv *lines)
{
	size_t first = lines->count;

	while (*clean == ' ')
		clean++;
	do {
		size_t n = line_length(clean, width), shown = n;

		if (max_lines && lines->count - first + 1 == max_lines && clean[n]) {
			strv_add_taken(lines, cut_line(clean, width));
			return;
		}
		while (shown > 0 && clean[shown - 1] == ' ')
			shown--;
		strv_add_taken(lines, xstrndup(clean, shown));
		clean += n;
		while (*clean == ' ')
			clean++;
	} while (*clean);
}

void text_styled(const struct text *t, enum text_style style, const char *clean)
{
	static const char *const codes[] = {"", "1", "2", "32", "33", "31"};

	if (t->colour && style != TEXT_PLAIN)
		strbuf_printf(t->out, "\033[%sm%s\033[0m", codes[style], clean);
	else
		strbuf_puts(t->out, clean);
}

void text_paragraph(const struct text *t, size_t indent, enum text_style style, const char *lead,
		    const char *s, size_t max_lines)
{
	auto_free char *clean = text_clean(s);
	auto_strv struct strv lines = {0};
	size_t lead_width = text_width(lead);

	text_break(clean, TEXT_COLUMNS - indent - lead_width, max_lines, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		strbuf_printf(t->out, "%*s", (int)indent, "");
		if (i == 0)
			text_styled(t, style, lead);
		else
			strbuf_printf(t->out, "%*s", (int)lead_width, "");
		strbuf_printf(t->out, "%s\n", lines.items[i]);
	}
}

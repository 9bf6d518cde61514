/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of a picture. Attributes only: viewers that know no style sheets draw the same. */
#include "observe/report/svg.h"

#include <stdio.h>
#include <stdlib.h>

#define FONTS "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"

void svg_free(struct svg *s)
{
	strbuf_free(&s->body);
}

/* The length of the UTF-8 sequence at s and its code point; 0 when it is none. */
static size_t decode(const unsigned char *s, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80             ? 1
		   : (s[0] & 0xe0) == 0xc0 ? 2
		   : (s[0] & 0xf0) == 0xe0 ? 3
		   : (s[0] & 0xf8) == 0xf0 ? 4
					   : 0;

	*point = n == 1 ? s[0] : n ? s[0] & (0x7fU >> n) : 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (s[i] & 0x3f);
	}
	return n && *point >= least[n] ? n : 0;
}

/* XML 1.0, section 2.2, less the controls of C1 and of the direction of writing. */
static bool allowed(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return false;
	if ((c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e))
		return false;
	return !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff && (c & 0xfffe) != 0xfffe;
}

static void put_point(const char *bytes, size_t n, struct strbuf *out)
{
	switch (*bytes) {
	case '&':
		strbuf_puts(out, "&amp;");
		break;
	case '<':
		strbuf_puts(out, "&lt;");
		break;
	case '>':
		strbuf_puts(out, "&gt;");
		break;
	case '"':
		strbuf_puts(out, "&quot;");
		break;
	case '\'':
		strbuf_puts(out, "&#39;");
		break;
	default:
		strbuf_add(out, bytes, n);
	}
}

void svg_escape(const char *text, struct strbuf *out)
{
	uint32_t point;
	size_t n;

	for (; *text; text += n ? n : 1) {
		n = decode((const unsigned char *)text, &point);
		if (n && allowed(point))
			put_point(text, n, out);
		else
			strbuf_putc(out, '?');
	}
}

/* In parts of the font's size, at least as wide as in the widest of FONTS. */
static double point_width(uint32_t c, bool bold)
{
	double w = 0.64;

	if (c >= 0x1100)
		w = 1.05; /* ideographs and the like */
	else if (c < 0x7f && strchr("ijl|.,:;'!I", (int)c))
		w = 0.36;
	else if (c < 0x7f && strchr(" ftr-/()[]", (int)c))
		w = 0.42;
	else if (c < 0x7f && strchr("mwMW%@", (int)c))
		w = 0.98;
	return bold ? w * 1.1 : w;
}

double svg_text_width(const char *text, const struct svg_font *font)
{
	double width = 0;
	uint32_t point;
	size_t n;

	for (; *text; text += n ? n : 1) {
		n = decode((const unsigned char *)text, &point);
		width += point_width(n ? point : '?', font->bold);
	}
	return width * font->size;
}

void svg_rect(struct svg *s, double x, double y, double width, double height, const char *fill)
{
	strbuf_printf(&s->body,
		      "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n",
		      x, y, width, height, fill);
}

void svg_bar(struct svg *s, double x, double y, double width, double height, const char *colour,
	     bool hollow, const char *tooltip)
{
	double inset = hollow ? 0.75 : 0;

	if (width < 1 + 2 * inset)
		width = 1 + 2 * inset;
	strbuf_printf(&s->body,
		      "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"",
		      x + inset, y + inset, width - 2 * inset, height - 2 * inset, colour);
	if (hollow)
		strbuf_printf(&s->body, " fill-opacity=\"0.3\" stroke=\"%s\" stroke-width=\"1.5\"",
			      colour);
	strbuf_puts(&s->body, "><title>");
	svg_escape(tooltip, &s->body);
	strbuf_puts(&s->body, "</title></rect>\n");
}

void svg_line(struct svg *s, double x1, double y1, double x2, double y2, const char *colour,
	      double width)
{
	strbuf_printf(&s->body,
		      "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"%s\" "
		      "stroke-width=\"%.2f\"/>\n",
		      x1, y1, x2, y2, colour, width);
}

static void begin_text(struct svg *s, double x, double y, const struct svg_font *font)
{
	static const char *const anchors[] = {"start", "middle", "end"};

	strbuf_printf(&s->body, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.1f\" fill=\"%s\"", x, y,
		      font->size, font->colour ? font->colour : SVG_INK);
	if (font->anchor != SVG_START)
		strbuf_printf(&s->body, " text-anchor=\"%s\"", anchors[font->anchor]);
	if (font->bold)
		strbuf_puts(&s->body, " font-weight=\"bold\"");
	strbuf_putc(&s->body, '>');
}

void svg_text(struct svg *s, double x, double y, const struct svg_font *font, const char *text)
{
	begin_text(s, x, y, font);
	svg_escape(text, &s->body);
	strbuf_puts(&s->body, "</text>\n");
}

void svg_text_cut(struct svg *s, double x, double y, double width, const struct svg_font *font,
		  const char *text)
{
	auto_free char *kept = xstrdup(text);
	size_t end = strlen(kept);
	double ellipsis = 1.0 * font->size;

	if (svg_text_width(text, font) <= width) {
		svg_text(s, x, y, font, text);
		return;
	}
	while (end && svg_text_width(kept, font) + ellipsis > width) {
		/* a whole character */
		do
			end--;
		while (end && ((unsigned char)kept[end] & 0xc0) == 0x80);
		kept[end] = '\0';
	}
	begin_text(s, x, y, font);
	svg_escape(kept, &s->body);
	strbuf_puts(&s->body, "\xe2\x80\xa6<title>");
	svg_escape(text, &s->body);
	strbuf_puts(&s->body, "</title></text>\n");
}

const char *svg_ink_on(const char *fill)
{
	unsigned long rgb = strtoul(fill + (*fill == '#'), NULL, 16);
	unsigned long luma = 299 * (rgb >> 16 & 255) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255);

	return luma > 140000 ? "#000000" : "#ffffff";
}

/* Shown by itself it fills the window's width up to its own and stays readable in a narrow one, which
 * then scrolls. */
void svg_finish(const struct svg *s, double width, double height, const char *title,
		const char *description, struct strbuf *out)
{
	strbuf_printf(
		out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" role=\"img\" font-family=\"" FONTS "\" "
		"style=\"width:100%%;min-width:%.0fpx;max-width:%.0fpx;height:auto\">\n<title>",
		width, height, width, height, 0.72 * width, width);
	svg_escape(title, out);
	strbuf_puts(out, "</title>\n<desc>");
	svg_escape(description, out);
	strbuf_printf(out,
		      "</desc>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"" SVG_PAPER "\"/>\n",
		      width, height);
	strbuf_puts(out, strbuf_str(&s->body));
	strbuf_puts(out, "</svg>\n");
}

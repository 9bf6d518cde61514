/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one self-contained SVG picture: no script, no style sheet, no font or file from elsewhere, a
 * background of its own, so that it reads the same in a browser, in a page of either colour and in a
 * program that only draws. Lengths are in user units, which are pixels at full size. Texts are escaped
 * here and nowhere else; colours and numbers come from the program.
 */
#ifndef CLOCHE_OBSERVE_REPORT_SVG_H
#define CLOCHE_OBSERVE_REPORT_SVG_H

#include <stdint.h>

#include "base/str.h"

#define SVG_INK "#1b1f24"
#define SVG_FAINT_INK "#57606a"
#define SVG_GRID "#d0d7de"
#define SVG_BAND "#f3f5f7" /* every other row */
#define SVG_PAPER "#ffffff"

enum svg_anchor {
	SVG_START,
	SVG_MIDDLE,
	SVG_END,
};

struct svg_font {
	double size;
	const char *colour;
	enum svg_anchor anchor;
	bool bold;
};

struct svg {
	struct strbuf body;
};
void svg_free(struct svg *s);
#define auto_svg __attribute__((cleanup(svg_free)))

void svg_rect(struct svg *s, double x, double y, double width, double height, const char *fill);
/* A bar that shows tooltip where the viewer has a pointer. At least one unit wide, so that what was
 * short is seen. Hollow: work that is not part of the sum. */
void svg_bar(struct svg *s, double x, double y, double width, double height, const char *colour,
	     bool hollow, const char *tooltip);
void svg_line(struct svg *s, double x1, double y1, double x2, double y2, const char *colour,
	      double width);
/* y is the base line. */
void svg_text(struct svg *s, double x, double y, const struct svg_font *font, const char *text);
/* The same cut to width; what is cut ends in an ellipsis and is whole in the tooltip. */
void svg_text_cut(struct svg *s, double x, double y, double width, const struct svg_font *font,
		  const char *text);
/* How wide text is at most; viewers differ in their fonts. */
double svg_text_width(const char *text, const struct svg_font *font);
/* Black or white, whichever reads better on a fill "#rrggbb". */
const char *svg_ink_on(const char *fill);
/* The whole document: title and description are for those who cannot see it. */
void svg_finish(const struct svg *s, double width, double height, const char *title,
		const char *description, struct strbuf *out);
/* Text as XML character data or attribute value: what XML forbids, what is no UTF-8 and what would
 * turn the direction of writing becomes '?'. */
void svg_escape(const char *text, struct strbuf *out);

/*
 * A time axis: ns to the right. A stretch in which nothing is to be seen may be cut to a fixed length;
 * it is marked and times to its right stay true.
 */
struct svg_axis {
	double x, width;
	uint64_t from_ns, to_ns;
	uint64_t cut_from_ns, cut_to_ns; /* equal: nothing is cut */
};
#define SVG_CUT_WIDTH 56

double svg_axis_x(const struct svg_axis *a, uint64_t ns);
/* A bar from start to end on the axis; never narrower than can be seen, never beyond its ends. */
void svg_axis_bar(struct svg *s, const struct svg_axis *a, double y, double height,
		  uint64_t start_ns, uint64_t end_ns, const char *colour, bool hollow,
		  const char *tooltip);
/* Grid lines from top to bottom, their times in ms above top. */
void svg_axis_grid(struct svg *s, const struct svg_axis *a, double top, double bottom);
/* The mark of the cut, over what was drawn. */
void svg_axis_cut(struct svg *s, const struct svg_axis *a, double top, double bottom);
/* "0.042 ms", "12.3 ms", "1.20 s" */
void svg_format_ns(uint64_t ns, char *out, size_t size);

#endif

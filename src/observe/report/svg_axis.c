/* SPDX-License-Identifier: Apache-2.0 */
/* The time axis. Without a cut it is linear; with one, so are both sides of it, to the same scale. */
#include <stdio.h>

#include "observe/report/svg.h"

#define LABEL_SIZE 11
#define LABEL_ROOM 76 /* between two labels */

/* Units of length per ns, outside of the cut. */
static double scale(const struct svg_axis *a)
{
	uint64_t cut = a->cut_to_ns - a->cut_from_ns, shown = a->to_ns - a->from_ns - cut;

	return shown ? (a->width - (cut ? SVG_CUT_WIDTH : 0)) / (double)shown : 0;
}

double svg_axis_x(const struct svg_axis *a, uint64_t ns)
{
	uint64_t cut = a->cut_to_ns - a->cut_from_ns;

	if (ns < a->from_ns)
		ns = a->from_ns;
	if (ns > a->to_ns)
		ns = a->to_ns;
	if (!cut || ns <= a->cut_from_ns)
		return a->x + scale(a) * (double)(ns - a->from_ns);
	if (ns < a->cut_to_ns)
		return svg_axis_x(a, a->cut_from_ns) +
		       SVG_CUT_WIDTH * (double)(ns - a->cut_from_ns) / (double)cut;
	return a->x + SVG_CUT_WIDTH + scale(a) * (double)(ns - a->from_ns - cut);
}

void svg_axis_bar(struct svg *s, const struct svg_axis *a, double y, double height,
		  uint64_t start_ns, uint64_t end_ns, const char *colour, bool hollow,
		  const char *tooltip)
{
	double x = svg_axis_x(a, start_ns), width = svg_axis_x(a, end_ns) - x;

	if (x > a->x + a->width - 1)
		x = a->x + a->width - 1;
	svg_bar(s, x, y, width, height, colour, hollow, tooltip);
}

/* 1, 2 or 5 times a power of ten, so that labels have room. */
static uint64_t tick_ns(const struct svg_axis *a)
{
	static const uint64_t parts[] = {1, 2, 5};
	double least = scale(a) > 0 ? LABEL_ROOM / scale(a) : 0;

	for (uint64_t power = 1000; power < UINT64_MAX / 100; power *= 10) {
		for (int i = 0; i < 3; i++) {
			if ((double)(parts[i] * power) >= least)
				return parts[i] * power;
		}
	}
	return UINT64_MAX / 2;
}

static void put_label(struct svg *s, double x, double y, uint64_t ns, uint64_t step)
{
	const struct svg_font font = {
		.size = LABEL_SIZE, .colour = SVG_FAINT_INK, .anchor = SVG_MIDDLE};
	int decimals = step < 10000 ? 3 : step < 100000 ? 2 : step < 1000000 ? 1 : 0;
	char text[48];

	snprintf(text, sizeof(text), "%.*f ms", ns ? decimals : 0, (double)ns / 1e6);
	svg_text(s, x, y, &font, text);
}

void svg_axis_grid(struct svg *s, const struct svg_axis *a, double top, double bottom)
{
	uint64_t step = tick_ns(a);
	bool cut = a->cut_to_ns > a->cut_from_ns;
	uint64_t ns = (a->from_ns + step - 1) / step * step;

	for (; ns <= a->to_ns; ns += step) {
		double x = svg_axis_x(a, ns);

		if (cut && ns > a->cut_from_ns && ns < a->cut_to_ns) {
			ns = a->cut_to_ns / step * step;
			continue;
		}
		svg_line(s, x, top, x, bottom, SVG_GRID, 1);
		put_label(s, x, top - 5, ns, step);
	}
}

void svg_axis_cut(struct svg *s, const struct svg_axis *a, double top, double bottom)
{
	double middle = (svg_axis_x(a, a->cut_from_ns) + svg_axis_x(a, a->cut_to_ns)) / 2;

	if (a->cut_to_ns <= a->cut_from_ns)
		return;
	svg_rect(s, middle - 3, top, 6, bottom - top, SVG_PAPER);
	svg_line(s, middle - 3, top, middle - 3, bottom, SVG_FAINT_INK, 1);
	svg_line(s, middle + 3, top, middle + 3, bottom, SVG_FAINT_INK, 1);
}

void svg_format_ns(uint64_t ns, char *out, size_t size)
{
	double ms = (double)ns / 1e6;

	if (ms >= 10000)
		snprintf(out, size, "%.2f s", ms / 1e3);
	else
		snprintf(out, size, "%.*f ms", ms < 1 ? 3 : ms < 10 ? 2 : 1, ms);
}

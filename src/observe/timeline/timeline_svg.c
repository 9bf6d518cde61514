/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One time axis for all: above, a lane for each process (filled: what others waited for; hollow: work
 * beside it) and one for the floor where it was measured; below the phases, which are the legend too,
 * a row for each thing done. A program that ran long would leave no room for its start, so its
 * stretch is cut then.
 */
#include "observe/timeline/timeline_svg.h"

#include <stdio.h>
#include <stdlib.h>

#include "observe/report/svg.h"

#define WIDTH 1120
#define MARGIN 20
#define AXIS_X 388
#define AXIS_WIDTH 620 /* what follows is for the times */
#define WHAT_X (MARGIN + 18)
#define WHAT_WIDTH 272
#define BY_X 318
#define LANE 30
#define ROW 19
#define BILL_BAR_X 250
#define BILL_BAR_WIDTH 520

/* Paul Tol's muted scheme, which is made for colour-blind eyes, and two greys; below each other they
 * are never told apart by colour alone. */
static const char *const colours[TIMELINE_PHASES] = {
	[PHASE_RESOLVE] = "#88ccee",    [PHASE_RECORD] = "#44aa99",  [PHASE_CGROUP] = "#ddcc77",
	[PHASE_NAMESPACES] = "#332288", [PHASE_MOUNT] = "#117733",   [PHASE_NETWORK] = "#cc6677",
	[PHASE_SECURITY] = "#aa4499",   [PHASE_EXEC] = "#882255",    [PHASE_RUN] = "#cfcfcf",
	[PHASE_EXIT] = "#999933",       [PHASE_CLEANUP] = "#555555", [PHASE_OTHER] = "#9aa0a6",
};

static const struct svg_font heading = {.size = 14, .bold = true};
static const struct svg_font plain = {.size = 12};
static const struct svg_font faint = {.size = 11, .colour = SVG_FAINT_INK};
static const struct svg_font right = {.size = 12, .anchor = SVG_END};

struct picture {
	struct svg svg;
	struct svg_axis axis;
	const struct timeline *bill;
	const struct floor_bill *floor; /* or NULL */
	double y;                       /* where the next thing goes */
};

const char *timeline_phase_colour(enum plan_phase phase)
{
	return colours[phase];
}

static uint64_t ns_of(double milliseconds)
{
	return (uint64_t)(milliseconds * 1e6);
}

static uint64_t last_ns(const struct timeline_list *l)
{
	uint64_t last = 0;

	for (size_t i = 0; i < l->count; i++) {
		uint64_t end = l->items[i].start_ns + l->items[i].duration_ns;

		if (end > last)
			last = end;
	}
	return last;
}

/* The program's own stretch is cut when it would take more than a third of the picture. */
static void lay_axis(struct picture *p)
{
	uint64_t end = last_ns(&p->bill->path), beside = last_ns(&p->bill->parallel);

	p->axis = (struct svg_axis){.x = AXIS_X, .width = AXIS_WIDTH, .to_ns = end};
	if (beside > end)
		p->axis.to_ns = beside;
	for (size_t i = 0; i < p->bill->path.count; i++) {
		const struct timeline_entry *e = &p->bill->path.items[i];

		if (e->phase != PHASE_RUN || 3 * e->duration_ns < p->axis.to_ns)
			continue;
		p->axis.cut_from_ns = e->start_ns;
		p->axis.cut_to_ns = e->start_ns + e->duration_ns;
	}
}

static void put_title(struct picture *p, const char *title)
{
	const struct svg_font big = {.size = 19, .bold = true};
	const struct svg_font sub = {.size = 13, .colour = SVG_FAINT_INK};
	auto_strbuf struct strbuf head = {0}, line = {0};
	char time[32];

	strbuf_printf(&head, "Start bill of %s", title);
	svg_text_cut(&p->svg, MARGIN, 34, WIDTH - 2 * MARGIN, &big, strbuf_str(&head));
	if (p->bill->to_exec_ns) {
		svg_format_ns(p->bill->to_exec_ns, time, sizeof(time));
		strbuf_printf(&line, "%s until the program runs, ", time);
	}
	svg_format_ns(p->bill->total_ns, time, sizeof(time));
	strbuf_printf(&line, "%s from main() to the last stamp", time);
	if (p->floor && p->floor->to_exec_ms.median > 0 && p->bill->to_exec_ns)
		strbuf_printf(&line, "; the floor runs its program after %.2f ms (ratio %.2f)",
			      p->floor->to_exec_ms.median,
			      (double)p->bill->to_exec_ns / 1e6 / p->floor->to_exec_ms.median);
	svg_text(&p->svg, MARGIN, 56, &sub, strbuf_str(&line));
	p->y = 96;
}

/* Neighbours of one phase are one bar; the rows below have the details. */
static void put_lane_bars(struct picture *p, const struct timeline_list *l,
			  enum timeline_process process, double y, bool hollow)
{
	for (size_t i = 0, next; i < l->count; i = next) {
		const struct timeline_entry *e = &l->items[i];
		uint64_t end = e->start_ns + e->duration_ns;
		char time[32], tip[96];
		double width;

		for (next = i + 1;
		     next < l->count && l->items[next].process == e->process &&
		     l->items[next].phase == e->phase && l->items[next].start_ns <= end + 1000;
		     next++)
			end = l->items[next].start_ns + l->items[next].duration_ns;
		if (e->process != process)
			continue;
		svg_format_ns(end - e->start_ns, time, sizeof(time));
		snprintf(tip, sizeof(tip), "%s: %s", timeline_phase_name(e->phase), time);
		svg_axis_bar(&p->svg, &p->axis, y, LANE - 10, e->start_ns, end, colours[e->phase],
			     hollow, tip);
		width = svg_axis_x(&p->axis, end) - svg_axis_x(&p->axis, e->start_ns);
		if (svg_text_width(timeline_phase_name(e->phase), &faint) + 4 < width)
			svg_text(&p->svg, svg_axis_x(&p->axis, e->start_ns) + 4, y + 14,
				 &(struct svg_font){.size = 11,
						    .colour =
							    hollow ? SVG_INK
								   : svg_ink_on(colours[e->phase])},
				 timeline_phase_name(e->phase));
	}
}

static void put_floor_lane(struct picture *p, double y)
{
	double at = 0;

	for (int step = 0; step <= FLOOR_EXEC; step++) {
		double took = p->floor->step_ms[step];
		char tip[96];

		snprintf(tip, sizeof(tip), "floor, %s: %.3f ms",
			 floor_step_name((enum floor_step)step), took);
		if (took > 0)
			svg_axis_bar(&p->svg, &p->axis, y, LANE - 10, ns_of(at), ns_of(at + took),
				     colours[floor_step_phase((enum floor_step)step)], false, tip);
		at += took;
	}
}

static void put_lanes(struct picture *p)
{
	static const char *const names[] = {"command line", "monitor", "child", "program"};
	double top = p->y;
	int count = 4 + (p->floor != NULL);

	svg_axis_grid(&p->svg, &p->axis, top, top + count * LANE);
	for (int i = 0; i < count; i++) {
		double y = top + i * LANE;

		svg_text(&p->svg, MARGIN, y + 19, &plain, i < 4 ? names[i] : "the floor");
		if (i == 4) {
			svg_text(&p->svg, MARGIN + 90, y + 19, &faint,
				 "the same kernel work, bare, one after the other");
			put_floor_lane(p, y + 5);
			continue;
		}
		put_lane_bars(p, &p->bill->parallel, (enum timeline_process)i, y + 5, true);
		put_lane_bars(p, &p->bill->path, (enum timeline_process)i, y + 5, false);
	}
	svg_axis_cut(&p->svg, &p->axis, top, top + count * LANE);
	svg_text(&p->svg, MARGIN, top - 5, &faint, "filled: waited for; hollow: beside it");
	p->y = top + count * LANE + 36;
}

/* The longest phase that bars are drawn to scale with; the program's own only if it is not cut. */
static double widest_ms(const struct picture *p)
{
	bool cut = p->axis.cut_to_ns > p->axis.cut_from_ns;
	double widest = 0;

	for (int i = 0; i < TIMELINE_PHASES; i++) {
		double took = (double)p->bill->phase_ns[i] / 1e6;
		double bare = p->floor ? floor_bill_phase_ms(p->floor, (enum plan_phase)i) : 0;

		if (i == PHASE_RUN && cut)
			continue;
		widest = took > widest ? took : widest;
		widest = bare > widest ? bare : widest;
	}
	return widest > 0 ? widest : 1;
}

static void put_phase(struct picture *p, enum plan_phase phase, double widest)
{
	uint64_t ns = p->bill->phase_ns[phase];
	double took = (double)ns / 1e6, length = BILL_BAR_WIDTH * took / widest;
	double bare = p->floor ? floor_bill_phase_ms(p->floor, phase) : 0;
	bool over = length > BILL_BAR_WIDTH;
	char text[64];

	svg_rect(&p->svg, MARGIN, p->y - 10, 12, 12, colours[phase]);
	svg_text(&p->svg, WHAT_X, p->y, &plain, timeline_phase_name(phase));
	svg_format_ns(ns, text, sizeof(text));
	svg_text(&p->svg, 200, p->y, &right, text);
	snprintf(text, sizeof(text), "%.1f %%",
		 p->bill->total_ns ? 100.0 * (double)ns / (double)p->bill->total_ns : 0);
	svg_text(&p->svg, 246, p->y,
		 &(struct svg_font){.size = 11, .colour = SVG_FAINT_INK, .anchor = SVG_END}, text);
	svg_bar(&p->svg, BILL_BAR_X + 6, p->y - 10, over ? BILL_BAR_WIDTH : length,
		bare > 0 ? 7 : 12, colours[phase], false, timeline_phase_name(phase));
	if (over)
		svg_text(&p->svg, BILL_BAR_X + BILL_BAR_WIDTH + (bare > 0 ? 130 : 14), p->y, &faint,
			 "beyond scale");
	if (bare > 0) {
		double x = BILL_BAR_WIDTH * bare / widest;

		svg_bar(&p->svg, BILL_BAR_X + 6, p->y - 2, x < BILL_BAR_WIDTH ? x : BILL_BAR_WIDTH,
			4, SVG_FAINT_INK, false, "floor");
		snprintf(text, sizeof(text), "floor %.3f ms", bare);
		svg_text(&p->svg, BILL_BAR_X + BILL_BAR_WIDTH + 20, p->y, &faint, text);
	}
	p->y += ROW;
}

static void put_phases(struct picture *p)
{
	double widest = widest_ms(p);

	svg_text(&p->svg, MARGIN, p->y, &heading, "Bill by phase");
	if (p->floor)
		svg_text(&p->svg, BILL_BAR_X + 6, p->y, &faint,
			 "thin grey bars: the floor's share of the same phase");
	p->y += 24;
	for (int i = 0; i < TIMELINE_PHASES; i++) {
		if (p->bill->phase_ns[i])
			put_phase(p, (enum plan_phase)i, widest);
	}
	p->y += 22;
}

/* What was done and how often; the count must survive the cut. */
static void put_what(struct picture *p, const char *what, size_t more)
{
	auto_strbuf struct strbuf whole = {0};
	char suffix[32];
	double room;

	strbuf_puts(&whole, what);
	suffix[0] = '\0';
	if (more)
		snprintf(suffix, sizeof(suffix), " and %zu more", more);
	strbuf_puts(&whole, suffix);
	if (!more || svg_text_width(strbuf_str(&whole), &plain) <= WHAT_WIDTH) {
		svg_text_cut(&p->svg, WHAT_X, p->y, WHAT_WIDTH, &plain, strbuf_str(&whole));
		return;
	}
	room = WHAT_WIDTH - svg_text_width(suffix, &plain);
	svg_text_cut(&p->svg, WHAT_X, p->y, room, &plain, what);
	svg_text(&p->svg, WHAT_X + room, p->y, &plain, suffix);
}

static void put_row(struct picture *p, const struct timeline_entry *e, size_t more, uint64_t ns,
		    bool hollow)
{
	double after = svg_axis_x(&p->axis, e->start_ns + ns);
	auto_strbuf struct strbuf tip = {0};
	char time[32];

	svg_format_ns(ns, time, sizeof(time));
	strbuf_printf(&tip, "%s (%s, %s): %s", e->what, timeline_phase_name(e->phase),
		      timeline_process_name(e->process), time);
	svg_rect(&p->svg, MARGIN, p->y - 10, 12, 12, colours[e->phase]);
	put_what(p, e->what, more);
	svg_text(&p->svg, BY_X, p->y, &faint, timeline_process_name(e->process));
	svg_axis_bar(&p->svg, &p->axis, p->y - 11, ROW - 5, e->start_ns, e->start_ns + ns,
		     colours[e->phase], hollow, strbuf_str(&tip));
	if (e->start_ns == p->axis.cut_from_ns)
		svg_axis_cut(&p->svg, &p->axis, p->y - 12, p->y + ROW - 15);
	svg_text(&p->svg, after + 6, p->y, &(struct svg_font){.size = 11}, time);
	p->y += ROW;
}

static size_t row_count(const struct timeline *t)
{
	size_t rows = t->parallel.count;

	for (size_t i = 0; i < t->path.count; i = timeline_group_end(t, i))
		rows++;
	return rows;
}

static void put_bands(struct picture *p, double top, size_t rows)
{
	for (size_t i = 0; i < rows; i += 2)
		svg_rect(&p->svg, MARGIN - 6, top + (double)i * ROW - 4, WIDTH - 2 * MARGIN + 12,
			 ROW, SVG_BAND);
}

static void put_path(struct picture *p)
{
	const struct timeline *t = p->bill;
	size_t path_rows = row_count(t) - t->parallel.count;
	double top = p->y + 30, bottom = top + (double)path_rows * ROW;

	svg_text(&p->svg, MARGIN, p->y, &heading, "What was waited for, in order");
	put_bands(p, top, path_rows);
	svg_axis_grid(&p->svg, &p->axis, top - 4, bottom);
	svg_axis_cut(&p->svg, &p->axis, top - 4, bottom);
	p->y = top + 10;
	for (size_t i = 0, next; i < t->path.count; i = next) {
		uint64_t ns = 0;

		next = timeline_group_end(t, i);
		for (size_t k = i; k < next; k++)
			ns += t->path.items[k].duration_ns;
		put_row(p, &t->path.items[i], next - i - 1, ns, false);
	}
	p->y += 20;
}

static void put_parallel(struct picture *p)
{
	const struct timeline_list *l = &p->bill->parallel;
	double top = p->y + 12, bottom = top + (double)l->count * ROW;

	if (!l->count)
		return;
	svg_text(&p->svg, MARGIN, p->y, &heading, "Beside it, not part of the sum");
	put_bands(p, top, l->count);
	svg_axis_cut(&p->svg, &p->axis, top - 4, bottom);
	p->y = top + 10;
	for (size_t i = 0; i < l->count; i++)
		put_row(p, &l->items[i], 0, l->items[i].duration_ns, true);
	p->y += 16;
}

/* What the picture shows, for those who cannot see it. */
static void describe(const struct timeline *t, struct strbuf *out)
{
	char time[32];

	for (int i = 0; i < TIMELINE_PHASES; i++) {
		if (!t->phase_ns[i])
			continue;
		svg_format_ns(t->phase_ns[i], time, sizeof(time));
		strbuf_printf(out, "%s%s %s", out->len ? ", " : "",
			      timeline_phase_name((enum plan_phase)i), time);
	}
}

void timeline_svg(const struct timeline *t, const char *title, const struct floor_bill *floor,
		  struct strbuf *out)
{
	struct picture p = {.bill = t, .floor = floor};
	auto_strbuf struct strbuf head = {0}, description = {0};

	lay_axis(&p);
	put_title(&p, title);
	put_lanes(&p);
	put_phases(&p);
	put_path(&p);
	put_parallel(&p);
	strbuf_printf(&head, "Start bill of %s", title);
	describe(t, &description);
	svg_finish(&p.svg, WIDTH, p.y + 8, strbuf_str(&head), strbuf_str(&description), out);
	svg_free(&p.svg);
}

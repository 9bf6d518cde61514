/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are processes, parents before their children, over one axis of time. In a row, from above: the
 * process's life, divided where it executed another program; its calls as marks; and, where the path to
 * the container's program led through it, a line that is full while it ran and hollow while it waited.
 * The longest waits are numbered in the picture and told below it.
 */
#include "observe/trace/trace_svg.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "observe/report/svg.h"

#define WIDTH 1240
#define MARGIN 20
#define NAME_WIDTH 200
#define INDENT 13
#define INDENT_MAX 8
#define ROLE_X 226
#define AXIS_X 340
#define AXIS_WIDTH 800 /* what follows is for the lengths of lives */
#define ROW 28
#define BAR_HEIGHT 13
#define ROWS_MAX 200
#define CALLS_MAX 20000
#define COLUMN 600
#define WAIT_COLOUR "#d1495b"

static const struct svg_font heading = {.size = 14, .bold = true};
static const struct svg_font plain = {.size = 12};
static const struct svg_font faint = {.size = 11, .colour = SVG_FAINT_INK};
static const struct svg_font small_right = {.size = 11, .colour = SVG_FAINT_INK, .anchor = SVG_END};

/* Paul Tol's light scheme for lives, his muted one for the marks on them. */
static const char *const role_colours[] = {
	[TRACE_COMMAND] = "#77aadd", [TRACE_DAEMON] = "#cccccc", [TRACE_SUPERVISOR] = "#bbcc33",
	[TRACE_RUNTIME] = "#ee8866", [TRACE_INIT] = "#44bb99",   [TRACE_INSIDE] = "#99ddff",
	[TRACE_HELPER] = "#eedd88",
};
#define ROLES (sizeof(role_colours) / sizeof(role_colours[0]))

static const char *const group_colours[TRACE_GROUP_COUNT] = {
	[TRACE_NAMESPACES] = "#332288", [TRACE_MOUNTS] = "#117733",    [TRACE_CGROUPS] = "#997700",
	[TRACE_SECURITY] = "#aa4499",   [TRACE_PROCESSES] = "#0077bb", [TRACE_WAITS] = WAIT_COLOUR,
	[TRACE_DISK] = "#cc6677",
};

struct picture {
	struct svg svg;
	struct svg_axis axis;
	const struct trace *trace;
	size_t rows;
	double top; /* of the first row */
	double y;   /* where the next thing goes */
};

static double row_y(const struct picture *p, size_t process)
{
	return p->top + (double)process * ROW;
}

/* The program's own stretch is cut when it would take more than a third of the picture. */
static void lay_axis(struct picture *p)
{
	const struct trace *t = p->trace;
	bool ended = t->program_end_ns != TRACE_NEVER && t->program_end_ns <= t->end_ns;

	p->axis = (struct svg_axis){.x = AXIS_X, .width = AXIS_WIDTH, .to_ns = t->end_ns};
	if (t->program_ns == TRACE_NEVER || !ended || t->program_end_ns < t->program_ns)
		return;
	if (3 * (t->program_end_ns - t->program_ns) < t->end_ns)
		return;
	p->axis.cut_from_ns = t->program_ns;
	p->axis.cut_to_ns = t->program_end_ns;
}

static void put_title(struct picture *p, const char *title)
{
	const struct svg_font big = {.size = 18, .bold = true};
	const struct svg_font sub = {.size = 13, .colour = SVG_FAINT_INK};
	const struct trace *t = p->trace;
	auto_strbuf struct strbuf line = {0};
	char time[32];

	svg_text_cut(&p->svg, MARGIN, 34, WIDTH - 2 * MARGIN, &big, title);
	if (t->program_ns != TRACE_NEVER) {
		svg_format_ns(t->program_ns, time, sizeof(time));
		strbuf_printf(&line, "%s until the container's own program runs, ", time);
	}
	svg_format_ns(t->end_ns, time, sizeof(time));
	strbuf_printf(&line, "%s until the command ends; %zu processes, %zu calls", time,
		      t->process_count, t->call_count);
	if (t->lost)
		strbuf_printf(&line, "; %llu records were lost", (unsigned long long)t->lost);
	svg_text(&p->svg, MARGIN, 55, &sub, strbuf_str(&line));
	p->y = 78;
}

static double put_key(struct picture *p, double x, const char *colour, double height,
		      const char *name)
{
	svg_rect(&p->svg, x, p->y - 5 - height / 2, height > 10 ? 12 : 5, height, colour);
	svg_text(&p->svg, x + 16, p->y, &faint, name);
	return x + 16 + svg_text_width(name, &faint) + 14;
}

/* Only what is in the picture. */
static void put_legend(struct picture *p)
{
	const struct trace *t = p->trace;
	bool roles[ROLES] = {false}, groups[TRACE_GROUP_COUNT] = {false};
	double x = MARGIN;

	for (size_t i = 0; i < p->rows; i++)
		roles[t->processes[i].role] = true;
	for (size_t i = 0; i < t->call_count; i++)
		groups[t->calls[i].group] = true;
	for (size_t i = 0; i < ROLES; i++) {
		if (roles[i])
			x = put_key(p, x, role_colours[i], 12, trace_role_name((enum trace_role)i));
	}
	p->y += 18;
	x = MARGIN;
	for (size_t i = 0; i < TRACE_GROUP_COUNT; i++) {
		if (groups[i])
			x = put_key(p, x, group_colours[i], 10,
				    trace_group_name((enum trace_group)i));
	}
	if (t->path_count) {
		x = put_key(p, x, SVG_INK, 4, "the path: ran");
		put_key(p, x, WAIT_COLOUR, 4, "the path: waited");
	}
	p->y += 20;
}

static uint64_t life_end(const struct picture *p, const struct trace_process *c)
{
	return c->end_ns == TRACE_NEVER || c->end_ns > p->trace->end_ns ? p->trace->end_ns
									: c->end_ns;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* One program's stretch of a life, with its name in it where there is room. */
static void put_stretch(struct picture *p, const struct trace_process *c, double y, uint64_t from,
			uint64_t to, const char *program, const char *command)
{
	double x = svg_axis_x(&p->axis, from), width = svg_axis_x(&p->axis, to) - x;
	const struct svg_font font = {.size = 10, .colour = svg_ink_on(role_colours[c->role])};
	auto_strbuf struct strbuf tip = {0};
	char time[32];

	svg_format_ns(to - from, time, sizeof(time));
	strbuf_printf(&tip, "%s (%d), %s: %s", command && *command ? command : program, c->pid,
		      trace_role_name(c->role), time);
	svg_axis_bar(&p->svg, &p->axis, y, BAR_HEIGHT, from, to, role_colours[c->role], false,
		     strbuf_str(&tip));
	if (svg_text_width(program, &font) + 6 < width)
		svg_text(&p->svg, x + 4, y + 10, &font, program);
}

static void put_life(struct picture *p, const struct trace_process *c, double y)
{
	uint64_t from = c->before ? c->contact_ns : c->start_ns, end = life_end(p, c);
	const char *program = c->exec_count && !c->before ? "" : c->name;

	if (c->before)
		svg_line(&p->svg, AXIS_X, y + BAR_HEIGHT / 2.0, svg_axis_x(&p->axis, end),
			 y + BAR_HEIGHT / 2.0, role_colours[c->role], 3);
	for (size_t i = 0; i < c->exec_count; i++) {
		const struct trace_exec *e = &c->execs[i];
		double x = svg_axis_x(&p->axis, e->at_ns);

		if (e->at_ns > p->trace->end_ns)
			break;
		if (e->at_ns > from)
			put_stretch(p, c, y, from, e->at_ns, program,
				    i ? c->execs[i - 1].command : "before it executed a program");
		svg_line(&p->svg, x, y - 1, x, y + BAR_HEIGHT + 1, SVG_INK, 1.2);
		from = e->at_ns;
		program = base_name(e->program);
	}
	if (end > from)
		put_stretch(p, c, y, from, end, program, c->command);
}

/* What daemons tidy up when the command has ended is in the trace, but not on its axis. */
static bool is_late(const struct picture *p, const struct trace_process *c)
{
	return c->start_ns > p->trace->end_ns;
}

static void put_length(struct picture *p, const struct trace_process *c, double y)
{
	char time[32];

	svg_format_ns(is_late(p, c) ? 0 : life_end(p, c) - c->start_ns, time, sizeof(time));
	svg_text(&p->svg, WIDTH - MARGIN, y + 12, &small_right,
		 c->before                  ? "was there"
		 : is_late(p, c)            ? "afterwards"
		 : c->end_ns == TRACE_NEVER ? "stays"
					    : time);
}

static void put_process(struct picture *p, size_t index)
{
	const struct trace_process *c = &p->trace->processes[index];
	double indent = INDENT * (c->depth < INDENT_MAX ? c->depth : INDENT_MAX);
	double y = row_y(p, index);
	const char *name = c->exec_count ? base_name(c->execs[c->exec_count - 1].program) : c->name;
	const struct svg_font font = {.size = 12, .bold = index == p->trace->init};
	char label[48];

	svg_text_cut(&p->svg, MARGIN + indent, y + 13, NAME_WIDTH - indent, &font, name);
	snprintf(label, sizeof(label), "%d %s", c->pid, trace_role_name(c->role));
	svg_text(&p->svg, ROLE_X, y + 13, &faint, label);
	put_life(p, c, y + 3);
	put_length(p, c, y);
}

static void put_calls(struct picture *p)
{
	const struct trace *t = p->trace;
	char time[32];

	for (size_t i = 0; i < t->call_count && i < CALLS_MAX; i++) {
		const struct trace_call *c = &t->calls[i];
		auto_strbuf struct strbuf tip = {0};

		if (c->process >= p->rows || c->begin_ns > t->end_ns)
			continue;
		svg_format_ns(c->end_ns - c->begin_ns, time, sizeof(time));
		strbuf_printf(&tip, "%s %s: %s%s", c->name, c->text ? c->text : "", time,
			      c->result < 0 ? ", failed" : "");
		svg_axis_bar(&p->svg, &p->axis, row_y(p, c->process) + 17, 5, c->begin_ns,
			     c->end_ns, group_colours[c->group], false, strbuf_str(&tip));
	}
}

static void put_path(struct picture *p)
{
	const struct trace *t = p->trace;
	char time[32], tip[128];

	for (size_t i = 0; i < t->path_count; i++) {
		const struct trace_step *s = &t->path[i];
		bool ran = s->state == TRACE_RUNNING;

		if (s->process >= p->rows)
			continue;
		svg_format_ns(s->end_ns - s->begin_ns, time, sizeof(time));
		snprintf(tip, sizeof(tip), "%s%s%s: %s", trace_state_name(s->state),
			 s->in ? " in " : "", s->in ? s->in : "", time);
		svg_axis_bar(&p->svg, &p->axis, row_y(p, s->process) + 23, 3, s->begin_ns,
			     s->end_ns, ran ? SVG_INK : WAIT_COLOUR, false, tip);
	}
}

/* The number of a wait, where it is. */
static void put_marks(struct picture *p)
{
	const struct trace *t = p->trace;
	const struct svg_font font = {
		.size = 10, .colour = "#ffffff", .anchor = SVG_MIDDLE, .bold = true};
	char number[16];

	for (size_t i = 0; i < t->wait_count; i++) {
		const struct trace_wait *w = &t->waits[i];
		double x = svg_axis_x(&p->axis, w->begin_ns + (w->end_ns - w->begin_ns) / 2);

		if (w->process >= p->rows)
			continue;
		snprintf(number, sizeof(number), "%zu", i + 1);
		svg_rect(&p->svg, x - 7, row_y(p, w->process) + 15, 14, 13, WAIT_COLOUR);
		svg_text(&p->svg, x, row_y(p, w->process) + 25, &font, number);
	}
}

static void put_moment(struct picture *p, uint64_t ns, double bottom, const char *what,
		       enum svg_anchor anchor)
{
	const struct svg_font font = {.size = 11, .bold = true, .anchor = anchor};
	double x;

	if (ns == TRACE_NEVER || ns > p->trace->end_ns)
		return;
	x = svg_axis_x(&p->axis, ns);
	svg_line(&p->svg, x, p->top - 2, x, bottom + 4, SVG_INK, 1.4);
	svg_text(&p->svg, x + (anchor == SVG_END ? -4 : 4), bottom + 14, &font, what);
}

static void put_rows(struct picture *p)
{
	double bottom;

	p->top = p->y + 18;
	bottom = p->top + (double)p->rows * ROW;
	for (size_t i = 0; i < p->rows; i += 2)
		svg_rect(&p->svg, MARGIN - 6, row_y(p, i), WIDTH - 2 * MARGIN + 12, ROW, SVG_BAND);
	svg_axis_grid(&p->svg, &p->axis, p->top - 2, bottom);
	for (size_t i = 0; i < p->rows; i++)
		put_process(p, i);
	svg_axis_cut(&p->svg, &p->axis, p->top, bottom);
	put_calls(p);
	put_path(p);
	put_marks(p);
	put_moment(p, p->trace->program_ns, bottom, "the program runs", SVG_END);
	put_moment(p, p->trace->program_end_ns, bottom, "it has ended", SVG_START);
	p->y = bottom + 42;
	if (p->trace->process_count > p->rows) {
		char text[64];

		snprintf(text, sizeof(text), "and %zu more processes",
			 p->trace->process_count - p->rows);
		svg_text(&p->svg, MARGIN, p->y, &faint, text);
		p->y += 20;
	}
}

static const char *waiting_for(enum trace_state state)
{
	return state == TRACE_READY ? "no processor free" : trace_state_name(state);
}

static void put_waits(struct picture *p)
{
	const struct svg_font right = {.size = 12, .anchor = SVG_END};
	const struct trace *t = p->trace;
	char text[64];

	if (!t->wait_count)
		return;
	svg_text(&p->svg, MARGIN, p->y, &heading, "The longest waits on the path");
	p->y += 20;
	for (size_t i = 0; i < t->wait_count; i++) {
		const struct trace_wait *w = &t->waits[i];
		const struct trace_process *c =
			w->process < t->process_count ? &t->processes[w->process] : NULL;
		auto_strbuf struct strbuf what = {0};

		snprintf(text, sizeof(text), "%zu", i + 1);
		svg_text(&p->svg, MARGIN, p->y, &plain, text);
		svg_format_ns(w->end_ns - w->begin_ns, text, sizeof(text));
		svg_text(&p->svg, MARGIN + 90, p->y, &right, text);
		svg_format_ns(w->begin_ns, text, sizeof(text));
		strbuf_printf(&what, "%s (%d), %s%s%s, at %s", c ? c->name : "?", c ? c->pid : 0,
			      waiting_for(w->state), w->in ? " in " : "", w->in ? w->in : "", text);
		svg_text_cut(&p->svg, MARGIN + 106, p->y, WIDTH - 3 * MARGIN - 106, &plain,
			     strbuf_str(&what));
		p->y += 18;
	}
	p->y += 14;
}

/* Returns the y below it. */
static double put_bill(struct picture *p, double x, const char *title,
		       const struct trace_bill_line *lines, size_t count)
{
	const struct svg_font right = {.size = 12, .anchor = SVG_END};
	double y = p->y;
	char time[32];

	if (!count)
		return y;
	svg_text(&p->svg, x, y, &heading, title);
	y += 20;
	for (size_t i = 0; i < count && i < 12; i++, y += 18) {
		double part = lines[0].ns ? (double)lines[i].ns / (double)lines[0].ns : 0;

		svg_format_ns(lines[i].ns, time, sizeof(time));
		svg_text_cut(&p->svg, x, y, 220, &plain, lines[i].what);
		svg_text(&p->svg, x + 300, y, &right, time);
		svg_bar(&p->svg, x + 312, y - 10, 230 * part, 12, SVG_FAINT_INK, false,
			lines[i].what);
	}
	return y;
}

static void put_bills(struct picture *p)
{
	double left =
		put_bill(p, MARGIN, "The path by phase", p->trace->phases, p->trace->phase_count);
	double right = put_bill(p, MARGIN + COLUMN, "The path by program", p->trace->programs,
				p->trace->program_count);

	p->y = (left > right ? left : right) + 6;
}

void trace_svg(const struct trace *t, struct strbuf *out)
{
	struct picture p = {.trace = t};
	auto_strbuf struct strbuf title = {0}, description = {0};

	for (size_t i = 0; i < t->command.count; i++)
		strbuf_printf(&title, "%s%s", i ? " " : "", t->command.items[i]);
	p.rows = t->process_count < ROWS_MAX ? t->process_count : ROWS_MAX;
	lay_axis(&p);
	put_title(&p, strbuf_str(&title));
	put_legend(&p);
	put_rows(&p);
	put_waits(&p);
	put_bills(&p);
	strbuf_printf(&description, "%zu processes and %zu calls over %.3f ms", t->process_count,
		      t->call_count, (double)t->end_ns / 1e6);
	svg_finish(&p.svg, WIDTH, p.y + 10, strbuf_str(&title), strbuf_str(&description), out);
	svg_free(&p.svg);
}

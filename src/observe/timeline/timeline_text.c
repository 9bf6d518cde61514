/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bill for a terminal: phases with their sums, below each what it is made of. Neighbours that do
 * the same thing to many paths share a line. At most 100 columns, no colour.
 */
#include <stdio.h>
#include <string.h>

#include "observe/timeline/timeline.h"

#define COLUMNS 100
#define WHAT_WIDTH 43
#define BAR_WIDTH 15

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double share(const struct timeline *t, uint64_t ns)
{
	return t->total_ns ? 100.0 * (double)ns / (double)t->total_ns : 0;
}

static size_t verb_length(const char *what)
{
	return strcspn(what, " ");
}

/* Entries that share a line: the same verb on another path. Each mount stands alone, except the many
 * hierarchies below /sys/fs/cgroup. */
static bool belongs_to(const struct timeline_entry *first, const struct timeline_entry *next)
{
	size_t n = verb_length(first->what);

	if (first->phase != next->phase || first->process != next->process ||
	    first->process != TIMELINE_CHILD || n != verb_length(next->what) ||
	    strncmp(first->what, next->what, n) != 0)
		return false;
	return strncmp(first->what, "mount ", 6) != 0 ||
	       (str_starts(first->what, "mount /sys/fs/cgroup") &&
		str_starts(next->what, "mount /sys/fs/cgroup/"));
}

/* Cuts text to width characters of ASCII; control characters and other bytes become '?', since
 * labels hold users' paths and a terminal must not obey them. */
static void put_cut(struct strbuf *out, const char *text, size_t width)
{
	size_t n = strlen(text), shown = n > width ? width - 3 : n;

	for (size_t i = 0; i < shown; i++)
		strbuf_putc(out, text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
	if (n > width)
		strbuf_puts(out, "...");
	for (size_t i = n > width ? width : n; i < width; i++)
		strbuf_putc(out, ' ');
}

static void put_bar(struct strbuf *out, double percent)
{
	int n = (int)(percent * BAR_WIDTH / 100 + 0.5);

	for (int i = 0; i < n; i++)
		strbuf_putc(out, '#');
}

static void end_line(struct strbuf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	strbuf_putc(out, '\n');
}

static void put_row(struct strbuf *out, const char *phase, const char *what, const char *by,
		    uint64_t ns, double percent)
{
	strbuf_printf(out, "%-10s ", phase);
	put_cut(out, what, WHAT_WIDTH);
	strbuf_printf(out, " %-8s%9.3f %6.1f %%  ", by, ms(ns), percent);
}

static void put_group(const struct timeline *t, size_t first, size_t count, uint64_t ns,
		      struct strbuf *out)
{
	const struct timeline_entry *e = &t->path.items[first];
	auto_strbuf struct strbuf what = {0};

	strbuf_puts(&what, e->what);
	if (count > 1) {
		/* The count must survive the cut. */
		if (what.len > WHAT_WIDTH - 14) {
			what.len = WHAT_WIDTH - 17;
			what.data[what.len] = '\0';
			strbuf_puts(&what, "...");
		}
		strbuf_printf(&what, " and %zu more", count - 1);
	}
	put_row(out, "", strbuf_str(&what), timeline_process_name(e->process), ns, share(t, ns));
	end_line(out);
}

size_t timeline_group_end(const struct timeline *t, size_t first)
{
	size_t next = first + 1;

	while (next < t->path.count && belongs_to(&t->path.items[first], &t->path.items[next]))
		next++;
	return next;
}

static void put_phase_entries(const struct timeline *t, enum plan_phase phase, struct strbuf *out)
{
	for (size_t i = 0, next; i < t->path.count; i = next) {
		uint64_t ns = t->path.items[i].duration_ns;

		next = timeline_group_end(t, i);
		for (size_t k = i + 1; k < next; k++)
			ns += t->path.items[k].duration_ns;
		if (t->path.items[i].phase == phase)
			put_group(t, i, next - i, ns, out);
	}
}

static void put_phases(const struct timeline *t, const struct floor_bill *floor, struct strbuf *out)
{
	strbuf_printf(out, "%-10s %-*s %-8s%9s %8s%s\n", "PHASE", WHAT_WIDTH, "WHAT", "BY", "MS",
		      "SHARE", floor ? "   FLOOR MS" : "");
	for (int p = 0; p < TIMELINE_PHASES; p++) {
		double percent = share(t, t->phase_ns[p]);

		if (!t->phase_ns[p])
			continue;
		put_row(out, timeline_phase_name((enum plan_phase)p), "", "", t->phase_ns[p],
			percent);
		if (floor && floor_bill_phase_ms(floor, (enum plan_phase)p) > 0)
			strbuf_printf(out, "%9.3f", floor_bill_phase_ms(floor, (enum plan_phase)p));
		else if (!floor)
			put_bar(out, percent);
		end_line(out);
		put_phase_entries(t, (enum plan_phase)p, out);
	}
	put_row(out, "total", "from main() to the last stamp", "", t->total_ns, 100);
	if (floor)
		strbuf_printf(out, "%9.3f", floor->total_ms.median);
	end_line(out);
}

static void put_parallel(const struct timeline *t, struct strbuf *out)
{
	if (!t->parallel.count)
		return;
	strbuf_puts(out, "\nIn parallel, not part of the sum:\n");
	for (size_t i = 0; i < t->parallel.count; i++) {
		const struct timeline_entry *e = &t->parallel.items[i];

		strbuf_printf(out, "%-10s ", timeline_phase_name(e->phase));
		put_cut(out, e->what, WHAT_WIDTH);
		strbuf_printf(out, " %-8s%9.3f  from %.3f\n", timeline_process_name(e->process),
			      ms(e->duration_ns), ms(e->start_ns));
	}
}

static void put_ratio(const char *what, double ours_ms, double floor_ms, struct strbuf *out)
{
	strbuf_printf(out, "%-26s %9.3f ms, floor %.3f ms, ratio %.2f\n", what, ours_ms, floor_ms,
		      ours_ms / floor_ms);
}

static void put_floor(const struct timeline *t, const struct floor_bill *floor, struct strbuf *out)
{
	strbuf_printf(out,
		      "\nFloor: the same kernel work by bare system calls, running %s; %zu runs,\n"
		      "median %.3f ms (95 %% interval %.3f to %.3f), removal afterwards %.3f ms\n",
		      floor->program, floor->total_ms.n, floor->total_ms.median,
		      floor->total_ms.median_low, floor->total_ms.median_high,
		      floor->step_ms[FLOOR_CLEANUP]);
	if (t->to_exec_ns)
		put_ratio("until the program runs", ms(t->to_exec_ns), floor->to_exec_ms.median,
			  out);
	put_ratio("whole", ms(t->total_ns), floor->total_ms.median, out);
}

void timeline_text(const struct timeline *t, const char *title, const struct floor_bill *floor,
		   struct strbuf *out)
{
	strbuf_puts(out, "Start bill of ");
	put_cut(out, title, strlen(title) < 80 ? strlen(title) : 80);
	strbuf_puts(out, "\n\n");
	put_phases(t, floor, out);
	if (t->wall_ns > t->total_ns)
		strbuf_printf(out, "%-10s program start and exit (wall %.3f ms - total)%*s%9.3f\n",
			      "outside", ms(t->wall_ns), 8, "", ms(t->wall_ns - t->total_ns));
	put_parallel(t, out);
	if (floor)
		put_floor(t, floor, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A trace for people: the waterfall, the bill, the waits, the calls; what it cost comes last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/strv.h"
#include "observe/report/text.h"
#include "observe/trace/trace.h"

#define BAR 34
#define NAME 26
#define TEXT 44
#define COLUMNS 99

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static uint64_t whole(const struct trace *t)
{
	uint64_t end = t->end_ns;

	if (t->program_ns != TRACE_NEVER && t->program_ns > end)
		end = t->program_ns;
	return end ? end : 1;
}

static void heading(const struct trace *t, struct strbuf *out)
{
	auto_strbuf struct strbuf command = {0};
	auto_free char *clean = NULL;
	auto_strv struct strv lines = {0};

	for (size_t i = 0; i < t->command.count; i++)
		strbuf_printf(&command, "%s%s", i ? " " : "", t->command.items[i]);
	clean = text_clean(strbuf_str(&command));
	text_break(clean, COLUMNS, 1, &lines);
	strbuf_printf(out, "%s\n", lines.items[0]);
	if (t->program_ns != TRACE_NEVER)
		strbuf_printf(out, "  the container's program runs after %.2f ms",
			      ms(t->program_ns));
	else
		strbuf_puts(out, "  no process took another root or a new pid namespace");
	if (t->program_end_ns != TRACE_NEVER)
		strbuf_printf(out, ", ends after %.2f ms", ms(t->program_end_ns));
	strbuf_printf(out, "\n  the command ends after %.2f ms, exit code %d\n", ms(t->end_ns),
		      t->exit_code);
}

/* '#': the path is here; '=': there; '.': there, but the command has not reached it. */
static void bar(const struct trace *t, size_t process, char out[static BAR + 1])
{
	const struct trace_process *p = &t->processes[process];
	uint64_t all = whole(t);

	for (uint64_t i = 0; i < BAR; i++) {
		uint64_t from = all * i / BAR, to = all * (i + 1) / BAR;

		out[i] = p->end_ns != TRACE_NEVER && p->end_ns < from ? ' '
			 : p->start_ns > to                           ? ' '
			 : p->contact_ns > to                         ? '.'
								      : '=';
	}
	out[BAR] = '\0';
	for (size_t i = 0; i < t->path_count; i++) {
		const struct trace_step *s = &t->path[i];
		uint64_t from = s->begin_ns * BAR / all, to = s->end_ns * BAR / all;

		for (uint64_t k = from; s->process == process && k <= to && k < BAR; k++)
			out[k] = '#';
	}
}

static void waterfall(const struct trace *t, struct strbuf *out)
{
	char line[BAR + 1], name[NAME + 1], end[24];

	strbuf_printf(out, "\n%-*s %-10s %7s %8s %8s  0%*s\n", NAME, "PROCESS", "PART", "PID",
		      "FROM ms", "CPU ms", BAR - 1,
		      (snprintf(end, sizeof(end), "%.1f ms", ms(whole(t))), end));
	for (size_t i = 0; i < t->process_count; i++) {
		const struct trace_process *p = &t->processes[i];
		int indent = p->depth < 8 ? 2 * p->depth : 16;

		snprintf(name, sizeof(name), "%*s%s", indent, "", p->name);
		bar(t, i, line);
		strbuf_printf(out, "%-*s %-10s %7d ", NAME, name, trace_role_name(p->role), p->pid);
		if (p->before)
			strbuf_printf(out, "%8s", "before");
		else
			strbuf_printf(out, "%8.2f", ms(p->start_ns));
		strbuf_printf(out, " %8.2f  %s\n", ms(p->cpu_ns), line);
	}
	strbuf_puts(out,
		    "  # what the start waited for   = there   . not yet reached by the command\n");
	if (t->left_out_processes)
		strbuf_printf(out, "  %zu processes that others started meanwhile are left out\n",
			      t->left_out_processes);
}

static void bill_lines(const struct trace_bill_line *lines, size_t count, const char *title,
		       uint64_t all, struct strbuf *out)
{
	strbuf_printf(out, "\n%-48s %10s %7s\n", title, "ms", "share");
	for (size_t i = 0; i < count; i++)
		strbuf_printf(out, "  %-46.46s %10.2f %6.1f%%\n", lines[i].what, ms(lines[i].ns),
			      100.0 * (double)lines[i].ns / (double)all);
}

static void bills(const struct trace *t, struct strbuf *out)
{
	uint64_t all = 0;

	for (size_t i = 0; i < t->path_count; i++)
		all += t->path[i].end_ns - t->path[i].begin_ns;
	if (all == 0)
		return;
	bill_lines(t->phases, t->phase_count, "WHERE THE TIME WENT, BY WORK", all, out);
	bill_lines(t->programs, t->program_count, "BY PROGRAM", all, out);
	strbuf_printf(out, "  %-46s %10.2f  until the %s\n", "together", ms(all),
		      t->init == TRACE_NONE ? "command ended" : "program ran");
	strbuf_puts(out, "\nLONGEST WAITS ON THE WAY\n");
	for (size_t i = 0; i < t->wait_count; i++) {
		const struct trace_wait *w = &t->waits[i];
		const struct trace_process *p = &t->processes[w->process];

		strbuf_printf(out, "  %10.2f ms  %-16.16s %7d  at %.2f ms, %s%s%s\n",
			      ms(w->end_ns - w->begin_ns), p->name, p->pid, ms(w->begin_ns),
			      w->state == TRACE_READY ? "no processor free" : "asleep",
			      w->in ? " in " : "", w->in ? w->in : "");
	}
	if (t->wait_count == 0)
		strbuf_puts(out, "  none\n");
}

static void one_call(const struct trace *t, const struct trace_call *c, struct strbuf *out)
{
	const char *failure = c->result < 0 ? err_errno_text((int)-c->result) : "";
	int room = TEXT - (c->result < 0 ? (int)strlen(failure) + 3 : 0);

	strbuf_printf(out, "  %9.2f %9.3f  %-15.15s %-13s %.*s", ms(c->begin_ns),
		      ms(c->end_ns - c->begin_ns), t->processes[c->process].name, c->name,
		      room > 0 ? room : 0, c->text);
	if (c->result < 0)
		strbuf_printf(out, "%s= %.*s", *c->text ? " " : "", TEXT - 3, failure);
	strbuf_putc(out, '\n');
}

static bool listed(const struct trace_call *c, bool all)
{
	return all || c->group == TRACE_NAMESPACES || str_eq(c->name, "pivot_root") ||
	       str_eq(c->name, "chroot");
}

static void call_list(const struct trace *t, bool all, struct strbuf *out)
{
	strbuf_printf(out, "\n  %9s %9s  %-15s %s\n", "AT ms", "TOOK ms", "PROCESS",
		      all ? "CALLS" : "NAMESPACE AND ROOT CALLS (--calls: every call)");
	for (size_t i = 0; i < t->call_count; i++) {
		if (listed(&t->calls[i], all))
			one_call(t, &t->calls[i], out);
	}
}

struct count {
	const char *name;
	enum trace_group group;
	size_t n, failed;
	uint64_t ns;
};

static int by_group(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	if (x->group != y->group)
		return (int)x->group - (int)y->group;
	return (y->n > x->n) - (y->n < x->n);
}

static void counts(const struct trace *t, struct strbuf *out)
{
	struct count items[64];
	size_t n = 0;

	for (size_t i = 0; i < t->call_count; i++) {
		const struct trace_call *c = &t->calls[i];
		size_t k = 0;

		while (k < n && (items[k].name != c->name || items[k].group != c->group))
			k++;
		if (k == sizeof(items) / sizeof(items[0]))
			continue;
		if (k == n)
			items[n++] = (struct count){.name = c->name, .group = c->group};
		items[k].n++;
		items[k].failed += c->result < 0;
		items[k].ns += c->end_ns - c->begin_ns;
	}
	qsort(items, n, sizeof(items[0]), by_group);
	strbuf_printf(out, "\n%-12s %-18s %8s %8s %10s\n", "CALLS", "", "count", "failed", "ms");
	for (size_t k = 0; k < n; k++) {
		bool first = k == 0 || items[k].group != items[k - 1].group;

		strbuf_printf(out, "%-12s %-18s %8zu %8zu %10.3f\n",
			      first ? trace_group_name(items[k].group) : "", items[k].name,
			      items[k].n, items[k].failed, ms(items[k].ns));
	}
}

void trace_text(const struct trace *t, bool calls, struct strbuf *out)
{
	heading(t, out);
	waterfall(t, out);
	bills(t, out);
	counts(t, out);
	call_list(t, calls, out);
	strbuf_printf(out, "\n%llu records, %llu lost, %llu switches and wake-ups missed;\n",
		      (unsigned long long)t->records, (unsigned long long)t->lost,
		      (unsigned long long)t->missed);
	strbuf_printf(out, "the recorder used %.1f ms of processor time", ms(t->recorder_cpu_ns));
	if (t->program_runs)
		strbuf_printf(out, ", its %llu runs in the kernel %.1f ms",
			      (unsigned long long)t->program_runs, ms(t->kernel_cpu_ns));
	strbuf_puts(out, "\n");
}

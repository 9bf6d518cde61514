/* SPDX-License-Identifier: Apache-2.0 */
/* pids: both numbers of each process, and the tree that they form. */
#include <stdio.h>

#include "observe/explain/topics.h"

#define SHOWN_MAX 5
#define ROWS_MAX 40
#define DEPTH_MAX 12

static void show_levels(struct report_claim *c, const struct process *p)
{
	auto_strbuf struct strbuf levels = {0};

	for (size_t i = 0; i < p->level_count; i++)
		strbuf_printf(&levels, "%s%d", i ? ", inside " : "here ", p->ns_pids[i]);
	report_evidence(c, "/proc/%d/status, NSpid of %s: %s", p->pid, p->name,
			strbuf_str(&levels));
}

static void claim_two_numbers(struct explain *x)
{
	struct report_claim *c =
		explain_claim(x, "pids.two_numbers", REPORT_HOLDS,
			      "each process of %s has one number here and another inside", x->name);
	size_t shown = 0, unreadable = 0;

	for (size_t i = 0; i < x->processes.count; i++) {
		const struct process *p = &x->processes.items[i];

		if (!p->member)
			continue;
		unreadable += p->level_count == 0;
		if (p->level_count == 1)
			c->verdict = REPORT_BROKEN;
		if (shown++ < SHOWN_MAX)
			show_levels(c, p);
	}
	if (shown > SHOWN_MAX)
		report_evidence(c, "and %zu more in the table below", shown - SHOWN_MAX);
	if (unreadable && c->verdict == REPORT_HOLDS)
		c->verdict = REPORT_UNKNOWN;
	if (c->verdict == REPORT_BROKEN)
		report_consequence(
			c, "one number means the host's own pid namespace: it can name, and "
			   "with the right to do so signal, every process of this host");
	else
		report_consequence(
			c, "signals, /proc and logs of the host use the first number, those "
			   "inside the last; they are the same process");
}

static void claim_first(struct explain *x)
{
	const struct process *p = process_find(&x->processes, x->target->pid);
	struct report_claim *c;
	bool first;

	if (!p || !p->level_count)
		return;
	first = p->ns_pids[p->level_count - 1] == 1 && p->level_count > 1;
	c = explain_claim(x, "pids.first", first ? REPORT_HOLDS : REPORT_BROKEN,
			  "the first process of %s is number 1 of a pid namespace", x->name);
	report_evidence(
		c,
		"/proc/%d/status: NSpid ends in %d; /proc/%d/ns/pid: pid:[%llu], the host's "
		"pid:[%llu]",
		p->pid, p->ns_pids[p->level_count - 1], p->pid,
		(unsigned long long)x->own.inode[NAMESPACE_PID],
		(unsigned long long)x->host.inode[NAMESPACE_PID]);
	if (first)
		report_consequence(
			c, "it inherits orphans inside, is not ended by signals from inside that "
			   "it has no handler for, and when it ends the kernel kills all others");
	else
		report_consequence(
			c, "when it ends, the others go on: whoever ends the container must "
			   "kill them by the control group");
}

static void claim_ordinary(struct explain *x)
{
	const struct process *p = process_find(&x->processes, x->target->pid);
	const struct process *parent = p ? process_find(&x->processes, p->parent) : NULL;
	struct report_claim *c = explain_claim(x, "pids.ordinary",
					       p ? REPORT_HOLDS : REPORT_UNKNOWN,
					       "its processes are ordinary processes of this host");

	report_evidence(c, "/proc of this host lists %zu processes; %s has %zu of them",
			x->processes.count, x->name, x->processes.member_count);
	if (!p)
		return;
	report_evidence(
		c, "/proc/%d/stat: parent %d (%s), state %c, %u thread%s, %.2f s of processor time",
		p->pid, p->parent, parent ? parent->name : "not visible", p->state, p->threads,
		p->threads == 1 ? "" : "s",
		(double)p->cpu_ticks / (double)x->processes.ticks_per_s);
	report_consequence(
		c, "the host's scheduler runs them, ps and top here show them, and root here "
		   "may stop, trace or kill them");
}

static void add_row(struct explain *x, struct report_table *t, const struct process *p, int depth)
{
	char pid[16], inside[16], parent[16], user[16], state[2] = {p->state, '\0'}, age[32];
	auto_free char *command =
		xasprintf("%*s%s", depth * 2, "", *p->command ? p->command : p->name);
	const char *const cells[] = {pid, inside, parent, user, state, age, command};

	snprintf(pid, sizeof(pid), "%d", p->pid);
	snprintf(inside, sizeof(inside), "%d", p->level_count ? p->ns_pids[p->level_count - 1] : 0);
	snprintf(parent, sizeof(parent), "%d", p->parent);
	snprintf(user, sizeof(user), "%u", p->uid);
	snprintf(age, sizeof(age), "%.1f", process_age_s(&x->processes, p));
	report_row(t, cells);
}

/* Children below their parent, by pid. What is deeper than DEPTH_MAX stands at that depth. */
static size_t add_tree(struct explain *x, struct report_table *t, pid_t parent, int depth,
		       size_t rows)
{
	const struct process_table *all = &x->processes;

	for (size_t i = 0; i < all->count && rows < ROWS_MAX; i++) {
		const struct process *p = &all->items[i];
		const struct process *up = process_find(all, p->parent);
		bool top = !up || !up->member;

		if (!p->member || (depth ? p->parent != parent : !top))
			continue;
		add_row(x, t, p, depth);
		rows++;
		if (depth < DEPTH_MAX)
			rows = add_tree(x, t, p->pid, depth + 1, rows);
	}
	return rows;
}

int explain_pids(struct explain *x, struct err *err)
{
	static const char *const columns[] = {">pid",  ">inside", ">parent", ">user",
					      "state", ">age s",  "command", NULL};
	static const char *const scopes[] = {
		"is in its control group", "has its pid namespace",
		"descends from it: neither a group nor a namespace sets it apart"};
	auto_free char *title = xasprintf("processes of %s, as this host numbers them", x->name);
	struct report_table *t;
	size_t rows;

	(void)err;
	claim_two_numbers(x);
	claim_first(x);
	claim_ordinary(x);
	t = report_table(x->test, "pids.tree", title, columns);
	rows = add_tree(x, t, 0, 0, 0);
	if (rows < x->processes.member_count)
		report_note(x->test, "%zu more processes of %s are not in the table",
			    x->processes.member_count - rows, x->name);
	report_note(x->test, "a process counts as %s's when it %s%s%s", x->name,
		    scopes[x->processes.scope], x->processes.group ? " " : "",
		    x->processes.group ? x->processes.group : "");
	return 0;
}

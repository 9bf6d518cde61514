/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bill's arithmetic. A cursor walks the path; each stamp later than the cursor closes an entry
 * that began where the one before ended, so the entries have no gaps and no overlap by construction.
 */
#include "observe/timeline/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const phase_names[TIMELINE_PHASES] = {
	[PHASE_RESOLVE] = "resolve",   [PHASE_RECORD] = "record",
	[PHASE_CGROUP] = "cgroup",     [PHASE_NAMESPACES] = "namespaces",
	[PHASE_MOUNT] = "mount",       [PHASE_NETWORK] = "network",
	[PHASE_SECURITY] = "security", [PHASE_EXEC] = "exec",
	[PHASE_RUN] = "run",           [PHASE_EXIT] = "exit",
	[PHASE_CLEANUP] = "cleanup",   [PHASE_OTHER] = "other",
};

static const char *const process_names[] = {
	[TIMELINE_CLI] = "cloche",
	[TIMELINE_MONITOR] = "monitor",
	[TIMELINE_CHILD] = "child",
	[TIMELINE_PROGRAM] = "program",
};

/* What ended when a point was stamped. */
struct segment {
	enum timeline_point point;
	enum plan_phase phase;
	enum timeline_process process;
	const char *what;
};

static const struct segment cli_lane[] = {
	{POINT_CLI_PARSED, PHASE_OTHER, TIMELINE_CLI, "read the command line"},
	{POINT_CLI_PREPARED, PHASE_RECORD, TIMELINE_CLI,
	 "take id and lock, make the plan's memory"},
	{POINT_CLI_SPAWNED, PHASE_OTHER, TIMELINE_CLI, "spawn the monitor"},
	{POINT_CLI_RESOLVED, PHASE_RESOLVE, TIMELINE_CLI, "find the image, merge configurations"},
	{POINT_CLI_RECORDED, PHASE_RECORD, TIMELINE_CLI, "write record, directories, files"},
	{POINT_CLI_NETWORK, PHASE_NETWORK, TIMELINE_CLI, "take addresses and ports"},
	{POINT_CLI_CGROUP, PHASE_CGROUP, TIMELINE_CLI, "make and limit the cgroups"},
	{POINT_CLI_PLANNED, PHASE_OTHER, TIMELINE_CLI, "lay out the plan"},
	{POINT_CLI_RELEASED, PHASE_OTHER, TIMELINE_CLI, "release the child"},
};

static const struct segment monitor_lane[] = {
	{POINT_MONITOR_MAIN, PHASE_OTHER, TIMELINE_MONITOR, "start the monitor's program"},
	{POINT_CHILD_MAIN, PHASE_NAMESPACES, TIMELINE_MONITOR,
	 "clone the child with its namespaces"},
};

/* The monitor's own affairs, while the child waits or runs. */
static const struct segment cloned = {POINT_MONITOR_CLONED, PHASE_NAMESPACES, TIMELINE_MONITOR,
				      "return from the clone"};
static const struct segment moved = {POINT_MONITOR_MOVED, PHASE_CGROUP, TIMELINE_MONITOR,
				     "leave the caller's cgroups"};

/* What the child may have to wait for, if it has nothing else left to do. */
static const struct segment network_lane[] = {
	{POINT_MONITOR_LINKED, PHASE_NETWORK, TIMELINE_MONITOR, "make the network devices"},
	{POINT_MONITOR_RULED, PHASE_NETWORK, TIMELINE_MONITOR, "publish the ports"},
	{POINT_MONITOR_CONNECTED, PHASE_NETWORK, TIMELINE_MONITOR, "set addresses and routes"},
};

static const struct segment wake = {POINT_CHILD_RELEASED, PHASE_NAMESPACES, TIMELINE_CHILD,
				    "wake the child"};

/* From execve to the end of the command. */
static const struct segment end_lane[] = {
	{POINT_MONITOR_EXEC, PHASE_EXEC, TIMELINE_CHILD, "execve, until the program runs"},
	{POINT_MONITOR_EXITED, PHASE_RUN, TIMELINE_PROGRAM, "the program itself"},
	{POINT_MONITOR_RECORDED, PHASE_EXIT, TIMELINE_MONITOR, "read counters, record the exit"},
	{POINT_CLI_EXIT, PHASE_EXIT, TIMELINE_CLI, "hear of the exit"},
	{POINT_CLI_END, PHASE_EXIT, TIMELINE_CLI, "end the command"},
};

/* The monitor stamps its answer after it was sent, which may be after it was heard. */
static const struct segment answered = {POINT_MONITOR_ANSWERED, PHASE_EXIT, TIMELINE_MONITOR,
					"answer who waits"};

static const struct segment cleanup = {POINT_MONITOR_CLEANED, PHASE_CLEANUP, TIMELINE_MONITOR,
				       "remove cgroups and directories"};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

const char *timeline_phase_name(enum plan_phase phase)
{
	return phase_names[phase];
}

const char *timeline_process_name(enum timeline_process process)
{
	return process_names[process];
}

struct walk {
	const struct timeline_stamps *stamps;
	uint64_t begin_ns;  /* of the bill */
	uint64_t cursor_ns; /* end of the last entry */
	struct timeline_list *list;
};

static void add(struct walk *w, enum plan_phase phase, enum timeline_process process,
		const char *what, uint64_t end_ns)
{
	struct timeline_list *l = w->list;

	if (end_ns <= w->cursor_ns)
		return;
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 32;
		l->items = xrealloc(l->items, l->room * sizeof(*l->items));
	}
	l->items[l->count++] = (struct timeline_entry){.phase = phase,
						       .process = process,
						       .what = xstrdup(what),
						       .start_ns = w->cursor_ns - w->begin_ns,
						       .duration_ns = end_ns - w->cursor_ns};
	w->cursor_ns = end_ns;
}

static void add_segment(struct walk *w, const struct segment *s)
{
	add(w, s->phase, s->process, s->what, w->stamps->point_ns[s->point]);
}

/* Adds the lane's segments in the order in which they were stamped, which may differ between a first
 * start and a restart; only those stamped in (after_ns, until_ns]. */
static void add_lane(struct walk *w, const struct segment *lane, size_t n, uint64_t after_ns,
		     uint64_t until_ns)
{
	for (;;) {
		const struct segment *next = NULL;

		for (size_t i = 0; i < n; i++) {
			uint64_t at = w->stamps->point_ns[lane[i].point];

			if (at > after_ns && at <= until_ns &&
			    (!next || at < w->stamps->point_ns[next->point]))
				next = &lane[i];
		}
		if (!next)
			return;
		after_ns = w->stamps->point_ns[next->point];
		add_segment(w, next);
	}
}

static uint64_t earliest(const struct timeline_stamps *s)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < POINT_COUNT; i++) {
		if (s->point_ns[i] && s->point_ns[i] < first)
			first = s->point_ns[i];
	}
	return first == UINT64_MAX ? 0 : first;
}

/* True when the child was released before it was there: then it was the monitor that others waited
 * for. */
static bool child_came_late(const struct timeline_stamps *s)
{
	return s->point_ns[POINT_CHILD_MAIN] > s->point_ns[POINT_CLI_RELEASED];
}

static void walk_to_release(struct walk *path, struct walk *beside)
{
	const uint64_t *at = path->stamps->point_ns;
	uint64_t spawned = at[POINT_CLI_SPAWNED];

	if (child_came_late(path->stamps)) {
		add_lane(path, cli_lane, LENGTH(cli_lane), 0, spawned);
		add_lane(path, monitor_lane, LENGTH(monitor_lane), 0, UINT64_MAX);
		beside->cursor_ns = spawned ? spawned : path->begin_ns;
		add_lane(beside, cli_lane, LENGTH(cli_lane), spawned, UINT64_MAX);
	} else {
		add_lane(path, cli_lane, LENGTH(cli_lane), 0, UINT64_MAX);
		/* The monitor's life begins within the spawn; what it did before the spawn's end was
		 * stamped is its own all the same. */
		beside->cursor_ns = at[POINT_CLI_PREPARED] ? at[POINT_CLI_PREPARED]
							   : path->begin_ns;
		add_lane(beside, monitor_lane, LENGTH(monitor_lane), 0, UINT64_MAX);
	}
	if (at[POINT_MONITOR_CLONED]) {
		beside->cursor_ns = at[POINT_CHILD_MAIN];
		add_segment(beside, &cloned);
		beside->cursor_ns = at[POINT_MONITOR_CLONED];
		add_segment(beside, &moved);
	}
	if (at[POINT_MONITOR_NETWORK]) {
		beside->cursor_ns = at[POINT_MONITOR_NETWORK];
		add_lane(beside, network_lane, LENGTH(network_lane), 0, UINT64_MAX);
	}
	add_segment(path, &wake);
}

static void walk_to_end(struct walk *path, struct walk *beside)
{
	const uint64_t *at = path->stamps->point_ns;

	for (size_t i = 0; i < path->stamps->op_count; i++) {
		const struct timeline_op *op = &path->stamps->ops[i];

		add(path, op->phase, TIMELINE_CHILD, op->label, op->end_ns);
	}
	for (size_t i = 0; i < LENGTH(end_lane); i++)
		add_segment(path, &end_lane[i]);
	if (at[POINT_CLI_EXIT]) {
		beside->cursor_ns = at[POINT_MONITOR_RECORDED];
		add_segment(beside, &answered);
	} else {
		add_segment(path, &answered);
	}
	/* With a command that was answered, the removal is nobody's wait. */
	if (!at[POINT_CLI_END]) {
		add_segment(path, &cleanup);
		return;
	}
	beside->cursor_ns = at[POINT_MONITOR_ANSWERED];
	if (beside->cursor_ns)
		add_segment(beside, &cleanup);
}

int timeline_compute(const struct timeline_stamps *s, struct timeline *out, struct err *err)
{
	uint64_t begin = s->point_ns[POINT_CLI_MAIN] ? s->point_ns[POINT_CLI_MAIN] : earliest(s);
	struct walk path = {.stamps = s, .begin_ns = begin, .cursor_ns = begin};
	struct walk beside = path;

	memset(out, 0, sizeof(*out));
	if (!begin)
		return err_set(err, ERR_NOT_FOUND, ENODATA, "no start was recorded");
	path.list = &out->path;
	beside.list = &out->parallel;
	walk_to_release(&path, &beside);
	walk_to_end(&path, &beside);
	for (size_t i = 0; i < out->path.count; i++)
		out->phase_ns[out->path.items[i].phase] += out->path.items[i].duration_ns;
	out->total_ns = path.cursor_ns - begin;
	if (s->point_ns[POINT_MONITOR_EXEC])
		out->to_exec_ns = s->point_ns[POINT_MONITOR_EXEC] - begin;
	return 0;
}

static void free_list(struct timeline_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].what);
	free(l->items);
}

void timeline_free(struct timeline *t)
{
	free_list(&t->path);
	free_list(&t->parallel);
	memset(t, 0, sizeof(*t));
}

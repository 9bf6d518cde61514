/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the time went to. From the moment the container's program ran, backwards: what was that thread
 * doing; and while it slept, who woke it, and what was that one doing before. What comes out is one chain
 * of threads, without gaps: all of it had to happen, in this order, and shortening a step of it shortens
 * the start. Where a sleeper was woken by nobody of the trace (a timer, a disk, the kernel), the sleep
 * itself is the step.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "observe/trace/calls.h"
#include "observe/trace/recorder.h"

#define STEPS_MAX 100000
#define STATE_PREEMPTED 0x100 /* TASK_REPORT_MAX in the kernel's sched_switch */

struct moment {
	uint64_t ns;
	uint64_t state;
	uint32_t other; /* who woke it */
	enum { MOMENT_IN, MOMENT_OUT, MOMENT_WOKEN } kind;
};

/* One thread of a process of the trace. */
struct track {
	struct moment *moments;
	size_t count, room;
	const struct raw_record **calls; /* those that took time, by their end */
	size_t call_count, call_room;
	uint64_t born;
	uint32_t parent; /* the thread that made it */
};

struct finder {
	const struct recording *r;
	struct trace *t;
	const size_t *process_of_tid; /* plus one */
	size_t tids;
	struct track **tracks; /* by tid */
	size_t room;
};

static struct track *track_of(struct finder *f, uint32_t tid)
{
	if (tid == 0 || tid >= f->tids || f->process_of_tid[tid] == 0)
		return NULL;
	if (!f->tracks[tid])
		f->tracks[tid] = xcalloc(1, sizeof(struct track));
	return f->tracks[tid];
}

static void add_moment(struct track *k, struct moment m)
{
	if (!k)
		return;
	if (k->count == k->room) {
		k->room = k->room ? k->room * 2 : 32;
		k->moments = xrealloc(k->moments, k->room * sizeof(*k->moments));
	}
	k->moments[k->count++] = m;
}

static void read_scheduling(struct finder *f)
{
	for (size_t i = 0; i < f->r->scheduling_count; i++) {
		const struct raw_head *h = &f->r->scheduling[i];

		if (h->kind == RAW_WAKE) {
			add_moment(track_of(f, h->extra),
				   (struct moment){h->ns, 0, h->tid, MOMENT_WOKEN});
			continue;
		}
		add_moment(track_of(f, h->tid), (struct moment){h->ns, h->begin_ns, 0, MOMENT_OUT});
		add_moment(track_of(f, h->extra), (struct moment){h->ns, 0, 0, MOMENT_IN});
	}
}

static void read_calls(struct finder *f)
{
	for (size_t i = 0; i < f->r->count; i++) {
		const struct raw_record *r = f->r->records[i];
		struct track *k;

		if (r->head.kind == RAW_TASK) {
			k = track_of(f, r->head.extra);
			if (k) {
				k->born = r->head.ns;
				k->parent = r->head.tid;
			}
			continue;
		}
		k = r->head.kind == RAW_CALL ? track_of(f, r->head.tid) : NULL;
		if (!k)
			continue;
		if (k->call_count == k->call_room) {
			k->call_room = k->call_room ? k->call_room * 2 : 16;
			k->calls = xrealloc(k->calls, k->call_room * sizeof(struct raw_record *));
		}
		k->calls[k->call_count++] = r;
	}
}

/* The first of its calls that ended after ns; they are in the order of their ends, and one thread is in one
 * call at a time, so they are in the order of their begins, too. */
static size_t first_call_after(const struct track *k, uint64_t ns)
{
	size_t low = 0, high = k->call_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->calls[middle]->head.ns > ns)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The call that took most of the interval, or NULL. *ns: how much of it. */
static const struct call_row *call_in(const struct track *k, uint64_t begin, uint64_t end,
				      uint64_t *ns)
{
	const struct call_row *found = NULL;
	uint64_t most = 0;

	for (size_t i = first_call_after(k, begin); i < k->call_count; i++) {
		const struct raw_head *h = &k->calls[i]->head;
		uint64_t from = h->begin_ns > begin ? h->begin_ns : begin;
		uint64_t to = h->ns < end ? h->ns : end;

		if (h->begin_ns >= end)
			break;
		if (to > from && to - from > most) {
			most = to - from;
			found = call_find(h->nr);
		}
	}
	*ns = most;
	return found;
}

/* The last moment of that kind before ns (or at it); SIZE_MAX: none. */
static size_t last(const struct track *k, int kind, uint64_t ns)
{
	size_t low = 0, high = k->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->moments[middle].ns > ns)
			high = middle;
		else
			low = middle + 1;
	}
	while (low-- > 0) {
		if ((int)k->moments[low].kind == kind)
			return low;
	}
	return SIZE_MAX;
}

static void add_step(struct finder *f, uint32_t tid, enum trace_state state, uint64_t begin,
		     uint64_t end)
{
	struct trace *t = f->t;
	const struct call_row *row;
	uint64_t ns;

	if (begin < f->r->begin_ns)
		begin = f->r->begin_ns;
	if (end <= begin)
		return;
	if (t->path_count == f->room) {
		f->room = f->room ? f->room * 2 : 256;
		t->path = xrealloc(t->path, f->room * sizeof(*t->path));
	}
	row = call_in(f->tracks[tid], begin, end, &ns);
	t->path[t->path_count++] = (struct trace_step){
		.process = f->process_of_tid[tid] - 1,
		.tid = (int)tid,
		.state = state,
		.begin_ns = begin - f->r->begin_ns,
		.end_ns = end - f->r->begin_ns,
		.in = row && ns * 2 >= end - begin ? row->name : NULL,
	};
}

static bool timed_out(const struct raw_record *r)
{
	switch (r->head.nr) {
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
	case SYS_poll:
	case SYS_select:
#endif
	case SYS_epoll_pwait:
	case SYS_ppoll:
	case SYS_pselect6:
		return r->result == 0;
	case SYS_futex:
		return r->result == -ETIMEDOUT;
	default:
		return false;
	}
}

/* Whether what ended the call is outside: a clock or a disk, whose interrupt comes while anybody runs. */
static bool by_itself(const struct track *k, uint64_t out, uint64_t woken)
{
	for (size_t i = first_call_after(k, woken ? woken - 1 : 0); i < k->call_count; i++) {
		const struct raw_head *h = &k->calls[i]->head;
		const struct call_row *row;

		if (h->begin_ns > out)
			break;
		row = call_find(h->nr);
		return h->nr == SYS_nanosleep || h->nr == SYS_clock_nanosleep ||
		       (row && row->group == TRACE_DISK) || timed_out(k->calls[i]);
	}
	return false;
}

/* Since when a thread that got the processor at `ran` had been off it. */
enum absence {
	ABSENT_NEW, /* it was just made */
	ABSENT_PREEMPTED,
	ABSENT_ASLEEP, /* *since 0: from before the recording */
};

static enum absence absence_of(const struct track *k, uint64_t ran, uint64_t *since)
{
	size_t out = last(k, MOMENT_OUT, ran);

	*since = out == SIZE_MAX ? 0 : k->moments[out].ns;
	if (*since < k->born) {
		*since = k->born;
		return ABSENT_NEW;
	}
	if (out != SIZE_MAX &&
	    (k->moments[out].state == 0 || (k->moments[out].state & STATE_PREEMPTED)))
		return ABSENT_PREEMPTED;
	return ABSENT_ASLEEP;
}

/* One step back from *ns in thread *tid; false when there is nothing before. */
static bool step_back(struct finder *f, uint32_t *tid, uint64_t *ns)
{
	struct track *k = f->tracks[*tid], *waker;
	size_t in = last(k, MOMENT_IN, *ns), woken;
	uint64_t ran = in == SIZE_MAX ? k->born : k->moments[in].ns, since, ready;
	enum absence why = absence_of(k, ran, &since);

	add_step(f, *tid, TRACE_RUNNING, ran, *ns);
	if (ran == 0)
		return false;
	if (why != ABSENT_ASLEEP) {
		add_step(f, *tid, TRACE_READY, since, ran);
		*ns = since;
		if (why == ABSENT_NEW)
			*tid = k->parent;
		return track_of(f, *tid) != NULL;
	}
	woken = last(k, MOMENT_WOKEN, ran);
	ready = woken == SIZE_MAX || k->moments[woken].ns < since ? ran : k->moments[woken].ns;
	add_step(f, *tid, TRACE_READY, ready, ran);
	waker = ready == ran ? NULL : track_of(f, k->moments[woken].other);
	if (waker && waker != k && !by_itself(k, since, ready)) {
		*ns = ready;
		*tid = k->moments[woken].other;
		return true;
	}
	add_step(f, *tid, TRACE_ASLEEP, since, ready);
	*ns = since;
	return since > 0;
}

static void reverse(struct trace *t)
{
	for (size_t i = 0; i < t->path_count / 2; i++) {
		struct trace_step s = t->path[i];

		t->path[i] = t->path[t->path_count - 1 - i];
		t->path[t->path_count - 1 - i] = s;
	}
}

static void walk(struct finder *f)
{
	struct trace *t = f->t;
	uint32_t tid = (uint32_t)t->processes[t->init == TRACE_NONE ? 0 : t->init].pid;
	uint64_t ns = f->r->begin_ns + (t->init == TRACE_NONE ? t->end_ns : t->program_ns);
	uint64_t before = ns + 1;

	for (size_t i = 0; i < STEPS_MAX && ns > f->r->begin_ns && track_of(f, tid); i++) {
		if (ns > before || !step_back(f, &tid, &ns))
			break;
		before = ns;
	}
	reverse(t);
}

static int longest_wait(const void *a, const void *b)
{
	const struct trace_wait *x = a, *y = b;
	uint64_t m = x->end_ns - x->begin_ns, n = y->end_ns - y->begin_ns;

	return (n > m) - (n < m);
}

static void find_waits(struct trace *t)
{
	struct trace_wait *all = xcalloc(t->path_count + 1, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; i < t->path_count; i++) {
		const struct trace_step *s = &t->path[i];

		if (s->state != TRACE_RUNNING)
			all[count++] = (struct trace_wait){s->process, s->state, s->begin_ns,
							   s->end_ns, s->in};
	}
	qsort(all, count, sizeof(*all), longest_wait);
	t->wait_count = count < 5 ? count : 5;
	memcpy(t->waits, all, t->wait_count * sizeof(*all));
	free(all);
}

static void bill(struct trace_bill_line **lines, size_t *count, const char *what, uint64_t ns,
		 size_t n)
{
	for (size_t i = 0; i < *count; i++) {
		if (str_eq((*lines)[i].what, what)) {
			(*lines)[i].ns += ns;
			(*lines)[i].count += n;
			return;
		}
	}
	if (ns == 0)
		return;
	*lines = xrealloc(*lines, (*count + 1) * sizeof(**lines));
	(*lines)[(*count)++] = (struct trace_bill_line){xstrdup(what), ns, n};
}

static int dearest(const void *a, const void *b)
{
	const struct trace_bill_line *x = a, *y = b;

	return (y->ns > x->ns) - (y->ns < x->ns);
}

/* The program that a process was at that time; between fork and exec it is still its parent's. */
static const char *program_at(const struct trace *t, const struct trace_process *p, uint64_t ns)
{
	while (p->exec_count > 0 && p->execs[0].at_ns > ns) {
		if (p->parent == TRACE_NONE)
			return "(before the command's exec)";
		p = &t->processes[p->parent];
	}
	for (size_t i = p->exec_count; i-- > 0;) {
		if (p->execs[i].at_ns <= ns)
			return p->execs[i].program;
	}
	return p->name;
}

/* A step, divided between the calls it was in and the rest. */
static void bill_step(struct finder *f, const struct trace_step *s)
{
	static const char *const rest[] = {
		[TRACE_RUNNING] = "programs' own work",
		[TRACE_READY] = "ready, but no processor free",
		[TRACE_ASLEEP] = "asleep: timers, disk, the kernel",
	};
	struct trace *t = f->t;
	struct trace_process *p = &t->processes[s->process];
	const struct track *k = f->tracks[s->tid];
	uint64_t begin = s->begin_ns + f->r->begin_ns, end = s->end_ns + f->r->begin_ns;
	uint64_t left = end - begin;

	for (size_t i = first_call_after(k, begin); s->state != TRACE_READY && i < k->call_count;
	     i++) {
		const struct raw_head *h = &k->calls[i]->head;
		const struct call_row *row = call_find(h->nr);
		uint64_t from = h->begin_ns > begin ? h->begin_ns : begin;
		uint64_t to = h->ns < end ? h->ns : end;
		enum trace_group group;

		if (h->begin_ns >= end)
			break;
		if (!row || h->begin_ns == 0 || to <= from || row->group == TRACE_WAITS ||
		    to - from > left)
			continue;
		group = call_namespaces(k->calls[i]) ? TRACE_NAMESPACES : row->group;
		bill(&t->phases, &t->phase_count, trace_group_name(group), to - from, 1);
		p->path_calls_ns += to - from;
		left -= to - from;
	}
	if (s->state != TRACE_RUNNING)
		*(s->state == TRACE_READY ? &p->path_ready_ns : &p->path_asleep_ns) += left;
	bill(&t->phases, &t->phase_count, rest[s->state], left, 1);
}

static void sum_up(struct finder *f)
{
	struct trace *t = f->t;

	for (size_t i = 0; i < t->path_count; i++) {
		const struct trace_step *s = &t->path[i];
		struct trace_process *p = &t->processes[s->process];

		p->path_ns += s->end_ns - s->begin_ns;
		bill(&t->programs, &t->program_count, program_at(t, p, s->begin_ns),
		     s->end_ns - s->begin_ns, 1);
		bill_step(f, s);
	}
	if (t->phase_count)
		qsort(t->phases, t->phase_count, sizeof(*t->phases), dearest);
	if (t->program_count)
		qsort(t->programs, t->program_count, sizeof(*t->programs), dearest);
}

/* Processor time from the switches, since the command began. */
static void sum_cpu(struct finder *f)
{
	for (size_t tid = 0; tid < f->tids; tid++) {
		const struct track *k = f->tracks[tid];
		uint64_t since = f->r->begin_ns;
		bool on = false;

		for (size_t i = 0; k && i < k->count; i++) {
			const struct moment *m = &k->moments[i];

			if (m->kind == MOMENT_IN) {
				since = m->ns > f->r->begin_ns ? m->ns : f->r->begin_ns;
				on = true;
			} else if (m->kind == MOMENT_OUT && on && m->ns > since) {
				f->t->processes[f->process_of_tid[tid] - 1].cpu_ns += m->ns - since;
				on = false;
			}
		}
	}
}

static void free_tracks(struct finder *f)
{
	for (size_t i = 0; i < f->tids; i++) {
		if (!f->tracks[i])
			continue;
		free(f->tracks[i]->moments);
		free(f->tracks[i]->calls);
		free(f->tracks[i]);
	}
	free(f->tracks);
}

void trace_find_path(const struct recording *r, const size_t *process_of_tid, size_t tids,
		     struct trace *t)
{
	struct finder f = {.r = r, .t = t, .process_of_tid = process_of_tid, .tids = tids};
	struct track *command;

	if (t->process_count == 0)
		return;
	f.tracks = xcalloc(tids, sizeof(struct track *));
	read_scheduling(&f);
	read_calls(&f);
	command = track_of(&f, (uint32_t)r->command);
	if (command) /* forked by the observer, of whom there are no records */
		command->born = r->begin_ns;
	if (r->scheduling_count > 0) {
		walk(&f);
		find_waits(t);
		sum_up(&f);
		sum_cpu(&f);
	}
	free_tracks(&f);
}

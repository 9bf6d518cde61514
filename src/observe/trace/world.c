/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to the command. Forks are certain: what it forked is its own, whoever adopts it later. What
 * daemons do for it is found by who woke whom: a process that was there before and slept in a call that
 * waits for messages (read, epoll_wait, accept...) is in contact from the moment one of ours, sending
 * (write, sendmsg, connect...), woke it out of that, and
 * what it forks from then on may be done for us. Of those only daemons are kept that then made, or whose
 * new children made, namespace, mount, cgroup or seccomp calls: a terminal that is woken by output, or a
 * device manager by an interface, is none. Two commands that ask one daemon at once cannot be told apart.
 */
#include "observe/trace/world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe/trace/calls.h"

size_t world_of(const struct world *w, uint32_t tid)
{
	return tid < WORLD_TIDS && w->of_tid[tid] ? w->of_tid[tid] - 1 : TRACE_NONE;
}

bool world_counts(const struct world_process *p, uint64_t ns)
{
	return p->bond != BOND_NONE && ns >= p->contact;
}

static size_t add(struct world *w, uint32_t pid, const char *name)
{
	struct world_process *p;

	if (w->count == w->room) {
		w->room = w->room ? w->room * 2 : 256;
		w->items = xrealloc(w->items, w->room * sizeof(*w->items));
	}
	p = &w->items[w->count];
	*p = (struct world_process){.pid = (int)pid,
				    .parent = TRACE_NONE,
				    .via = TRACE_NONE,
				    .end = TRACE_NEVER,
				    .shown = TRACE_NONE};
	snprintf(p->name, sizeof(p->name), "%.15s", name);
	return w->count++;
}

static void set_tid(struct world *w, uint32_t tid, size_t process)
{
	if (tid < WORLD_TIDS)
		w->of_tid[tid] = (uint32_t)process + 1;
	w->items[process].threads++;
}

static void read_known(struct world *w)
{
	const struct recording *r = w->r;

	for (size_t i = 0; i < r->known_count; i++) {
		const struct known_thread *k = &r->known[i];
		size_t p = world_of(w, (uint32_t)k->tgid);

		if (p == TRACE_NONE) {
			p = add(w, (uint32_t)k->tgid, k->comm);
			w->items[p].before = true;
			if (k->tid != k->tgid)
				w->of_tid[k->tgid] = (uint32_t)p + 1;
		}
		set_tid(w, (uint32_t)k->tid, p);
	}
	for (size_t i = 0; i < r->known_count; i++) {
		size_t p = world_of(w, (uint32_t)r->known[i].tgid);

		w->items[p].parent = world_of(w, (uint32_t)r->known[i].parent);
	}
	for (size_t p = world_of(w, (uint32_t)getpid()); p != TRACE_NONE && !w->items[p].ours;
	     p = w->items[p].parent)
		w->items[p].ours = true;
}

/* The process of a record; one that nobody announced was there before. */
static size_t process_of(struct world *w, const struct raw_record *r)
{
	size_t p = world_of(w, r->head.tid);

	if (p != TRACE_NONE && w->items[p].pid == (int)r->head.tgid)
		return p;
	p = world_of(w, r->head.tgid);
	if (p == TRACE_NONE || w->items[p].pid != (int)r->head.tgid) {
		p = add(w, r->head.tgid, r->comm);
		w->items[p].before = true;
		if (r->head.tgid != r->head.tid)
			set_tid(w, r->head.tgid, p);
	}
	set_tid(w, r->head.tid, p);
	return p;
}

static void new_task(struct world *w, const struct raw_record *r)
{
	size_t parent = process_of(w, r), child;

	if (r->head.begin_ns & CLONE_THREAD) {
		set_tid(w, r->head.extra, parent);
		return;
	}
	child = add(w, r->head.extra, r->comm);
	set_tid(w, r->head.extra, child);
	w->items[child].parent = parent;
	w->items[child].flags = r->head.begin_ns;
	w->items[child].start = r->head.ns;
	if (!world_counts(&w->items[parent], r->head.ns))
		return;
	w->items[child].bond = w->items[parent].bond == BOND_FORKED ? BOND_FORKED : BOND_BORN;
	w->items[child].contact = r->head.ns;
	w->items[child].via = parent;
}

/* Whether a message ended the call. A wait that ended by its timeout was woken by a clock's interrupt,
 * which has nothing to do with the process that ran at that moment. */
static bool got_message(const struct raw_record *r)
{
	static const int messages[] = {SYS_read, SYS_recvmsg, SYS_recvfrom, SYS_accept,
				       SYS_accept4};
	static const int events[] = {
#ifdef SYS_epoll_wait
		SYS_epoll_wait,   SYS_poll,  SYS_select,
#endif
#ifdef SYS_epoll_pwait2
		SYS_epoll_pwait2,
#endif
		SYS_epoll_pwait,  SYS_ppoll, SYS_pselect6,
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (messages[i] == r->head.nr)
			return r->result >= 0;
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] == r->head.nr)
			return r->result > 0;
	}
	return false;
}

/* A wait ended: whoever ended it was one of ours? */
static void woken(struct world *w, size_t process, const struct raw_record *r)
{
	struct world_process *p = &w->items[process];
	const struct world_wake *wake = &w->wakes[r->head.tid % WORLD_TIDS];

	if (p->bond != BOND_NONE || !p->before || p->ours || !got_message(r))
		return;
	if (wake->ns == 0 || wake->ns < r->head.begin_ns || wake->ns > r->head.ns)
		return;
	p->bond = BOND_CONTACTED;
	p->contact = wake->ns;
	p->via = wake->waker;
}

static bool is_act(const struct raw_record *r)
{
	const struct call_row *row = call_find(r->head.nr);

	if (r->head.kind == RAW_CGROUP_MKDIR || r->head.kind == RAW_CGROUP_RMDIR)
		return true;
	if (r->head.kind != RAW_CALL || !row || r->result < 0)
		return false;
	if (row->group == TRACE_PROCESSES)
		return call_namespaces(r) != 0;
	return row->group == TRACE_MOUNTS || row->group == TRACE_CGROUPS ||
	       row->group == TRACE_NAMESPACES || row->nr == SYS_seccomp;
}

static void read_record(struct world *w, const struct raw_record *r)
{
	size_t process;

	if (r->head.kind == RAW_TASK) {
		new_task(w, r);
		return;
	}
	process = process_of(w, r);
	if (r->head.kind == RAW_CALL && r->head.nr < RAW_CALLS_MAX)
		woken(w, process, r);
	if (world_counts(&w->items[process], r->head.ns) && is_act(r))
		w->items[process].acted = true;
	if (r->head.kind == RAW_EXEC || r->head.tid == r->head.tgid)
		snprintf(w->items[process].name, sizeof(w->items[process].name), "%.15s", r->comm);
	if (r->head.kind == RAW_EXEC) /* ends all other threads */
		w->items[process].threads = 1;
	if (r->head.kind != RAW_EXIT)
		return;
	if (w->items[process].threads > 0)
		w->items[process].threads--;
	if (w->items[process].threads == 0)
		w->items[process].end = r->head.ns;
}

/* Wakes that are no message are kept too: the last one is what ended a wait. */
static bool sends(uint64_t nr)
{
	return nr == SYS_write || nr == SYS_writev || nr == SYS_sendto || nr == SYS_sendmsg ||
	       nr == SYS_sendmmsg || nr == SYS_connect;
}

static void read_wake(struct world *w, const struct raw_head *h)
{
	size_t waker = world_of(w, h->tid);
	bool ours = waker != TRACE_NONE && world_counts(&w->items[waker], h->ns);

	if (h->extra >= WORLD_TIDS)
		return;
	if (ours && h->begin_ns > 0 && sends(h->begin_ns - 1))
		w->wakes[h->extra] = (struct world_wake){h->ns, waker};
	else
		w->wakes[h->extra].ns = 0;
}

/* Keeps a process and those through whom it came to be here. */
static void include(struct world *w, size_t p)
{
	while (p != TRACE_NONE && !w->items[p].included) {
		w->items[p].included = true;
		p = w->items[p].via;
	}
}

/* Daemons that did something, with all that they forked for us. */
static void choose(struct world *w)
{
	bool again = true;

	for (size_t i = 0; i < w->count; i++) {
		if (w->items[i].bond == BOND_FORKED || (w->items[i].bond && w->items[i].acted))
			include(w, i);
	}
	while (again) {
		again = false;
		for (size_t i = 0; i < w->count; i++) {
			struct world_process *p = &w->items[i];

			if (p->bond != BOND_BORN || p->included || !w->items[p->via].included)
				continue;
			p->included = true;
			again = true;
		}
	}
}

void world_read(const struct recording *r, struct world *w)
{
	size_t s = 0, command;

	*w = (struct world){.r = r};
	w->of_tid = xcalloc(WORLD_TIDS, sizeof(*w->of_tid));
	w->wakes = xcalloc(WORLD_TIDS, sizeof(*w->wakes));
	read_known(w);
	/* The observer's own calls are not recorded, so nobody announces the command. */
	command = add(w, (uint32_t)r->command, "");
	set_tid(w, (uint32_t)r->command, command);
	w->items[command].bond = BOND_FORKED;
	w->items[command].start = w->items[command].contact = r->begin_ns;
	for (size_t i = 0; i < r->count; i++) {
		for (; s < r->scheduling_count && r->scheduling[s].ns <= r->records[i]->head.ns;
		     s++) {
			if (r->scheduling[s].kind == RAW_WAKE)
				read_wake(w, &r->scheduling[s]);
		}
		read_record(w, r->records[i]);
	}
	choose(w);
}

void world_free(struct world *w)
{
	free(w->items);
	free(w->of_tid);
	free(w->wakes);
}

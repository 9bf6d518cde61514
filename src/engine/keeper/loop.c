/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/keeper/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENTS_MAX 64
#define HURRY_ROUNDS_MAX 16

int loop_open(struct loop *l)
{
	*l = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return l->epoll_fd < 0 ? -errno : 0;
}

int loop_add(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	s->events = events;
	if (events && epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0) {
		int rc = -errno;

		close(s->fd);
		s->fd = -1;
		return rc;
	}
	return 0;
}

void loop_wait_for(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (s->fd < 0 || s->events == events)
		return;
	/* Out when it waits for nothing: errors and hang-ups would be reported unasked, for ever. */
	epoll_ctl(l->epoll_fd,
		  !events      ? EPOLL_CTL_DEL
		  : !s->events ? EPOLL_CTL_ADD
			       : EPOLL_CTL_MOD,
		  s->fd, &e);
	s->events = events;
}

void loop_end(struct loop *l, struct source *s)
{
	if (s->fd < 0)
		return;
	/* Somebody else may have the socket, too: closing it is not enough. */
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
	if (!s->release)
		return;
	s->next_ended = l->ended;
	l->ended = s;
}

static void release_ended(struct loop *l)
{
	struct source *s;

	while ((s = l->ended)) {
		l->ended = s->next_ended;
		s->release(s);
	}
}

/* ---- timers ---- */

void loop_add_queue(struct loop *l, struct timer_queue *q)
{
	q->next = l->queues;
	l->queues = q;
}

static void take_out(struct timer_queue *q, struct timer *t)
{
	if (t->previous)
		t->previous->next = t->next;
	else
		q->first = t->next;
	if (t->next)
		t->next->previous = t->previous;
	else
		q->last = t->previous;
	t->due_ns = 0;
}

void timer_set(struct timer_queue *q, struct timer *t, uint64_t due_ns)
{
	struct timer *after;

	if (t->due_ns)
		take_out(q, t);
	if (!due_ns)
		return;
	t->due_ns = due_ns;
	for (after = q->last; after && after->due_ns > due_ns; after = after->previous)
		;
	t->previous = after;
	t->next = after ? after->next : q->first;
	if (t->next)
		t->next->previous = t;
	else
		q->last = t;
	if (after)
		after->next = t;
	else
		q->first = t;
}

static void fire_due(struct loop *l)
{
	uint64_t now = clock_now_ns();

	for (struct timer_queue *q = l->queues; q; q = q->next) {
		struct timer *t;

		while ((t = q->first) && t->due_ns <= now) {
			take_out(q, t);
			t->fire(t);
		}
	}
}

/* How long to sleep, in ms, rounded up; -1: until something comes. */
static int patience(const struct loop *l)
{
	uint64_t next = UINT64_MAX, now;

	for (const struct timer_queue *q = l->queues; q; q = q->next) {
		if (q->first && q->first->due_ns < next)
			next = q->first->due_ns;
	}
	if (next == UINT64_MAX)
		return -1;
	now = clock_now_ns();
	return next <= now ? 0 : (int)((next - now) / NS_PER_MS) + 1;
}

void loop_hurry(struct loop *l)
{
	struct epoll_event events[EVENTS_MAX];
	bool served = true;

	/* A connection is accepted in one round and heard in the next. */
	for (int round = 0; served && round < HURRY_ROUNDS_MAX; round++) {
		int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, 0);

		served = false;
		/* What is passed over here is reported again. */
		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			if (s->fd < 0 || !s->urgent)
				continue;
			s->ready(s, events[i].events);
			served = true;
		}
	}
}

void loop_close(struct loop *l)
{
	release_ended(l);
	close(l->epoll_fd);
}

void loop_run(struct loop *l)
{
	struct epoll_event events[EVENTS_MAX];

	while (!l->stop) {
		int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, patience(l));

		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			if (s->fd >= 0)
				s->ready(s, events[i].events);
		}
		fire_due(l);
		release_ended(l);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's loop: descriptors that wait for something, and things that are due. With nothing due it
 * sleeps until something comes.
 *
 * Sources and timers are members of what they belong to. Whoever is called may end any source, its own
 * too: its memory is released once all that this round of the loop had for it is over.
 */
#ifndef CLOCHE_ENGINE_KEEPER_LOOP_H
#define CLOCHE_ENGINE_KEEPER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

struct source {
	int fd;          /* -1: none, or ended */
	uint32_t events; /* EPOLLIN... that it waits for; 0: none */
	void (*ready)(struct source *s, uint32_t events);
	void (*release)(struct source *s); /* frees what it is a member of; NULL: nothing to free */
	bool urgent;                       /* loop_hurry() looks at it */
	struct source *next_ended;
};

struct timer {
	uint64_t due_ns; /* 0: not set */
	void (*fire)(struct timer *t);
	struct timer *previous, *next;
};

/* Timers of one kind, the earliest first. Those that are all set to the same distance cost nothing to
 * keep in order. */
struct timer_queue {
	struct timer *first, *last;
	struct timer_queue *next;
};

struct loop {
	int epoll_fd;
	struct source *ended;
	struct timer_queue *queues;
	bool stop;
};

int must_check loop_open(struct loop *l);
/* Adds s (fd, ready and release set) waiting for events; for none it cannot fail. The fd is the loop's
 * from then on, also on failure: 0 or -errno. */
int must_check loop_add(struct loop *l, struct source *s, uint32_t events);
/* Other events from now on. */
void loop_wait_for(struct loop *l, struct source *s, uint32_t events);
/* Closes its fd and calls its release() soon; once. */
void loop_end(struct loop *l, struct source *s);

void loop_add_queue(struct loop *l, struct timer_queue *q);
/* Sets it (anew) to fire at due_ns; 0 takes it back. */
void timer_set(struct timer_queue *q, struct timer *t, uint64_t due_ns);

/* Until stop is set. */
void loop_run(struct loop *l);
/* Releases what has ended, and the loop. */
void loop_close(struct loop *l);
/* For whoever is called by the loop: serves what is urgent and has something now. */
void loop_hurry(struct loop *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks of the container that this monitor watches over: the second plan of the memfd is
 * executed again and again, between PID 1's exec and its end. Without a health check none of this
 * does anything, or touches any memory.
 */
#ifndef CLOCHE_ENGINE_MONITOR_HEALTH_H
#define CLOCHE_ENGINE_MONITOR_HEALTH_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/health_state.h"

#define HEALTH_FILE "health.json"

struct monitor;

enum health_slot { HEALTH_SLOT_REPORT, HEALTH_SLOT_OUTPUT, HEALTH_SLOT_PIDFD, HEALTH_SLOTS };

struct health_check {
	struct plan *plan; /* NULL: no health check */
	struct health_state state;
	bool over; /* the container has ended */
	/* the check under way; descriptors are -1 when none is */
	bool running, entered,
		late; /* entered: it executes the command; late: killed for its time */
	int report_fd, output_fd, pidfd;
	pid_t pid;
	uint64_t due_ns;   /* monotonic: when the next check begins, or this one has to be over */
	uint64_t began_ns; /* monotonic */
	bool cut;          /* it said more than is kept */
	struct health_result result;
	char text[HEALTH_JSON_MAX];
};

/* PID 1 runs; and it has ended. */
void health_begin(struct monitor *m);
void health_end(struct monitor *m);
/* How long poll may wait, -1: for ever. */
int health_timeout_ms(const struct monitor *m);
void health_prepare(const struct monitor *m, struct pollfd p[static HEALTH_SLOTS]);
/* After every poll, whatever it was for. */
void health_tick(struct monitor *m, const struct pollfd p[static HEALTH_SLOTS]);

#endif

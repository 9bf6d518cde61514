/* SPDX-License-Identifier: Apache-2.0 */
/* Stamping a point of the start bill: one clock read and one store into the shared page. */
#ifndef CLOCHE_RUNTIME_STAMP_H
#define CLOCHE_RUNTIME_STAMP_H

#include "base/clock.h"
#include "runtime/plan.h"

#ifdef CLOCHE_TEST_HOOKS
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* Test builds can make any process slow or dead at any point. */
static inline void stamp_test_hook(const struct plan_shared *s, enum timeline_point point)
{
	struct timespec delay = {.tv_sec = (time_t)(s->test_delay_ns / 1000000000),
				 .tv_nsec = (long)(s->test_delay_ns % 1000000000)};

	if (s->test_delay_point == (uint32_t)point + 1)
		nanosleep(&delay, NULL);
	if (s->test_kill_point == (uint32_t)point + 1)
		kill(getpid(), SIGKILL);
}
#else
static inline void stamp_test_hook(const struct plan_shared *s, enum timeline_point point)
{
	(void)s;
	(void)point;
}
#endif

static inline void stamp(struct plan *p, enum timeline_point point)
{
	stamp_test_hook(&p->shared, point);
	p->shared.point_ns[point] = clock_now_ns();
}

#endif

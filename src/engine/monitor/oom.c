/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event `oom` when it happens, which may be long before the container ends, or without its end. The
 * watch begins some time after the start, which must not wait for it; what came earlier is told then.
 */
#include <time.h>

#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"

#define COUNT_TRIES 20

static void tell(struct monitor *m, uint64_t kills)
{
	if (kills <= m->oom_told)
		return;
	m->oom_told = kills;
	event_say(m, "oom", NULL, 0);
}

void oom_begin(struct monitor *m)
{
	struct cgroup_dir dirs[PLAN_MAX_CGROUPS];
	size_t n = end_cgroup_dirs(m, dirs);
	bool woken;

	/* Without the controller there is no such end either. */
	if (m->oom.counter >= 0 || !n || cgroup_oom_open(dirs, n, &m->oom) < 0)
		return;
	tell(m, cgroup_oom_take(&m->oom, &woken));
}

void oom_hear(struct monitor *m)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	bool woken;
	uint64_t kills = cgroup_oom_take(&m->oom, &woken);

	/* Version 1 wakes us just before it chooses its victim, and possibly again for the same one. */
	for (int i = 0; woken && kills <= m->oom_told && i < COUNT_TRIES; i++) {
		nanosleep(&nap, NULL);
		kills = cgroup_oom_take(&m->oom, &(bool){false});
	}
	tell(m, kills);
}

void oom_end(struct monitor *m)
{
	tell(m, m->stats.oom_kills + m->restart.before.oom_kills);
	cgroup_oom_close(&m->oom);
}

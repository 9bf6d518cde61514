/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event `oom` when it happens, which may be long before the container ends, or without its end. The
 * watch begins some time after the start, which must not wait for it; what came earlier is told then.
 */
#include "base/clock.h"
#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"

/* When the kernel's count is first looked at for a victim that was announced, and for how long it is, ever
 * more rarely. */
#define LOOK_NS 2000000ull
#define ANNOUNCED_NS 5000000000ull

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

/* Version 1 wakes us just before it chooses its victim, and possibly again for the same one. */
void oom_hear(struct monitor *m)
{
	uint64_t told = m->oom_told;
	bool woken;

	tell(m, cgroup_oom_take(&m->oom, &woken));
	if (!woken || m->oom_told > told)
		return;
	m->oom_announced_ns = clock_now_ns();
	m->oom_look_ns = m->oom_announced_ns + LOOK_NS;
}

int oom_timeout_ms(const struct monitor *m)
{
	uint64_t now = clock_now_ns();

	if (!m->oom_look_ns)
		return -1;
	return m->oom_look_ns <= now ? 0 : (int)((m->oom_look_ns - now) / 1000000) + 1;
}

void oom_tick(struct monitor *m)
{
	uint64_t told = m->oom_told, now = clock_now_ns();

	if (!m->oom_look_ns || m->oom_look_ns > now)
		return;
	tell(m, cgroup_oom_take(&m->oom, &(bool){false}));
	m->oom_look_ns = now + (now - m->oom_announced_ns) / 4;
	if (m->oom_told > told || now - m->oom_announced_ns > ANNOUNCED_NS)
		m->oom_look_ns = 0;
}

void oom_end(struct monitor *m)
{
	tell(m, m->stats.oom_kills + m->restart.before.oom_kills);
	cgroup_oom_close(&m->oom);
	m->oom_look_ns = 0;
}

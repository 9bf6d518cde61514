/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restarts: the same plan executed again by a fresh clone, after a pause that grows. What a run leaves
 * in the shared page and in the groups' counters is taken back to where a first run begins, so that
 * record and bill are of the last run alone. Who was attached is told the end of each run, as Docker
 * does. The file `stopped` in the run directory, made by whoever stops the container on a user's
 * behalf, ends it, also during the pause.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/monitor/monitor.h"
#include "engine/monitor/restart_policy.h"
#include "runtime/stamp.h"

#define THAW_TIMEOUT_MS 1000
/* Without inotify the file is looked for this often. */
#define MARKER_POLL_MS 100
#define NS_PER_MS 1000000

void restart_init(struct monitor *m)
{
	const struct plan_monitor *pm = &m->plan->monitor;

	m->restart.policy = (enum plan_restart)pm->restart_policy;
	m->restart.max = pm->restart_max;
	m->restart.count = pm->restart_count;
}

bool restart_is_stopped(const struct monitor *m)
{
	return faccessat(m->run_dir, STOPPED_FILE, F_OK, 0) == 0;
}

/* PID 1 has just ended. */
void restart_decide(struct monitor *m)
{
	struct restart *r = &m->restart;
	uint64_t now = clock_now_ns();

	r->again = !m->plan->monitor.auto_remove &&
		   restart_is_wanted(r->policy, r->max, r->count, m->exit_code) &&
		   !restart_is_stopped(m) && faccessat(m->run_dir, SIGNALLED_FILE, F_OK, 0) < 0;
	if (!r->again)
		return;
	r->count++;
	r->delay_ns = restart_delay(r->delay_ns, now - m->run_began_ns);
	r->due_ns = now + r->delay_ns;
	r->next_wall_ns = m->finished_wall_ns + r->delay_ns;
}

static void watch_marker(struct monitor *m)
{
	struct restart *r = &m->restart;

	r->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->watch_fd >= 0 &&
	    inotify_add_watch(r->watch_fd, plan_string(m->plan, m->plan->early.run_directory),
			      IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0)
		return;
	/* No instance left to this user: see restart_timeout_ms(). */
	if (r->watch_fd >= 0)
		close(r->watch_fd);
	r->watch_fd = -1;
}

static void close_run(struct monitor *m)
{
	int *const fds[] = {&m->pidfd, &m->input, &m->restart.peak_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	m->pid = 0;
	m->started = m->exited = m->input_end = m->terminal_idle = false;
	m->input_len = m->input_sent = 0;
	m->frame_len = 0;
}

/* Whether the plan is good for this run alone: a namespace of another container's process is named by
 * a path with that process's id, which may be another's by now. */
static bool plan_is_spent(const struct plan *p)
{
	for (uint32_t i = 0; i < p->op_count && i < PLAN_MAX_OPS; i++) {
		if (p->ops[i].type == OP_SETNS)
			return true;
	}
	return false;
}

void restart_pause(struct monitor *m)
{
	log_flush(m, true);
	client_answer_all(m);
	tell_ended(m);
	/* The keeper, to which no farewell is said, has the engine make another plan. */
	if (plan_is_spent(m->plan) && m->keeper.fd >= 0) {
		m->restart.count--;
		store_state(m, "restarting");
		network_undo(m);
		close(PLAN_FD_LOCK);
		close(m->keeper.fd);
		client_linger(m);
		forward_linger(m);
		_exit(0);
	}
	close_run(m);
	supervise_forget(m);
	watch_marker(m);
	m->restart.waiting = true;
}

int restart_timeout_ms(const struct monitor *m)
{
	const struct restart *r = &m->restart;
	uint64_t now = clock_now_ns();
	uint64_t ms = now >= r->due_ns ? 0 : (r->due_ns - now) / NS_PER_MS + 1;

	return r->watch_fd < 0 && ms > MARKER_POLL_MS ? MARKER_POLL_MS : (int)ms;
}

/* The stamps of the run that ended. Nobody prepared anything this time: what the command line did
 * takes no time. */
static void clear_stamps(struct plan *p)
{
	struct plan_shared *s = &p->shared;
	uint64_t now = clock_now_ns();

	s->network_state = PLAN_NETWORK_WAITING;
	s->child_ready = s->failed_op = s->failed_step = s->warned_count = 0;
	s->failed_errno = s->failed_detail = 0;
	memset(s->op_end_ns, 0, sizeof(s->op_end_ns));
	for (int i = 0; i < POINT_COUNT; i++)
		s->point_ns[i] = i <= POINT_CLI_RELEASED ? now : 0;
	s->point_ns[POINT_MONITOR_MAIN] = s->point_ns[POINT_MONITOR_MOVED] = now;
}

/* The group is the same one: its counters go on where the last run left them. */
static void begin_counters(struct monitor *m)
{
	struct cgroup_dir dirs[PLAN_MAX_CGROUPS];
	size_t n = end_cgroup_dirs(m, dirs);
	struct restart *r = &m->restart;

	/* Groups that others make are new ones. */
	r->before = (struct cgroup_stats){0};
	r->pids_max_before = r->pressure_before_us = 0;
	if (m->plan->early.scope || m->plan->early.foreign) {
		m->oom_told = 0;
		unlinkat(m->run_dir, PAUSED_FILE, 0);
		return;
	}
	if (!n)
		return;
	/* Left frozen, the group would freeze who joins it. */
	if (unlinkat(m->run_dir, PAUSED_FILE, 0) == 0 &&
	    cgroup_freeze(dirs, n, false, THAW_TIMEOUT_MS) < 0)
		return;
	if (cgroup_read_death(dirs, n, &r->before) < 0)
		r->before = (struct cgroup_stats){0};
	cgroup_read_evidence(dirs, n, &r->pids_max_before, &r->pressure_before_us);
	cgroup_reset_peak(dirs, n, &r->peak_fd);
}

static void begin_run(struct monitor *m)
{
	m->restart.waiting = m->restart.again = false;
	if (m->restart.watch_fd >= 0)
		close(m->restart.watch_fd);
	m->restart.watch_fd = -1;
	m->runs++;
	m->timeline_stored = false;
	clear_stamps(m->plan);
	begin_counters(m);
	if (monitor_spawn_child(m, &m->start_error) < 0)
		end_start_failed(m);
	/* The child ends for it, and says so. */
	if (!m->plan->early.foreign && network_connect(m) < 0)
		return;
}

void restart_tick(struct monitor *m)
{
	char events[1024];

	while (m->restart.watch_fd >= 0 && read(m->restart.watch_fd, events, sizeof(events)) > 0)
		;
	if (restart_is_stopped(m)) {
		m->restart.again = m->restart.waiting = false;
		m->restart.waiting_ended = true;
		m->exited = true;
		/* The last run's end is the container's. */
		if (store_state(m, "exited") < 0)
			unlinkat(m->run_dir, "state.json", 0);
		end_finish(m);
	}
	if (clock_now_ns() >= m->restart.due_ns)
		begin_run(m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor of an exec, made by the container's monitor: a fork costs a fraction of what starting
 * the program costs, and it is born in the monitors' groups and free of any caller's session. Whoever
 * asks brings what an own supervisor would be started with; his connection is its control socket.
 *
 * What must hold: the copy keeps no descriptor of the container's but its groups, since the lock says
 * that the container's monitor lives, nor its plan, since the process that enters the container is a
 * copy of the copy; and the monitor itself does no more than fork and reap.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/monitor/monitor.h"

/* With another signal than SIGCHLD at its end it is not taken for the container's process, nor for one
 * of the helpers'; this one does no harm where nobody has asked for it. */
#define SUPERVISOR_ENDED SIGURG
#define HIGH_FD 64 /* above every place a descriptor is put */
_Static_assert(PLAN_FD_COUNT + PLAN_MAX_CGROUPS <= HIGH_FD, "groups have places below");
#define PLACES (PLAN_FD_TARGET - PLAN_FD_CONTROL + 1)

/* Only the monitor's own group can be handed on, and only where there is one if it takes one. */
static bool has_group(const struct plan *p)
{
	const struct plan_monitor *pm = &p->monitor;

	if (p->early.has_cgroup_fd)
		return true;
	for (uint32_t i = 0; i < pm->cgroup_count && i < PLAN_MAX_CGROUPS; i++) {
		if (pm->cgroups[i].v2)
			return false;
	}
	return true;
}

/* The copy, and what it must still know of the container when it has let go of its plan. */
struct supervisor {
	struct monitor monitor;
	char groups[PLAN_MAX_CGROUPS * CGROUP_PATH_MAX];
};

/* The `tasks` file of the container's group i. */
static bool tasks_path(const struct plan *p, uint32_t i, char *out, size_t size)
{
	return str_format(out, size, "%s/tasks", plan_string(p, p->monitor.cgroups[i].path)) == 0;
}

/* The `tasks` files of the container's version 1 groups, as child_context.groups has them. */
static bool list_groups(const struct plan *p, char *out, size_t size)
{
	const struct plan_monitor *pm = &p->monitor;
	size_t used = 0;

	for (uint32_t i = 0; i < pm->cgroup_count && i < PLAN_MAX_CGROUPS; i++) {
		if (pm->cgroups[i].v2)
			continue;
		/* One byte stays for the end. */
		if (!tasks_path(p, i, out + used, size - used - 1))
			return false;
		used += strlen(out + used) + 1;
	}
	out[used] = '\0';
	return true;
}

static bool is_able(const struct monitor *m)
{
	const struct plan_early *early = &m->plan->early;

	/* With another runtime, or in a scope of systemd's, the group is not of our making. */
	return m->started && !m->exited && !early->exec && !early->foreign && !early->scope &&
	       m->network.pending_count == EXEC_DESCRIPTORS && has_group(m->plan);
}

/* Puts descriptor list[i] at PLAN_FD_CONTROL + i; what is there stays where list[i] is -1. */
static bool place(const int list[PLACES])
{
	int high[PLACES];

	for (int i = 0; i < PLACES; i++) {
		high[i] = list[i] < 0 ? -1 : fcntl(list[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (list[i] >= 0 && high[i] < 0)
			return false;
	}
	for (int i = 0; i < PLACES; i++) {
		if (high[i] >= 0 && fd_place(high[i], PLAN_FD_CONTROL + i) < 0)
			return false;
	}
	return true;
}

/* Puts the groups where caller_leave_descriptors() leaves them. */
static void place_groups(const struct monitor *parent, struct monitor *m)
{
	for (uint32_t i = 0; i < parent->group_count; i++) {
		if (dup3(parent->group_fds[i], PLAN_FD_COUNT + (int)i, O_CLOEXEC) < 0)
			return;
	}
	m->group_count = parent->group_count;
}

static _Noreturn void become_supervisor(const struct monitor *parent, int control)
{
	const int *came = parent->network.pending;
	const int list[PLACES] = {control, came[0], came[1], -1, came[2]};
	uint32_t has_cgroup_fd = parent->plan->early.has_cgroup_fd;
	struct supervisor *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct monitor *m = &s->monitor;

	if (s == MAP_FAILED || !list_groups(parent->plan, s->groups, sizeof(s->groups)))
		_exit(125);
	m->groups = s->groups;
	if (parent->health.plan)
		munmap(parent->health.plan, PLAN_BYTES);
	munmap(parent->plan, PLAN_BYTES);
	if (!place(list))
		_exit(125);
	place_groups(parent, m);
	m->plan = monitor_map_plan(PLAN_FD_PLAN);
	if (!m->plan || !m->plan->early.exec)
		_exit(125);
	m->plan->early.has_cgroup_fd = has_cgroup_fd;
	monitor_main(m, true);
}

/* Its only purpose is that poll() returns. */
static void wake(int number)
{
	(void)number;
}

void supervise_begin(struct monitor *m, int control)
{
	struct clone_args args = {.exit_signal = SUPERVISOR_ENDED};
	pid_t pid;

	if (!is_able(m))
		return;
	if (!m->supervisors)
		signal(SUPERVISOR_ENDED, wake);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		become_supervisor(m, control);
	if (pid > 0)
		m->supervisors++;
}

void supervise_forget(struct monitor *m)
{
	while (m->group_count)
		close(m->group_fds[--m->group_count]);
}

/* Who executes once will do so again, and the way to these files is half of what joining them costs.
 * All or none: a supervisor without them goes by the paths. */
static void open_groups(struct monitor *m)
{
	const struct plan_monitor *pm = &m->plan->monitor;

	for (uint32_t i = 0; i < pm->cgroup_count && i < PLAN_MAX_CGROUPS; i++) {
		char path[CGROUP_PATH_MAX];
		int fd = -1, high;

		if (pm->cgroups[i].v2)
			continue;
		if (tasks_path(m->plan, i, path, sizeof(path)))
			fd = open(path, O_WRONLY | O_CLOEXEC);
		high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
		if (fd >= 0)
			close(fd);
		if (high < 0) {
			supervise_forget(m);
			return;
		}
		m->group_fds[m->group_count++] = high;
	}
}

void supervise_reap(struct monitor *m)
{
	while (m->supervisors && waitpid(-1, NULL, (int)__WCLONE | WNOHANG) > 0)
		m->supervisors--;
	if (!m->supervisors && !m->group_count && !m->exited)
		open_groups(m);
}

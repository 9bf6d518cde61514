/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving whoever started us: his session, signals, descriptors, control groups and limits. Nothing
 * of these may reach the monitor, or it would end, or be held back, with the caller's session.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/monitor/monitor.h"
#include "runtime/stamp.h"

#define CPU_MASK_BYTES 1024 /* 8192 processors, the kernel's own maximum */

/* A place that nothing was put in may hold one of the caller's. */
void caller_leave_descriptors(const struct monitor *m)
{
	const struct plan_early *early = &m->plan->early;

	if (!early->has_cgroup_fd)
		close(PLAN_FD_CGROUP);
	if (!early->exec)
		close(PLAN_FD_TARGET);
	syscall(SYS_close_range, PLAN_FD_COUNT + m->group_count, ~0U, 0);
	syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* Nothing of the caller's session, groups, signals or descriptors must reach us. */
void caller_leave_session(void)
{
	setsid();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	/* Who ignores it gets no child's status. */
	signal(SIGCHLD, SIG_DFL);
}

/* "0" into a `tasks` file of the monitors' group. Another engine's `system check --repair` may just
 * have removed the group, empty as it was: then it is made again. */
static int join_group(const char *tasks)
{
	int rc = file_write_kernel_at(AT_FDCWD, tasks, "0");
	char group[CGROUP_PATH_MAX];
	char *slash;

	if (rc != -ENOENT || str_format(group, sizeof(group), "%s", tasks) < 0)
		return rc;
	slash = strrchr(group, '/');
	*slash = '\0';
	if (mkdir(group, 0755) < 0 && errno != EEXIST)
		return -errno;
	return file_write_kernel_at(AT_FDCWD, tasks, "0");
}

/* After the clone, since the child joins groups of its own and the kernel can make its namespaces
 * meanwhile. */
void caller_leave_groups(struct monitor *m)
{
	const struct plan_early *early = &m->plan->early;

	for (uint32_t i = 0; i < early->monitor_tasks_count; i++) {
		/* A hierarchy that refuses (no realtime share, say) leaves us where the caller is. */
		if (join_group(plan_string(m->plan, early->monitor_tasks[i])) < 0)
			continue;
	}
	stamp(m->plan, POINT_MONITOR_MOVED);
}

/* What the caller's session limits must not limit us. After the clone: nobody waits for this, and
 * the child has a fixed baseline of its own. What is refused stays as it is. */
void caller_leave_limits(void)
{
	static const int limits[] = {RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA,
				     RLIMIT_NOFILE};
	unsigned char all[CPU_MASK_BYTES];

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGXCPU, SIG_IGN);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit own;

		/* By number: the libcs disagree on the type of the first parameter. */
		if (syscall(SYS_prlimit64, 0, limits[i], NULL, &own) == 0 &&
		    own.rlim_cur != own.rlim_max) {
			own.rlim_cur = own.rlim_max;
			syscall(SYS_prlimit64, 0, limits[i], &own, NULL);
		}
	}
	memset(all, 0xff, sizeof(all));
	syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
	syscall(SYS_setpriority, PRIO_PROCESS, 0, 0);
	umask(022);
}

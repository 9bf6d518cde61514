/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the two kinds of process that stand behind a container: the monitor of the engine, and
 * for cloche-runtime the init process itself. Both are executed from a detached read-only mount.
 */
#ifndef CLOCHE_RUNTIME_LAUNCH_H
#define CLOCHE_RUNTIME_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/plan.h"

struct launch_monitor {
	int control_fd, plan_fd, lock_fd;
	int cgroup_fd;         /* v2 directory of the container's group, -1 none */
	int target_fd;         /* pidfd of the PID 1 to join (exec), -1 none */
	int monitor_cgroup_fd; /* v2 directory the monitor is born in, -1 none */
	/* The mount that the program is executed from (-1: to be opened) stays open here: closing unmounts
	 * it, which can wait until the caller has time. */
	int *program_fd;
};

/* Spawns cloche-monitor with the descriptors in their places (enum plan_fd). Returns when its exec
 * has succeeded or failed. *pid is a child of the caller. */
int must_check launch_monitor(const struct launch_monitor *l, pid_t *pid, struct err *err);

struct launch_init {
	uint64_t clone_flags; /* CLONE_NEW* */
	int plan_fd;
	int report_fd; /* our end's peer: enum child_report bytes, then end of file on exec */
	int gate_fd;   /* -1 none */
	int cgroup_fd; /* v2 directory to be born in, -1 none */
	int pid_namespace_fd;  /* joined before the clone, -1 none */
	unsigned preserve_fds; /* descriptors 3 .. 3+n-1 cross execve */
};

/* Clones a process with new namespaces that executes the plan once it is released; its standard
 * streams are the caller's. *pid and *pidfd (close-on-exec) belong to the caller. */
int must_check launch_init(const struct launch_init *l, pid_t *pid, int *pidfd, struct err *err);

/* Lets the waiting process go (or cancels it). */
void launch_release(struct plan *p, enum plan_release how);

#endif

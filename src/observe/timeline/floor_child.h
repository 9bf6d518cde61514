/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the floor that runs inside the new namespaces, and its seccomp program. */
#ifndef CLOCHE_OBSERVE_TIMELINE_FLOOR_CHILD_H
#define CLOCHE_OBSERVE_TIMELINE_FLOOR_CHILD_H

#include <linux/filter.h>
#include <stdint.h>

#include "observe/timeline/floor.h"

#define FLOOR_FILTER_MAX 255

/* Shared between parent and child; the child writes, the parent reads after it ended. */
struct floor_shared {
	uint64_t stamp_ns[FLOOR_STEP_COUNT]; /* end of each step, CLOCK_MONOTONIC */
	int failed_step;                     /* -1 while nothing failed */
	int failed_errno;
};

struct floor_child {
	const struct floor *f;
	const char *dir;  /* directory of this run; diff, work and merged stand in it */
	const char *name; /* of the run: its group and host name */
	struct floor_shared *shared;
	struct sock_fprog filter;
};

/* A program that decides by a binary search over intervals of system call numbers, of the size of
 * the default profile. Returns the number of instructions written. */
unsigned short floor_filter_build(struct sock_filter out[static FLOOR_FILTER_MAX]);

/* Runs all steps from FLOOR_CGROUP_JOIN to execve. */
_Noreturn void floor_child_run(const struct floor_child *c);

#endif

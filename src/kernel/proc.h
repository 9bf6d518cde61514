/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says of one process. A pid alone names nobody for long: pid and start time together do. */
#ifndef CLOCHE_KERNEL_PROC_H
#define CLOCHE_KERNEL_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_stat {
	char state; /* 'R' 'S' 'D' 'Z' ..., see proc(5) */
	pid_t parent;
	uint64_t start_ticks; /* clock ticks after boot */
};

/* Reads /proc/<pid>/stat; -ESRCH when there is no such process. */
int must_check proc_read_stat(pid_t pid, struct proc_stat *out);
/* Whether the process that had this pid and start time still runs (a zombie does not). */
bool proc_is_alive(pid_t pid, uint64_t start_ticks);

#endif

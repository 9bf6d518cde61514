/* SPDX-License-Identifier: Apache-2.0 */
/* Which process the kernel killed for want of memory, from its log (/dev/kmsg). */
#ifndef CLOCHE_KERNEL_OOM_LOG_H
#define CLOCHE_KERNEL_OOM_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct oom_victim {
	char name[32]; /* as the kernel knows the process: at most 15 bytes of its program's name */
	int pid;       /* on the host */
	uint64_t anon_bytes; /* what it had of its own, 0 unknown */
	bool own_limit;      /* a cgroup's limit was reached, not the end of the host's memory */
};

/* The last victim in the cgroup whose path has `group` (an id) in it, at or after since_us of the
 * kernel's clock (CLOCK_MONOTONIC). 0, -ENOENT when the log says nothing of one (it is a ring and
 * forgets), or -errno when it cannot be read. */
int must_check oom_log_find(const char *group, uint64_t since_us, struct oom_victim *out);

/* Takes one record of the log ("priority,sequence,microseconds,flags;text"). True when *out, which must
 * be kept between calls, is now whole: first comes the line that names the group, then the one that says
 * what was killed. */
bool oom_log_record(const char *record, const char *group, uint64_t since_us,
		    struct oom_victim *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Changing limits and the restart policy of a container that stands, also while it runs. */
#ifndef CLOCHE_ENGINE_UPDATE_H
#define CLOCHE_ENGINE_UPDATE_H

#include "engine/engine.h"

/* What is to change. 0 and NULL keep what is there, as in Docker's API; all strings are borrowed. */
struct container_update {
	int64_t memory_bytes, memory_swap_bytes, memory_reservation_bytes;
	int64_t nano_cpus, cpu_period_us, cpu_quota_us, cpu_shares, blkio_weight;
	const char *cpuset_cpus, *cpuset_mems;
	bool has_pids_limit; /* 0 and -1 are "unlimited" here */
	int64_t pids_limit;
	const char *restart_policy;
	int64_t restart_max_retries;
};

/* Checks the limits together with those that stay, sets them in the groups of a running container,
 * writes the record and tells the monitor of a new restart policy. On failure the record is as it
 * was. c is read afresh. */
int must_check container_update(struct engine *e, struct container *c,
				const struct container_update *update, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Restart arithmetic, as in Docker's restart manager: 100 ms, doubled up to a minute. */
#include "engine/monitor/restart_policy.h"

bool restart_is_wanted(enum plan_restart policy, uint32_t max, uint32_t restarts, int exit_code)
{
	switch (policy) {
	case PLAN_RESTART_ALWAYS:
	case PLAN_RESTART_UNLESS_STOPPED:
		return true;
	case PLAN_RESTART_ON_FAILURE:
		return exit_code != 0 && (max == 0 || restarts < max);
	default:
		return false;
	}
}

uint64_t restart_delay(uint64_t previous_ns, uint64_t ran_ns)
{
	if (previous_ns == 0 || ran_ns >= RESTART_HEALTHY_NS)
		return RESTART_DELAY_FIRST_NS;
	return previous_ns < RESTART_DELAY_MAX_NS / 2 ? previous_ns * 2 : RESTART_DELAY_MAX_NS;
}

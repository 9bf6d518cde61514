/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a container that has ended is started again, as Docker's restart manager has it: arithmetic
 * only, shared by the monitor, which restarts what it watches over, and by the engine, which starts
 * what lost its monitor.
 */
#ifndef CLOCHE_ENGINE_MONITOR_RESTART_POLICY_H
#define CLOCHE_ENGINE_MONITOR_RESTART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/plan.h"

#define RESTART_DELAY_FIRST_NS 100000000ull
#define RESTART_DELAY_MAX_NS 60000000000ull
/* Who ran this long is taken for healthy: the delay begins anew. */
#define RESTART_HEALTHY_NS 10000000000ull

/* Whether a run that ended with exit_code is followed by another; restarts: how many there were.
 * max only counts for on-failure, 0 is without end. */
bool restart_is_wanted(enum plan_restart policy, uint32_t max, uint32_t restarts, int exit_code);
/* The pause before the next run, in ns: previous_ns is the last pause (0: there was none), ran_ns how
 * long the container has run since. */
uint64_t restart_delay(uint64_t previous_ns, uint64_t ran_ns);

#endif

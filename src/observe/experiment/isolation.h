/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of namespaces and of the security posture have in common. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_ISOLATION_H
#define CLOCHE_OBSERVE_EXPERIMENT_ISOLATION_H

#include "observe/experiment/experiment.h"
#include "observe/probe/namespaces.h"

/* The longest path in /proc/PID/cgroup, as the host sees it; heap, NULL when it cannot be read. */
char *isolation_group_path(pid_t pid);

/* Adds a finding when a namespace of that kind is the host's or also another container's, unless the
 * report has it of this subject already (both tests look). */
void isolation_find_shared(struct experiment_context *x, const char *subject,
			   const struct namespace_set *set, const struct namespace_set *host,
			   const struct namespace_census *census, enum namespace_kind kind);

#endif

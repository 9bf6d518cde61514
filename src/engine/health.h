/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's health check, laid out when it starts: the monitor executes it from then on
 * (engine/monitor/health.h) and keeps <run>/containers/<id>/health.json.
 */
#ifndef CLOCHE_ENGINE_HEALTH_H
#define CLOCHE_ENGINE_HEALTH_H

#include "engine/start_internal.h"

/* Whether a container so configured has a health check. */
bool health_is_on(const struct container_config *config);
/* Fills the second plan of the launch and the monitor's section about it; nothing when the container
 * has no health check. join: the container's groups; user: who it runs as. */
int must_check health_fill_plan(struct launch *l, const struct user_identity *user,
				const struct cgroup_join *join, struct err *err);

#endif

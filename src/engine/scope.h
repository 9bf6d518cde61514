/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd cgroup manager: a container's group is the scope of a transient unit, which systemd makes
 * around the container's first process (libexec/cloche/cloche-systemd asks it to). Its limits are
 * properties of the unit, so that a reload of systemd keeps them, and are written to the group besides,
 * so that they are exactly what was asked for.
 */
#ifndef CLOCHE_ENGINE_SCOPE_H
#define CLOCHE_ENGINE_SCOPE_H

#include "engine/engine.h"

struct launch;

/* Appends the limits of c as NAME=VALUE. v2: the host has version 2 alone. */
void scope_add_limits(const struct container_config *c, bool v2, struct strv *out);
/* Puts into the plan's early section how the monitor asks for the scope. */
int must_check launch_plan_scope(struct launch *l, struct err *err);
/* Waits until the monitor has the scope, or has failed to get one: it tells why itself. *made tells
 * which. */
int must_check launch_await_scope(struct launch *l, bool *made, struct err *err);
/* Changes the unit's properties of a running container to its limits, as `update` wants; nothing with
 * another driver. */
int must_check container_scope_update(struct engine *e, const struct container *c, struct err *err);

/* Has systemd forget what is left of a container's scope; nothing with another driver. systemd may miss
 * that a scope is empty when its group is removed at once. */
void engine_stop_scope(struct engine *e, const char *id);

#endif

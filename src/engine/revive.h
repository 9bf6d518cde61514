/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting again what its restart policy wants alive and nobody watches over: after the loss of a
 * monitor (the keeper does so) and after a boot of the host.
 */
#ifndef CLOCHE_ENGINE_REVIVE_H
#define CLOCHE_ENGINE_REVIVE_H

#include <stdbool.h>

#include "engine/engine.h"
#include "runtime/plan.h"

/* The policy of its configuration. */
enum plan_restart container_restart_policy(const struct container *c);
/* Whether a user has stopped it since its last start. */
bool revive_is_stopped(const struct engine *e, const struct container *c);
/* Whether c, its state read afresh, lost its monitor in this boot and is to be started again by its
 * policy, and no user has stopped it. */
bool revive_is_wanted(const struct engine *e, const struct container *c);
/* Starts it: 1; 0 when it lives or is not to be started (any more). */
int must_check revive_container(struct engine *e, struct container *c, struct err *err);
/* All that revive_is_wanted(). Goes on after a failure; returns the first. */
int must_check revive_lost(struct engine *e, struct err *err);
/* Notes, of c whose state was read just now and says that its monitor was lost, that it may be one to be
 * started again. */
void revive_note_lost(struct engine *e, const struct container *c);
/* Of those noted: when one is still to be started again, which the keeper would have done by now unless
 * it was killed together with the monitor, a keeper or a helper of it is set to it. Waits for nothing and
 * costs nothing where none was noted. For front ends, when a command has done its own work. */
void revive_see_to_lost(struct engine *e);
/* After a boot: starts those whose policy is "always", and those with "unless-stopped" that no user had
 * stopped, if they were ever started. Goes on after a failure; returns the first. */
int must_check revive_after_boot(struct engine *e, struct err *err);

#endif

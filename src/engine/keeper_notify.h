/* SPDX-License-Identifier: Apache-2.0 */
/* What commands tell the keeper of their run root. */
#ifndef CLOCHE_ENGINE_KEEPER_NOTIFY_H
#define CLOCHE_ENGINE_KEEPER_NOTIFY_H

#include "engine/engine.h"

/* network.json of a running container has changed (connected, disconnected, renamed): the keeper reads
 * it anew before it next says that a name is unknown. Without a keeper there is nothing to tell: one
 * that is started later reads it anyway. */
void keeper_notify_reload(const struct engine *e, const char *id);
/* A user has stopped or removed it: a keeper that is about to start it again by its policy has one
 * less to watch over. */
void keeper_notify_stopped(const struct engine *e, const char *id);
/* revive_is_wanted(): the keeper has it started unless it knows of it. False: there is no keeper. */
bool keeper_notify_lost(const struct engine *e, const char *id);

#endif

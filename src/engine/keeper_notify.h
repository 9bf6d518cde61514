/* SPDX-License-Identifier: Apache-2.0 */
/* What commands tell the keeper of their run root. */
#ifndef CLOCHE_ENGINE_KEEPER_NOTIFY_H
#define CLOCHE_ENGINE_KEEPER_NOTIFY_H

#include "engine/engine.h"

/* network.json of a running container has changed (connected, disconnected, renamed): the keeper reads
 * it anew before it next says that a name is unknown. Without a keeper there is nothing to tell: one
 * that is started later reads it anyway. */
void keeper_notify_reload(const struct engine *e, const char *id);

#endif

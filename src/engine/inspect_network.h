/* SPDX-License-Identifier: Apache-2.0 */
/* NetworkSettings of a container, as `inspect` has them. */
#ifndef CLOCHE_ENGINE_INSPECT_NETWORK_H
#define CLOCHE_ENGINE_INSPECT_NETWORK_H

#include "base/json_writer.h"
#include "engine/engine.h"

void container_write_network(struct engine *e, const struct container *c, struct json_writer *w);

#endif

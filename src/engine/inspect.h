/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of one container, as GET /containers/{id}/json and `inspect` show it. */
#ifndef CLOCHE_ENGINE_INSPECT_H
#define CLOCHE_ENGINE_INSPECT_H

#include <json-c/json.h>

#include "engine/engine.h"
#include "engine/json_writer.h"

/* Appends the object: Docker's members (API 1.41) in Docker's order, then one of our own, "Cloche",
 * with what Docker has no member for. c holds a fresh state. */
void container_inspect_write(const struct engine *e, const struct container *c,
			     struct json_writer *w);
/* The same as a tree for templates; the caller puts it. */
int must_check container_inspect(const struct engine *e, const struct container *c,
				 struct json_object **out, struct err *err);

#endif

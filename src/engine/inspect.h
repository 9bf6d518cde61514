/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of one container, as GET /containers/{id}/json and `inspect` show it. */
#ifndef CLOCHE_ENGINE_INSPECT_H
#define CLOCHE_ENGINE_INSPECT_H

#include <json-c/json.h>

#include "engine/engine.h"
#include "base/json_writer.h"
#include "engine/size.h"

/* Appends the object: Docker's members (API 1.41) in Docker's order, then one of our own, "Cloche",
 * with what Docker has no member for. c holds a fresh state; size NULL: without SizeRw and
 * SizeRootFs. */
void container_inspect_write(struct engine *e, struct container *c,
			     const struct container_size *size, struct json_writer *w);
/* The same as a tree for templates; the caller puts it. */
int must_check container_inspect(struct engine *e, struct container *c,
				 const struct container_size *size, struct json_object **out,
				 struct err *err);

#endif

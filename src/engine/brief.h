/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brief of a container: what lists need of it, as a flat array that stands first in
 * config.v2.json and is read without a JSON parser, so that a list of a thousand containers is a
 * thousand small reads. It is part of the record and replaced with it by one rename: it cannot be
 * missing, stale or torn where the record is not. Records written without one are read whole.
 */
#ifndef CLOCHE_ENGINE_BRIEF_H
#define CLOCHE_ENGINE_BRIEF_H

#include "engine/engine.h"
#include "base/json_writer.h"

#define BRIEF_KEY "Brief"

/* A row's writer of record_fields.c; base is a struct container. */
void brief_write(struct json_writer *w, const char *key, const void *base);
/* Fills what a brief holds (engine.h: container_list_brief) from the first len bytes of
 * config.v2.json. 0, or -ENOENT when they begin with no whole brief of this version; *c is then to be
 * freed. */
int must_check brief_read(const char *text, size_t len, struct container *c);

/* What the flat state.json that a monitor writes says: the status, numbers and times that lists show.
 * -EINVAL for anything that is not exactly such a text. */
int must_check brief_read_state(const char *text, size_t len, struct container_state *s);

/* What lists and exec need of the state: true when state.json and the lock agree, which they do but for
 * moments and after accidents; those are for container_state_read(). */
bool must_check container_state_peek(const struct engine *e, struct container *c);

/* Id, brief and state of one container. Errors as container_record_read(). c must be initialised. */
int must_check container_brief_read(struct engine *e, const char *id, struct container *c,
				    struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saying what happened. Whoever changes something calls one of these after the change stands; the
 * monitor says what only it knows (start, die, oom, destroy with --rm, health) in
 * engine/monitor/event.c. Names of types, actions and attributes are Docker's
 * (docs.docker.com/reference/cli/docker/system/events). An event that cannot be written is lost: no
 * container fails for it.
 */
#ifndef CLOCHE_ENGINE_EVENT_H
#define CLOCHE_ENGINE_EVENT_H

#include <stddef.h>

#include "engine/engine.h"
#include "runtime/plan.h"

struct event_attribute {
	const char *key, *value;
};

/* type: "container", "image", "volume", "network"; id: of the object, for images "sha256:..." */
void event_emit(struct engine *e, const char *type, const char *action, const char *id,
		const struct event_attribute *attributes, size_t count);
/* An event of a container, with its image, its name and its labels; key NULL: nothing more. */
void event_container(struct engine *e, const struct container *c, const char *action,
		     const char *key, const char *value);
/* The same with any number of attributes. */
void event_container_with(struct engine *e, const struct container *c, const char *action,
			  const struct event_attribute *attributes, size_t count);
/* "kill" of a container with the number of the signal. */
void event_kill(struct engine *e, const struct container *c, int signal);
/* "mount" of every volume of a container that is about to start. */
void event_volume_mounts(struct engine *e, const struct container *c);

/* "connect", "disconnect" of a container and a bridge network. */
void event_network(struct engine *e, const char *action, const char *container_id,
		   const char *network_id, const char *network_name);

/* Tells the monitor of a running container that its name or labels have changed (rename). */
void event_refresh_attributes(struct engine *e, const struct container *c);
/* Tells it that its networks have changed. */
void event_refresh_networks(const struct sandbox *sandbox, int run_dir);
/* Fills what the monitor needs to write events of its own; sandbox NULL: connected to nothing. */
void event_fill_plan(const struct engine *e, const struct container *c,
		     const struct sandbox *sandbox, struct plan *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Empty files in <run>/containers/<id> by which commands tell a container's monitor, and each other,
 * what a user wants. A file and not a message, since it must outlive both ends.
 */
#ifndef CLOCHE_ENGINE_MARKER_H
#define CLOCHE_ENGINE_MARKER_H

#include "engine/engine.h"

/* Ended on a user's behalf: no restart policy brings it back. Also in the record directory of a
 * persistent container, for after the next boot. Gone with the next start. */
#define MARKER_STOPPED "stopped"
/* A user sent it a signal that may end it; so no policy brings it back once it has ended, and the next
 * boot does not either. Kept as MARKER_STOPPED is. */
#define MARKER_SIGNALLED "signalled"
/* Frozen. Made after freezing, removed before thawing. */
#define MARKER_PAUSED "paused"
/* The end that comes is half of a restart: --rm must not remove it. The monitor takes it away. */
#define MARKER_KEEP "keep"
/* A symlink: the name that --rm releases, when the container was renamed after its start. */
#define MARKER_NAME "name_link"

int must_check marker_set(const struct engine *e, const struct container *c, const char *marker,
			  struct err *err);
/* Gone already is fine. */
void marker_clear(const struct engine *e, const struct container *c, const char *marker);

#endif

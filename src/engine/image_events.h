/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of images, told to the journal of events: the image store itself (image/image.h) knows no
 * journal. Front ends change images through these.
 */
#ifndef CLOCHE_ENGINE_IMAGE_EVENTS_H
#define CLOCHE_ENGINE_IMAGE_EVENTS_H

#include "engine/engine.h"
#include "image/image.h"

/* image_tag(), then "tag". */
int must_check engine_image_tag(struct engine *e, struct image_store *s, const char *source,
				const char *target, struct err *err);
/* image_remove() with the engine's containers as users, then "untag" and "delete" as it went. */
int must_check engine_image_remove(struct engine *e, struct image_store *s, const char *reference,
				   bool force, struct image_removal *out, struct err *err);
/* An event of the image that reference stands for, with its labels; name NULL: its id. Nothing is said
 * of one that does not exist. */
void event_image(struct engine *e, struct image_store *s, const char *reference, const char *action,
		 const char *name);
/* "load" for a line that a load has reported: "Loaded image: bb:latest", "Loaded image ID: sha256:...";
 * nothing for others. */
void event_image_loaded(struct engine *e, struct image_store *s, const char *line);

#endif

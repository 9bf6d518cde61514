/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's events of images: the actor is the id, the name is what was tagged, else the id again. */
#include "engine/image_events.h"

#include <stdlib.h>

#include "base/str.h"
#include "engine/event.h"

static void emit(struct engine *e, const char *action, const char *id, const char *name,
		 const struct strv *labels)
{
	struct event_attribute *attributes = xcalloc(labels->count + 1, sizeof(*attributes));
	auto_strv struct strv keys = {0};
	size_t n = 0;

	for (size_t i = 0; i < labels->count; i++) {
		const char *pair = labels->items[i], *equals = strchr(pair, '=');

		strv_add_taken(&keys,
			       xstrndup(pair, equals ? (size_t)(equals - pair) : strlen(pair)));
		if (str_eq(keys.items[i], "name"))
			continue;
		attributes[n++] = (struct event_attribute){keys.items[i], equals ? equals + 1 : ""};
	}
	attributes[n++] = (struct event_attribute){"name", name};
	event_emit(e, "image", action, id, attributes, n);
	free(attributes);
}

void event_image(struct engine *e, struct image_store *s, const char *reference, const char *action,
		 const char *name)
{
	auto_image struct image image = {0};
	struct err ignored = ERR_INIT;

	if (image_resolve(s, reference, &image, &ignored) == 0)
		emit(e, action, image.id, name ? name : image.id, &image.config.labels);
}

void event_image_loaded(struct engine *e, struct image_store *s, const char *line)
{
	static const char *const prefixes[] = {"Loaded image: ", "Loaded image ID: "};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (str_starts(line, prefixes[i]))
			event_image(e, s, line + strlen(prefixes[i]), "load", NULL);
	}
}

int engine_image_tag(struct engine *e, struct image_store *s, const char *source,
		     const char *target, struct err *err)
{
	auto_image struct image image = {0};
	struct err ignored = ERR_INIT;
	int rc = image_tag(s, source, target, err);

	if (rc == 0 && image_resolve(s, target, &image, &ignored) == 0)
		emit(e, "tag", image.id, image.name ? image.name : target, &image.config.labels);
	return rc;
}

int engine_image_remove(struct engine *e, struct image_store *s, const char *reference, bool force,
			struct image_removal *out, struct err *err)
{
	auto_image struct image image = {0};
	auto_free char *deleted = NULL;
	struct err ignored = ERR_INIT;
	bool known = image_resolve(s, reference, &image, &ignored) == 0;
	size_t before = out->lines.count;
	int rc = image_remove(s, reference, force, engine_image_user, e, out, err);

	deleted = xasprintf("Deleted: %s", image.id);
	for (size_t i = before; known && i < out->lines.count; i++) {
		const char *line = out->lines.items[i];

		if (str_starts(line, "Untagged: "))
			emit(e, "untag", image.id, image.id, &image.config.labels);
		else if (str_eq(line, deleted))
			emit(e, "delete", image.id, image.id, &image.config.labels);
	}
	return rc;
}

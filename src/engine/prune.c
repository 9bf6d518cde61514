/* SPDX-License-Identifier: Apache-2.0 */
/* The prunes. Each removal is the one that a user could ask for by name, with all its refusals. */
#include "engine/prune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/event.h"
#include "engine/filter_values.h"
#include "engine/image_events.h"
#include "engine/internal.h"
#include "engine/network_manage.h"
#include "engine/size.h"
#include "engine/usage.h"
#include "engine/volume_record.h"

void prune_result_free(struct prune_result *r)
{
	strv_free(&r->removed);
	*r = (struct prune_result){.bytes = 0};
}

/* What the filters of a prune come to. */
struct selection {
	const struct strv *filters;
	uint64_t until_ns; /* created before; 0: any time */
	bool all;          /* images: dangling=false */
};

static bool split(const char *filter, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (strncmp(filter, key, n) != 0 || (filter[n] && filter[n] != '='))
		return false;
	*value = filter[n] ? filter + n + 1 : "";
	return true;
}

static int select_by(const struct strv *filters, bool images, struct selection *out,
		     struct err *err)
{
	*out = (struct selection){.filters = filters};
	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i], *value;
		bool dangling;

		if (split(filter, "label", &value) || split(filter, "label!", &value))
			continue;
		if (split(filter, "until", &value)) {
			if (filter_until(value, clock_wall_ns(), &out->until_ns) < 0)
				return err_set(
					err, ERR_INVALID, EINVAL,
					"failed to parse value as time or duration: \"%.200s\"",
					value);
		} else if (images && split(filter, "dangling", &value)) {
			if (str_to_bool(value, &dangling) < 0)
				return filter_bad_value("dangling", value, err);
			out->all = !dangling;
		} else {
			return filter_unknown(filter, err);
		}
	}
	return 0;
}

static bool selects(const struct selection *s, const struct strv *labels, uint64_t created_ns)
{
	if (s->until_ns && created_ns >= s->until_ns)
		return false;
	for (size_t i = 0; i < s->filters->count; i++) {
		const char *value;

		if (split(s->filters->items[i], "label", &value) && !filter_label(labels, value))
			return false;
		if (split(s->filters->items[i], "label!", &value) && filter_label(labels, value))
			return false;
	}
	return true;
}

static void tell(struct engine *e, const char *type, const struct prune_result *r)
{
	char bytes[24];

	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)r->bytes);
	event_emit(e, type, "prune", "", &(struct event_attribute){"reclaimed", bytes}, 1);
}

/* ---- containers ---- */

static void prune_container(struct engine *e, const struct container *brief,
			    struct prune_result *out)
{
	struct container_size size = {0};
	auto_container struct container c;
	struct err ignored = ERR_INIT;

	container_init(&c);
	if (container_find(e, brief->id, &c, &ignored) < 0 ||
	    container_size(e, &c, &size, &ignored) < 0 ||
	    container_remove(e, &c, false, false, &ignored) < 0)
		return;
	strv_add(&out->removed, brief->id);
	out->bytes += size.rw_bytes;
}

int container_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
		    struct err *err)
{
	struct container *list = NULL;
	struct selection s;
	size_t count = 0;
	int rc = select_by(filters, false, &s, err);

	*out = (struct prune_result){.bytes = 0};
	if (rc == 0)
		rc = container_list_brief(e, &list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!container_is_alive(&list[i]) &&
		    selects(&s, &list[i].config.labels, list[i].created_ns))
			prune_container(e, &list[i], out);
	}
	container_list_free(list, count);
	if (rc == 0)
		tell(e, "container", out);
	return rc;
}

/* ---- images ---- */

static void remove_name(struct engine *e, struct image_store *store, const char *name,
			struct prune_result *out)
{
	struct image_removal removal = {.lines = {0}};
	struct err ignored = ERR_INIT;

	/* Refused while a container uses it: then it stays. */
	if (engine_image_remove(e, store, name, false, &removal, &ignored) < 0 &&
	    !removal.lines.count)
		return;
	strv_add_all(&out->removed, &removal.lines);
	strv_free(&removal.lines);
}

static void prune_image(struct engine *e, struct image_store *store, const struct image_summary *i,
			struct prune_result *out)
{
	char user[65];
	bool running;
	struct err ignored = ERR_INIT;

	/* All its names or none. */
	if (engine_image_user(e, i->id, user, &running, &ignored) != 0)
		return;
	for (size_t n = 0; n < i->tags.count; n++)
		remove_name(e, store, i->tags.items[n], out);
	for (size_t n = 0; n < i->digests.count; n++)
		remove_name(e, store, i->digests.items[n], out);
	if (!i->tags.count && !i->digests.count)
		remove_name(e, store, i->id, out);
}

int image_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
		struct err *err)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	struct image_summary *list = NULL;
	uint64_t before = 0, after = 0;
	struct selection s;
	size_t count = 0;
	int rc = select_by(filters, true, &s, err);

	*out = (struct prune_result){.bytes = 0};
	if (rc == 0)
		rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);
	if (rc == 0)
		rc = engine_layers_size(e, &before, err);
	if (rc == 0)
		rc = image_list(&store, &list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool dangling = !list[i].tags.count && !list[i].digests.count;

		if ((s.all || dangling) && selects(&s, &list[i].labels, list[i].created_ns))
			prune_image(e, &store, &list[i], out);
	}
	image_list_free(list, count);
	if (rc == 0)
		rc = engine_layers_size(e, &after, err);
	if (rc < 0)
		return rc;
	out->bytes = before > after ? before - after : 0;
	tell(e, "image", out);
	return 0;
}

/* ---- networks ---- */

int network_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
		  struct err *err)
{
	struct network *list = NULL;
	struct selection s;
	size_t count = 0;
	int rc = select_by(filters, false, &s, err);

	*out = (struct prune_result){.bytes = 0};
	if (rc == 0)
		rc = engine_network_list(e, &list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct err ignored = ERR_INIT;

		/* Refused while somebody is in it: then it stays. */
		if (!network_is_predefined(&list[i]) &&
		    selects(&s, &list[i].labels, list[i].created_ns) &&
		    engine_network_remove(e, list[i].id, &ignored) == 0)
			strv_add(&out->removed, list[i].name);
	}
	network_list_free(list, count);
	if (rc == 0)
		tell(e, "network", out);
	return rc;
}

/* ---- volumes ---- */

int volume_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
		 struct err *err)
{
	auto_strv struct strv all = {0};
	struct volume *list = NULL;
	size_t count = 0;
	int rc;

	*out = (struct prune_result){.bytes = 0};
	strv_add_all(&all, filters);
	if (!strv_get_env(&all, "all"))
		strv_add(&all, "all=false");
	rc = volume_list(e, &list, &count, err);
	if (rc == 0)
		rc = volume_filter(e, &all, true, list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		auto_free char *path = xasprintf("volumes/%s/_data", list[i].name);
		struct err ignored = ERR_INIT;
		uint64_t bytes = 0;

		if (tree_size_at(e->root_fd, path, &bytes) < 0)
			bytes = 0;
		if (volume_remove(e, list[i].name, false, &ignored) < 0)
			continue;
		strv_add(&out->removed, list[i].name);
		out->bytes += bytes;
	}
	volume_list_free(list, count);
	if (rc == 0)
		tell(e, "volume", out);
	return rc;
}

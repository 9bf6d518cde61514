/* SPDX-License-Identifier: Apache-2.0 */
/* Disk usage. Reads only; what vanishes meanwhile is not counted. */
#include "engine/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"

/* A layer as one image has it. */
struct layer_use {
	char chain_id[IMAGE_ID_SIZE];
	uint64_t bytes;
	size_t image; /* its index */
};

struct layer_uses {
	struct layer_use *items;
	size_t count;
};

static int add_layers(struct image_store *store, const char *id, size_t index,
		      struct layer_uses *uses, struct err *err)
{
	auto_free struct image_layer *layers = NULL;
	size_t count = 0;
	int rc = image_layers(store, id, &layers, &count, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	uses->items = xrealloc(uses->items, (uses->count + count + 1) * sizeof(*uses->items));
	for (size_t i = 0; i < count; i++) {
		struct layer_use *use = &uses->items[uses->count++];

		memcpy(use->chain_id, layers[i].chain_id, sizeof(use->chain_id));
		use->bytes = layers[i].size_bytes;
		use->image = index;
	}
	return 0;
}

static int compare_uses(const void *a, const void *b)
{
	return strcmp(((const struct layer_use *)a)->chain_id,
		      ((const struct layer_use *)b)->chain_id);
}

/* Sorted, the uses of one layer stand together. Returns the sum of all layers, each once; images may
 * be NULL. */
static uint64_t share_layers(struct layer_uses *uses, struct image_usage *images)
{
	uint64_t total = 0;

	if (uses->count)
		qsort(uses->items, uses->count, sizeof(*uses->items), compare_uses);
	for (size_t i = 0; i < uses->count;) {
		size_t end = i + 1;

		while (end < uses->count && compare_uses(&uses->items[i], &uses->items[end]) == 0)
			end++;
		total += uses->items[i].bytes;
		for (size_t n = i; images && end - i > 1 && n < end; n++)
			images[uses->items[n].image].shared_bytes += uses->items[n].bytes;
		i = end;
	}
	return total;
}

static int collect_images(struct engine *e, struct engine_usage *u, struct err *err)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	struct image_summary *list = NULL;
	struct layer_uses uses = {0};
	size_t count = 0;
	int rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);

	if (rc == 0)
		rc = image_list(&store, &list, &count, err);
	if (rc < 0)
		return rc;
	u->images = xcalloc(count + 1, sizeof(*u->images));
	u->image_count = count;
	for (size_t i = 0; i < count; i++)
		u->images[i].image = list[i];
	free(list);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_layers(&store, u->images[i].image.id, i, &uses, err);
	if (rc == 0)
		u->layers_bytes = share_layers(&uses, u->images);
	free(uses.items);
	return rc;
}

static int collect_containers(struct engine *e, struct engine_usage *u, struct err *err)
{
	size_t count = 0;
	int rc = container_list_brief(e, &u->list, &count, err);

	if (rc < 0)
		return rc;
	u->containers = xcalloc(count + 1, sizeof(*u->containers));
	u->container_count = count;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct container *c = &u->list[i];

		u->containers[i].container = c;
		rc = container_size(e, c, &u->containers[i].size, err);
		for (size_t n = 0; n < u->image_count && c->image_id; n++)
			u->images[n].containers += str_eq(u->images[n].image.id, c->image_id);
	}
	return rc;
}

static int collect_volumes(struct engine *e, struct engine_usage *u, struct err *err)
{
	struct volume *list = NULL;
	size_t count = 0;
	int rc = volume_list(e, &list, &count, err);

	if (rc < 0)
		return rc;
	u->volumes = xcalloc(count + 1, sizeof(*u->volumes));
	u->volume_count = count;
	for (size_t i = 0; i < count; i++)
		u->volumes[i].volume = list[i];
	free(list);
	for (size_t i = 0; i < count; i++) {
		struct volume_usage *v = &u->volumes[i];
		auto_free char *path = xasprintf("volumes/%s/_data", v->volume.name);

		v->users = volume_users(&v->volume, u->list, u->container_count);
		rc = tree_size_at(e->root_fd, path, &v->bytes);
		if (rc < 0 && rc != -ENOENT)
			return err_set(err, ERR_SYSTEM, -rc, "size of volume %s: %s",
				       v->volume.name, err_errno_text(-rc));
	}
	return 0;
}

int engine_usage(struct engine *e, struct engine_usage *out, struct err *err)
{
	int rc;

	*out = (struct engine_usage){.images = NULL};
	rc = collect_images(e, out, err);
	if (rc == 0)
		rc = collect_containers(e, out, err);
	if (rc == 0)
		rc = collect_volumes(e, out, err);
	return rc;
}

void engine_usage_free(struct engine_usage *u)
{
	for (size_t i = 0; i < u->image_count; i++)
		image_summary_free(&u->images[i].image);
	for (size_t i = 0; i < u->volume_count; i++)
		volume_free(&u->volumes[i].volume);
	container_list_free(u->list, u->container_count);
	free(u->images);
	free(u->containers);
	free(u->volumes);
	*u = (struct engine_usage){.images = NULL};
}

struct usage_total usage_of_images(const struct engine_usage *u)
{
	struct usage_total t = {.total = u->image_count, .bytes = u->layers_bytes};
	uint64_t used = 0;

	for (size_t i = 0; i < u->image_count; i++) {
		const struct image_usage *image = &u->images[i];

		if (!image->containers)
			continue;
		t.active++;
		used += image->image.size_bytes - image->shared_bytes;
	}
	t.reclaimable_bytes = t.bytes > used ? t.bytes - used : 0;
	return t;
}

struct usage_total usage_of_containers(const struct engine_usage *u)
{
	struct usage_total t = {.total = u->container_count};

	for (size_t i = 0; i < u->container_count; i++) {
		const struct container_usage *c = &u->containers[i];
		bool active = container_is_alive(c->container);

		t.active += active;
		t.bytes += c->size.rw_bytes;
		t.reclaimable_bytes += active ? 0 : c->size.rw_bytes;
	}
	return t;
}

struct usage_total usage_of_volumes(const struct engine_usage *u)
{
	struct usage_total t = {.total = u->volume_count};

	for (size_t i = 0; i < u->volume_count; i++) {
		t.active += u->volumes[i].users > 0;
		t.bytes += u->volumes[i].bytes;
		t.reclaimable_bytes += u->volumes[i].users ? 0 : u->volumes[i].bytes;
	}
	return t;
}

int engine_layers_size(struct engine *e, uint64_t *bytes, struct err *err)
{
	auto_usage struct engine_usage u = {.images = NULL};
	int rc = collect_images(e, &u, err);

	*bytes = u.layers_bytes;
	return rc;
}

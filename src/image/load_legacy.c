/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `docker save` archives from before Docker 1.10: `repositories` names one directory a layer, each
 * with a `json` that says its parent. Such an archive states no diff ids, so they are computed in a
 * pass of their own; the configuration is then put together as Docker does it (moby image/v1:
 * MakeConfigFromV1Config), member by member in sorted order, which gives the image the same id when
 * Docker 1.8.3 or later wrote the archive.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/load_internal.h"

#define CHAIN_MAX 125

/* One layer, with its own description. */
struct v1_layer {
	char id[DIGEST_HEX_LEN + 1];
	struct json_object *json;
	char diff_id[IMAGE_ID_SIZE];
};

struct v1_chain {
	struct v1_layer layers[CHAIN_MAX]; /* topmost first */
	size_t count;
};

static void free_chain(struct v1_chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->layers[i].json)
			json_object_put(c->layers[i].json);
}

static int read_description(struct load *l, const char *id, struct v1_layer *layer, struct err *err)
{
	auto_free char *text = NULL;
	char name[DIGEST_HEX_LEN + 16];
	size_t len = 0;
	int rc;

	if (strlen(id) != DIGEST_HEX_LEN || !id_is_hex(id, DIGEST_HEX_LEN))
		return err_set(err, ERR_INVALID, EINVAL, "invalid layer id \"%.100s\"", id);
	memcpy(layer->id, id, sizeof(layer->id));
	snprintf(name, sizeof(name), "%s/json", id);
	rc = image_archive_read(&l->archive, name, IMAGE_CONFIG_MAX, &text, &len, err);
	if (rc == 0)
		rc = json_parse(text, len, name, &layer->json, err);
	if (rc == 0 && !json_object_is_type(layer->json, json_type_object))
		rc = err_set(err, ERR_INVALID, EINVAL, "%s: not a JSON object", name);
	return rc;
}

/* Follows the parents from the topmost layer down. */
static int read_chain(struct load *l, const char *top, struct v1_chain *c, struct err *err)
{
	const char *next = top;

	while (next) {
		struct v1_layer *layer = &c->layers[c->count];
		int rc;

		if (c->count == CHAIN_MAX)
			return err_set(err, ERR_INVALID, EMLINK, "image %.64s: max depth exceeded",
				       top);
		c->count++;
		rc = read_description(l, next, layer, err);
		if (rc < 0)
			return rc;
		rc = json_get_string(layer->json, "parent", &next);
		if (rc == -EINVAL)
			return err_set(err, ERR_INVALID, EINVAL,
				       "%s/json: \"parent\" has the wrong type", layer->id);
		if (rc == -ENOENT || !next[0])
			next = NULL;
	}
	return 0;
}

static int compute_diff_id(struct load *l, struct v1_layer *layer, struct err *err)
{
	auto_hash struct hash hash = {0};
	auto_stream struct stream *s = NULL;
	const unsigned char *bytes;
	struct stream *raw;
	char name[DIGEST_HEX_LEN + 16];
	uint64_t size;
	ssize_t n;
	int rc;

	snprintf(name, sizeof(name), "%s/layer.tar", layer->id);
	rc = image_archive_stream(&l->archive, name, &raw, &size, err);
	if (rc < 0)
		return rc;
	s = stream_tap(stream_decompress(raw, &l->budget, ""), &hash, NULL);
	rc = hash_start(&hash, err);
	if (rc < 0)
		return rc;
	while ((n = s->next(s, &bytes, err)) > 0)
		;
	return n < 0 ? err_wrap(err, "layer %s", name) : hash_finish(&hash, layer->diff_id, err);
}

/* ---- the configuration ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Members that describe the old layer and not the image. */
static bool is_dropped(const char *key)
{
	static const char *const dropped[] = {"id",       "parent",    "Size",   "parent_id",
					      "layer_id", "throwaway", "rootfs", "history"};

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		if (str_eq(key, dropped[i]))
			return true;
	return false;
}

static void copy_text(struct json_object *to, const char *to_key, struct json_object *from,
		      const char *key)
{
	const char *s;

	if (json_get_string(from, key, &s) == 0 && s[0])
		json_add_string(to, to_key, s);
}

static struct json_object *history_of(struct json_object *v1)
{
	struct json_object *step = json_object_new_object();
	struct json_object *container = NULL;
	auto_strbuf struct strbuf command = {0};
	auto_strv struct strv words = {0};

	copy_text(step, "created", v1, "created");
	copy_text(step, "author", v1, "author");
	if (json_get_object(v1, "container_config", &container) == 0 &&
	    json_get_strv(container, "Cmd", &words) == 0)
		for (size_t i = 0; i < words.count; i++)
			strbuf_printf(&command, "%s%s", i ? " " : "", words.items[i]);
	if (command.len)
		json_add_string(step, "created_by", strbuf_str(&command));
	copy_text(step, "comment", v1, "comment");
	return step;
}

static void add_new_members(struct json_object *from, const struct v1_chain *c)
{
	struct json_object *history = json_object_new_array();
	struct json_object *rootfs = json_object_new_object();
	struct json_object *ids = json_object_new_array();

	for (size_t i = c->count; i-- > 0;) {
		json_object_array_add(history, history_of(c->layers[i].json));
		json_object_array_add(ids, json_object_new_string(c->layers[i].diff_id));
	}
	json_add_string(rootfs, "type", "layers");
	json_object_object_add(rootfs, "diff_ids", ids);
	json_object_object_add(from, "history", history);
	json_object_object_add(from, "rootfs", rootfs);
}

static char *make_config(const struct v1_chain *c)
{
	auto_json struct json_object *members = json_object_new_object();
	auto_json struct json_object *config = json_object_new_object();
	auto_strv struct strv keys = {0};

	json_object_object_foreach(c->layers[0].json, key, value) {
		if (!is_dropped(key))
			json_object_object_add(members, key, json_object_get(value));
	}
	add_new_members(members, c);
	json_object_object_foreach(members, name, unused) {
		(void)unused;
		strv_add(&keys, name);
	}
	if (keys.count)
		qsort(keys.items, keys.count, sizeof(char *), by_text);
	for (size_t i = 0; i < keys.count; i++)
		json_object_object_add(
			config, keys.items[i],
			json_object_get(json_object_object_get(members, keys.items[i])));
	return xstrdup(json_text(config));
}

static int add_image(struct load *l, const char *top, const char *name, struct err *err)
{
	struct v1_chain *c = xcalloc(1, sizeof(*c));
	struct load_image *image = NULL;
	int rc = read_chain(l, top, c, err);

	for (size_t i = 0; rc == 0 && i < c->count; i++)
		rc = compute_diff_id(l, &c->layers[i], err);
	if (rc == 0) {
		char *text = make_config(c);

		rc = load_add_image(l, text, strlen(text), &image, err);
	}
	for (size_t i = c->count; rc == 0 && i-- > 0;) {
		strv_add_taken(&image->blobs, xasprintf("%s/layer.tar", c->layers[i].id));
		strv_add(&image->blob_digests, "");
	}
	if (rc == 0)
		rc = load_add_name(image, name, err);
	free_chain(c);
	free(c);
	return rc;
}

static int add_repository(struct load *l, const char *repository, struct json_object *tags,
			  struct err *err)
{
	int rc = 0;

	if (!json_object_is_type(tags, json_type_object))
		return err_set(err, ERR_INVALID, EINVAL,
			       "repositories: \"%.100s\" has the wrong type", repository);
	json_object_object_foreach(tags, tag, id) {
		auto_free char *name = xasprintf("%s:%s", repository, tag);

		if (!json_object_is_type(id, json_type_string))
			return err_set(err, ERR_INVALID, EINVAL,
				       "repositories: \"%.100s\" has the wrong type", name);
		rc = add_image(l, json_object_get_string(id), name, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int load_legacy_archive(struct load *l, struct err *err)
{
	auto_json struct json_object *o = NULL;
	auto_free char *text = NULL;
	size_t len = 0;
	int rc =
		image_archive_read(&l->archive, "repositories", IMAGE_CONFIG_MAX, &text, &len, err);

	if (rc == 0)
		rc = json_parse(text, len, "repositories", &o, err);
	if (rc == 0 && !json_object_is_type(o, json_type_object))
		rc = err_set(err, ERR_INVALID, EINVAL, "repositories: not a JSON object");
	if (rc < 0)
		return rc;
	json_object_object_foreach(o, repository, tags) {
		rc = add_repository(l, repository, tags, err);
		if (rc < 0)
			return rc;
	}
	if (l->image_count == 0)
		return err_set(err, ERR_INVALID, ENOENT, "repositories: it names no image");
	/* the layers are read once more to be unpacked */
	l->budget.produced_bytes = 0;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One load (load_internal.h) whose only image is made here instead of being found in an archive. */
#include "image/add_layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/load_internal.h"

/* Of two empty blocks: a tar without entries. */
#define EMPTY_TAR "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

struct addition {
	struct load *l;
	struct load_image *image;
	struct json_object *config;   /* borrowed members below */
	struct json_object *diff_ids; /* array */
	char chain[IMAGE_ID_SIZE];    /* of the layers so far */
};

static int read_config(struct addition *a, const struct image_add_request *r, struct err *err)
{
	struct json_object *rootfs;
	int rc = json_parse(r->config, r->config_len, "image configuration", &a->config, err);

	if (rc < 0)
		return rc;
	rc = json_get_object(a->config, "rootfs", &rootfs);
	if (rc == 0)
		rc = json_get_array(rootfs, "diff_ids", &a->diff_ids);
	return rc < 0 ? err_set(err, ERR_INVALID, -rc, "image configuration: no rootfs.diff_ids")
		      : 0;
}

/* The layers below must all be there. */
static int find_lower(struct addition *a, struct err *err)
{
	size_t count = json_object_array_length(a->diff_ids);
	char chain[IMAGE_ID_SIZE];

	a->image->layers = xcalloc(count + 2, sizeof(*a->image->layers));
	for (size_t n = 0; n < count; n++) {
		const char *id = json_object_get_string(json_object_array_get_idx(a->diff_ids, n));
		int rc;

		if (!id || !digest_valid(id))
			return err_set(err, ERR_INVALID, EINVAL, "not a diff id");
		rc = hash_chain(a->chain, id, chain, err);
		if (rc == 0)
			rc = load_find_layer(a->l, chain, &a->image->layers[n], err);
		if (rc == 0)
			return err_set(err, ERR_CORRUPT, ENOENT, "layer %s is not in the store",
				       chain);
		if (rc < 0)
			return rc;
		memcpy(a->chain, chain, sizeof(chain));
		/* where the lookups of load_internal.h expect the ids */
		strv_add(&a->image->config.diff_ids, id);
	}
	return 0;
}

static int unpack(struct addition *a, int input, size_t *index, struct err *err)
{
	struct load *l = a->l;
	size_t below = json_object_array_length(a->diff_ids);
	auto_free int *fds = load_lower_fds(l, a->image, below);
	const struct merged lower = {.layers = fds, .count = below};
	auto_stream struct stream *plain =
		stream_decompress(stream_from_fd(input, &l->budget.input_bytes), &l->budget, "");
	struct load_layer *layer = load_new_layer(l);
	struct layer_result result;
	int rc = load_make_layer(l, layer, err);

	if (rc == 0)
		rc = load_apply(l, layer, plain, &lower, &result, err);
	if (rc < 0)
		return rc;
	layer->size_bytes = result.size_bytes;
	memcpy(layer->diff_id, result.diff_id, IMAGE_ID_SIZE);
	memcpy(layer->parent, a->chain, IMAGE_ID_SIZE);
	*index = (size_t)(layer - l->layers);
	return hash_chain(a->chain, layer->diff_id, layer->chain_id, err);
}

/* Nothing changed: a step without a layer. */
static void mark_empty(struct addition *a)
{
	struct json_object *history, *last;
	size_t count;

	if (json_get_array(a->config, "history", &history) < 0)
		return;
	count = json_object_array_length(history);
	last = count ? json_object_array_get_idx(history, count - 1) : NULL;
	if (last)
		json_add_bool(last, "empty_layer", true);
}

static int add_top(struct addition *a, size_t index, struct err *err)
{
	size_t below = json_object_array_length(a->diff_ids), stored;
	struct load_layer *layer = &a->l->layers[index];
	char chain[IMAGE_ID_SIZE];
	int rc;

	if (below && str_eq(layer->diff_id, EMPTY_TAR)) {
		mark_empty(a);
		return 0;
	}
	memcpy(chain, layer->chain_id, sizeof(chain));
	json_object_array_add(a->diff_ids, json_object_new_string(layer->diff_id));
	/* the very layer may be in the store; what was unpacked now is then not named */
	layer->chain_id[0] = '\0';
	rc = load_find_layer(a->l, chain, &stored, err);
	if (rc < 0)
		return rc;
	layer = &a->l->layers[index];
	if (rc == 0) {
		memcpy(layer->chain_id, chain, sizeof(chain));
		layer->fresh = true;
		stored = index;
	}
	a->image->layers[below] = stored;
	return 0;
}

/* The document is complete: it gives the image its id. */
static int finish_config(struct addition *a, struct err *err)
{
	const char *text = json_text(a->config);
	struct load_image *i = a->image;

	oci_image_config_free(&i->config);
	i->config_len = strlen(text);
	i->config_text = xstrdup(text);
	return hash_bytes(text, i->config_len, i->id, err) < 0
		       ? err_code(err)
		       : oci_image_config_decode(text, i->config_len, "image configuration",
						 &i->config, err);
}

static int add(struct addition *a, const struct image_add_request *r, struct err *err)
{
	size_t index = 0;
	int rc = load_begin(a->l, err);

	if (rc == 0)
		rc = read_config(a, r, err);
	if (rc == 0)
		rc = find_lower(a, err);
	if (rc == 0)
		rc = unpack(a, r->input, &index, err);
	if (rc == 0)
		rc = add_top(a, index, err);
	if (rc == 0)
		rc = finish_config(a, err);
	if (rc == 0 && r->name)
		rc = load_add_name(a->image, r->name, err);
	if (rc < 0)
		return rc;
	a->image->present = load_is_present(a->l, a->image);
	rc = a->image->present ? 0 : load_read_accounts(a->l, a->image, err);
	return rc < 0 ? rc : load_commit(a->l, err);
}

int image_add_layer(struct image_store *s, const struct image_add_request *request,
		    const struct image_load_options *options, char id[static IMAGE_ID_SIZE],
		    struct err *err)
{
	struct load l = {.store = s, .options = options, .tmp_fd = -1, .archive.fd = -1};
	struct addition a = {.l = &l};
	auto_close int load_lock = -1;
	int rc = store_load_lock(s, IMAGE_LOCK_SHARED, &load_lock, err);

	l.images = xcalloc(1, sizeof(*l.images));
	l.image_count = 1;
	a.image = l.images;
	if (rc == 0)
		rc = add(&a, request, err);
	memcpy(id, a.image->id, IMAGE_ID_SIZE);
	if (rc == 0 && request->name)
		store_touch_tag_time(s, id);
	if (a.config)
		json_object_put(a.config);
	return load_end(&l, rc, err);
}

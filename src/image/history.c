/* SPDX-License-Identifier: Apache-2.0 */
/* `history`: the steps of an image's configuration with the sizes of the layers they made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

static char *take_or_empty(char **s)
{
	char *taken = take_ptr(s);

	return taken ? taken : xstrdup("");
}

/* Rows oldest first; strings are taken out of the configuration. */
static int fill(struct oci_image_config *c, const struct image_layer *layers, size_t layer_count,
		struct image_step *rows, struct err *err)
{
	size_t next = 0;

	for (size_t i = 0; i < c->history_count; i++) {
		struct oci_history *h = &c->history[i];

		if (!h->empty_layer && next == layer_count)
			return err_set(err, ERR_CORRUPT, EBADMSG,
				       "too many non-empty layers in History section");
		rows[i] = (struct image_step){
			.created_ns = h->created_ns,
			.created_by = take_or_empty(&h->created_by),
			.comment = take_or_empty(&h->comment),
			.size_bytes = h->empty_layer ? 0 : layers[next].size_bytes,
		};
		next += !h->empty_layer;
	}
	return 0;
}

static void newest_first(struct image_step *rows, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct image_step swap = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = swap;
	}
}

int image_history(struct image_store *s, const char *reference, char id[static IMAGE_ID_SIZE],
		  struct image_step **out, size_t *count, struct err *err)
{
	auto_image_config struct oci_image_config config = {0};
	auto_json struct json_object *names = NULL;
	auto_free struct image_layer *layers = NULL;
	struct reference r;
	size_t layer_count = 0;
	bool by_id;
	int rc = names_read(s, &names, err);

	*out = NULL;
	*count = 0;
	if (rc == 0)
		rc = resolve_id(s, names, reference, id, &r, &by_id, err);
	if (rc == 0)
		rc = store_read_config(s, id, &config, err);
	if (rc == 0)
		rc = image_layers(s, id, &layers, &layer_count, err);
	if (rc < 0)
		return rc;
	*out = xcalloc(config.history_count + 1, sizeof(**out));
	*count = config.history_count;
	rc = fill(&config, layers, layer_count, *out, err);
	newest_first(*out, *count);
	return rc;
}

void image_history_free(struct image_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(steps[i].created_by);
		free(steps[i].comment);
	}
	free(steps);
}

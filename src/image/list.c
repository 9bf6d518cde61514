/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the whole store: every image with names and sizes, the layers of one. Never on the hot
 * path of `run`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

/* A parent chain longer than any image can be is a loop. */
#define CHAIN_MAX 1000

static void reverse(struct image_layer *layers, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct image_layer swap = layers[i];

		layers[i] = layers[n - 1 - i];
		layers[n - 1 - i] = swap;
	}
}

int image_layers(struct image_store *s, const char *id, struct image_layer **out, size_t *count,
		 struct err *err)
{
	auto_free struct image_layer *layers = NULL;
	char chain[IMAGE_ID_SIZE], parent[IMAGE_ID_SIZE];
	size_t n = 0;
	int rc = store_top_chain(s, id, chain, err);

	while (rc == 0 && chain[0]) {
		if (n == CHAIN_MAX)
			return err_set(err, ERR_CORRUPT, EBADMSG,
				       "image %s: its layers form a loop", id);
		layers = xrealloc(layers, (n + 1) * sizeof(*layers));
		rc = store_read_layer(s, chain, &layers[n++], parent, err);
		memcpy(chain, parent, sizeof(chain));
	}
	if (rc < 0)
		return rc;
	reverse(layers, n);
	*out = take_ptr(&layers);
	*count = n;
	return 0;
}

static void read_tag_time(struct image_store *s, struct image_summary *i)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 32];
	char text[CLOCK_RFC3339_MAX];
	struct err ignored = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s/lastUpdated", LAYOUT_METADATA, id_hex(i->id));
	if (store_read_line(s->image_fd, path, text, sizeof(text), &ignored) < 0 ||
	    clock_parse_rfc3339(text, &i->last_tag_ns) < 0)
		i->last_tag_ns = 0;
}

static int summarize(struct image_store *s, struct json_object *names, const char *id,
		     struct image_summary *out, struct err *err)
{
	auto_image_config struct oci_image_config config = {0};
	auto_free struct image_layer *layers = NULL;
	size_t count = 0;
	int rc;

	memset(out, 0, sizeof(*out));
	snprintf(out->id, sizeof(out->id), "%s", id);
	rc = store_read_config(s, id, &config, err);
	if (rc == 0)
		rc = image_layers(s, id, &layers, &count, err);
	if (rc < 0)
		return rc;
	out->created_ns = config.created_ns;
	for (size_t i = 0; i < count; i++)
		out->size_bytes += layers[i].size_bytes;
	out->labels = config.labels;
	memset(&config.labels, 0, sizeof(config.labels));
	names_of(names, id, &out->tags, &out->digests);
	read_tag_time(s, out);
	return 0;
}

int image_summarize(struct image_store *s, const char *id, struct image_summary *out,
		    struct err *err)
{
	auto_json struct json_object *names = NULL;
	int rc = names_read(s, &names, err);

	return rc < 0 ? rc : summarize(s, names, id, out, err);
}

void image_summary_free(struct image_summary *i)
{
	strv_free(&i->tags);
	strv_free(&i->digests);
	strv_free(&i->labels);
}

void image_list_free(struct image_summary *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		image_summary_free(&list[i]);
	free(list);
}

static int newest_first(const void *a, const void *b)
{
	const struct image_summary *x = a, *y = b;

	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? 1 : -1;
	return strcmp(x->id, y->id);
}

int image_list(struct image_store *s, struct image_summary **out, size_t *count, struct err *err)
{
	auto_json struct json_object *names = NULL;
	auto_closedir DIR *dir = NULL;
	struct image_summary *list = NULL;
	struct dirent *e;
	size_t n = 0;
	int fd, rc;

	*out = NULL;
	*count = 0;
	if (s->image_fd < 0)
		return 0;
	rc = names_read(s, &names, err);
	if (rc < 0)
		return rc;
	fd = openat(s->image_fd, LAYOUT_CONFIGS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s", LAYOUT_CONFIGS);
	while ((e = readdir(dir))) {
		struct err broken = ERR_INIT;
		char id[IMAGE_ID_SIZE];

		if (strlen(e->d_name) != DIGEST_HEX_LEN || !id_is_hex(e->d_name, DIGEST_HEX_LEN))
			continue;
		snprintf(id, sizeof(id), DIGEST_PREFIX "%.64s", e->d_name);
		list = xrealloc(list, (n + 1) * sizeof(*list));
		if (summarize(s, names, id, &list[n], &broken) == 0)
			n++;
	}
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	*out = list;
	*count = n;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `image inspect`: the image as Docker's API describes it. Fields, their order and what an absent one
 * shows as are Docker's (API 1.41); maps are sorted by key as Go prints them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

enum absent { SHOW_EMPTY_STRING, SHOW_FALSE, SHOW_NULL, LEAVE_OUT };

/* Docker's container.Config. */
static const struct {
	const char *key;
	enum absent absent;
	bool sorted;
} config_fields[] = {
	{"Hostname", SHOW_EMPTY_STRING, false},
	{"Domainname", SHOW_EMPTY_STRING, false},
	{"User", SHOW_EMPTY_STRING, false},
	{"AttachStdin", SHOW_FALSE, false},
	{"AttachStdout", SHOW_FALSE, false},
	{"AttachStderr", SHOW_FALSE, false},
	{"ExposedPorts", LEAVE_OUT, true},
	{"Tty", SHOW_FALSE, false},
	{"OpenStdin", SHOW_FALSE, false},
	{"StdinOnce", SHOW_FALSE, false},
	{"Env", SHOW_NULL, false},
	{"Cmd", SHOW_NULL, false},
	{"Healthcheck", LEAVE_OUT, false},
	{"ArgsEscaped", LEAVE_OUT, false},
	{"Image", SHOW_EMPTY_STRING, false},
	{"Volumes", SHOW_NULL, true},
	{"WorkingDir", SHOW_EMPTY_STRING, false},
	{"Entrypoint", SHOW_NULL, false},
	{"NetworkDisabled", LEAVE_OUT, false},
	{"MacAddress", LEAVE_OUT, false},
	{"OnBuild", SHOW_NULL, false},
	{"Labels", SHOW_NULL, true},
	{"StopSignal", LEAVE_OUT, false},
	{"StopTimeout", LEAVE_OUT, false},
	{"Shell", LEAVE_OUT, false},
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct json_object *sorted_copy(struct json_object *o)
{
	auto_strv struct strv keys = {0};
	struct json_object *out;

	if (!json_object_is_type(o, json_type_object))
		return json_object_get(o);
	json_object_object_foreach(o, key, unused) {
		(void)unused;
		strv_add(&keys, key);
	}
	if (keys.count)
		qsort(keys.items, keys.count, sizeof(char *), by_text);
	out = json_object_new_object();
	for (size_t i = 0; i < keys.count; i++) {
		struct json_object *value = json_object_object_get(o, keys.items[i]);

		json_object_object_add(out, keys.items[i], json_object_get(value));
	}
	return out;
}

static void add_absent(struct json_object *out, const char *key, enum absent absent)
{
	if (absent == SHOW_EMPTY_STRING)
		json_add_string(out, key, "");
	else if (absent == SHOW_FALSE)
		json_add_bool(out, key, false);
	else if (absent == SHOW_NULL)
		json_object_object_add(out, key, NULL);
}

/* The member `name` of the document as container.Config. */
static struct json_object *config_object(struct json_object *document, const char *name)
{
	struct json_object *out = json_object_new_object();
	struct json_object *config = NULL;

	json_object_object_get_ex(document, name, &config);
	for (size_t i = 0; i < sizeof(config_fields) / sizeof(config_fields[0]); i++) {
		const char *key = config_fields[i].key;
		struct json_object *value = NULL;

		json_object_object_get_ex(config, key, &value);
		if (!value)
			add_absent(out, key, config_fields[i].absent);
		else
			json_object_object_add(out, key,
					       config_fields[i].sorted ? sorted_copy(value)
								       : json_object_get(value));
	}
	return out;
}

static void add_text_member(struct json_object *out, const char *key, struct json_object *document,
			    const char *member)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(document, member, &value);
	json_add_string(out, key,
			json_object_is_type(value, json_type_string) ? json_object_get_string(value)
								     : "");
}

/* Where the layers lie, in the terms of an overlay mount. */
static struct json_object *graph_driver(const struct image_store *s,
					const struct image_layer *layers, size_t count)
{
	struct json_object *out = json_object_new_object();
	struct json_object *data = NULL;
	auto_strbuf struct strbuf lower = {0};
	static const char *const members[][2] = {
		{"MergedDir", "merged"},
		{"UpperDir", "diff"},
		{"WorkDir", "work"},
	};

	for (size_t i = count; i-- > 1;)
		strbuf_printf(&lower, "%s%s/" LAYOUT_OVERLAY "/%s/diff", lower.len ? ":" : "",
			      s->root, layers[i - 1].cache_id);
	if (count)
		data = json_object_new_object();
	if (count > 1)
		json_add_string(data, "LowerDir", strbuf_str(&lower));
	for (size_t i = 0; count && i < 3; i++) {
		auto_free char *path = xasprintf("%s/" LAYOUT_OVERLAY "/%s/%s", s->root,
						 layers[count - 1].cache_id, members[i][1]);

		json_add_string(data, members[i][0], path);
	}
	json_object_object_add(out, "Data", data);
	json_add_string(out, "Name", "overlay2");
	return out;
}

static void add_time(struct json_object *out, const char *key, uint64_t ns)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(ns, text);
	json_add_string(out, key, text);
}

static void add_last_comment(struct json_object *out, const struct oci_image_config *c)
{
	const char *comment = c->history_count ? c->history[c->history_count - 1].comment : NULL;

	json_add_string(out, "Comment", comment ? comment : "");
}

static struct json_object *describe(const struct image_store *s, const struct image_summary *i,
				    const struct oci_image_config *c,
				    const struct image_layer *layers, size_t count)
{
	struct json_object *out = json_object_new_object();
	struct json_object *root = json_object_new_object();
	struct json_object *metadata = json_object_new_object();

	json_add_string(out, "Id", i->id);
	json_add_strv(out, "RepoTags", &i->tags, false);
	json_add_strv(out, "RepoDigests", &i->digests, false);
	json_add_string(out, "Parent", "");
	add_last_comment(out, c);
	add_time(out, "Created", c->created_ns);
	add_text_member(out, "Container", c->document, "container");
	json_object_object_add(out, "ContainerConfig",
			       config_object(c->document, "container_config"));
	add_text_member(out, "DockerVersion", c->document, "docker_version");
	json_add_string(out, "Author", c->author ? c->author : "");
	json_object_object_add(out, "Config", config_object(c->document, "config"));
	json_add_string(out, "Architecture", c->architecture);
	if (c->variant && c->variant[0])
		json_add_string(out, "Variant", c->variant);
	json_add_string(out, "Os", c->os);
	json_add_u64(out, "Size", i->size_bytes);
	json_add_u64(out, "VirtualSize", i->size_bytes);
	json_object_object_add(out, "GraphDriver", graph_driver(s, layers, count));
	json_add_string(root, "Type", "layers");
	if (c->diff_ids.count)
		json_add_strv(root, "Layers", &c->diff_ids, false);
	json_object_object_add(out, "RootFS", root);
	add_time(metadata, "LastTagTime", i->last_tag_ns);
	json_object_object_add(out, "Metadata", metadata);
	return out;
}

static int find(struct image_store *s, const char *reference, char id[static IMAGE_ID_SIZE],
		struct err *err)
{
	auto_json struct json_object *names = NULL;
	struct reference r;
	bool by_id;
	int rc = names_read(s, &names, err);

	if (rc == 0)
		rc = resolve_id(s, names, reference, id, &r, &by_id, err);
	if (rc < 0 && (err->kind == ERR_INVALID || err->kind == ERR_NOT_FOUND)) {
		err->kind = ERR_NOT_FOUND;
		return err_wrap(err, "no such image: %.200s", reference);
	}
	return rc;
}

int image_inspect(struct image_store *s, const char *reference, struct json_object **out,
		  struct err *err)
{
	auto_image_config struct oci_image_config config = {0};
	auto_free struct image_layer *layers = NULL;
	struct image_summary summary = {0};
	char id[IMAGE_ID_SIZE];
	size_t count = 0;
	int rc = find(s, reference, id, err);

	if (rc == 0)
		rc = store_read_config(s, id, &config, err);
	if (rc == 0)
		rc = image_layers(s, id, &layers, &count, err);
	if (rc == 0)
		rc = image_summarize(s, id, &summary, err);
	if (rc == 0)
		*out = describe(s, &summary, &config, layers, count);
	image_summary_free(&summary);
	return rc;
}

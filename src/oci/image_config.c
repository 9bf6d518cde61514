/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes image configurations. They come from strangers: every member has its type checked, every
 * list its length, and nothing is taken from a document that fails anywhere.
 */
#include "oci/image_config.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/member.h"

/* Overlay takes at most 500 lower directories; Docker builds stop at 127 layers. */
#define LAYERS_MAX 500
#define HISTORY_MAX 10000

static int get_time(struct json_object *o, const char *key, uint64_t *out, const char *what,
		    struct err *err)
{
	const char *s;
	int rc = json_get_string(o, key, &s);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0 || clock_parse_rfc3339(s, out) < 0)
		return err_set(err, ERR_INVALID, EINVAL, "%s: \"%s\" is not a time", what, key);
	return 0;
}

/* The keys of an object that stands for a set ("80/tcp": {}). */
static int get_set(struct json_object *o, const char *key, struct strv *out, const char *what,
		   struct err *err)
{
	struct json_object *set;
	int rc = json_get_object(o, key, &set);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, key);
	json_object_object_foreach(set, name, unused) {
		(void)unused;
		strv_add(out, name);
	}
	return 0;
}

static int get_labels(struct json_object *o, struct strv *out, const char *what, struct err *err)
{
	struct json_object *labels;
	int rc = json_get_object(o, "Labels", &labels);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, "Labels");
	json_object_object_foreach(labels, name, value) {
		if (value && !json_object_is_type(value, json_type_string))
			return member_refuse(err, what, "Labels");
		strv_add_taken(
			out, xasprintf("%s=%s", name, value ? json_object_get_string(value) : ""));
	}
	return 0;
}

static int decode_healthcheck(struct json_object *config, struct oci_healthcheck *h,
			      const char *what, struct err *err)
{
	const struct {
		const char *key;
		int64_t *out;
	} numbers[] = {
		{"Interval", &h->interval_ns},
		{"Timeout", &h->timeout_ns},
		{"StartPeriod", &h->start_period_ns},
		{"StartInterval", &h->start_interval_ns},
		{"Retries", &h->retries},
	};
	struct json_object *o;
	int rc = json_get_object(config, "Healthcheck", &o);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, "Healthcheck");
	h->present = true;
	rc = member_strings(o, "Test", &h->test, NULL, what, err);
	for (size_t i = 0; rc == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		rc = member_number(o, numbers[i].key, numbers[i].out, what, err);
	return rc;
}

static int decode_config(struct json_object *document, struct oci_image_config *c, const char *what,
			 struct err *err)
{
	struct json_object *o;
	int rc = json_get_object(document, "config", &o);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, "config");
	const struct {
		const char *key;
		char **out;
	} strings[] = {
		{"User", &c->user},
		{"WorkingDir", &c->working_dir},
		{"StopSignal", &c->stop_signal},
	};
	const struct {
		const char *key;
		struct strv *out;
		bool *set;
	} lists[] = {
		{"Env", &c->env, NULL},          {"Entrypoint", &c->entrypoint, &c->entrypoint_set},
		{"Cmd", &c->cmd, &c->cmd_set},   {"Shell", &c->shell, NULL},
		{"OnBuild", &c->on_build, NULL},
	};

	for (size_t i = 0; rc == 0 && i < sizeof(strings) / sizeof(strings[0]); i++)
		rc = member_string(o, strings[i].key, strings[i].out, what, err);
	for (size_t i = 0; rc == 0 && i < sizeof(lists) / sizeof(lists[0]); i++)
		rc = member_strings(o, lists[i].key, lists[i].out, lists[i].set, what, err);
	if (rc == 0)
		rc = get_set(o, "Volumes", &c->volumes, what, err);
	if (rc == 0)
		rc = get_set(o, "ExposedPorts", &c->exposed_ports, what, err);
	if (rc == 0)
		rc = get_labels(o, &c->labels, what, err);
	if (rc == 0)
		rc = decode_healthcheck(o, &c->healthcheck, what, err);
	return rc;
}

static int decode_rootfs(struct json_object *document, struct oci_image_config *c, const char *what,
			 struct err *err)
{
	struct json_object *o;
	const char *type;
	int rc = json_get_object(document, "rootfs", &o);

	if (rc < 0)
		return err_set(err, ERR_INVALID, EINVAL, "%s: it has no \"rootfs\"", what);
	if (json_get_string(o, "type", &type) < 0)
		return member_refuse(err, what, "rootfs.type");
	if (!str_eq(type, "layers"))
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "%s: rootfs type \"%s\" is not supported", what, type);
	rc = member_strings(o, "diff_ids", &c->diff_ids, NULL, what, err);
	if (rc == 0 && c->diff_ids.count > LAYERS_MAX)
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "%s: %zu layers, more than the %d that are possible", what,
			     c->diff_ids.count, LAYERS_MAX);
	return rc;
}

static int decode_step(struct json_object *o, struct oci_history *h, const char *what,
		       struct err *err)
{
	int rc;

	if (!json_object_is_type(o, json_type_object))
		return member_refuse(err, what, "history");
	rc = get_time(o, "created", &h->created_ns, what, err);
	if (rc == 0)
		rc = member_string(o, "created_by", &h->created_by, what, err);
	if (rc == 0)
		rc = member_string(o, "author", &h->author, what, err);
	if (rc == 0)
		rc = member_string(o, "comment", &h->comment, what, err);
	if (rc == 0)
		rc = member_bool(o, "empty_layer", &h->empty_layer, what, err);
	return rc;
}

static int decode_history(struct json_object *document, struct oci_image_config *c,
			  const char *what, struct err *err)
{
	struct json_object *a;
	size_t n;
	int rc = json_get_array(document, "history", &a);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return member_refuse(err, what, "history");
	n = json_object_array_length(a);
	if (n > HISTORY_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s: %zu history entries, at most %d are taken", what, n,
			       HISTORY_MAX);
	c->history = xcalloc(n + 1, sizeof(*c->history));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		c->history_count = i + 1;
		rc = decode_step(json_object_array_get_idx(a, i), &c->history[i], what, err);
	}
	return rc;
}

static int decode_document(struct json_object *o, struct oci_image_config *c, const char *what,
			   struct err *err)
{
	const struct {
		const char *key;
		char **out;
	} strings[] = {
		{"author", &c->author},
		{"architecture", &c->architecture},
		{"variant", &c->variant},
		{"os", &c->os},
	};
	int rc = 0;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_INVALID, EINVAL, "%s: not a JSON object", what);
	for (size_t i = 0; rc == 0 && i < sizeof(strings) / sizeof(strings[0]); i++)
		rc = member_string(o, strings[i].key, strings[i].out, what, err);
	if (rc == 0 && (!c->architecture || !c->os))
		rc = err_set(err, ERR_INVALID, EINVAL, "%s: \"%s\" is missing", what,
			     c->os ? "architecture" : "os");
	if (rc == 0)
		rc = get_time(o, "created", &c->created_ns, what, err);
	if (rc == 0)
		rc = decode_config(o, c, what, err);
	if (rc == 0)
		rc = decode_rootfs(o, c, what, err);
	if (rc == 0)
		rc = decode_history(o, c, what, err);
	return rc;
}

int oci_image_config_decode(const char *text, size_t len, const char *what,
			    struct oci_image_config *out, struct err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = json_parse(text, len, what, &out->document, err);
	if (rc == 0)
		rc = decode_document(out->document, out, what, err);
	if (rc < 0)
		oci_image_config_free(out);
	return rc;
}

void oci_image_config_free(struct oci_image_config *c)
{
	for (size_t i = 0; i < c->history_count; i++) {
		free(c->history[i].created_by);
		free(c->history[i].author);
		free(c->history[i].comment);
	}
	free(c->history);
	free(c->author);
	free(c->architecture);
	free(c->variant);
	free(c->os);
	free(c->user);
	free(c->working_dir);
	free(c->stop_signal);
	strv_free(&c->env);
	strv_free(&c->entrypoint);
	strv_free(&c->cmd);
	strv_free(&c->shell);
	strv_free(&c->on_build);
	strv_free(&c->volumes);
	strv_free(&c->exposed_ports);
	strv_free(&c->labels);
	strv_free(&c->healthcheck.test);
	strv_free(&c->diff_ids);
	if (c->document)
		json_object_put(c->document);
	memset(c, 0, sizeof(*c));
}

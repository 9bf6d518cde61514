/* SPDX-License-Identifier: Apache-2.0 */
/* The state to JSON and back. */
#include "oci/runtime_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "oci/decode.h"

#define STATE_SCHEMA 1

static const char *const names[] = {
	[OCI_STATUS_CREATING] = "creating", [OCI_STATUS_CREATED] = "created",
	[OCI_STATUS_RUNNING] = "running",   [OCI_STATUS_STOPPED] = "stopped",
	[OCI_STATUS_PAUSED] = "paused",
};

const char *oci_status_name(enum oci_status status)
{
	return names[status];
}

static void add_annotations(struct json_object *o, const struct oci_state *s)
{
	struct json_object *list;

	if (!s->annotation_count)
		return;
	list = json_object_new_object();
	for (size_t i = 0; i < s->annotation_count; i++)
		json_add_string(list, s->annotations[i].key, s->annotations[i].value);
	json_object_object_add(o, "annotations", list);
}

char *oci_state_encode(const struct oci_state *s, enum oci_state_form form)
{
	struct json_object *o = json_object_new_object();
	char *text;

	json_add_string(o, "ociVersion", OCI_VERSION);
	json_add_string(o, "id", s->id);
	if (form != OCI_STATE_FOR_USER)
		json_add_string(o, "status", oci_status_name(s->status));
	json_add_i64(o, "pid", s->status == OCI_STATUS_STOPPED ? 0 : s->pid);
	if (form == OCI_STATE_FOR_USER)
		json_add_string(o, "status", oci_status_name(s->status));
	json_add_string(o, "bundle", s->bundle);
	if (form != OCI_STATE_FOR_HOOKS) {
		json_add_string(o, "rootfs", s->rootfs);
		json_add_string(o, "created", s->created);
	}
	add_annotations(o, s);
	if (form != OCI_STATE_FOR_HOOKS)
		json_add_string(o, "owner", s->owner ? s->owner : "");
	if (form == OCI_STATE_STORED) {
		json_add_u64(o, "SchemaVersion", STATE_SCHEMA);
		json_add_string(o, "cgroupPath", s->cgroup_path);
		json_add_u64(o, "pidStartTicks", s->pid_start_ticks);
		json_add_bool(o, "ownPidNamespace", s->own_pid_namespace);
	}
	text = form == OCI_STATE_FOR_USER ? json_text_indented(o) : xstrdup(json_text(o));
	json_object_put(o);
	return text;
}

static int add_annotation(struct decode *d, const char *key, const char *value, void *out)
{
	struct oci_state *s = out;

	(void)d;
	s->annotations =
		xrealloc(s->annotations, (s->annotation_count + 1) * sizeof(*s->annotations));
	s->annotations[s->annotation_count++] =
		(struct oci_annotation){.key = xstrdup(key), .value = xstrdup(value)};
	return 0;
}

struct extra {
	int64_t pid;
	char *status;
	uint64_t schema;
};

static int take_extra(struct decode *d, const struct extra *x, struct oci_state *out)
{
	if (x->schema != STATE_SCHEMA)
		return decode_refuse(d, ERR_UNSUPPORTED, "written by another version");
	if (x->pid < 0 || x->pid > INT32_MAX)
		return decode_refuse(d, ERR_INVALID, "pid is out of range");
	out->pid = (pid_t)x->pid;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(names[i], x->status)) {
			out->status = (enum oci_status)i;
			return 0;
		}
	}
	return decode_refuse(d, ERR_INVALID, "unknown status");
}

static int decode_state(struct decode *d, struct json_object *o, struct oci_state *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("id", DECODE_STRING, struct oci_state, id),
		DECODE_NEEDED("bundle", DECODE_STRING, struct oci_state, bundle),
		DECODE_PAIRS("annotations", add_annotation),
		DECODE_NEEDED("rootfs", DECODE_STRING, struct oci_state, rootfs),
		DECODE_NEEDED("cgroupPath", DECODE_STRING, struct oci_state, cgroup_path),
		DECODE_NEEDED("created", DECODE_STRING, struct oci_state, created),
		DECODE_PLAIN("owner", DECODE_STRING, struct oci_state, owner),
		DECODE_NEEDED("pidStartTicks", DECODE_U64, struct oci_state, pid_start_ticks),
		DECODE_NEEDED("ownPidNamespace", DECODE_BOOL, struct oci_state, own_pid_namespace),
	};
	static const struct decode_field extras[] = {
		DECODE_NEEDED("pid", DECODE_I64, struct extra, pid),
		DECODE_NEEDED("status", DECODE_STRING, struct extra, status),
		DECODE_NEEDED("SchemaVersion", DECODE_U64, struct extra, schema),
	};
	struct extra x = {0};
	int r = decode_object(d, o, fields, DECODE_COUNT(fields), out);

	if (r == 0)
		r = decode_object(d, o, extras, DECODE_COUNT(extras), &x);
	if (r == 0 && (!out->id || !out->bundle || !out->cgroup_path || !x.status))
		r = decode_refuse(d, ERR_INVALID, "a value is empty");
	if (r == 0)
		r = take_extra(d, &x, out);
	free(x.status);
	return r;
}

int oci_state_parse(const char *text, size_t len, const char *what, struct oci_state *out,
		    struct err *err)
{
	struct decode d = {.what = what, .err = err};
	auto_json struct json_object *o = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	r = json_parse(text, len, what, &o, err);
	if (r == 0)
		r = decode_state(&d, o, out);
	if (r)
		oci_state_free(out);
	return r;
}

void oci_state_free(struct oci_state *s)
{
	for (size_t i = 0; i < s->annotation_count; i++) {
		free(s->annotations[i].key);
		free(s->annotations[i].value);
	}
	free(s->annotations);
	free(s->id);
	free(s->bundle);
	free(s->rootfs);
	free(s->cgroup_path);
	free(s->created);
	free(s->owner);
	memset(s, 0, sizeof(*s));
}

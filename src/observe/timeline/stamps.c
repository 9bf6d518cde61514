/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stamps out of a live plan or out of timeline.json. The file may have been written by another
 * version or damaged: every number is checked before it becomes an index.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/timeline/timeline.h"

void timeline_stamps_free(struct timeline_stamps *s)
{
	for (size_t i = 0; i < s->op_count; i++)
		free(s->ops[i].label);
	free(s->ops);
	memset(s, 0, sizeof(*s));
}

static void add_op(struct timeline_stamps *s, enum plan_phase phase, const char *label,
		   uint64_t end_ns)
{
	s->ops[s->op_count++] =
		(struct timeline_op){.phase = phase, .label = xstrdup(label), .end_ns = end_ns};
}

void timeline_stamps_from_plan(const struct plan *p, struct timeline_stamps *out)
{
	uint32_t count = p->op_count < PLAN_MAX_OPS ? p->op_count : PLAN_MAX_OPS;

	memset(out, 0, sizeof(*out));
	out->ops = xcalloc(count + 1, sizeof(*out->ops));
	for (int i = 0; i < POINT_COUNT; i++)
		out->point_ns[i] = __atomic_load_n(&p->shared.point_ns[i], __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < count; i++) {
		const char *label = plan_string(p, p->ops[i].label);

		add_op(out,
		       p->ops[i].phase < TIMELINE_PHASES ? (enum plan_phase)p->ops[i].phase
							 : PHASE_OTHER,
		       label ? label : "?",
		       __atomic_load_n(&p->shared.op_end_ns[i], __ATOMIC_RELAXED));
	}
}

static int number_at(struct json_object *array, size_t i, uint64_t *out)
{
	struct json_object *v = json_object_array_get_idx(array, i);

	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return -EINVAL;
	*out = json_object_get_uint64(v);
	return 0;
}

static int decode_points(struct json_object *o, struct timeline_stamps *out)
{
	struct json_object *a;
	size_t n;
	int rc = json_get_array(o, "Points", &a);

	if (rc < 0)
		return rc;
	n = json_object_array_length(a);
	/* An earlier version had less to stamp. */
	if (n > POINT_COUNT || n <= POINT_CHILD_RELEASED)
		return -EINVAL;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = number_at(a, i, &out->point_ns[i]);
	return rc;
}

/* [type, phase, end_ns, "label"] */
static int decode_op(struct json_object *a, struct timeline_stamps *out)
{
	struct json_object *label;
	uint64_t phase, end_ns;

	if (!json_object_is_type(a, json_type_array) || json_object_array_length(a) != 4 ||
	    number_at(a, 1, &phase) < 0 || number_at(a, 2, &end_ns) < 0)
		return -EINVAL;
	label = json_object_array_get_idx(a, 3);
	if (!json_object_is_type(label, json_type_string) || phase >= TIMELINE_PHASES)
		return -EINVAL;
	add_op(out, (enum plan_phase)phase, json_object_get_string(label), end_ns);
	return 0;
}

static int decode_ops(struct json_object *o, struct timeline_stamps *out)
{
	struct json_object *a;
	int rc = json_get_array(o, "Ops", &a);

	if (rc < 0)
		return rc;
	if (json_object_array_length(a) > PLAN_MAX_OPS)
		return -EINVAL;
	out->ops = xcalloc(json_object_array_length(a) + 1, sizeof(*out->ops));
	for (size_t i = 0; rc == 0 && i < json_object_array_length(a); i++)
		rc = decode_op(json_object_array_get_idx(a, i), out);
	return rc;
}

int timeline_stamps_decode(struct json_object *o, const char *what, struct timeline_stamps *out,
			   struct err *err)
{
	uint64_t version;
	int rc;

	memset(out, 0, sizeof(*out));
	if (json_get_u64(o, "SchemaVersion", &version) < 0)
		return err_set(err, ERR_CORRUPT, 0, "%s: no schema version", what);
	if (version != TIMELINE_SCHEMA_VERSION)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s: schema version %llu; this version reads %d", what,
			       (unsigned long long)version, TIMELINE_SCHEMA_VERSION);
	rc = decode_points(o, out);
	if (rc == 0)
		rc = decode_ops(o, out);
	if (rc < 0) {
		timeline_stamps_free(out);
		return err_set(err, ERR_CORRUPT, 0, "%s: not a recorded start", what);
	}
	return 0;
}

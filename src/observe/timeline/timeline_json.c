/* SPDX-License-Identifier: Apache-2.0 */
/* The computed bill as JSON; durations in ns, as integers. */
#include "observe/timeline/timeline.h"

static struct json_object *list_json(const struct timeline_list *l)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < l->count; i++) {
		const struct timeline_entry *e = &l->items[i];
		struct json_object *o = json_object_new_object();

		json_add_string(o, "Phase", timeline_phase_name(e->phase));
		json_add_string(o, "What", e->what);
		json_add_string(o, "Process", timeline_process_name(e->process));
		json_add_u64(o, "StartNs", e->start_ns);
		json_add_u64(o, "DurationNs", e->duration_ns);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *phases_json(const struct timeline *t)
{
	struct json_object *a = json_object_new_array();

	for (int p = 0; p < TIMELINE_PHASES; p++) {
		struct json_object *o;

		if (!t->phase_ns[p])
			continue;
		o = json_object_new_object();
		json_add_string(o, "Phase", timeline_phase_name((enum plan_phase)p));
		json_add_u64(o, "DurationNs", t->phase_ns[p]);
		json_object_object_add(
			o, "Share",
			json_object_new_double((double)t->phase_ns[p] / (double)t->total_ns));
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *timeline_json(const struct timeline *t, const char *container_id,
				  const struct floor_bill *floor)
{
	struct json_object *o = json_object_new_object();

	json_add_u64(o, "SchemaVersion", TIMELINE_SCHEMA_VERSION);
	json_add_string(o, "Container", container_id);
	json_add_u64(o, "TotalNs", t->total_ns);
	json_add_u64(o, "ToExecNs", t->to_exec_ns);
	if (t->wall_ns) {
		json_add_u64(o, "WallNs", t->wall_ns);
		json_add_u64(o, "ProgramStartAndExitNs",
			     t->wall_ns > t->total_ns ? t->wall_ns - t->total_ns : 0);
	}
	json_object_object_add(o, "Phases", phases_json(t));
	json_object_object_add(o, "Path", list_json(&t->path));
	json_object_object_add(o, "Parallel", list_json(&t->parallel));
	if (floor)
		json_object_object_add(o, "Floor", floor_bill_json(floor));
	return o;
}

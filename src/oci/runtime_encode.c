/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration back to JSON, in the specification's order and with runc's indentation. What
 * must hold: decoding the text gives the same configuration.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "base/json.h"
#include "base/str.h"
#include "oci/runtime_encode.h"

static void add_text(struct json_object *o, const char *key, const char *value)
{
	if (value)
		json_add_string(o, key, value);
}

static void add_list(struct json_object *o, const char *key, const struct strv *v)
{
	if (v->count)
		json_add_strv(o, key, v, false);
}

/* Adds an object or list only when it has something in it. */
static void add_filled(struct json_object *o, const char *key, struct json_object *v)
{
	bool empty = json_object_is_type(v, json_type_array) ? json_object_array_length(v) == 0
							     : json_object_object_length(v) == 0;

	if (empty)
		json_object_put(v);
	else
		json_object_object_add(o, key, v);
}

static void add_capabilities(struct json_object *process, const struct capability_sets *sets)
{
	const struct {
		const char *name;
		uint64_t mask;
	} table[] = {{"bounding", sets->bounding},
		     {"effective", sets->effective},
		     {"inheritable", sets->inheritable},
		     {"permitted", sets->permitted},
		     {"ambient", sets->ambient}};
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json_object *list = json_object_new_array();

		for (unsigned n = 0; n < CAPABILITY_COUNT; n++)
			if (table[i].mask & CAPABILITY_BIT(n))
				json_object_array_add(list,
						      json_object_new_string(capability_name(n)));
		add_filled(o, table[i].name, list);
	}
	json_object_object_add(process, "capabilities", o);
}

static struct json_object *encode_user(const struct oci_process *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *groups = json_object_new_array();

	json_add_u64(o, "uid", p->uid);
	json_add_u64(o, "gid", p->gid);
	if (p->has_umask)
		json_add_u64(o, "umask", p->umask);
	for (size_t i = 0; i < p->additional_gid_count; i++)
		json_object_array_add(groups, json_object_new_int64(p->additional_gids[i]));
	add_filled(o, "additionalGids", groups);
	return o;
}

static void add_rlimits(struct json_object *o, const struct oci_process *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->rlimit_count; i++) {
		struct json_object *l = json_object_new_object();

		json_add_string(l, "type", rlimit_name(p->rlimits[i].resource));
		json_add_u64(l, "hard", p->rlimits[i].hard);
		json_add_u64(l, "soft", p->rlimits[i].soft);
		json_object_array_add(list, l);
	}
	add_filled(o, "rlimits", list);
}

static void add_scheduling(struct json_object *o, const struct oci_process *p)
{
	static const char *const classes[] = {"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
					      "IOPRIO_CLASS_IDLE"};
	static const char *const policies[] = {"SCHED_OTHER",   "SCHED_FIFO", "SCHED_RR",
					       "SCHED_BATCH",   "-",          "SCHED_IDLE",
					       "SCHED_DEADLINE"};

	if (p->has_io_priority) {
		struct json_object *io = json_object_new_object();

		json_add_string(io, "class", classes[p->io_priority_class & 3]);
		json_add_i64(io, "priority", p->io_priority);
		json_object_object_add(o, "ioPriority", io);
	}
	if (p->has_scheduler && p->scheduler.policy >= 0 && p->scheduler.policy <= 6) {
		struct json_object *s = json_object_new_object();

		json_add_string(s, "policy", policies[p->scheduler.policy]);
		json_add_i64(s, "nice", p->scheduler.nice);
		json_add_u64(s, "priority", p->scheduler.priority);
		json_add_u64(s, "runtime", p->scheduler.runtime_ns);
		json_add_u64(s, "deadline", p->scheduler.deadline_ns);
		json_add_u64(s, "period", p->scheduler.period_ns);
		json_object_object_add(o, "scheduler", s);
	}
}

struct json_object *oci_encode_process(const struct oci_process *p)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "terminal", p->terminal);
	if (p->has_console_size) {
		struct json_object *size = json_object_new_object();

		json_add_u64(size, "height", p->console_height);
		json_add_u64(size, "width", p->console_width);
		json_object_object_add(o, "consoleSize", size);
	}
	json_object_object_add(o, "user", encode_user(p));
	json_add_strv(o, "args", &p->args, false);
	add_list(o, "env", &p->env);
	add_text(o, "cwd", p->cwd);
	if (p->has_capabilities)
		add_capabilities(o, &p->capabilities);
	add_rlimits(o, p);
	if (p->no_new_privileges)
		json_add_bool(o, "noNewPrivileges", true);
	add_text(o, "apparmorProfile", p->apparmor_profile);
	if (p->has_oom_score_adj)
		json_add_i64(o, "oomScoreAdj", p->oom_score_adj);
	add_text(o, "selinuxLabel", p->selinux_label);
	add_scheduling(o, p);
	return o;
}

struct json_object *oci_encode_id_maps(const struct oci_id_map *maps, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++) {
		struct json_object *m = json_object_new_object();

		json_add_u64(m, "containerID", maps[i].container_id);
		json_add_u64(m, "hostID", maps[i].host_id);
		json_add_u64(m, "size", maps[i].size);
		json_object_array_add(list, m);
	}
	return list;
}

static void add_mounts(struct json_object *o, const struct oci_config *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < c->mount_count; i++) {
		const struct oci_mount *m = &c->mounts[i];
		struct json_object *j = json_object_new_object();

		json_add_string(j, "destination", m->destination);
		add_text(j, "type", m->type);
		add_text(j, "source", m->source);
		add_list(j, "options", &m->options);
		add_filled(j, "uidMappings", oci_encode_id_maps(m->uid_map, m->uid_map_count));
		add_filled(j, "gidMappings", oci_encode_id_maps(m->gid_map, m->gid_map_count));
		json_object_array_add(list, j);
	}
	add_filled(o, "mounts", list);
}

static struct json_object *encode_hooks(const struct oci_config *c)
{
	struct json_object *o = json_object_new_object();

	for (size_t stage = 0; stage < OCI_HOOK_STAGES; stage++) {
		struct json_object *list = json_object_new_array();

		for (size_t i = 0; i < c->hooks[stage].count; i++) {
			const struct oci_hook *h = &c->hooks[stage].hooks[i];
			struct json_object *j = json_object_new_object();

			json_add_string(j, "path", h->path);
			add_list(j, "args", &h->args);
			add_list(j, "env", &h->env);
			if (h->timeout_seconds)
				json_add_i64(j, "timeout", h->timeout_seconds);
			json_object_array_add(list, j);
		}
		add_filled(o, oci_hook_stage_name((enum oci_hook_stage)stage), list);
	}
	return o;
}

static struct json_object *encode_root(const struct oci_config *c)
{
	struct json_object *o = json_object_new_object();

	json_add_string(o, "path", c->root_path);
	if (c->root_readonly)
		json_add_bool(o, "readonly", true);
	return o;
}

char *oci_config_encode(const struct oci_config *c)
{
	struct json_object *o = json_object_new_object();
	struct json_object *annotations = json_object_new_object();
	char *text;

	json_add_string(o, "ociVersion", c->oci_version ? c->oci_version : OCI_VERSION);
	if (c->has_process)
		json_object_object_add(o, "process", oci_encode_process(&c->process));
	json_object_object_add(o, "root", encode_root(c));
	add_text(o, "hostname", c->hostname);
	add_text(o, "domainname", c->domainname);
	add_mounts(o, c);
	add_filled(o, "hooks", encode_hooks(c));
	for (size_t i = 0; i < c->annotation_count; i++)
		json_add_string(annotations, c->annotations[i].key, c->annotations[i].value);
	add_filled(o, "annotations", annotations);
	json_object_object_add(o, "linux", oci_encode_linux(c));
	text = xstrdup(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_PRETTY_TAB | JSON_C_TO_STRING_SPACED |
			   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

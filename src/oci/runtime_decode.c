/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: the parts that every platform has, and the process. Source: runtime-spec config.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "oci/runtime_decode.h"

static int decode_root(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("path", DECODE_STRING, struct oci_config, root_path),
		DECODE_PLAIN("readonly", DECODE_BOOL, struct oci_config, root_readonly),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

static int decode_console_size(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("height", DECODE_U16, struct oci_process, console_height),
		DECODE_NEEDED("width", DECODE_U16, struct oci_process, console_width),
	};
	struct oci_process *p = out;

	p->has_console_size = true;
	return decode_object(d, v, fields, DECODE_COUNT(fields), p);
}

static int add_gid(struct decode *d, struct json_object *v, void *out)
{
	struct oci_process *p = out;
	int64_t gid = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : -1;

	if (gid < 0 || gid >= UINT32_MAX)
		return decode_refuse(d, ERR_INVALID, "must be a group id");
	p->additional_gids = xrealloc(p->additional_gids,
				      (p->additional_gid_count + 1) * sizeof(*p->additional_gids));
	p->additional_gids[p->additional_gid_count++] = (gid_t)gid;
	return 0;
}

static int decode_user(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_PLAIN("uid", DECODE_U32, struct oci_process, uid),
		DECODE_PLAIN("gid", DECODE_U32, struct oci_process, gid),
		DECODE_FLAGGED("umask", DECODE_U32, struct oci_process, umask, has_umask),
		DECODE_WITH("additionalGids", DECODE_ARRAY, add_gid),
	};
	struct oci_process *p = out;
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), p);

	if (r == 0 && (p->uid == UINT32_MAX || p->gid == UINT32_MAX))
		return decode_refuse(d, ERR_INVALID, "user.uid and user.gid must be ids");
	if (r == 0 && p->has_umask && p->umask > 0777)
		return decode_refuse(d, ERR_INVALID, "user.umask must be at most 0777");
	return r;
}

struct capability_list {
	uint64_t mask;
	struct strv *unknown;
};

static int add_capability(struct decode *d, struct json_object *v, void *out)
{
	struct capability_list *list = out;
	const char *name = json_object_is_type(v, json_type_string) ? json_object_get_string(v)
								    : "";
	int number = str_starts(name, "CAP_") ? capability_number(name) : -EINVAL;

	if (!name[0])
		return decode_refuse(d, ERR_INVALID, "must be a capability's name");
	if (number >= 0)
		list->mask |= CAPABILITY_BIT(number);
	else if (!strv_contains(list->unknown, name))
		strv_add(list->unknown, name);
	return 0;
}

static int decode_capabilities(struct decode *d, struct json_object *v, void *out)
{
	static const struct {
		struct decode_field field;
		size_t offset;
	} sets[] = {
		{DECODE_WITH("bounding", DECODE_ARRAY, add_capability),
		 offsetof(struct capability_sets, bounding)},
		{DECODE_WITH("effective", DECODE_ARRAY, add_capability),
		 offsetof(struct capability_sets, effective)},
		{DECODE_WITH("permitted", DECODE_ARRAY, add_capability),
		 offsetof(struct capability_sets, permitted)},
		{DECODE_WITH("inheritable", DECODE_ARRAY, add_capability),
		 offsetof(struct capability_sets, inheritable)},
		{DECODE_WITH("ambient", DECODE_ARRAY, add_capability),
		 offsetof(struct capability_sets, ambient)},
	};
	struct oci_process *p = out;

	p->has_capabilities = true;
	for (size_t i = 0; i < DECODE_COUNT(sets); i++) {
		struct capability_list list = {.unknown = &p->unknown_capabilities};
		int r = decode_object(d, v, &sets[i].field, 1, &list);

		if (r)
			return r;
		*(uint64_t *)((char *)&p->capabilities + sets[i].offset) = list.mask;
	}
	return 0;
}

struct rlimit_json {
	char *type;
	uint64_t soft, hard;
};

static int add_rlimit(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("type", DECODE_STRING, struct rlimit_json, type),
		DECODE_NEEDED("soft", DECODE_U64, struct rlimit_json, soft),
		DECODE_NEEDED("hard", DECODE_U64, struct rlimit_json, hard),
	};
	struct oci_process *p = out;
	struct rlimit_json j = {0};
	auto_free char *type = NULL;
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);
	int number;

	type = j.type;
	if (r)
		return r;
	number = type && str_starts(type, "RLIMIT_") ? rlimit_number(type) : -EINVAL;
	if (number < 0)
		return decode_refuse(d, ERR_INVALID, "unknown limit \"%.40s\"", type ? type : "");
	if (j.soft > j.hard)
		return decode_refuse(d, ERR_INVALID, "%s: soft limit is above the hard one", type);
	for (size_t i = 0; i < p->rlimit_count; i++)
		if (p->rlimits[i].resource == number)
			return decode_refuse(d, ERR_INVALID, "%s is given twice", type);
	p->rlimits = xrealloc(p->rlimits, (p->rlimit_count + 1) * sizeof(*p->rlimits));
	p->rlimits[p->rlimit_count++] =
		(struct rlimit_value){.resource = number, .soft = j.soft, .hard = j.hard};
	return 0;
}

/* Position of name in a list that ends with NULL, or -1. */
static int position(const char *name, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (name && str_eq(list[i], name))
			return i;
	return -1;
}

struct named {
	char *name;
	int64_t number;
};

static int decode_io_priority(struct decode *d, struct json_object *v, void *out)
{
	static const char *const classes[] = {"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
					      "IOPRIO_CLASS_IDLE", NULL};
	static const struct decode_field fields[] = {
		DECODE_NEEDED("class", DECODE_STRING, struct named, name),
		DECODE_PLAIN("priority", DECODE_I64, struct named, number),
	};
	struct oci_process *p = out;
	struct named j = {0};
	auto_free char *name = NULL;
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	name = j.name;
	if (r)
		return r;
	p->io_priority_class = position(name, classes);
	if (p->io_priority_class < 1 || j.number < 0 || j.number > 7)
		return decode_refuse(d, ERR_INVALID, "unknown class, or priority not 0 to 7");
	p->has_io_priority = true;
	p->io_priority = (int)j.number;
	return 0;
}

struct scheduler_json {
	char *policy;
	struct strv flags;
	int64_t nice, priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduler(struct decode *d, const struct scheduler_json *j, struct oci_process *p)
{
	/* SCHED_* by number, see sched(7); ISO (4) was never merged. */
	static const char *const policies[] = {"SCHED_OTHER",    "SCHED_FIFO", "SCHED_RR",
					       "SCHED_BATCH",    "-",          "SCHED_IDLE",
					       "SCHED_DEADLINE", NULL};
	/* SCHED_FLAG_* by bit. */
	static const char *const flags[] = {
		"SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",
		"SCHED_FLAG_DL_OVERRUN",     "SCHED_FLAG_KEEP_POLICY",
		"SCHED_FLAG_KEEP_PARAMS",    "SCHED_FLAG_UTIL_CLAMP_MIN",
		"SCHED_FLAG_UTIL_CLAMP_MAX", NULL};
	int policy = position(j->policy, policies);

	if (policy < 0 || policy == 4)
		return decode_refuse(d, ERR_INVALID, "unknown policy");
	if (j->nice < -20 || j->nice > 19 || j->priority < 0 || j->priority > 99)
		return decode_refuse(d, ERR_INVALID, "nice or priority out of range");
	p->has_scheduler = true;
	p->scheduler = (struct oci_scheduler){.policy = policy,
					      .nice = (int)j->nice,
					      .priority = (uint32_t)j->priority,
					      .runtime_ns = j->runtime,
					      .deadline_ns = j->deadline,
					      .period_ns = j->period};
	for (size_t i = 0; i < j->flags.count; i++) {
		int bit = position(j->flags.items[i], flags);

		if (bit < 0)
			return decode_refuse(d, ERR_INVALID, "unknown flag \"%.40s\"",
					     j->flags.items[i]);
		p->scheduler.flags |= UINT64_C(1) << bit;
	}
	return 0;
}

static int decode_scheduler(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("policy", DECODE_STRING, struct scheduler_json, policy),
		DECODE_PLAIN("nice", DECODE_I64, struct scheduler_json, nice),
		DECODE_PLAIN("priority", DECODE_I64, struct scheduler_json, priority),
		DECODE_PLAIN("flags", DECODE_STRV, struct scheduler_json, flags),
		DECODE_PLAIN("runtime", DECODE_U64, struct scheduler_json, runtime),
		DECODE_PLAIN("deadline", DECODE_U64, struct scheduler_json, deadline),
		DECODE_PLAIN("period", DECODE_U64, struct scheduler_json, period),
	};
	struct scheduler_json j = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0)
		r = set_scheduler(d, &j, out);
	free(j.policy);
	strv_free(&j.flags);
	return r;
}

struct score {
	int64_t value;
	bool has;
};

static int decode_oom_score(struct decode *d, struct json_object *v, struct oci_process *p)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("oomScoreAdj", DECODE_I64, struct score, value, has),
	};
	struct score s = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &s);

	if (r)
		return r;
	if (s.value < -1000 || s.value > 1000)
		return decode_refuse(d, ERR_INVALID, "oomScoreAdj must be -1000 to 1000");
	p->has_oom_score_adj = s.has;
	p->oom_score_adj = (int)s.value;
	return 0;
}

int oci_decode_process(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_PLAIN("terminal", DECODE_BOOL, struct oci_process, terminal),
		DECODE_WITH("consoleSize", DECODE_OBJECT, decode_console_size),
		DECODE_WITH("user", DECODE_OBJECT, decode_user),
		DECODE_PLAIN("args", DECODE_STRV, struct oci_process, args),
		DECODE_PLAIN("env", DECODE_STRV, struct oci_process, env),
		DECODE_NEEDED("cwd", DECODE_STRING, struct oci_process, cwd),
		DECODE_WITH("capabilities", DECODE_OBJECT, decode_capabilities),
		DECODE_WITH("rlimits", DECODE_ARRAY, add_rlimit),
		DECODE_PLAIN("noNewPrivileges", DECODE_BOOL, struct oci_process, no_new_privileges),
		DECODE_PLAIN("apparmorProfile", DECODE_STRING, struct oci_process,
			     apparmor_profile),
		DECODE_PLAIN("selinuxLabel", DECODE_STRING, struct oci_process, selinux_label),
		DECODE_WITH("ioPriority", DECODE_OBJECT, decode_io_priority),
		DECODE_WITH("scheduler", DECODE_OBJECT, decode_scheduler),
		DECODE_REFUSED("execCPUAffinity"),
	};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), out);

	return r ? r : decode_oom_score(d, v, out);
}

static int add_id_map(struct decode *d, struct json_object *v, struct oci_id_map **maps,
		      size_t *count)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("containerID", DECODE_U32, struct oci_id_map, container_id),
		DECODE_NEEDED("hostID", DECODE_U32, struct oci_id_map, host_id),
		DECODE_NEEDED("size", DECODE_U32, struct oci_id_map, size),
	};
	struct oci_id_map map = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &map);

	if (r)
		return r;
	if (map.size == 0 || map.container_id > UINT32_MAX - map.size ||
	    map.host_id > UINT32_MAX - map.size)
		return decode_refuse(d, ERR_INVALID, "the range is empty or too large");
	*maps = xrealloc(*maps, (*count + 1) * sizeof(**maps));
	(*maps)[(*count)++] = map;
	return 0;
}

int oci_decode_uid_map(struct decode *d, struct json_object *v, void *out)
{
	struct oci_config *c = out;

	return add_id_map(d, v, &c->uid_map, &c->uid_map_count);
}

int oci_decode_gid_map(struct decode *d, struct json_object *v, void *out)
{
	struct oci_config *c = out;

	return add_id_map(d, v, &c->gid_map, &c->gid_map_count);
}

static int mount_uid_map(struct decode *d, struct json_object *v, void *out)
{
	struct oci_mount *m = out;

	return add_id_map(d, v, &m->uid_map, &m->uid_map_count);
}

static int mount_gid_map(struct decode *d, struct json_object *v, void *out)
{
	struct oci_mount *m = out;

	return add_id_map(d, v, &m->gid_map, &m->gid_map_count);
}

struct mount_json {
	char *destination, *type, *source;
	struct strv options;
};

static int add_mount(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("destination", DECODE_STRING, struct mount_json, destination),
		DECODE_PLAIN("type", DECODE_STRING, struct mount_json, type),
		DECODE_PLAIN("source", DECODE_STRING, struct mount_json, source),
		DECODE_PLAIN("options", DECODE_STRV, struct mount_json, options),
	};
	static const struct decode_field maps[] = {
		DECODE_WITH("uidMappings", DECODE_ARRAY, mount_uid_map),
		DECODE_WITH("gidMappings", DECODE_ARRAY, mount_gid_map),
	};
	struct oci_config *c = out;
	struct mount_json j = {0};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0 && c->mount_count >= OCI_MOUNTS_MAX)
		r = decode_refuse(d, ERR_INVALID, "more than %d mounts", OCI_MOUNTS_MAX);
	if (r == 0) {
		/* A relative one means below the root, as older specifications had it. */
		auto_free char *absolute =
			xasprintf("%s%s", j.destination && j.destination[0] == '/' ? "" : "/",
				  j.destination ? j.destination : "");
		struct oci_mount *m = oci_config_add_mount(c, absolute, j.type, j.source);

		for (size_t i = 0; i < j.options.count; i++)
			oci_mount_add_option(m, j.options.items[i]);
		r = decode_object(d, v, maps, DECODE_COUNT(maps), m);
		m->idmap |= m->uid_map_count > 0;
	}
	free(j.destination);
	free(j.type);
	free(j.source);
	strv_free(&j.options);
	return r;
}

struct hook_json {
	char *path;
	struct strv args, env;
	int64_t timeout;
};

static int add_hook(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("path", DECODE_STRING, struct hook_json, path),
		DECODE_PLAIN("args", DECODE_STRV, struct hook_json, args),
		DECODE_PLAIN("env", DECODE_STRV, struct hook_json, env),
		DECODE_PLAIN("timeout", DECODE_I64, struct hook_json, timeout),
	};
	struct oci_hook_list *list = out;
	struct hook_json j = {.timeout = -1};
	int r = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (r == 0 && (!j.path || j.path[0] != '/'))
		r = decode_refuse(d, ERR_INVALID, "a hook's path must be absolute");
	if (r == 0 && (j.timeout == 0 || j.timeout < -1 || j.timeout > 86400))
		r = decode_refuse(d, ERR_INVALID, "timeout must be 1 to 86400 seconds");
	if (r) {
		free(j.path);
		strv_free(&j.args);
		strv_free(&j.env);
		return r;
	}
	list->hooks = xrealloc(list->hooks, (list->count + 1) * sizeof(*list->hooks));
	list->hooks[list->count++] =
		(struct oci_hook){.path = j.path,
				  .args = j.args,
				  .env = j.env,
				  .timeout_seconds = j.timeout < 0 ? 0 : (int)j.timeout};
	return 0;
}

static int decode_hooks(struct decode *d, struct json_object *v, void *out)
{
	struct oci_config *c = out;

	for (size_t i = 0; i < OCI_HOOK_STAGES; i++) {
		struct decode_field field = DECODE_WITH(oci_hook_stage_name((enum oci_hook_stage)i),
							DECODE_ARRAY, add_hook);
		int r = decode_object(d, v, &field, 1, &c->hooks[i]);

		if (r)
			return r;
	}
	return 0;
}

static int add_annotation(struct decode *d, const char *key, const char *value, void *out)
{
	if (!key[0])
		return decode_refuse(d, ERR_INVALID, "a key is empty");
	oci_config_add_annotation(out, key, value);
	return 0;
}

static int decode_process_member(struct decode *d, struct json_object *v, void *out)
{
	struct oci_config *c = out;

	c->has_process = true;
	return oci_decode_process(d, v, &c->process);
}

static int decode_config(struct decode *d, struct json_object *o, struct oci_config *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("ociVersion", DECODE_STRING, struct oci_config, oci_version),
		{.name = "root",
		 .type = DECODE_OBJECT,
		 .required = true,
		 .has_offset = DECODE_NO_FLAG,
		 .fn = decode_root},
		DECODE_WITH("process", DECODE_OBJECT, decode_process_member),
		DECODE_PLAIN("hostname", DECODE_STRING, struct oci_config, hostname),
		DECODE_PLAIN("domainname", DECODE_STRING, struct oci_config, domainname),
		DECODE_WITH("mounts", DECODE_ARRAY, add_mount),
		DECODE_WITH("hooks", DECODE_OBJECT, decode_hooks),
		DECODE_PAIRS("annotations", add_annotation),
		DECODE_WITH("linux", DECODE_OBJECT, oci_decode_linux),
		DECODE_REFUSED("vm"),
	};
	int r = decode_object(d, o, fields, DECODE_COUNT(fields), out);

	return r ? r : oci_config_validate(out, d->err);
}

static int parse_object(const char *text, size_t len, const char *what, struct json_object **out,
			struct err *err)
{
	int r;

	if (len > OCI_CONFIG_MAX_BYTES)
		return err_set(err, ERR_INVALID, EFBIG, "%s: larger than %d bytes", what,
			       OCI_CONFIG_MAX_BYTES);
	r = json_parse(text, len, what, out, err);
	if (r)
		return r;
	if (!json_object_is_type(*out, json_type_object))
		return err_set(err, ERR_INVALID, EINVAL, "%s: must be an object", what);
	return 0;
}

int oci_config_parse(const char *text, size_t len, const char *what, struct oci_config *out,
		     struct err *err)
{
	struct decode d = {.what = what, .err = err};
	auto_json struct json_object *o = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	r = parse_object(text, len, what, &o, err);
	if (r == 0)
		r = decode_config(&d, o, out);
	if (r)
		oci_config_free(out);
	return r;
}

int oci_config_read_at(int bundle_dirfd, struct oci_config *out, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r = file_read_at(bundle_dirfd, "config.json", OCI_CONFIG_MAX_BYTES, &text, &len);

	memset(out, 0, sizeof(*out));
	if (r)
		return err_set(err, r == -ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, -r,
			       "open config.json: %s", err_errno_text(-r));
	return oci_config_parse(text, len, "config.json", out, err);
}

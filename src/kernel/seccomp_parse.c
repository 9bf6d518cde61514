/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles from JSON: Docker's profile files and the OCI configuration's linux.seccomp,
 * which differ only in what Docker resolves when the container is made (archMap, includes,
 * excludes). What must hold: a value that is malformed or unknown is refused, never skipped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "base/str.h"
#include "kernel/capability.h"
#include "kernel/seccomp_profile.h"

#define RULES_MAX 4096
#define NAMES_MAX 4096
#define ARGUMENTS 6

struct context {
	const char *what;
	uint64_t capabilities;
	struct err *err;
};

static int bad(const struct context *c, const char *field)
{
	return err_set(c->err, ERR_INVALID, EINVAL, "%s: invalid seccomp %s", c->what, field);
}

/* Optional members: absent leaves *out alone. */
static int optional(int r)
{
	return r == -ENOENT ? 0 : r;
}

static const struct {
	const char *oci, *go;
	unsigned bit;
} archs[] = {
	{"SCMP_ARCH_X86_64", "amd64", SECCOMP_ON_X86_64},
	{"SCMP_ARCH_X86", "x86", SECCOMP_ON_X86},
	{"SCMP_ARCH_X32", "x32", SECCOMP_ON_X32},
};
#define NATIVE_ARCH 0

/* Architectures that this machine can never run are no error: profiles list them all. */
static unsigned arch_bits(const struct strv *names)
{
	unsigned bits = 0;

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (strv_contains(names, archs[i].oci))
			bits |= archs[i].bit;
	return bits;
}

static int decode_arch_map(const struct context *c, struct json_object *list,
			   struct seccomp_profile *out)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		auto_strv struct strv subs = {0};
		const char *name;

		if (!json_object_is_type(entry, json_type_object) ||
		    json_get_string(entry, "architecture", &name) ||
		    optional(json_get_strv(entry, "subArchitectures", &subs)))
			return bad(c, "archMap");
		if (str_eq(name, archs[NATIVE_ARCH].oci))
			out->archs |= archs[NATIVE_ARCH].bit | arch_bits(&subs);
	}
	return 0;
}

static int decode_archs(const struct context *c, struct json_object *o, struct seccomp_profile *out)
{
	auto_strv struct strv names = {0};
	struct json_object *map = NULL;

	if (optional(json_get_strv(o, "architectures", &names)))
		return bad(c, "architectures");
	if (optional(json_get_array(o, "archMap", &map)))
		return bad(c, "archMap");
	if (map && json_object_array_length(map) && names.count)
		return err_set(
			c->err, ERR_INVALID, EINVAL,
			"%s: both 'architectures' and 'archMap' are specified in the seccomp "
			"profile, use either 'architectures' or 'archMap'",
			c->what);
	out->archs = arch_bits(&names);
	return map ? decode_arch_map(c, map, out) : 0;
}

static int decode_flags(const struct context *c, struct json_object *o, struct seccomp_profile *out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} table[] = {
		{"SECCOMP_FILTER_FLAG_LOG", 1U << 1},
		{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1U << 2},
		{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1U << 5},
		/* All threads: there is one. */
		{"SECCOMP_FILTER_FLAG_TSYNC", 0},
	};
	auto_strv struct strv names = {0};

	if (optional(json_get_strv(o, "flags", &names)))
		return bad(c, "flags");
	for (size_t i = 0; i < names.count; i++) {
		size_t k = 0;

		while (k < sizeof(table) / sizeof(table[0]) &&
		       !str_eq(table[k].name, names.items[i]))
			k++;
		if (k == sizeof(table) / sizeof(table[0]))
			return err_set(c->err, ERR_INVALID, EINVAL,
				       "%s: unknown seccomp flag \"%.80s\"", c->what,
				       names.items[i]);
		out->flags |= table[k].bit;
	}
	return 0;
}

/* "4.8" against the running kernel. */
static int kernel_at_least(const char *wanted, bool *out)
{
	struct utsname u;
	unsigned want_major, want_minor, major, minor;
	char rest;

	if (sscanf(wanted, "%u.%u%c", &want_major, &want_minor, &rest) != 2)
		return -EINVAL;
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return -EINVAL;
	*out = major > want_major || (major == want_major && minor >= want_minor);
	return 0;
}

/* Whether a filter's capabilities are held: all of them, or any of them. */
static int holds_caps(const struct context *c, const struct strv *names, bool any, bool *out)
{
	*out = !any;
	for (size_t i = 0; i < names->count; i++) {
		int number = capability_number(names->items[i]);
		bool has;

		if (number < 0)
			return bad(c, "capability in includes or excludes");
		has = c->capabilities & CAPABILITY_BIT(number);
		if (has == any)
			*out = any;
	}
	return 0;
}

/* Whether Docker's includes or excludes apply; *given says whether there was anything in them. */
static int decode_filter(const struct context *c, struct json_object *rule, const char *key,
			 bool exclude, bool *applies)
{
	auto_strv struct strv caps = {0}, arches = {0};
	struct json_object *o = NULL;
	const char *min_kernel = NULL;
	bool caps_held, arch_listed, kernel_ok = true;

	*applies = !exclude;
	if (optional(json_get_object(rule, key, &o)))
		return bad(c, key);
	if (!o)
		return 0;
	if (optional(json_get_strv(o, "caps", &caps)) ||
	    optional(json_get_strv(o, "arches", &arches)) ||
	    optional(json_get_string(o, "minKernel", &min_kernel)) ||
	    (min_kernel && min_kernel[0] && kernel_at_least(min_kernel, &kernel_ok)))
		return bad(c, key);
	if (holds_caps(c, &caps, exclude, &caps_held))
		return -EINVAL;
	arch_listed = strv_contains(&arches, archs[NATIVE_ARCH].go);
	if (exclude)
		*applies = (arches.count && arch_listed) || (caps.count && caps_held) ||
			   (min_kernel && min_kernel[0] && kernel_ok);
	else
		*applies = (!arches.count || arch_listed) && caps_held && kernel_ok;
	return 0;
}

static int decode_condition(const struct context *c, struct json_object *o,
			    struct seccomp_rule *rule)
{
	struct seccomp_condition condition = {0};
	uint64_t index = 0;
	const char *compare;

	if (!json_object_is_type(o, json_type_object) || json_get_u64(o, "index", &index) ||
	    index >= ARGUMENTS || json_get_u64(o, "value", &condition.value) ||
	    optional(json_get_u64(o, "valueTwo", &condition.value_two)) ||
	    json_get_string(o, "op", &compare) || seccomp_compare_of(compare, &condition.compare))
		return bad(c, "args");
	condition.index = (unsigned)index;
	seccomp_rule_add_condition(rule, condition);
	return 0;
}

static int decode_names(const struct context *c, struct json_object *o, struct strv *out)
{
	const char *name = NULL;

	if (optional(json_get_strv(o, "names", out)) || optional(json_get_string(o, "name", &name)))
		return bad(c, "syscall names");
	if (name && name[0]) {
		if (out->count)
			return err_set(c->err, ERR_INVALID, EINVAL,
				       "%s: 'name' and 'names' are specified in the seccomp "
				       "profile, use either 'name' or 'names'",
				       c->what);
		strv_add(out, name);
	}
	return out->count && out->count <= NAMES_MAX ? 0 : bad(c, "syscall names");
}

static int decode_errno(const struct context *c, struct json_object *o, const char *key,
			uint32_t *out)
{
	uint64_t value;
	int r = json_get_u64(o, key, &value);

	if (r == -ENOENT)
		return 0;
	if (r || value > 4095)
		return bad(c, key);
	*out = (uint32_t)value;
	return 0;
}

static int decode_rule(const struct context *c, struct json_object *o, struct seccomp_profile *out)
{
	struct seccomp_rule *rule;
	struct json_object *args = NULL;
	const char *action;
	bool included, excluded;
	int r;

	if (!json_object_is_type(o, json_type_object))
		return bad(c, "syscalls");
	r = decode_filter(c, o, "includes", false, &included);
	if (r == 0)
		r = decode_filter(c, o, "excludes", true, &excluded);
	if (r || !included || excluded)
		return r;
	rule = seccomp_profile_add_rule(out);
	rule->errno_value = EPERM;
	if (decode_names(c, o, &rule->names))
		return -EINVAL;
	if (json_get_string(o, "action", &action) || seccomp_action_of(action, &rule->action))
		return bad(c, "action");
	if (decode_errno(c, o, "errnoRet", &rule->errno_value))
		return -EINVAL;
	if (optional(json_get_array(o, "args", &args)))
		return bad(c, "args");
	for (size_t i = 0; args && i < json_object_array_length(args); i++) {
		if (i == ARGUMENTS)
			return bad(c, "args");
		if (decode_condition(c, json_object_array_get_idx(args, i), rule))
			return -EINVAL;
	}
	return 0;
}

static int decode(const struct context *c, struct json_object *o, struct seccomp_profile *out)
{
	struct json_object *rules = NULL;
	const char *text;

	if (json_get_string(o, "defaultAction", &text) ||
	    seccomp_action_of(text, &out->default_action))
		return bad(c, "defaultAction");
	out->default_errno = EPERM;
	if (decode_errno(c, o, "defaultErrnoRet", &out->default_errno) || decode_archs(c, o, out) ||
	    decode_flags(c, o, out))
		return -EINVAL;
	if (json_get_string(o, "listenerPath", &text) == 0 && text[0])
		out->listener_path = xstrdup(text);
	if (json_get_string(o, "listenerMetadata", &text) == 0 && text[0])
		out->listener_metadata = xstrdup(text);
	if (optional(json_get_array(o, "syscalls", &rules)))
		return bad(c, "syscalls");
	if (rules && json_object_array_length(rules) > RULES_MAX)
		return bad(c, "syscalls");
	for (size_t i = 0; rules && i < json_object_array_length(rules); i++)
		if (decode_rule(c, json_object_array_get_idx(rules, i), out))
			return -EINVAL;
	return 0;
}

int seccomp_profile_decode(struct json_object *o, const char *what, uint64_t capabilities,
			   struct seccomp_profile *out, struct err *err)
{
	struct context c = {.what = what, .capabilities = capabilities, .err = err};
	int r;

	memset(out, 0, sizeof(*out));
	r = decode(&c, o, out);
	if (r)
		seccomp_profile_free(out);
	return r;
}

int seccomp_profile_parse(const char *text, size_t len, const char *what, uint64_t capabilities,
			  struct seccomp_profile *out, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	r = json_parse(text, len, what, &o, err);
	if (r)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_INVALID, EINVAL, "%s: not a JSON object", what);
	return seccomp_profile_decode(o, what, capabilities, out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The features document. Lists come from the tables that do the work, so that they cannot differ. */
#include "oci/runtime_features.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "oci/runtime_config.h"

static void add_bool_object(struct json_object *o, const char *key, const char *member, bool value)
{
	struct json_object *inner = json_object_new_object();

	json_add_bool(inner, member, value);
	json_object_object_add(o, key, inner);
}

static void add_names(struct json_object *o, const char *key, const char *(*name)(size_t i),
		      size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		if (name(i))
			json_object_array_add(list, json_object_new_string(name(i)));
	json_object_object_add(o, key, list);
}

static const char *hook_name(size_t i)
{
	return oci_hook_stage_name((enum oci_hook_stage)i);
}

/* User and time namespaces can be described but not made yet. */
static const char *namespace_name(size_t i)
{
	return i == OCI_NS_USER || i == OCI_NS_TIME
		       ? NULL
		       : oci_namespace_name((enum oci_namespace_type)i);
}

static const char *capability_at(size_t i)
{
	return capability_name((unsigned)i);
}

static const char *action_at(size_t i)
{
	return seccomp_action_name((enum seccomp_action)i);
}

static const char *compare_at(size_t i)
{
	return seccomp_compare_name((enum seccomp_compare)i);
}

static const char *arch_at(size_t i)
{
	static const char *const archs[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};

	return archs[i];
}

static const char *flag_at(size_t i)
{
	static const char *const flags[] = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
					    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
					    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};

	return flags[i];
}

static struct json_object *seccomp_features(void)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "enabled", true);
	add_names(o, "actions", action_at, SECCOMP_DO_ALLOW + 1);
	add_names(o, "operators", compare_at, SECCOMP_CMP_MASKED + 1);
	add_names(o, "archs", arch_at, 3);
	add_names(o, "knownFlags", flag_at, 4);
	add_names(o, "supportedFlags", flag_at, 4);
	return o;
}

static struct json_object *cgroup_features(void)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "v1", true);
	json_add_bool(o, "v2", true);
	json_add_bool(o, "systemd", false);
	json_add_bool(o, "systemdUser", false);
	json_add_bool(o, "rdma", true);
	return o;
}

char *oci_features_encode(void)
{
	struct json_object *o = json_object_new_object();
	struct json_object *linux_part = json_object_new_object();
	struct json_object *annotations = json_object_new_object();
	char *text;

	json_add_string(o, "ociVersionMin", "1.0.0");
	json_add_string(o, "ociVersionMax", OCI_VERSION);
	add_names(o, "hooks", hook_name, OCI_HOOK_STAGES);
	add_names(o, "mountOptions", oci_mount_option_name, oci_mount_option_count());
	add_names(linux_part, "namespaces", namespace_name, OCI_NS_COUNT);
	add_names(linux_part, "capabilities", capability_at, CAPABILITY_COUNT);
	json_object_object_add(linux_part, "cgroup", cgroup_features());
	json_object_object_add(linux_part, "seccomp", seccomp_features());
	add_bool_object(linux_part, "apparmor", "enabled", false);
	add_bool_object(linux_part, "selinux", "enabled", false);
	add_bool_object(linux_part, "intelRdt", "enabled", false);
	json_object_object_add(o, "linux", linux_part);
	json_add_string(annotations, "org.cloche.runtime.version", CLOCHE_VERSION);
	json_object_object_add(o, "annotations", annotations);
	text = json_text_indented(o);
	json_object_put(o);
	return text;
}

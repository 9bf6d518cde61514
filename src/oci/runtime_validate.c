/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration must hold as a whole, wherever it came from. What must hold: a setting that
 * would change the host because its namespace is shared is refused here, before anything is made.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "oci/runtime_config.h"

#define INVALID(err, ...) err_set((err), ERR_INVALID, EINVAL, __VA_ARGS__)

/* Whether the container has the namespace to itself, or joins one that somebody prepared. */
static bool separate(const struct oci_config *c, enum oci_namespace_type type)
{
	return c->namespaces[type].present;
}

int oci_process_validate(const struct oci_process *p, struct err *err)
{
	if (!p->args.count || !p->args.items[0][0])
		return INVALID(err, "process.args must not be empty");
	if (!p->cwd || p->cwd[0] != '/')
		return INVALID(err, "process.cwd must be an absolute path");
	for (size_t i = 0; i < p->env.count; i++)
		if (p->env.items[i][0] == '=' || !strchr(p->env.items[i], '='))
			return INVALID(err, "process.env: \"%.80s\" is not NAME=VALUE",
				       p->env.items[i]);
	for (size_t i = 0; i < p->rlimit_count; i++)
		if (p->rlimits[i].soft > p->rlimits[i].hard)
			return INVALID(err, "process.rlimits: soft limit is above the hard one");
	return 0;
}

static int validate_mount(const struct oci_config *c, const struct oci_mount *m, struct err *err)
{
	if (!m->destination || m->destination[0] != '/')
		return INVALID(err, "mount destination \"%.200s\" must be absolute",
			       m->destination ? m->destination : "");
	if (m->bind && !m->source)
		return INVALID(err, "mount %.200s: a bind mount needs a source", m->destination);
	if (!m->bind && !m->type && !m->propagation && !(m->flags_set))
		return INVALID(err, "mount %.200s: needs a type", m->destination);
	if ((m->uid_map_count == 0) != (m->gid_map_count == 0))
		return INVALID(err, "mount %.200s: needs both uidMappings and gidMappings",
			       m->destination);
	if (m->uid_map_count && !m->bind)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "mount %.200s: only bind mounts can be id-mapped", m->destination);
	if (m->idmap && !m->uid_map_count && !c->uid_map_count)
		return INVALID(err, "mount %.200s: idmap needs mappings", m->destination);
	return 0;
}

static bool in_list(const char *key, const char *const *list)
{
	for (size_t i = 0; list[i]; i++)
		if (str_eq(list[i], key))
			return true;
	return false;
}

/* A sysctl outside the container's own namespaces would change the host's. */
static int validate_sysctl(const struct oci_config *c, const char *key, struct err *err)
{
	static const char *const ipc[] = {
		"kernel.msgmax", "kernel.msgmnb",          "kernel.msgmni",
		"kernel.sem",    "kernel.shmall",          "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced", NULL};
	enum oci_namespace_type needed;
	char dotted[256];

	/* net/ipv4/ip_forward is the same key; a slash would also hide "..". */
	if (str_format(dotted, sizeof(dotted), "%s", key) || strstr(key, ".."))
		return INVALID(err, "sysctl \"%.80s\" is malformed", key);
	if (!strchr(dotted, '.') || strcspn(dotted, "/") < strcspn(dotted, "."))
		for (char *p = dotted; *p; p++)
			*p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	if (in_list(dotted, ipc) || str_starts(dotted, "fs.mqueue."))
		needed = OCI_NS_IPC;
	else if (str_starts(dotted, "net."))
		needed = OCI_NS_NETWORK;
	else if (str_eq(dotted, "kernel.domainname"))
		needed = OCI_NS_UTS;
	else if (str_eq(dotted, "kernel.hostname"))
		return INVALID(
			err,
			"sysctl \"kernel.hostname\" conflicts with the OCI \"hostname\" field");
	else
		return INVALID(err, "sysctl \"%.80s\" is not in a separate kernel namespace", key);
	if (!separate(c, needed))
		return INVALID(err, "sysctl \"%.80s\" is not allowed in the hosts %s namespace",
			       key, oci_namespace_name(needed));
	return 0;
}

static int validate_absolute(const struct strv *paths, const char *what, struct err *err)
{
	for (size_t i = 0; i < paths->count; i++)
		if (paths->items[i][0] != '/')
			return INVALID(err, "%s: \"%.200s\" must be absolute", what,
				       paths->items[i]);
	return 0;
}

static int validate_namespaces(const struct oci_config *c, struct err *err)
{
	if (!separate(c, OCI_NS_MOUNT))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "a container without a mount namespace is not supported");
	if (c->hostname && !separate(c, OCI_NS_UTS))
		return INVALID(err, "unable to set hostname without a private UTS namespace");
	if (c->domainname && !separate(c, OCI_NS_UTS))
		return INVALID(err, "unable to set domainname without a private UTS namespace");
	if ((c->uid_map_count || c->gid_map_count) && !separate(c, OCI_NS_USER))
		return INVALID(err, "user namespace mappings specified, but user namespace isn't "
				    "enabled in the config");
	if (separate(c, OCI_NS_USER) && !c->namespaces[OCI_NS_USER].path &&
	    (!c->uid_map_count || !c->gid_map_count))
		return INVALID(err, "a new user namespace needs uidMappings and gidMappings");
	if ((c->monotonic_offset.present || c->boottime_offset.present) &&
	    (!separate(c, OCI_NS_TIME) || c->namespaces[OCI_NS_TIME].path))
		return INVALID(err, "timeOffsets need a new time namespace");
	return 0;
}

int oci_config_validate(const struct oci_config *c, struct err *err)
{
	int r = 0;

	if (!c->oci_version || !str_starts(c->oci_version, "1."))
		return err_set(err, ERR_UNSUPPORTED, 0, "ociVersion \"%.40s\" is not supported",
			       c->oci_version ? c->oci_version : "");
	if (!c->root_path)
		return INVALID(err, "root.path must not be empty");
	if (c->has_process)
		r = oci_process_validate(&c->process, err);
	if (r == 0)
		r = validate_namespaces(c, err);
	for (size_t i = 0; i < c->mount_count && r == 0; i++)
		r = validate_mount(c, &c->mounts[i], err);
	for (size_t i = 0; i < c->sysctl_count && r == 0; i++)
		r = validate_sysctl(c, c->sysctls[i].key, err);
	if (r == 0)
		r = validate_absolute(&c->masked_paths, "linux.maskedPaths", err);
	if (r == 0)
		r = validate_absolute(&c->readonly_paths, "linux.readonlyPaths", err);
	return r;
}

static bool wants_notification(const struct seccomp_profile *p)
{
	if (p->listener_path || p->default_action == SECCOMP_DO_NOTIFY)
		return true;
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].action == SECCOMP_DO_NOTIFY)
			return true;
	return false;
}

int oci_config_check_supported(const struct oci_config *c, struct err *err)
{
	const struct oci_process *p = &c->process;
	const struct {
		const char *what;
		bool wanted;
	} table[] = {
		{"process.apparmorProfile",
		 p->apparmor_profile && !str_eq(p->apparmor_profile, "unconfined")},
		{"process.selinuxLabel", p->selinux_label},
		{"process.scheduler", p->has_scheduler},
		{"linux.mountLabel", c->mount_label},
		{"linux.seccomp with notification",
		 c->has_seccomp && wants_notification(&c->seccomp)},
		{"a user namespace", separate(c, OCI_NS_USER)},
		{"a time namespace", separate(c, OCI_NS_TIME)},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].wanted)
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "config.json: %s is not supported by this version",
				       table[i].what);
	return 0;
}

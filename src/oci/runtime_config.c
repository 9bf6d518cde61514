/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building and freeing the runtime configuration: ownership of every string and array is here. A
 * configuration that is all zeroes is empty and may be freed.
 */
#include "oci/runtime_config.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name;
	int flag;
} namespaces[OCI_NS_COUNT] = {
	[OCI_NS_MOUNT] = {"mount", CLONE_NEWNS},      [OCI_NS_UTS] = {"uts", CLONE_NEWUTS},
	[OCI_NS_IPC] = {"ipc", CLONE_NEWIPC},         [OCI_NS_PID] = {"pid", CLONE_NEWPID},
	[OCI_NS_NETWORK] = {"network", CLONE_NEWNET}, [OCI_NS_CGROUP] = {"cgroup", CLONE_NEWCGROUP},
	[OCI_NS_USER] = {"user", CLONE_NEWUSER},      [OCI_NS_TIME] = {"time", CLONE_NEWTIME},
};

int oci_namespace_clone_flag(enum oci_namespace_type type)
{
	return namespaces[type].flag;
}

const char *oci_namespace_name(enum oci_namespace_type type)
{
	return namespaces[type].name;
}

const char *oci_hook_stage_name(enum oci_hook_stage stage)
{
	static const char *const names[OCI_HOOK_STAGES] = {
		[OCI_HOOK_PRESTART] = "prestart",
		[OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
		[OCI_HOOK_CREATE_CONTAINER] = "createContainer",
		[OCI_HOOK_START_CONTAINER] = "startContainer",
		[OCI_HOOK_POSTSTART] = "poststart",
		[OCI_HOOK_POSTSTOP] = "poststop",
	};

	return names[stage];
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* Room for one more element at the end of an array, zeroed. */
#define APPEND(array, count)                                                   \
	({                                                                     \
		(array) = xrealloc((array), ((count) + 1) * sizeof(*(array))); \
		memset(&(array)[(count)], 0, sizeof(*(array)));                \
		&(array)[(count)++];                                           \
	})

struct oci_mount *oci_config_add_mount(struct oci_config *c, const char *destination,
				       const char *type, const char *source)
{
	struct oci_mount *m = APPEND(c->mounts, c->mount_count);

	m->destination = xstrdup(destination);
	m->type = copy(type);
	m->source = copy(source);
	if (type && str_eq(type, "bind"))
		m->bind = true;
	return m;
}

void oci_config_add_namespace(struct oci_config *c, enum oci_namespace_type type, const char *path)
{
	free(c->namespaces[type].path);
	c->namespaces[type].present = true;
	c->namespaces[type].path = copy(path);
}

void oci_config_add_device(struct oci_config *c, const char *path, char type, uint32_t major,
			   uint32_t minor, mode_t mode, uint32_t uid, uint32_t gid)
{
	struct oci_device *d = APPEND(c->devices, c->device_count);

	*d = (struct oci_device){.path = xstrdup(path),
				 .type = type == 'u' ? 'c' : type,
				 .major = major,
				 .minor = minor,
				 .mode = mode,
				 .uid = uid,
				 .gid = gid};
}

void oci_config_add_device_rule(struct oci_config *c, struct cgroup_device_rule rule)
{
	*APPEND(c->resources.devices, c->resources.device_count) = rule;
}

void oci_config_allow_default_devices(struct oci_config *c)
{
	static const struct cgroup_device_rule rules[] = {
		{true, 'c', -1, -1, CGROUP_DEV_MKNOD},
		{true, 'b', -1, -1, CGROUP_DEV_MKNOD},
		{true, 'c', 1, 3, 7},    /* null */
		{true, 'c', 1, 8, 7},    /* random */
		{true, 'c', 1, 7, 7},    /* full */
		{true, 'c', 5, 0, 7},    /* tty */
		{true, 'c', 1, 5, 7},    /* zero */
		{true, 'c', 1, 9, 7},    /* urandom */
		{true, 'c', 5, 1, 7},    /* console */
		{true, 'c', 136, -1, 7}, /* /dev/pts */
		{true, 'c', 5, 2, 7},    /* ptmx */
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		oci_config_add_device_rule(c, rules[i]);
}

void oci_config_add_default_device_rules(struct oci_config *c)
{
	oci_config_add_device_rule(c, (struct cgroup_device_rule){false, 'a', -1, -1, 7});
	oci_config_allow_default_devices(c);
}

void oci_config_add_sysctl(struct oci_config *c, const char *key, const char *value)
{
	struct oci_sysctl *s = APPEND(c->sysctls, c->sysctl_count);

	s->key = xstrdup(key);
	s->value = xstrdup(value);
}

void oci_config_add_rlimit(struct oci_config *c, struct rlimit_value value)
{
	*APPEND(c->process.rlimits, c->process.rlimit_count) = value;
}

void oci_config_add_annotation(struct oci_config *c, const char *key, const char *value)
{
	struct oci_annotation *a = APPEND(c->annotations, c->annotation_count);

	a->key = xstrdup(key);
	a->value = xstrdup(value);
}

const char *oci_config_annotation(const struct oci_config *c, const char *key)
{
	for (size_t i = 0; i < c->annotation_count; i++)
		if (str_eq(c->annotations[i].key, key))
			return c->annotations[i].value;
	return NULL;
}

void oci_process_free(struct oci_process *p)
{
	strv_free(&p->args);
	strv_free(&p->env);
	strv_free(&p->unknown_capabilities);
	free(p->additional_gids);
	free(p->cwd);
	free(p->rlimits);
	free(p->apparmor_profile);
	free(p->selinux_label);
	memset(p, 0, sizeof(*p));
}

static void free_mount(struct oci_mount *m)
{
	free(m->destination);
	free(m->type);
	free(m->source);
	free(m->data);
	free(m->uid_map);
	free(m->gid_map);
	strv_free(&m->options);
}

/* The strings are const for whoever only reads the resources. */
static void free_text(const char *s)
{
	free((void *)(uintptr_t)s);
}

void oci_resources_free(struct cgroup_resources *r)
{
	free_text(r->cpus);
	free_text(r->mems);
	free(r->io_device_weights);
	free(r->read_bps);
	free(r->write_bps);
	free(r->read_iops);
	free(r->write_iops);
	free(r->devices);
	for (size_t i = 0; i < r->hugepage_count; i++)
		free_text(r->hugepages[i].page_size);
	free(r->hugepages);
	for (size_t i = 0; i < r->net_priority_count; i++)
		free_text(r->net_priorities[i].interface);
	free(r->net_priorities);
	for (size_t i = 0; i < r->rdma_count; i++)
		free_text(r->rdma[i].device);
	free(r->rdma);
	for (size_t i = 0; i < r->unified_count; i++) {
		free_text(r->unified[i].file);
		free_text(r->unified[i].value);
	}
	free(r->unified);
	memset(r, 0, sizeof(*r));
}

static void free_hooks(struct oci_hook_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->hooks[i].path);
		strv_free(&list->hooks[i].args);
		strv_free(&list->hooks[i].env);
	}
	free(list->hooks);
}

static void free_linux(struct oci_config *c)
{
	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		free(c->namespaces[i].path);
	free(c->uid_map);
	free(c->gid_map);
	for (size_t i = 0; i < c->device_count; i++)
		free(c->devices[i].path);
	free(c->devices);
	free(c->cgroups_path);
	oci_resources_free(&c->resources);
	seccomp_profile_free(&c->seccomp);
	for (size_t i = 0; i < c->sysctl_count; i++) {
		free(c->sysctls[i].key);
		free(c->sysctls[i].value);
	}
	free(c->sysctls);
	strv_free(&c->masked_paths);
	strv_free(&c->readonly_paths);
	free(c->mount_label);
	free(c->intel_rdt_clos_id);
	free(c->intel_rdt_l3_schema);
	free(c->intel_rdt_mem_bw_schema);
}

void oci_config_free(struct oci_config *c)
{
	free(c->oci_version);
	free(c->root_path);
	oci_process_free(&c->process);
	free(c->hostname);
	free(c->domainname);
	for (size_t i = 0; i < c->mount_count; i++)
		free_mount(&c->mounts[i]);
	free(c->mounts);
	for (size_t i = 0; i < OCI_HOOK_STAGES; i++)
		free_hooks(&c->hooks[i]);
	for (size_t i = 0; i < c->annotation_count; i++) {
		free(c->annotations[i].key);
		free(c->annotations[i].value);
	}
	free(c->annotations);
	free_linux(c);
	memset(c, 0, sizeof(*c));
}

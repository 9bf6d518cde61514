/* SPDX-License-Identifier: Apache-2.0 */
/* The linux section of the configuration to JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "base/json.h"
#include "base/str.h"
#include "oci/runtime_encode.h"

static void add_filled(struct json_object *o, const char *key, struct json_object *v)
{
	bool empty = json_object_is_type(v, json_type_array) ? json_object_array_length(v) == 0
							     : json_object_object_length(v) == 0;

	if (empty)
		json_object_put(v);
	else
		json_object_object_add(o, key, v);
}

static void add_i64_if(struct json_object *o, bool has, const char *key, int64_t value)
{
	if (has)
		json_add_i64(o, key, value);
}

static void add_u64_if(struct json_object *o, bool has, const char *key, uint64_t value)
{
	if (has)
		json_add_u64(o, key, value);
}

static struct json_object *encode_memory(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();

	add_i64_if(o, r->has_memory_limit, "limit", r->memory_limit);
	add_i64_if(o, r->has_memory_reservation, "reservation", r->memory_reservation);
	add_i64_if(o, r->has_memory_swap, "swap", r->memory_swap);
	add_i64_if(o, r->has_memory_kernel, "kernel", r->memory_kernel);
	add_i64_if(o, r->has_memory_kernel_tcp, "kernelTCP", r->memory_kernel_tcp);
	add_u64_if(o, r->has_memory_swappiness, "swappiness", r->memory_swappiness);
	if (r->has_oom_kill_disable)
		json_add_bool(o, "disableOOMKiller", r->oom_kill_disable);
	if (r->memory_use_hierarchy)
		json_add_bool(o, "useHierarchy", true);
	if (r->memory_check_before_update)
		json_add_bool(o, "checkBeforeUpdate", true);
	return o;
}

static struct json_object *encode_cpu(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();

	add_u64_if(o, r->has_cpu_shares, "shares", r->cpu_shares);
	add_i64_if(o, r->has_cpu_quota, "quota", r->cpu_quota);
	add_u64_if(o, r->has_cpu_burst, "burst", r->cpu_burst);
	add_u64_if(o, r->has_cpu_period, "period", r->cpu_period);
	add_i64_if(o, r->has_cpu_rt_runtime, "realtimeRuntime", r->cpu_rt_runtime);
	add_u64_if(o, r->has_cpu_rt_period, "realtimePeriod", r->cpu_rt_period);
	add_i64_if(o, r->has_cpu_idle, "idle", r->cpu_idle);
	if (r->cpus)
		json_add_string(o, "cpus", r->cpus);
	if (r->mems)
		json_add_string(o, "mems", r->mems);
	return o;
}

static struct json_object *encode_rates(const struct cgroup_device_rate *rates, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object();

		json_add_u64(o, "major", rates[i].major);
		json_add_u64(o, "minor", rates[i].minor);
		json_add_u64(o, "rate", rates[i].rate);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *encode_block_io(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *weights = json_object_new_array();

	add_u64_if(o, r->has_io_weight, "weight", r->io_weight);
	add_u64_if(o, r->has_io_leaf_weight, "leafWeight", r->io_leaf_weight);
	for (size_t i = 0; i < r->io_device_weight_count; i++) {
		const struct cgroup_device_weight *w = &r->io_device_weights[i];
		struct json_object *j = json_object_new_object();

		json_add_u64(j, "major", w->major);
		json_add_u64(j, "minor", w->minor);
		add_u64_if(j, w->weight, "weight", w->weight);
		add_u64_if(j, w->leaf_weight, "leafWeight", w->leaf_weight);
		json_object_array_add(weights, j);
	}
	add_filled(o, "weightDevice", weights);
	add_filled(o, "throttleReadBpsDevice", encode_rates(r->read_bps, r->read_bps_count));
	add_filled(o, "throttleWriteBpsDevice", encode_rates(r->write_bps, r->write_bps_count));
	add_filled(o, "throttleReadIOPSDevice", encode_rates(r->read_iops, r->read_iops_count));
	add_filled(o, "throttleWriteIOPSDevice", encode_rates(r->write_iops, r->write_iops_count));
	return o;
}

static struct json_object *encode_rules(const struct cgroup_resources *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->device_count; i++) {
		const struct cgroup_device_rule *rule = &r->devices[i];
		struct json_object *o = json_object_new_object();
		char type[2] = {rule->type, '\0'};
		char access[4] = "";

		json_add_bool(o, "allow", rule->allow);
		if (rule->type != 'a')
			json_add_string(o, "type", type);
		add_i64_if(o, rule->major >= 0, "major", rule->major);
		add_i64_if(o, rule->minor >= 0, "minor", rule->minor);
		snprintf(access, sizeof(access), "%s%s%s",
			 rule->access & CGROUP_DEV_READ ? "r" : "",
			 rule->access & CGROUP_DEV_WRITE ? "w" : "",
			 rule->access & CGROUP_DEV_MKNOD ? "m" : "");
		json_add_string(o, "access", access);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *encode_hugepages(const struct cgroup_resources *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->hugepage_count; i++) {
		struct json_object *o = json_object_new_object();

		json_add_string(o, "pageSize", r->hugepages[i].page_size);
		json_add_u64(o, "limit", r->hugepages[i].limit_bytes);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *encode_network(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	add_u64_if(o, r->has_net_class_id, "classID", r->net_class_id);
	for (size_t i = 0; i < r->net_priority_count; i++) {
		struct json_object *j = json_object_new_object();

		json_add_string(j, "name", r->net_priorities[i].interface);
		json_add_u64(j, "priority", r->net_priorities[i].priority);
		json_object_array_add(list, j);
	}
	add_filled(o, "priorities", list);
	return o;
}

static struct json_object *encode_rdma(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < r->rdma_count; i++) {
		struct json_object *j = json_object_new_object();

		add_u64_if(j, r->rdma[i].has_handles, "hcaHandles", r->rdma[i].handles);
		add_u64_if(j, r->rdma[i].has_objects, "hcaObjects", r->rdma[i].objects);
		json_object_object_add(o, r->rdma[i].device, j);
	}
	return o;
}

struct json_object *oci_encode_resources(const struct cgroup_resources *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *pids = json_object_new_object();
	struct json_object *unified = json_object_new_object();

	add_filled(o, "devices", encode_rules(r));
	add_filled(o, "memory", encode_memory(r));
	add_filled(o, "cpu", encode_cpu(r));
	add_i64_if(pids, r->has_pids_limit, "limit", r->pids_limit);
	add_filled(o, "pids", pids);
	add_filled(o, "blockIO", encode_block_io(r));
	add_filled(o, "hugepageLimits", encode_hugepages(r));
	add_filled(o, "network", encode_network(r));
	add_filled(o, "rdma", encode_rdma(r));
	for (size_t i = 0; i < r->unified_count; i++)
		json_add_string(unified, r->unified[i].file, r->unified[i].value);
	add_filled(o, "unified", unified);
	return o;
}

static struct json_object *encode_conditions(const struct seccomp_rule *rule)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < rule->condition_count; i++) {
		const struct seccomp_condition *c = &rule->conditions[i];
		struct json_object *o = json_object_new_object();

		json_add_u64(o, "index", c->index);
		json_add_u64(o, "value", c->value);
		json_add_u64(o, "valueTwo", c->value_two);
		json_add_string(o, "op", seccomp_compare_name(c->compare));
		json_object_array_add(list, o);
	}
	return list;
}

static bool has_errno(enum seccomp_action action)
{
	return action == SECCOMP_DO_ERRNO || action == SECCOMP_DO_TRACE;
}

static struct json_object *encode_seccomp(const struct seccomp_profile *p)
{
	static const char *const archs[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
	static const struct {
		unsigned bit;
		const char *name;
	} flags[] = {{1U << 1, "SECCOMP_FILTER_FLAG_LOG"},
		     {1U << 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
		     {1U << 5, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}};
	struct json_object *o = json_object_new_object();
	struct json_object *arch_list = json_object_new_array();
	struct json_object *flag_list = json_object_new_array();
	struct json_object *rules = json_object_new_array();

	json_add_string(o, "defaultAction", seccomp_action_name(p->default_action));
	if (has_errno(p->default_action))
		json_add_u64(o, "defaultErrnoRet", p->default_errno);
	for (unsigned i = 0; i < 3; i++)
		if (p->archs & 1U << i)
			json_object_array_add(arch_list, json_object_new_string(archs[i]));
	add_filled(o, "architectures", arch_list);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (p->flags & flags[i].bit)
			json_object_array_add(flag_list, json_object_new_string(flags[i].name));
	add_filled(o, "flags", flag_list);
	if (p->listener_path)
		json_add_string(o, "listenerPath", p->listener_path);
	if (p->listener_metadata)
		json_add_string(o, "listenerMetadata", p->listener_metadata);
	for (size_t i = 0; i < p->rule_count; i++) {
		struct json_object *j = json_object_new_object();

		json_add_strv(j, "names", &p->rules[i].names, false);
		json_add_string(j, "action", seccomp_action_name(p->rules[i].action));
		if (has_errno(p->rules[i].action))
			json_add_u64(j, "errnoRet", p->rules[i].errno_value);
		add_filled(j, "args", encode_conditions(&p->rules[i]));
		json_object_array_add(rules, j);
	}
	add_filled(o, "syscalls", rules);
	return o;
}

static struct json_object *encode_namespaces(const struct oci_config *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < OCI_NS_COUNT; i++) {
		struct json_object *o;

		if (!c->namespaces[i].present)
			continue;
		o = json_object_new_object();
		json_add_string(o, "type", oci_namespace_name((enum oci_namespace_type)i));
		if (c->namespaces[i].path)
			json_add_string(o, "path", c->namespaces[i].path);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *encode_devices(const struct oci_config *c)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < c->device_count; i++) {
		const struct oci_device *d = &c->devices[i];
		struct json_object *o = json_object_new_object();
		char type[2] = {d->type, '\0'};

		json_add_string(o, "path", d->path);
		json_add_string(o, "type", type);
		json_add_u64(o, "major", d->major);
		json_add_u64(o, "minor", d->minor);
		json_add_u64(o, "fileMode", d->mode);
		json_add_u64(o, "uid", d->uid);
		json_add_u64(o, "gid", d->gid);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_offset(struct json_object *o, const char *key, const struct oci_time_offset *t)
{
	struct json_object *j;

	if (!t->present)
		return;
	j = json_object_new_object();
	json_add_i64(j, "secs", t->seconds);
	json_add_u64(j, "nanosecs", t->nanoseconds);
	json_object_object_add(o, key, j);
}

static const char *propagation_name(unsigned long flags)
{
	switch (flags & ~(unsigned long)MS_REC) {
	case MS_SHARED:
		return "rshared";
	case MS_SLAVE:
		return "rslave";
	case MS_PRIVATE:
		return "rprivate";
	default:
		return "runbindable";
	}
}

struct json_object *oci_encode_linux(const struct oci_config *c)
{
	struct json_object *o = json_object_new_object();
	struct json_object *sysctls = json_object_new_object();
	struct json_object *offsets = json_object_new_object();

	add_filled(o, "uidMappings", oci_encode_id_maps(c->uid_map, c->uid_map_count));
	add_filled(o, "gidMappings", oci_encode_id_maps(c->gid_map, c->gid_map_count));
	for (size_t i = 0; i < c->sysctl_count; i++)
		json_add_string(sysctls, c->sysctls[i].key, c->sysctls[i].value);
	add_filled(o, "sysctl", sysctls);
	add_filled(o, "resources", oci_encode_resources(&c->resources));
	if (c->cgroups_path)
		json_add_string(o, "cgroupsPath", c->cgroups_path);
	add_filled(o, "namespaces", encode_namespaces(c));
	add_filled(o, "devices", encode_devices(c));
	if (c->has_seccomp)
		json_object_object_add(o, "seccomp", encode_seccomp(&c->seccomp));
	if (c->rootfs_propagation)
		json_add_string(o, "rootfsPropagation", propagation_name(c->rootfs_propagation));
	if (c->masked_paths.count)
		json_add_strv(o, "maskedPaths", &c->masked_paths, false);
	if (c->readonly_paths.count)
		json_add_strv(o, "readonlyPaths", &c->readonly_paths, false);
	if (c->mount_label)
		json_add_string(o, "mountLabel", c->mount_label);
	if (c->has_personality) {
		struct json_object *j = json_object_new_object();

		json_add_string(j, "domain", c->personality == PER_LINUX32 ? "LINUX32" : "LINUX");
		json_object_object_add(o, "personality", j);
	}
	add_offset(offsets, "monotonic", &c->monotonic_offset);
	add_offset(offsets, "boottime", &c->boottime_offset);
	add_filled(o, "timeOffsets", offsets);
	return o;
}

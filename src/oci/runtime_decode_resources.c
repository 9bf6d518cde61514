/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: linux.resources, into what kernel/cgroup takes. Source: runtime-spec
 * config-linux.md "Control groups". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/runtime_decode.h"

#define R struct cgroup_resources

/* Room for one more element at the end of an array, zeroed. */
#define APPEND(array, count)                                                   \
	({                                                                     \
		(array) = xrealloc((array), ((count) + 1) * sizeof(*(array))); \
		memset(&(array)[(count)], 0, sizeof(*(array)));                \
		&(array)[(count)++];                                           \
	})

static int decode_memory(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("limit", DECODE_I64, R, memory_limit, has_memory_limit),
		DECODE_FLAGGED("reservation", DECODE_I64, R, memory_reservation,
			       has_memory_reservation),
		DECODE_FLAGGED("swap", DECODE_I64, R, memory_swap, has_memory_swap),
		DECODE_FLAGGED("kernel", DECODE_I64, R, memory_kernel, has_memory_kernel),
		DECODE_FLAGGED("kernelTCP", DECODE_I64, R, memory_kernel_tcp,
			       has_memory_kernel_tcp),
		DECODE_FLAGGED("swappiness", DECODE_U64, R, memory_swappiness,
			       has_memory_swappiness),
		DECODE_FLAGGED("disableOOMKiller", DECODE_BOOL, R, oom_kill_disable,
			       has_oom_kill_disable),
		DECODE_PLAIN("useHierarchy", DECODE_BOOL, R, memory_use_hierarchy),
		DECODE_PLAIN("checkBeforeUpdate", DECODE_BOOL, R, memory_check_before_update),
	};
	struct cgroup_resources *r = out;
	int rc = decode_object(d, v, fields, DECODE_COUNT(fields), r);

	if (rc == 0 && (r->memory_limit < -1 || r->memory_reservation < -1 || r->memory_swap < -1))
		return decode_refuse(d, ERR_INVALID, "a limit must be -1 or more");
	if (rc == 0 && r->has_memory_swappiness && r->memory_swappiness > 100)
		return decode_refuse(d, ERR_INVALID, "swappiness must be 0 to 100");
	return rc;
}

static int decode_cpu(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("shares", DECODE_U64, R, cpu_shares, has_cpu_shares),
		DECODE_FLAGGED("quota", DECODE_I64, R, cpu_quota, has_cpu_quota),
		DECODE_FLAGGED("burst", DECODE_U64, R, cpu_burst, has_cpu_burst),
		DECODE_FLAGGED("period", DECODE_U64, R, cpu_period, has_cpu_period),
		DECODE_FLAGGED("realtimeRuntime", DECODE_I64, R, cpu_rt_runtime,
			       has_cpu_rt_runtime),
		DECODE_FLAGGED("realtimePeriod", DECODE_U64, R, cpu_rt_period, has_cpu_rt_period),
		DECODE_FLAGGED("idle", DECODE_I64, R, cpu_idle, has_cpu_idle),
		DECODE_PLAIN("cpus", DECODE_STRING, R, cpus),
		DECODE_PLAIN("mems", DECODE_STRING, R, mems),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

static int decode_pids(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("limit", DECODE_I64, R, pids_limit, has_pids_limit),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

static int add_device_weight(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("major", DECODE_U32, struct cgroup_device_weight, major),
		DECODE_NEEDED("minor", DECODE_U32, struct cgroup_device_weight, minor),
		DECODE_PLAIN("weight", DECODE_U16, struct cgroup_device_weight, weight),
		DECODE_PLAIN("leafWeight", DECODE_U16, struct cgroup_device_weight, leaf_weight),
	};
	struct cgroup_resources *r = out;

	return decode_object(d, v, fields, DECODE_COUNT(fields),
			     APPEND(r->io_device_weights, r->io_device_weight_count));
}

static int decode_rate(struct decode *d, struct json_object *v, struct cgroup_device_rate *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("major", DECODE_U32, struct cgroup_device_rate, major),
		DECODE_NEEDED("minor", DECODE_U32, struct cgroup_device_rate, minor),
		DECODE_NEEDED("rate", DECODE_U64, struct cgroup_device_rate, rate),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

static int add_read_bps(struct decode *d, struct json_object *v, void *out)
{
	struct cgroup_resources *r = out;

	return decode_rate(d, v, APPEND(r->read_bps, r->read_bps_count));
}

static int add_write_bps(struct decode *d, struct json_object *v, void *out)
{
	struct cgroup_resources *r = out;

	return decode_rate(d, v, APPEND(r->write_bps, r->write_bps_count));
}

static int add_read_iops(struct decode *d, struct json_object *v, void *out)
{
	struct cgroup_resources *r = out;

	return decode_rate(d, v, APPEND(r->read_iops, r->read_iops_count));
}

static int add_write_iops(struct decode *d, struct json_object *v, void *out)
{
	struct cgroup_resources *r = out;

	return decode_rate(d, v, APPEND(r->write_iops, r->write_iops_count));
}

static int decode_block_io(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("weight", DECODE_U16, R, io_weight, has_io_weight),
		DECODE_FLAGGED("leafWeight", DECODE_U16, R, io_leaf_weight, has_io_leaf_weight),
		DECODE_WITH("weightDevice", DECODE_ARRAY, add_device_weight),
		DECODE_WITH("throttleReadBpsDevice", DECODE_ARRAY, add_read_bps),
		DECODE_WITH("throttleWriteBpsDevice", DECODE_ARRAY, add_write_bps),
		DECODE_WITH("throttleReadIOPSDevice", DECODE_ARRAY, add_read_iops),
		DECODE_WITH("throttleWriteIOPSDevice", DECODE_ARRAY, add_write_iops),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

struct rule_json {
	bool allow;
	char *type, *access;
	int64_t major, minor;
};

static int set_rule(struct decode *d, const struct rule_json *j, struct cgroup_device_rule *out)
{
	*out = (struct cgroup_device_rule){
		.allow = j->allow, .type = 'a', .major = j->major, .minor = j->minor};
	if (j->type) {
		if (strlen(j->type) != 1 || !strchr("abcu", j->type[0]))
			return decode_refuse(d, ERR_INVALID, "type must be a, b or c");
		out->type = j->type[0] == 'u' ? 'c' : j->type[0];
	}
	if (j->major < -1 || j->minor < -1 || j->major > UINT32_MAX || j->minor > UINT32_MAX)
		return decode_refuse(d, ERR_INVALID,
				     "major and minor must be device numbers or -1");
	for (const char *a = j->access ? j->access : "rwm"; *a; a++) {
		if (*a == 'r')
			out->access |= CGROUP_DEV_READ;
		else if (*a == 'w')
			out->access |= CGROUP_DEV_WRITE;
		else if (*a == 'm')
			out->access |= CGROUP_DEV_MKNOD;
		else
			return decode_refuse(d, ERR_INVALID, "access must consist of r, w and m");
	}
	return 0;
}

static int add_rule(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("allow", DECODE_BOOL, struct rule_json, allow),
		DECODE_PLAIN("type", DECODE_STRING, struct rule_json, type),
		DECODE_PLAIN("access", DECODE_STRING, struct rule_json, access),
		DECODE_PLAIN("major", DECODE_I64, struct rule_json, major),
		DECODE_PLAIN("minor", DECODE_I64, struct rule_json, minor),
	};
	struct cgroup_resources *r = out;
	struct rule_json j = {.major = -1, .minor = -1};
	int rc = decode_object(d, v, fields, DECODE_COUNT(fields), &j);

	if (rc == 0)
		rc = set_rule(d, &j, APPEND(r->devices, r->device_count));
	free(j.type);
	free(j.access);
	return rc;
}

static bool plain_name(const char *s)
{
	return s && s[0] && s[0] != '.' && !strchr(s, '/') && strlen(s) < 64;
}

static int add_hugepage(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("pageSize", DECODE_STRING, struct cgroup_hugepage_limit, page_size),
		DECODE_NEEDED("limit", DECODE_U64, struct cgroup_hugepage_limit, limit_bytes),
	};
	struct cgroup_resources *r = out;
	struct cgroup_hugepage_limit *l = APPEND(r->hugepages, r->hugepage_count);
	int rc = decode_object(d, v, fields, DECODE_COUNT(fields), l);

	if (rc == 0 && !plain_name(l->page_size))
		return decode_refuse(d, ERR_INVALID, "invalid pageSize");
	return rc;
}

static int add_net_priority(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_NEEDED("name", DECODE_STRING, struct cgroup_net_priority, interface),
		DECODE_NEEDED("priority", DECODE_U32, struct cgroup_net_priority, priority),
	};
	struct cgroup_resources *r = out;
	struct cgroup_net_priority *p = APPEND(r->net_priorities, r->net_priority_count);
	int rc = decode_object(d, v, fields, DECODE_COUNT(fields), p);

	if (rc == 0 && !plain_name(p->interface))
		return decode_refuse(d, ERR_INVALID, "invalid interface name");
	return rc;
}

static int decode_network(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("classID", DECODE_U32, R, net_class_id, has_net_class_id),
		DECODE_WITH("priorities", DECODE_ARRAY, add_net_priority),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

/* A map from device to limits. */
static int decode_rdma(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_FLAGGED("hcaHandles", DECODE_U32, struct cgroup_rdma_limit, handles,
			       has_handles),
		DECODE_FLAGGED("hcaObjects", DECODE_U32, struct cgroup_rdma_limit, objects,
			       has_objects),
	};
	struct cgroup_resources *r = out;

	json_object_object_foreach(v, device, limits) {
		struct cgroup_rdma_limit *l = APPEND(r->rdma, r->rdma_count);
		int rc;

		if (!plain_name(device))
			return decode_refuse(d, ERR_INVALID, "invalid device name");
		l->device = xstrdup(device);
		rc = decode_object(d, limits, fields, DECODE_COUNT(fields), l);
		if (rc)
			return rc;
	}
	return 0;
}

static int add_unified(struct decode *d, const char *key, const char *value, void *out)
{
	struct cgroup_resources *r = out;
	struct cgroup_unified *u;

	if (!plain_name(key))
		return decode_refuse(d, ERR_INVALID, "is no file name");
	u = APPEND(r->unified, r->unified_count);
	u->file = xstrdup(key);
	u->value = xstrdup(value);
	return 0;
}

int oci_decode_resources(struct decode *d, struct json_object *v, void *out)
{
	static const struct decode_field fields[] = {
		DECODE_WITH("memory", DECODE_OBJECT, decode_memory),
		DECODE_WITH("cpu", DECODE_OBJECT, decode_cpu),
		DECODE_WITH("pids", DECODE_OBJECT, decode_pids),
		DECODE_WITH("blockIO", DECODE_OBJECT, decode_block_io),
		DECODE_WITH("devices", DECODE_ARRAY, add_rule),
		DECODE_WITH("hugepageLimits", DECODE_ARRAY, add_hugepage),
		DECODE_WITH("network", DECODE_OBJECT, decode_network),
		DECODE_WITH("rdma", DECODE_OBJECT, decode_rdma),
		DECODE_PAIRS("unified", add_unified),
	};

	return decode_object(d, v, fields, DECODE_COUNT(fields), out);
}

int oci_resources_parse(const char *text, size_t len, const char *what,
			struct cgroup_resources *out, struct err *err)
{
	struct decode d = {.what = what, .err = err};
	auto_json struct json_object *o = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	if (len > OCI_CONFIG_MAX_BYTES)
		return err_set(err, ERR_INVALID, EFBIG, "%s: too large", what);
	r = json_parse(text, len, what, &o, err);
	if (r == 0 && !json_object_is_type(o, json_type_object))
		r = err_set(err, ERR_INVALID, EINVAL, "%s: must be an object", what);
	if (r == 0)
		r = oci_decode_resources(&d, o, out);
	if (r)
		oci_resources_free(out);
	return r;
}

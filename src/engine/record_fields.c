/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables. Order and empty values are Docker 20.10's; what Docker has no member for stands in an
 * object of its own, "Cloche", that Docker's clients skip. Adding a member to struct container means
 * adding a row here, nothing else.
 */
#include "engine/record_fields.h"

#include <errno.h>

#include "base/clock.h"
#include "engine/brief.h"
#include "engine/container.h"
#include "engine/ports.h"
#include "engine/record_requests.h"

#define AT(member) .offset = offsetof(struct container, member)
#define LITERAL(key_, text_)                          \
	{                                             \
		key_, FIELD_LITERAL, .literal = text_ \
	}
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NESTED(table) .members = table, .member_count = COUNT_OF(table)

static const struct field health_fields[] = {
	{"Test", FIELD_STRV, EMPTY_OMIT, AT(config.health.test)},
	{"Interval", FIELD_I64, EMPTY_OMIT, AT(config.health.interval_ns)},
	{"Timeout", FIELD_I64, EMPTY_OMIT, AT(config.health.timeout_ns)},
	{"StartPeriod", FIELD_I64, EMPTY_OMIT, AT(config.health.start_period_ns)},
	{"StartInterval", FIELD_I64, EMPTY_OMIT, AT(config.health.start_interval_ns)},
	{"Retries", FIELD_I64, EMPTY_OMIT, AT(config.health.retries)},
};

static void write_health(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	if (!c->config.health.test.count && !c->config.health.interval_ns &&
	    !c->config.health.timeout_ns && !c->config.health.start_period_ns &&
	    !c->config.health.start_interval_ns && !c->config.health.retries)
		return;
	json_write_begin(w, key, '{');
	fields_write(w, health_fields, COUNT_OF(health_fields), c);
	json_write_end(w, '}');
}

static int read_health(struct json_object *v, void *base)
{
	struct container *c = base;
	struct err err = ERR_INIT;

	if (!json_object_is_type(v, json_type_object) ||
	    fields_read(health_fields, COUNT_OF(health_fields), v, base, "Healthcheck", &err) < 0)
		return -EINVAL;
	c->config.health.disabled = c->config.health.test.count &&
				    str_eq(c->config.health.test.items[0], "NONE");
	return 0;
}

static const struct field config_fields[] = {
	{"Hostname", FIELD_STRING, AT(config.hostname)},
	{"Domainname", FIELD_STRING, AT(config.domainname)},
	{"User", FIELD_STRING, AT(user)},
	{"AttachStdin", FIELD_BOOL, AT(config.attach_stdin)},
	{"AttachStdout", FIELD_BOOL, AT(config.attach_stdout)},
	{"AttachStderr", FIELD_BOOL, AT(config.attach_stderr)},
	{"ExposedPorts", FIELD_SET, EMPTY_OMIT, AT(config.exposed_ports)},
	{"Tty", FIELD_BOOL, AT(config.tty)},
	{"OpenStdin", FIELD_BOOL, AT(config.open_stdin)},
	{"StdinOnce", FIELD_BOOL, AT(config.stdin_once)},
	{"Env", FIELD_STRV, AT(config.env)},
	{"Cmd", FIELD_STRV, EMPTY_NULL, AT(config.cmd)},
	{"Healthcheck", FIELD_CUSTOM, .write = write_health, .read = read_health},
	{"Image", FIELD_STRING, AT(config.image)},
	{"Volumes", FIELD_CUSTOM, .write = requests_write_docker_volumes},
	{"WorkingDir", FIELD_STRING, AT(working_dir)},
	{"Entrypoint", FIELD_STRV, EMPTY_NULL, AT(config.entrypoint)},
	{"MacAddress", FIELD_STRING, EMPTY_OMIT, AT(config.mac_address)},
	LITERAL("OnBuild", "null"),
	{"Labels", FIELD_MAP, AT(config.labels)},
	{"StopSignal", FIELD_STRING, EMPTY_OMIT, AT(config.stop_signal)},
	{"StopTimeout", FIELD_I64, EMPTY_OMIT, AT(config.stop_timeout), .unset = -1},
};

static const struct field log_config_fields[] = {
	{"Type", FIELD_STRING, AT(config.log_driver)},
	{"Config", FIELD_MAP, AT(config.log_options)},
};

static const struct field restart_policy_fields[] = {
	{"Name", FIELD_STRING, AT(config.restart_policy)},
	{"MaximumRetryCount", FIELD_I64, AT(config.restart_max_retries)},
};

/* Docker's parsers keep 0 and -1 apart on the command line, but show both as null. */
static void write_pids_limit(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	if (c->config.pids_limit > 0)
		json_write_i64(w, key, c->config.pids_limit);
	else
		json_write_raw(w, key, "null");
}

static int read_pids_limit(struct json_object *v, void *base)
{
	struct container *c = base;

	if (!json_object_is_type(v, json_type_int))
		return -EINVAL;
	c->config.pids_limit = json_object_get_int64(v);
	return 0;
}

static bool paths_unconfined(const struct container *c)
{
	return c->config.privileged ||
	       strv_contains(&c->config.security_opt, "systempaths=unconfined");
}

static void write_masked_paths(struct json_writer *w, const char *key, const void *base)
{
	json_write_raw(
		w, key,
		paths_unconfined(base)
			? "null"
			: "[\"/proc/asound\",\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\","
			  "\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
			  "\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\"]");
}

static void write_readonly_paths(struct json_writer *w, const char *key, const void *base)
{
	json_write_raw(w, key,
		       paths_unconfined(base)
			       ? "null"
			       : "[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
				 "\"/proc/sysrq-trigger\"]");
}

#define RATES(name)                                                                           \
	static void write_##name(struct json_writer *w, const char *key, const void *base)    \
	{                                                                                     \
		requests_write_rates(w, key, &((const struct container *)base)->config.name); \
	}                                                                                     \
	static int read_##name(struct json_object *v, void *base)                             \
	{                                                                                     \
		return requests_read_rates(v, &((struct container *)base)->config.name);      \
	}
RATES(read_bps)
RATES(write_bps)
RATES(read_iops)
RATES(write_iops)

static void write_device_weights(struct json_writer *w, const char *key, const void *base)
{
	requests_write_weights(w, key, &((const struct container *)base)->config.device_weights);
}

static int read_device_weights(struct json_object *v, void *base)
{
	return requests_read_weights(v, &((struct container *)base)->config.device_weights);
}

static const struct field hostconfig_fields[] = {
	{"Binds", FIELD_CUSTOM, .write = requests_write_docker_binds},
	{"ContainerIDFile", FIELD_STRING, AT(config.container_id_file)},
	{"LogConfig", FIELD_OBJECT, NESTED(log_config_fields)},
	{"NetworkMode", FIELD_STRING, AT(config.network_mode)},
	{"PortBindings", FIELD_CUSTOM, .write = ports_write_bindings},
	{"RestartPolicy", FIELD_OBJECT, NESTED(restart_policy_fields)},
	{"AutoRemove", FIELD_BOOL, AT(config.auto_remove)},
	{"VolumeDriver", FIELD_STRING, AT(config.volume_driver)},
	{"VolumesFrom", FIELD_STRV, EMPTY_NULL, AT(config.volumes_from)},
	{"CapAdd", FIELD_STRV, EMPTY_NULL, AT(config.cap_add)},
	{"CapDrop", FIELD_STRV, EMPTY_NULL, AT(config.cap_drop)},
	{"CgroupnsMode", FIELD_STRING, AT(config.cgroupns_mode)},
	{"Dns", FIELD_STRV, AT(config.dns)},
	{"DnsOptions", FIELD_STRV, AT(config.dns_options)},
	{"DnsSearch", FIELD_STRV, AT(config.dns_search)},
	{"ExtraHosts", FIELD_STRV, EMPTY_NULL, AT(config.extra_hosts)},
	{"GroupAdd", FIELD_STRV, EMPTY_NULL, AT(config.group_add)},
	{"IpcMode", FIELD_STRING, AT(config.ipc_mode)},
	LITERAL("Cgroup", "\"\""),
	{"Links", FIELD_CUSTOM, .write = requests_write_docker_links},
	{"OomScoreAdj", FIELD_I64, AT(config.oom_score_adj)},
	{"PidMode", FIELD_STRING, AT(config.pid_mode)},
	{"Privileged", FIELD_BOOL, AT(config.privileged)},
	{"PublishAllPorts", FIELD_BOOL, AT(config.publish_all)},
	{"ReadonlyRootfs", FIELD_BOOL, AT(config.read_only_rootfs)},
	{"SecurityOpt", FIELD_STRV, EMPTY_NULL, AT(config.security_opt)},
	{"Tmpfs", FIELD_CUSTOM, .write = requests_write_docker_tmpfs},
	{"UTSMode", FIELD_STRING, AT(config.uts_mode)},
	{"UsernsMode", FIELD_STRING, AT(config.userns_mode)},
	{"ShmSize", FIELD_I64, AT(config.shm_size_bytes)},
	{"StorageOpt", FIELD_MAP, EMPTY_OMIT, AT(config.storage_opts)},
	{"Sysctls", FIELD_MAP, EMPTY_OMIT, AT(config.sysctls)},
	{"Runtime", FIELD_STRING, AT(config.runtime)},
	LITERAL("ConsoleSize", "[0,0]"),
	{"Annotations", FIELD_MAP, EMPTY_OMIT, AT(config.annotations)},
	LITERAL("Isolation", "\"\""),
	{"CpuShares", FIELD_I64, AT(config.cpu_shares)},
	{"Memory", FIELD_I64, AT(config.memory_bytes)},
	{"NanoCpus", FIELD_I64, AT(config.nano_cpus)},
	{"CgroupParent", FIELD_STRING, AT(config.cgroup_parent)},
	{"BlkioWeight", FIELD_I64, AT(config.blkio_weight)},
	{"BlkioWeightDevice", FIELD_CUSTOM, .write = write_device_weights,
	 .read = read_device_weights},
	{"BlkioDeviceReadBps", FIELD_CUSTOM, .write = write_read_bps, .read = read_read_bps},
	{"BlkioDeviceWriteBps", FIELD_CUSTOM, .write = write_write_bps, .read = read_write_bps},
	{"BlkioDeviceReadIOps", FIELD_CUSTOM, .write = write_read_iops, .read = read_read_iops},
	{"BlkioDeviceWriteIOps", FIELD_CUSTOM, .write = write_write_iops, .read = read_write_iops},
	{"CpuPeriod", FIELD_I64, AT(config.cpu_period_us)},
	{"CpuQuota", FIELD_I64, AT(config.cpu_quota_us)},
	LITERAL("CpuRealtimePeriod", "0"),
	LITERAL("CpuRealtimeRuntime", "0"),
	{"CpusetCpus", FIELD_STRING, AT(config.cpuset_cpus)},
	{"CpusetMems", FIELD_STRING, AT(config.cpuset_mems)},
	{"Devices", FIELD_CUSTOM, .write = requests_write_devices, .read = requests_read_devices},
	{"DeviceCgroupRules", FIELD_STRV, EMPTY_NULL, AT(config.device_cgroup_rules)},
	LITERAL("DeviceRequests", "null"),
	LITERAL("KernelMemory", "0"),
	LITERAL("KernelMemoryTCP", "0"),
	{"MemoryReservation", FIELD_I64, AT(config.memory_reservation_bytes)},
	{"MemorySwap", FIELD_I64, AT(config.memory_swap_bytes)},
	{"MemorySwappiness", FIELD_I64, EMPTY_NULL, AT(config.memory_swappiness), .unset = -1},
	{"OomKillDisable", FIELD_BOOL, AT(config.oom_kill_disable)},
	{"PidsLimit", FIELD_CUSTOM, .write = write_pids_limit, .read = read_pids_limit},
	{"Ulimits", FIELD_CUSTOM, .write = requests_write_ulimits, .read = requests_read_ulimits},
	LITERAL("CpuCount", "0"),
	LITERAL("CpuPercent", "0"),
	LITERAL("IOMaximumIOps", "0"),
	LITERAL("IOMaximumBandwidth", "0"),
	{"Mounts", FIELD_CUSTOM, .write = requests_write_docker_mounts},
	{"Init", FIELD_BOOL, EMPTY_OMIT, AT(config.init)},
	{"MaskedPaths", FIELD_CUSTOM, .write = write_masked_paths},
	{"ReadonlyPaths", FIELD_CUSTOM, .write = write_readonly_paths},
};

static void write_id(struct json_writer *w, const char *key, const void *base)
{
	json_write_string(w, key, ((const struct container *)base)->id);
}

static int read_id(struct json_object *v, void *base)
{
	struct container *c = base;
	const char *id = json_object_get_string(v);

	if (!json_object_is_type(v, json_type_string) || !id_is_hex(id, ID_LEN))
		return -EINVAL;
	memcpy(c->id, id, ID_LEN + 1);
	return 0;
}

static void write_created(struct json_writer *w, const char *key, const void *base)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(((const struct container *)base)->created_ns, text);
	json_write_string(w, key, text);
}

static int read_created(struct json_object *v, void *base)
{
	struct container *c = base;

	if (!json_object_is_type(v, json_type_string))
		return -EINVAL;
	return clock_parse_rfc3339(json_object_get_string(v), &c->created_ns);
}

static void write_path(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	json_write_string(w, key, c->argv.count ? c->argv.items[0] : "");
}

static int read_path(struct json_object *v, void *base)
{
	struct container *c = base;

	if (!json_object_is_type(v, json_type_string))
		return -EINVAL;
	strv_add(&c->argv, json_object_get_string(v));
	return 0;
}

static void write_args(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	json_write_begin(w, key, '[');
	for (size_t i = 1; i < c->argv.count; i++)
		json_write_string(w, NULL, c->argv.items[i]);
	json_write_end(w, ']');
}

/* Path stands before it in the table, so that argv has its first element already. */
static int read_args(struct json_object *v, void *base)
{
	struct container *c = base;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct json_object *arg = json_object_array_get_idx(v, i);

		if (!json_object_is_type(arg, json_type_string))
			return -EINVAL;
		strv_add(&c->argv, json_object_get_string(arg));
	}
	return 0;
}

/* Docker keeps the slash in front of names. */
static void write_name(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	char text[CONTAINER_NAME_MAX + 2];

	if (str_format(text, sizeof(text), "/%s", c->name ? c->name : "") == 0)
		json_write_string(w, key, text);
}

static int read_name(struct json_object *v, void *base)
{
	struct container *c = base;
	const char *name = json_object_get_string(v);

	if (!json_object_is_type(v, json_type_string) || *name != '/')
		return -EINVAL;
	free(c->name);
	c->name = xstrdup(name + 1);
	return 0;
}

static void write_restart_count(struct json_writer *w, const char *key, const void *base)
{
	json_write_u64(w, key, ((const struct container *)base)->restart_count);
}

static int read_restart_count(struct json_object *v, void *base)
{
	struct container *c = base;

	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return -EINVAL;
	c->restart_count = json_object_get_uint64(v);
	return 0;
}

static const struct field own_v2_fields[] = {
	{"Rootfs", FIELD_STRING, EMPTY_OMIT, AT(config.rootfs)},
	{"Lower", FIELD_STRING, EMPTY_OMIT, AT(lower)},
	{"StopSignal", FIELD_STRING, AT(stop_signal)},
	{"VolumePaths", FIELD_STRV, EMPTY_OMIT, AT(volume_paths)},
	{"Persistent", FIELD_BOOL, AT(persistent)},
};

static const struct field v2_file_fields[] = {
	{BRIEF_KEY, FIELD_CUSTOM, .write = brief_write}, /* first: read without the rest */
	LITERAL("SchemaVersion", "1"),
	{"ID", FIELD_CUSTOM, .write = write_id, .read = read_id},
	{"Created", FIELD_CUSTOM, .write = write_created, .read = read_created},
	LITERAL("Managed", "false"),
	{"Path", FIELD_CUSTOM, .write = write_path, .read = read_path},
	{"Args", FIELD_CUSTOM, .write = write_args, .read = read_args},
	{"Config", FIELD_OBJECT, NESTED(config_fields)},
	{"Image", FIELD_STRING, AT(image_id)},
	{"Name", FIELD_CUSTOM, .write = write_name, .read = read_name},
	LITERAL("Driver", "\"overlay2\""),
	LITERAL("OS", "\"linux\""),
	LITERAL("MountLabel", "\"\""),
	LITERAL("ProcessLabel", "\"\""),
	{"RestartCount", FIELD_CUSTOM, .write = write_restart_count, .read = read_restart_count},
	LITERAL("AppArmorProfile", "\"\""),
	{"Cloche", FIELD_OBJECT, NESTED(own_v2_fields)},
};

static const struct field own_hostconfig_fields[] = {
	{"Mounts", FIELD_CUSTOM, .write = requests_write_mounts, .read = requests_read_mounts},
	{"Publish", FIELD_STRV, EMPTY_OMIT, AT(config.publish)},
	{"Links", FIELD_STRV, EMPTY_OMIT, AT(config.links)},
	{"Endpoints", FIELD_CUSTOM, .write = requests_write_endpoints,
	 .read = requests_read_endpoints},
};

static const struct field schema_fields[] = {LITERAL("SchemaVersion", "1")};
static const struct field own_hostconfig[] = {
	{"Cloche", FIELD_OBJECT, NESTED(own_hostconfig_fields)}};
/* The file is Docker's object with one member more at either end. */
static const struct field hostconfig_file_fields[] = {
	{NULL, FIELD_OBJECT, NESTED(schema_fields)},
	{NULL, FIELD_OBJECT, NESTED(hostconfig_fields)},
	{NULL, FIELD_OBJECT, NESTED(own_hostconfig)},
};

const struct field_table record_config_fields = {config_fields, COUNT_OF(config_fields)};
const struct field_table record_hostconfig_fields = {hostconfig_fields,
						     COUNT_OF(hostconfig_fields)};
const struct field_table record_v2_file = {v2_file_fields, COUNT_OF(v2_file_fields)};
const struct field_table record_hostconfig_file = {hostconfig_file_fields,
						   COUNT_OF(hostconfig_file_fields)};

/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of info and version: Docker's members in Docker's order (API 1.41), for the command line and
 * for the API. Reads no file. */
#include <stddef.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/info.h"

static const struct limit_row {
	const char *key, *warning;
	size_t offset;
} limits[] = {
	{"MemoryLimit", "No memory limit support", offsetof(struct engine_info, memory_limit)},
	{"SwapLimit", "No swap limit support", offsetof(struct engine_info, swap_limit)},
	{"CpuCfsPeriod", NULL, offsetof(struct engine_info, cpu_quota)},
	{"CpuCfsQuota", "No cpu cfs quota support", offsetof(struct engine_info, cpu_quota)},
	{"CPUShares", "No cpu shares support", offsetof(struct engine_info, cpu_shares)},
	{"CPUSet", "No cpuset support", offsetof(struct engine_info, cpuset)},
	{"PidsLimit", "No pids limit support", offsetof(struct engine_info, pids_limit)},
};
#define LIMIT_COUNT (sizeof(limits) / sizeof(limits[0]))

static bool has_limit(const struct engine_info *i, const struct limit_row *row)
{
	return *(const bool *)((const char *)i + row->offset);
}

void engine_info_warnings(const struct engine_info *i, void (*fn)(const char *text, void *arg),
			  void *arg)
{
	for (size_t n = 0; n < LIMIT_COUNT; n++) {
		if (limits[n].warning && !has_limit(i, &limits[n]))
			fn(limits[n].warning, arg);
	}
}

static void write_warning(const char *text, void *arg)
{
	auto_free char *whole = xasprintf("WARNING: %s", text);

	json_write_string(arg, NULL, whole);
}

static void write_pair(struct json_writer *w, const char *key, const char *value)
{
	json_write_begin(w, NULL, '[');
	json_write_string(w, NULL, key);
	json_write_string(w, NULL, value);
	json_write_end(w, ']');
}

static void write_counts(const struct engine_info *i, struct json_writer *w)
{
	json_write_string(w, "ID", i->id);
	json_write_u64(w, "Containers", i->containers);
	json_write_u64(w, "ContainersRunning", i->running);
	json_write_u64(w, "ContainersPaused", i->paused);
	json_write_u64(w, "ContainersStopped", i->stopped);
	json_write_u64(w, "Images", i->images);
}

static void write_storage(const struct engine_info *i, struct json_writer *w)
{
	json_write_string(w, "Driver", "overlay2");
	json_write_begin(w, "DriverStatus", '[');
	write_pair(w, "Backing Filesystem", i->backing_filesystem);
	write_pair(w, "Supports d_type", i->supports_d_type ? "true" : "false");
	write_pair(w, "Native Overlay Diff", "true");
	write_pair(w, "userxattr", "false");
	json_write_end(w, ']');
	json_write_raw(w, "Plugins",
		       "{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"null\"],"
		       "\"Authorization\":null,\"Log\":[\"json-file\",\"none\"]}");
}

static void write_host(const struct engine *e, const struct engine_info *i, struct json_writer *w)
{
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_wall_ns(), now);
	for (size_t n = 0; n < LIMIT_COUNT; n++)
		json_write_bool(w, limits[n].key, has_limit(i, &limits[n]));
	json_write_bool(w, "IPv4Forwarding", i->ipv4_forwarding);
	json_write_bool(w, "Debug", false);
	json_write_i64(w, "NFd", 0);
	json_write_bool(w, "OomKillDisable", i->oom_kill_disable);
	json_write_i64(w, "NGoroutines", 0);
	json_write_string(w, "SystemTime", now);
	json_write_string(w, "LoggingDriver", "json-file");
	json_write_string(w, "CgroupDriver", i->cgroup_driver);
	json_write_string(w, "CgroupVersion", i->cgroup_version);
	json_write_i64(w, "NEventsListener", 0);
	json_write_string(w, "KernelVersion", i->kernel_version);
	json_write_string(w, "OperatingSystem", i->operating_system);
	json_write_string(w, "OSVersion", i->os_version);
	json_write_string(w, "OSType", i->os_type);
	json_write_string(w, "Architecture", i->architecture);
	json_write_string(w, "IndexServerAddress", "https://index.docker.io/v1/");
	json_write_raw(w, "RegistryConfig",
		       "{\"IndexConfigs\":{},\"InsecureRegistryCIDRs\":[\"127.0.0.0/8\"],"
		       "\"Mirrors\":[]}");
	json_write_i64(w, "NCPU", i->cpus);
	json_write_u64(w, "MemTotal", i->memory_bytes);
	json_write_raw(w, "GenericResources", "null");
	json_write_string(w, "DockerRootDir", e->root);
	json_write_string(w, "HttpProxy", "");
	json_write_string(w, "HttpsProxy", "");
	json_write_string(w, "NoProxy", "");
	json_write_string(w, "Name", i->host_name);
	json_write_raw(w, "Labels", "[]");
	json_write_bool(w, "ExperimentalBuild", false);
	json_write_string(w, "ServerVersion", CLOCHE_VERSION);
}

static void write_runtime(struct json_writer *w, const struct runtime_entry *r)
{
	json_write_begin(w, r->name, '{');
	if (r->path)
		json_write_string(w, "path", r->path);
	if (r->type)
		json_write_string(w, "runtimeType", r->type);
	if (r->args.count) {
		json_write_begin(w, "runtimeArgs", '[');
		for (size_t i = 0; i < r->args.count; i++)
			json_write_string(w, NULL, r->args.items[i]);
		json_write_end(w, ']');
	}
	json_write_end(w, '}');
}

static void write_runtimes(const struct engine *e, struct json_writer *w)
{
	json_write_begin(w, "Runtimes", '{');
	json_write_raw(w, RUNTIME_OWN, "{\"path\":\"" RUNTIME_OWN "\"}");
	for (size_t i = 0; i < e->runtimes.count; i++)
		write_runtime(w, &e->runtimes.entries[i]);
	json_write_end(w, '}');
	json_write_string(w, "DefaultRuntime", runtime_config_default(&e->runtimes));
}

void engine_info_write(const struct engine *e, const struct engine_info *i, struct json_writer *w)
{
	static const char *const commits[] = {"ContainerdCommit", "RuncCommit", "InitCommit"};

	json_write_begin(w, NULL, '{');
	write_counts(i, w);
	write_storage(i, w);
	write_host(e, i, w);
	write_runtimes(e, w);
	json_write_raw(w, "Swarm",
		       "{\"NodeID\":\"\",\"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\","
		       "\"ControlAvailable\":false,\"Error\":\"\",\"RemoteManagers\":null}");
	/* Containers outlive every program but their own monitors. */
	json_write_bool(w, "LiveRestoreEnabled", true);
	json_write_string(w, "Isolation", "");
	json_write_string(w, "InitBinary", "cloche-monitor");
	for (size_t n = 0; n < sizeof(commits) / sizeof(commits[0]); n++)
		json_write_raw(w, commits[n], "{\"ID\":\"\",\"Expected\":\"\"}");
	json_write_raw(w, "SecurityOptions", "[\"name=seccomp,profile=builtin\"]");
	json_write_begin(w, "Warnings", '[');
	engine_info_warnings(i, write_warning, w);
	json_write_end(w, ']');
	json_write_string(w, "CgroupMode", i->cgroup_mode);
	json_write_string(w, "RunRoot", e->run_root);
	json_write_end(w, '}');
}

void engine_version_write(const struct engine_info *i, const char *key, struct json_writer *w)
{
	json_write_begin(w, key, '{');
	json_write_raw(w, "Platform", "{\"Name\":\"Cloche\"}");
	json_write_begin(w, "Components", '[');
	json_write_begin(w, NULL, '{');
	json_write_string(w, "Name", "Engine");
	json_write_string(w, "Version", CLOCHE_VERSION);
	json_write_begin(w, "Details", '{');
	json_write_string(w, "ApiVersion", ENGINE_API_VERSION);
	json_write_string(w, "Arch", i->go_architecture);
	json_write_string(w, "BuildTime", "");
	json_write_string(w, "Experimental", "false");
	json_write_string(w, "GitCommit", "");
	json_write_string(w, "GoVersion", "");
	json_write_string(w, "KernelVersion", i->kernel_version);
	json_write_string(w, "MinAPIVersion", ENGINE_API_VERSION_MIN);
	json_write_string(w, "Os", i->os_type);
	json_write_end(w, '}');
	json_write_end(w, '}');
	json_write_end(w, ']');
	json_write_string(w, "Version", CLOCHE_VERSION);
	json_write_string(w, "ApiVersion", ENGINE_API_VERSION);
	json_write_string(w, "MinAPIVersion", ENGINE_API_VERSION_MIN);
	json_write_string(w, "GitCommit", "");
	json_write_string(w, "GoVersion", "");
	json_write_string(w, "Os", i->os_type);
	json_write_string(w, "Arch", i->go_architecture);
	json_write_string(w, "KernelVersion", i->kernel_version);
	json_write_string(w, "BuildTime", "");
	json_write_end(w, '}');
}

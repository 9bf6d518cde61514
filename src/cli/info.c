/* SPDX-License-Identifier: Apache-2.0 */
/* version and info: what this engine is, and what host it runs on. Lines that scripts look for are
 * Docker's. */
#include "engine/info.h"

#include "base/human.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/list_output.h"

struct format_options {
	const char *format;
};

static const struct option rows[] = {
	{"format", 'f', &option_text, offsetof(struct format_options, format),
	 "Format output using a custom template:\n"
	 "'json':             Print in JSON format\n"
	 "'TEMPLATE':         Print output using the given Go template.",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

/* ---- version ---- */

static struct json_object *version_object(const struct engine_info *i)
{
	struct json_object *o = json_object_new_object(), *client = json_object_new_object();
	struct json_object *server = json_object_new_object();
	struct json_object *platform = json_object_new_object();

	json_add_string(client, "Version", CLOCHE_VERSION);
	json_add_string(client, "Os", i->os_type);
	json_add_string(client, "Arch", i->go_architecture);
	json_add_string(platform, "Name", "Cloche");
	json_object_object_add(server, "Platform", platform);
	json_add_string(server, "Version", CLOCHE_VERSION);
	json_add_string(server, "Os", i->os_type);
	json_add_string(server, "Arch", i->go_architecture);
	json_add_string(server, "KernelVersion", i->kernel_version);
	json_object_object_add(o, "Client", client);
	json_object_object_add(o, "Server", server);
	return o;
}

static void version_text(const struct engine_info *i, struct strbuf *out)
{
	strbuf_printf(out,
		      "Client:\n"
		      " Version:           " CLOCHE_VERSION "\n"
		      " OS/Arch:           %s/%s\n"
		      "\n"
		      "Server: Cloche\n"
		      " Engine:\n"
		      "  Version:          " CLOCHE_VERSION "\n"
		      "  OS/Arch:          %s/%s\n"
		      "  Kernel version:   %s\n",
		      i->os_type, i->go_architecture, i->os_type, i->go_architecture,
		      i->kernel_version);
}

static int cmd_version(struct cli_context *ctx, int argc, char **argv)
{
	struct format_options o = {.format = NULL};
	auto_json struct json_object *object = NULL;
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct engine_info info;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 || engine_host_info(e, &info, &err) < 0)
		return cli_fail(&err);
	if (o.format && *o.format) {
		object = version_object(&info);
		return list_print_object(o.format, object, "system.versionInfo");
	}
	version_text(&info, &out);
	return cli_print(&out);
}

const struct command command_version = {
	.paths = {"version"},
	.summary = "Show the Cloche version information",
	.run = cmd_version,
	.options = &table,
	.common = true,
};

/* ---- info ---- */

static const struct limit_row {
	const char *key, *warning;
	size_t offset;
} limits[] = {
	{"MemoryLimit", "No memory limit support", offsetof(struct engine_info, memory_limit)},
	{"SwapLimit", "No swap limit support", offsetof(struct engine_info, swap_limit)},
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

static void add_counts(struct json_object *o, const struct engine_info *i)
{
	json_add_u64(o, "Containers", i->containers);
	json_add_u64(o, "ContainersRunning", i->running);
	json_add_u64(o, "ContainersPaused", i->paused);
	json_add_u64(o, "ContainersStopped", i->stopped);
	json_add_u64(o, "Images", i->images);
}

static void add_status_pair(struct json_object *list, const char *key, const char *value)
{
	struct json_object *pair = json_object_new_array();

	json_object_array_add(pair, json_object_new_string(key));
	json_object_array_add(pair, json_object_new_string(value));
	json_object_array_add(list, pair);
}

static struct json_object *runtimes_object(const struct runtime_config *c)
{
	struct json_object *o = json_object_new_object();
	struct json_object *own = json_object_new_object();

	json_add_string(own, "path", RUNTIME_OWN);
	json_object_object_add(o, RUNTIME_OWN, own);
	for (size_t i = 0; i < c->count; i++) {
		const struct runtime_entry *e = &c->entries[i];
		struct json_object *one = json_object_new_object();

		if (e->path)
			json_add_string(one, "path", e->path);
		if (e->type)
			json_add_string(one, "runtimeType", e->type);
		if (e->args.count)
			json_add_strv(one, "runtimeArgs", &e->args, false);
		json_object_object_add(o, e->name, one);
	}
	return o;
}

static struct json_object *info_object(const struct engine *e, const struct engine_info *i)
{
	struct json_object *o = json_object_new_object(), *status = json_object_new_array();
	struct json_object *security = json_object_new_array(), *warnings = json_object_new_array();

	add_counts(o, i);
	json_add_string(o, "Driver", "overlay2");
	add_status_pair(status, "Backing Filesystem", i->backing_filesystem);
	add_status_pair(status, "Supports d_type", i->supports_d_type ? "true" : "false");
	json_object_object_add(o, "DriverStatus", status);
	for (size_t n = 0; n < LIMIT_COUNT; n++) {
		json_add_bool(o, limits[n].key, has_limit(i, &limits[n]));
		if (!has_limit(i, &limits[n])) {
			auto_free char *text = xasprintf("WARNING: %s", limits[n].warning);

			json_object_array_add(warnings, json_object_new_string(text));
		}
	}
	json_add_string(o, "LoggingDriver", "json-file");
	json_add_string(o, "CgroupDriver", i->cgroup_driver);
	json_add_string(o, "CgroupVersion", i->cgroup_version);
	json_add_string(o, "KernelVersion", i->kernel_version);
	json_add_string(o, "OperatingSystem", i->operating_system);
	json_add_string(o, "OSType", i->os_type);
	json_add_string(o, "Architecture", i->architecture);
	json_add_i64(o, "NCPU", i->cpus);
	json_add_u64(o, "MemTotal", i->memory_bytes);
	json_add_string(o, "DockerRootDir", e->root);
	json_add_string(o, "Name", i->host_name);
	json_add_string(o, "ServerVersion", CLOCHE_VERSION);
	json_object_object_add(o, "Runtimes", runtimes_object(&e->runtimes));
	json_add_string(o, "DefaultRuntime", runtime_config_default(&e->runtimes));
	json_object_array_add(security, json_object_new_string("name=seccomp,profile=builtin"));
	json_object_object_add(o, "SecurityOptions", security);
	json_object_object_add(o, "Warnings", warnings);
	json_add_string(o, "CgroupMode", i->cgroup_mode);
	json_add_string(o, "RunRoot", e->run_root);
	return o;
}

static void info_text(const struct engine *e, const struct engine_info *i, struct strbuf *out)
{
	char memory[HUMAN_MAX];

	human_bytes(i->memory_bytes, memory);
	strbuf_printf(out,
		      "Client:\n Version:    " CLOCHE_VERSION "\n\n"
		      "Server:\n Containers: %zu\n  Running: %zu\n  Paused: %zu\n  Stopped: %zu\n"
		      " Images: %zu\n Server Version: " CLOCHE_VERSION "\n",
		      i->containers, i->running, i->paused, i->stopped, i->images);
	strbuf_printf(out,
		      " Storage Driver: overlay2\n  Backing Filesystem: %s\n  Supports d_type: %s\n"
		      " Logging Driver: json-file\n Cgroup Driver: %s\n Cgroup Version: %s\n"
		      "  Mode: %s\n",
		      i->backing_filesystem, i->supports_d_type ? "true" : "false",
		      i->cgroup_driver, i->cgroup_version, i->cgroup_mode);
	strbuf_puts(out, " Runtimes: " RUNTIME_OWN);
	for (size_t n = 0; n < e->runtimes.count; n++)
		strbuf_printf(out, " %s", e->runtimes.entries[n].name);
	strbuf_printf(
		out,
		"\n Default Runtime: %s\n"
		" Security Options:\n  seccomp\n   Profile: builtin\n"
		" Kernel Version: %s\n Operating System: %s\n OSType: %s\n Architecture: %s\n"
		" CPUs: %ld\n Total Memory: %s\n Name: %s\n Docker Root Dir: %s\n Run Root: %s\n",
		runtime_config_default(&e->runtimes), i->kernel_version, i->operating_system,
		i->os_type, i->architecture, i->cpus, memory, i->host_name, e->root, e->run_root);
}

static int print_info(const struct engine *e, const struct engine_info *i, const char *format)
{
	auto_json struct json_object *object = NULL;
	auto_strbuf struct strbuf out = {0};
	int rc;

	if (format && *format) {
		object = info_object(e, i);
		return list_print_object(format, object, "system.dockerInfo");
	}
	info_text(e, i, &out);
	rc = cli_print(&out);
	for (size_t n = 0; n < LIMIT_COUNT; n++) {
		if (!has_limit(i, &limits[n]))
			cli_note("WARNING: %s", limits[n].warning);
	}
	return rc;
}

static int cmd_info(struct cli_context *ctx, int argc, char **argv)
{
	struct format_options o = {.format = NULL};
	auto_strv struct strv args = {0};
	struct engine_info info;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 || engine_info(e, &info, &err) < 0)
		return cli_fail(&err);
	return print_info(e, &info, o.format);
}

const struct command command_info = {
	.paths = {"system info", "info"},
	.summary = "Display system-wide information",
	.run = cmd_info,
	.options = &table,
	.common = true,
};

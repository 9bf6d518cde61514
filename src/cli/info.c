/* SPDX-License-Identifier: Apache-2.0 */
/* version and info: what this engine is, and what host it runs on. Lines that scripts look for are
 * Docker's. */
#include "engine/info.h"

#include "base/human.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/list_output.h"
#include "base/json_writer.h"

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

static const struct template_member version_members[] = {
	{"ApiVersion", "APIVersion", TEMPLATE_STRUCT},
};
static const struct template_model version_model = {
	.members = version_members,
	.member_count = sizeof(version_members) / sizeof(version_members[0]),
	.root_type = "system.versionInfo",
};

/* What the client's part says is the same program's word. */
static int print_version_object(const struct engine_info *i, const char *format)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	auto_json struct json_object *o = NULL;
	struct err err = ERR_INIT;

	json_write_begin(&w, NULL, '{');
	json_write_begin(&w, "Client", '{');
	json_write_string(&w, "Version", CLOCHE_VERSION);
	json_write_string(&w, "ApiVersion", ENGINE_API_VERSION);
	json_write_string(&w, "DefaultAPIVersion", ENGINE_API_VERSION);
	json_write_string(&w, "Os", i->os_type);
	json_write_string(&w, "Arch", i->go_architecture);
	json_write_string(&w, "Context", "default");
	json_write_end(&w, '}');
	engine_version_write(i, "Server", &w);
	json_write_end(&w, '}');
	if (json_parse(text.data, text.len, "version", &o, &err) < 0)
		return cli_fail(&err);
	return list_print_object(format, o, &version_model);
}

static void version_text(const struct engine_info *i, struct strbuf *out)
{
	strbuf_printf(out,
		      "Client:\n"
		      " Version:           " CLOCHE_VERSION "\n"
		      " API version:       " ENGINE_API_VERSION "\n"
		      " OS/Arch:           %s/%s\n"
		      " Context:           default\n"
		      "\n"
		      "Server: Cloche\n"
		      " Engine:\n"
		      "  Version:          " CLOCHE_VERSION "\n"
		      "  API version:      " ENGINE_API_VERSION
		      " (minimum version " ENGINE_API_VERSION_MIN ")\n"
		      "  OS/Arch:          %s/%s\n"
		      "  Kernel version:   %s\n"
		      "  Experimental:     false\n",
		      i->os_type, i->go_architecture, i->os_type, i->go_architecture,
		      i->kernel_version);
}

static int cmd_version(struct cli_context *ctx, int argc, char **argv)
{
	struct format_options o = {.format = NULL};
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
	if (o.format && *o.format)
		return print_version_object(&info, o.format);
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

static const struct template_member info_members[] = {
	{"CpuCfsPeriod", "CPUCfsPeriod", TEMPLATE_STRUCT},
	{"CpuCfsQuota", "CPUCfsQuota", TEMPLATE_STRUCT},
	{"DriverStatus", NULL, TEMPLATE_LIST},
	{"HttpProxy", "HTTPProxy", TEMPLATE_STRUCT},
	{"HttpsProxy", "HTTPSProxy", TEMPLATE_STRUCT},
	{"Labels", NULL, TEMPLATE_LIST},
	{"SecurityOptions", NULL, TEMPLATE_LIST},
	{"Warnings", NULL, TEMPLATE_LIST},
};
static const struct template_model info_model = {
	.members = info_members,
	.member_count = sizeof(info_members) / sizeof(info_members[0]),
	.root_type = "system.dockerInfo",
};

static int print_info_object(const struct engine *e, const struct engine_info *i,
			     const char *format)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	auto_json struct json_object *o = NULL;
	struct json_object *client = json_object_new_object();
	struct err err = ERR_INIT;
	int rc;

	engine_info_write(e, i, &w);
	rc = json_parse(text.data, text.len, "info", &o, &err);
	json_add_bool(client, "Debug", false);
	json_add_string(client, "Version", CLOCHE_VERSION);
	json_add_string(client, "Os", i->os_type);
	json_add_string(client, "Arch", i->go_architecture);
	json_add_string(client, "Context", "default");
	json_object_object_add(client, "Plugins", json_object_new_array());
	json_object_object_add(client, "Warnings", NULL);
	if (rc < 0) {
		json_object_put(client);
		return cli_fail(&err);
	}
	json_object_object_add(o, "ClientInfo", client);
	return list_print_object(format, o, &info_model);
}

static void put_server(const struct engine *e, const struct engine_info *i, struct strbuf *out)
{
	strbuf_printf(out,
		      "Client:\n Version:    " CLOCHE_VERSION
		      "\n Context:    default\n Debug Mode: false\n\n"
		      "Server:\n Containers: %zu\n  Running: %zu\n  Paused: %zu\n  Stopped: %zu\n"
		      " Images: %zu\n Server Version: " CLOCHE_VERSION "\n",
		      i->containers, i->running, i->paused, i->stopped, i->images);
	strbuf_printf(out,
		      " Storage Driver: overlay2\n  Backing Filesystem: %s\n  Supports d_type: %s\n"
		      "  Native Overlay Diff: true\n  userxattr: false\n"
		      " Logging Driver: json-file\n Cgroup Driver: %s\n Cgroup Version: %s\n"
		      "  Mode: %s\n",
		      i->backing_filesystem, i->supports_d_type ? "true" : "false",
		      i->cgroup_driver, i->cgroup_version, i->cgroup_mode);
	strbuf_puts(
		out,
		" Plugins:\n  Volume: local\n  Network: bridge host null\n  Log: json-file none\n"
		" Swarm: inactive\n Runtimes: " RUNTIME_OWN);
	for (size_t n = 0; n < e->runtimes.count; n++)
		strbuf_printf(out, " %s", e->runtimes.entries[n].name);
	strbuf_printf(out, "\n Default Runtime: %s\n", runtime_config_default(&e->runtimes));
}

static void info_text(const struct engine *e, const struct engine_info *i, struct strbuf *out)
{
	char memory[HUMAN_MAX];

	human_bytes(i->memory_bytes, memory);
	put_server(e, i, out);
	strbuf_printf(out,
		      " Init Binary: cloche-monitor\n"
		      " Security Options:\n  seccomp\n   Profile: builtin\n"
		      " Kernel Version: %s\n Operating System: %s\n OSType: %s\n Architecture: %s\n"
		      " CPUs: %ld\n Total Memory: %s\n Name: %s\n ID: %s\n Docker Root Dir: %s\n"
		      " Run Root: %s\n Debug Mode: false\n Experimental: false\n"
		      " Live Restore Enabled: true\n\n",
		      i->kernel_version, i->operating_system, i->os_type, i->architecture, i->cpus,
		      memory, i->host_name, i->id, e->root, e->run_root);
}

static void warn(const char *text, void *arg)
{
	(void)arg;
	cli_note("WARNING: %s", text);
}

static int print_info(const struct engine *e, const struct engine_info *i, const char *format)
{
	auto_strbuf struct strbuf out = {0};
	int rc;

	if (format && *format)
		return print_info_object(e, i, format);
	info_text(e, i, &out);
	rc = cli_print(&out);
	engine_info_warnings(i, warn, NULL);
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

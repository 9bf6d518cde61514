/* SPDX-License-Identifier: Apache-2.0 */
/* inspect and container inspect, and what Go would have typed a container's members as. */
#include "engine/inspect.h"

#include "base/quote.h"
#include "cli/commands.h"
#include "cli/inspect.h"

struct inspect_options {
	const char *format, *type;
};
#define FIELD(field) offsetof(struct inspect_options, field)

static const struct option container_rows[] = {
	{"format", 'f', &option_text, FIELD(format), INSPECT_FORMAT_HELP, NULL},
	{"size", 's', &option_later_bool, 0, NULL, NULL},
};
static const struct option_table container_table = {OPTION_ROWS(container_rows)};

static const struct option rows[] = {
	{"type", 0, &option_text, FIELD(type), "Only inspect objects of the given type", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows), .also = &container_table};

/* Only what is not a plain scalar or struct. */
static const struct template_member members[] = {
	{"Id", "ID", TEMPLATE_STRUCT},
	{"Args", NULL, TEMPLATE_LIST},
	{"Binds", NULL, TEMPLATE_LIST},
	{"CapAdd", NULL, TEMPLATE_LIST},
	{"CapDrop", NULL, TEMPLATE_LIST},
	{"Cmd", NULL, TEMPLATE_LIST},
	{"CpuPeriod", "CPUPeriod", TEMPLATE_STRUCT},
	{"CpuQuota", "CPUQuota", TEMPLATE_STRUCT},
	{"CpuRealtimePeriod", "CPURealtimePeriod", TEMPLATE_STRUCT},
	{"CpuRealtimeRuntime", "CPURealtimeRuntime", TEMPLATE_STRUCT},
	{"CpuShares", "CPUShares", TEMPLATE_STRUCT},
	{"Data", NULL, TEMPLATE_STRING_MAP},
	{"DeviceCgroupRules", NULL, TEMPLATE_LIST},
	{"DeviceRequests", NULL, TEMPLATE_LIST},
	{"Devices", NULL, TEMPLATE_LIST},
	{"Dns", "DNS", TEMPLATE_LIST},
	{"DnsOptions", "DNSOptions", TEMPLATE_LIST},
	{"DnsSearch", "DNSSearch", TEMPLATE_LIST},
	{"Entrypoint", NULL, TEMPLATE_LIST},
	{"Env", NULL, TEMPLATE_LIST},
	{"ExecIDs", NULL, TEMPLATE_LIST},
	{"ExposedPorts", NULL, TEMPLATE_POINTER_MAP},
	{"ExtraHosts", NULL, TEMPLATE_LIST},
	{"GroupAdd", NULL, TEMPLATE_LIST},
	{"Labels", NULL, TEMPLATE_STRING_MAP},
	{"Links", NULL, TEMPLATE_LIST},
	{"MaskedPaths", NULL, TEMPLATE_LIST},
	{"Mounts", NULL, TEMPLATE_LIST},
	{"NanoCpus", "NanoCPUs", TEMPLATE_STRUCT},
	{"Networks", NULL, TEMPLATE_POINTER_MAP},
	{"OnBuild", NULL, TEMPLATE_LIST},
	{"PortBindings", NULL, TEMPLATE_LIST_MAP},
	{"Ports", NULL, TEMPLATE_LIST_MAP},
	{"ReadonlyPaths", NULL, TEMPLATE_LIST},
	{"SecurityOpt", NULL, TEMPLATE_LIST},
	{"Sysctls", NULL, TEMPLATE_STRING_MAP},
	{"Tmpfs", NULL, TEMPLATE_STRING_MAP},
	{"Ulimits", NULL, TEMPLATE_LIST},
	{"Volumes", NULL, TEMPLATE_POINTER_MAP},
	{"VolumesFrom", NULL, TEMPLATE_LIST},
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0])};

static int find_container(struct engine *e, const char *name, struct json_object **out,
			  struct err *err)
{
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_find(e, name, &c, err);
	return rc < 0 ? rc : container_inspect(e, &c, out, err);
}

const struct inspector inspect_container = {"container", find_container, &model};

/* In the order in which an untyped name is looked for. */
static const struct inspector *const inspectors[] = {&inspect_container, &inspect_image};

static int cmd_inspect(struct cli_context *ctx, int argc, char **argv)
{
	struct inspect_options o = {.format = NULL};
	auto_strbuf struct strbuf known = {0}, quoted = {0};
	auto_strv struct strv args = {0};
	size_t count = sizeof(inspectors) / sizeof(inspectors[0]);
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (!o.type)
		return inspect_names(ctx, inspectors, count, o.format, &args);
	for (size_t i = 0; i < count; i++) {
		if (str_eq(inspectors[i]->type, o.type))
			return inspect_names(ctx, &inspectors[i], 1, o.format, &args);
		strbuf_printf(&known, "%s\"%s\"", i ? ", " : "", inspectors[i]->type);
	}
	quote_go(&quoted, o.type, strlen(o.type));
	cli_note("unknown type: %s: must be one of %s", strbuf_str(&quoted), strbuf_str(&known));
	return EXIT_FAILED;
}

const struct command command_inspect = {
	.paths = {"inspect"},
	.arguments = "NAME|ID [NAME|ID...]",
	.summary = "Return low-level information on Cloche objects",
	.run = cmd_inspect,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

static int cmd_container_inspect(struct cli_context *ctx, int argc, char **argv)
{
	struct inspect_options o = {.format = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : inspect_names(ctx, inspectors, 1, o.format, &args);
}

const struct command command_container_inspect = {
	.paths = {"container inspect"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Display detailed information on one or more containers",
	.run = cmd_container_inspect,
	.options = &container_table,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* inspect and container inspect, and what Go would have typed a container's members as. */
#include "engine/inspect.h"

#include <errno.h>

#include "base/quote.h"
#include "cli/commands.h"
#include "cli/inspect.h"
#include "engine/size.h"

struct inspect_options {
	const char *format, *type;
	bool size;
};
#define FIELD(field) offsetof(struct inspect_options, field)

static const struct option container_rows[] = {
	{"format", 'f', &option_text, FIELD(format), INSPECT_FORMAT_HELP, NULL},
	{"size", 's', &option_bool, FIELD(size),
	 "Display total file sizes if the type is container", NULL},
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

/* What Docker's client knows, too, and a record without it leaves out of JSON. */
static const struct template_optional optionals[] = {
	{"", "ImageManifestDescriptor", NULL, TEMPLATE_POINTER},
	{"", "SizeRootFs", NULL, TEMPLATE_POINTER},
	{"", "SizeRw", NULL, TEMPLATE_POINTER},
	{"State", "Health", NULL, TEMPLATE_POINTER},
	{"Log", "End", NULL, TEMPLATE_TIME},
	{"Log", "Start", NULL, TEMPLATE_TIME},
	{"Mounts", "Driver", NULL, TEMPLATE_TEXT},
	{"Mounts", "Name", NULL, TEMPLATE_TEXT},
	{"HostConfig", "Annotations", NULL, TEMPLATE_STRING_MAP},
	{"HostConfig", "Init", NULL, TEMPLATE_POINTER},
	{"HostConfig", "Mounts", NULL, TEMPLATE_LIST},
	{"HostConfig", "StorageOpt", NULL, TEMPLATE_STRING_MAP},
	{"HostConfig", "Sysctls", NULL, TEMPLATE_STRING_MAP},
	{"HostConfig", "Tmpfs", NULL, TEMPLATE_STRING_MAP},
	{"LogConfig", "Config", NULL, TEMPLATE_STRING_MAP},
	{"Networks", "DNSNames", NULL, TEMPLATE_LIST},
	{"Networks", "GwPriority", NULL, TEMPLATE_NUMBER},
	{"Config", "ArgsEscaped", NULL, TEMPLATE_FLAG},
	{"Config", "ExposedPorts", NULL, TEMPLATE_POINTER_MAP},
	{"Config", "Healthcheck", NULL, TEMPLATE_POINTER},
	{"Config", "MacAddress", NULL, TEMPLATE_TEXT},
	{"Config", "NetworkDisabled", NULL, TEMPLATE_FLAG},
	{"Config", "Shell", NULL, TEMPLATE_LIST},
	{"Config", "StopSignal", NULL, TEMPLATE_TEXT},
	{"Config", "StopTimeout", NULL, TEMPLATE_POINTER},
	INSPECT_HEALTHCHECK,
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .optionals = optionals,
					    .optional_count =
						    sizeof(optionals) / sizeof(optionals[0])};

static int inspect_one(struct engine *e, const char *name, bool size, struct json_object **out,
		       struct err *err)
{
	struct container_size sizes;
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_find(e, name, &c, err);
	if (rc == 0 && size)
		rc = container_size(e, &c, &sizes, err);
	return rc < 0 ? rc : container_inspect(e, &c, size ? &sizes : NULL, out, err);
}

static int find_container(struct engine *e, const char *name, struct json_object **out,
			  struct err *err)
{
	return inspect_one(e, name, false, out, err);
}

static int find_sized_container(struct engine *e, const char *name, struct json_object **out,
				struct err *err)
{
	return inspect_one(e, name, true, out, err);
}

const struct inspector inspect_container = {"container", find_container, &model, false};
static const struct inspector inspect_sized_container = {"container", find_sized_container, &model,
							 true};

/* In the order in which an untyped name is looked for. */
static const struct inspector *const inspectors[] = {&inspect_container, &inspect_image,
						     &inspect_network, &inspect_volume};
static const struct inspector *const sized[] = {&inspect_sized_container, &inspect_image,
						&inspect_network, &inspect_volume};
#define INSPECTOR_COUNT (sizeof(inspectors) / sizeof(inspectors[0]))

/* Docker's kinds of objects that there are none of here. */
static int find_nothing(struct engine *e, const char *name, struct json_object **out,
			struct err *err)
{
	(void)e, (void)out;
	return err_set(err, ERR_NOT_FOUND, ENOENT, "No such object: %s", name);
}

static const struct inspector others[] = {
	{"config", find_nothing, NULL, false},  {"node", find_nothing, NULL, false},
	{"plugin", find_nothing, NULL, false},  {"secret", find_nothing, NULL, false},
	{"service", find_nothing, NULL, false}, {"task", find_nothing, NULL, false},
};

static const struct inspector *inspector_of(const char *type)
{
	for (size_t i = 0; i < sizeof(inspectors) / sizeof(inspectors[0]); i++) {
		if (str_eq(inspectors[i]->type, type))
			return inspectors[i];
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (str_eq(others[i].type, type))
			return &others[i];
	}
	return NULL;
}

static int cmd_inspect(struct cli_context *ctx, int argc, char **argv)
{
	struct inspect_options o = {.format = NULL};
	auto_strbuf struct strbuf quoted = {0};
	auto_strv struct strv args = {0};
	const struct inspector *one;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (!o.type)
		return inspect_names(ctx, o.size ? sized : inspectors, INSPECTOR_COUNT, o.format,
				     &args);
	one = inspector_of(o.type);
	if (!one) {
		quote_go(&quoted, o.type, strlen(o.type));
		cli_note("unknown type: %s: must be one of \"config\", \"container\", \"image\", "
			 "\"network\", \"node\", \"plugin\", \"secret\", \"service\", "
			 "\"task\", \"volume\"",
			 strbuf_str(&quoted));
		return EXIT_FAILED;
	}
	if (o.size && one == &inspect_container)
		one = &inspect_sized_container;
	else if (o.size)
		cli_note("WARNING: --size ignored for %s", o.type);
	return inspect_names(ctx, &one, 1, o.format, &args);
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

	return rc != CLI_GO_ON
		       ? rc
		       : inspect_names(ctx, o.size ? sized : inspectors, 1, o.format, &args);
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

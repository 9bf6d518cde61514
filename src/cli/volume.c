/* SPDX-License-Identifier: Apache-2.0 */
/* volume create, ls, rm, inspect. (prune.c has the prunes.) */
#include <stdlib.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/inspect.h"
#include "cli/list_output.h"
#include "cli/run_values.h"
#include "engine/volume_record.h"

/* ---- create ---- */

struct create_options {
	const char *driver, *name;
	struct strv labels, options;
};
#define CREATE_FIELD(field) offsetof(struct create_options, field)

static const struct option create_rows[] = {
	{"driver", 'd', &option_text, CREATE_FIELD(driver), "Specify volume driver name",
	 "\"local\""},
	{"label", 0, &option_label, CREATE_FIELD(labels), "Set metadata for a volume", NULL},
	{"name", 0, &option_text, CREATE_FIELD(name), NULL, NULL}, /* of old, as in Docker's */
	{"opt", 'o', &option_list, CREATE_FIELD(options), "Set driver specific options", NULL},
};
static const struct option_table create_table = {OPTION_ROWS(create_rows)};

/* "key" is "key=". */
static void add_pairs(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++) {
		auto_free char *pair =
			xasprintf("%s%s", from->items[i], strchr(from->items[i], '=') ? "" : "=");

		strv_set_env(to, pair);
	}
}

static int create_volume(struct cli_context *ctx, const struct create_options *o, const char *name)
{
	struct volume_request request = {.name = name, .driver = o->driver};
	auto_volume struct volume v = {.name = NULL};
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_engine(ctx, &e, &err);

	add_pairs(&request.labels, &o->labels);
	add_pairs(&request.options, &o->options);
	if (rc == 0)
		rc = volume_create(e, &request, &v, &err);
	strv_free(&request.labels);
	strv_free(&request.options);
	if (rc < 0)
		return cli_fail(&err);
	strbuf_printf(&out, "%s\n", v.name);
	return cli_print(&out);
}

static int cmd_create(struct cli_context *ctx, int argc, char **argv)
{
	struct create_options o = {.driver = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON && args.count && o.name) {
		cli_note("conflicting options: cannot specify a volume-name through both --name "
			 "and as a positional arg");
		rc = EXIT_FAILED;
	} else if (rc == CLI_GO_ON) {
		rc = create_volume(ctx, &o, args.count ? args.items[0] : o.name);
	}
	strv_free(&o.labels);
	strv_free(&o.options);
	return rc;
}

const struct command command_volume_create = {
	.paths = {"volume create"},
	.arguments = "[VOLUME]",
	.summary = "Create a volume",
	.run = cmd_create,
	.options = &create_table,
	.max_args = 1,
};

/* ---- ls ---- */

struct ls_options {
	struct strv filters;
	const char *format;
	bool quiet;
};
#define LS_FIELD(field) offsetof(struct ls_options, field)

static const struct option ls_rows[] = {
	{"filter", 'f', &option_filter, LS_FIELD(filters),
	 "Provide filter values (e.g. \"dangling=true\")", NULL},
	{"format", 0, &option_text, LS_FIELD(format), LIST_FORMAT_HELP, NULL},
	{"quiet", 'q', &option_bool, LS_FIELD(quiet), "Only display volume names", NULL},
};
static const struct option_table ls_table = {OPTION_ROWS(ls_rows)};

const struct list_field list_volume_fields[LIST_VOLUME_FIELDS] = {
	{"Availability", "AVAILABILITY"},
	{"Driver", "DRIVER"},
	{"Group", "GROUP"},
	{"Labels", "LABELS"},
	{"Links", "LINKS"},
	{"Mountpoint", "MOUNTPOINT"},
	{"Name", "VOLUME NAME"},
	{"Scope", "SCOPE"},
	{"Size", "SIZE"},
	{"Status", "STATUS"},
};

static const struct list_layout ls_layout = {
	.fields = list_volume_fields,
	.field_count = LIST_VOLUME_FIELDS,
	.table = "{{.Driver}}\t{{.Name}}",
	.go_type = "*formatter.volumeContext",
	.method = list_label_method,
};

static struct json_object *make_row(const struct volume *v)
{
	struct json_object *row = json_object_new_object();
	auto_strbuf struct strbuf labels = {0};

	list_put_labels(&v->labels, &labels);
	json_add_string(row, "Availability", "N/A");
	json_add_string(row, "Driver", "local");
	json_add_string(row, "Group", "N/A");
	json_add_string(row, "Labels", strbuf_str(&labels));
	json_add_string(row, "Links", "N/A");
	json_add_string(row, "Mountpoint", v->mountpoint);
	json_add_string(row, "Name", v->name);
	json_add_string(row, "Scope", "local");
	json_add_string(row, "Size", "N/A");
	json_add_string(row, "Status", "N/A");
	return row;
}

static int print_volumes(const struct ls_options *o, const struct volume *list, size_t count)
{
	struct json_object **rows = xcalloc(count + 1, sizeof(struct json_object *));
	int code;

	for (size_t i = 0; i < count; i++)
		rows[i] = make_row(&list[i]);
	code = list_print(&ls_layout, o->quiet ? "{{.Name}}" : o->format, rows, count);
	for (size_t i = 0; i < count; i++)
		json_object_put(rows[i]);
	free(rows);
	return code;
}

static int list_volumes(struct cli_context *ctx, const struct ls_options *o)
{
	struct volume *list = NULL;
	struct err err = ERR_INIT;
	struct engine *e;
	size_t count = 0;
	int code, rc = cli_engine(ctx, &e, &err);

	if (rc == 0)
		rc = volume_list(e, &list, &count, &err);
	if (rc == 0)
		rc = volume_filter(e, &o->filters, false, list, &count, &err);
	code = rc < 0 ? cli_fail(&err) : print_volumes(o, list, count);
	volume_list_free(list, count);
	return code;
}

static int cmd_ls(struct cli_context *ctx, int argc, char **argv)
{
	struct ls_options o = {.format = NULL};
	auto_free char *configured = NULL;
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON && !o.quiet)
		o.format = list_format(o.format, "volumesFormat", &configured);
	if (rc == CLI_GO_ON)
		rc = list_volumes(ctx, &o);
	strv_free(&o.filters);
	return rc;
}

const struct command command_volume_ls = {
	.paths = {"volume ls", "volume list"},
	.summary = "List volumes",
	.run = cmd_ls,
	.options = &ls_table,
};

/* ---- rm ---- */

struct rm_options {
	bool force;
};

static const struct option rm_rows[] = {
	{"force", 'f', &option_bool, offsetof(struct rm_options, force),
	 "Force the removal of one or more volumes", NULL},
};
static const struct option_table rm_table = {OPTION_ROWS(rm_rows)};

static int cmd_rm(struct cli_context *ctx, int argc, char **argv)
{
	struct rm_options o = {.force = false};
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int code = 0, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < args.count; i++) {
		err = ERR_INIT;
		if (volume_remove(e, args.items[i], o.force, &err) < 0)
			code = cli_fail(&err);
		else
			strbuf_printf(&out, "%s\n", args.items[i]);
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	return code;
}

const struct command command_volume_rm = {
	.paths = {"volume rm", "volume remove"},
	.arguments = "VOLUME [VOLUME...]",
	.summary = "Remove one or more volumes",
	.run = cmd_rm,
	.options = &rm_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- inspect ---- */

static const struct template_member members[] = {
	{"Labels", NULL, TEMPLATE_STRING_MAP},
	{"Options", NULL, TEMPLATE_STRING_MAP},
};
static const struct template_optional optionals[] = {
	{"", "ClusterVolume", NULL, TEMPLATE_POINTER},
	{"", "Status", NULL, TEMPLATE_STRING_MAP},
	{"", "UsageData", NULL, TEMPLATE_POINTER},
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .optionals = optionals,
					    .optional_count =
						    sizeof(optionals) / sizeof(optionals[0]),
					    .root_type = "volume.Volume"};

static int find_volume(struct engine *e, const char *name, struct json_object **out,
		       struct err *err)
{
	auto_volume struct volume v = {.name = NULL};
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	int rc = volume_find(e, name, &v, err);

	if (rc < 0)
		return rc;
	volume_write(&v, -1, -1, &w);
	return json_parse(text.data, text.len, "volume", out, err);
}

const struct inspector inspect_volume = {"volume", find_volume, &model, false};

static int cmd_inspect(struct cli_context *ctx, int argc, char **argv)
{
	return inspect_by_format(ctx, argc, argv, &inspect_volume);
}

const struct command command_volume_inspect = {
	.paths = {"volume inspect"},
	.arguments = "VOLUME [VOLUME...]",
	.summary = "Display detailed information on one or more volumes",
	.run = cmd_inspect,
	.options = &inspect_format_table,
	.min_args = 1,
	.max_args = -1,
};

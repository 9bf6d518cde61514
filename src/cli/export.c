/* SPDX-License-Identifier: Apache-2.0 */
/* diff and export: what a container changed, and all it has. */
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/output_file.h"
#include "engine/diff.h"
#include "engine/export.h"

/* ---- diff ---- */

static int diff_one(struct engine *e, struct container *c, const char *name, void *context,
		    struct strbuf *out, struct err *err)
{
	static const char letters[] = "CAD";
	struct container_change *changes;
	size_t count;
	int rc = container_diff(e, c, &changes, &count, err);

	(void)name, (void)context;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		strbuf_printf(out, "%c %s\n", letters[changes[i].kind], changes[i].path);
	container_changes_free(changes, count);
	return 0;
}

static int cmd_diff(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : cli_each_container(ctx, &args, diff_one, NULL);
}

const struct command command_diff = {
	.paths = {"container diff", "diff"},
	.arguments = "CONTAINER",
	.summary = "Inspect changes to files or directories on a container's filesystem",
	.run = cmd_diff,
	.min_args = 1,
	.max_args = 1,
};

/* ---- export ---- */

struct export_options {
	const char *output;
};

static const struct option export_rows[] = {
	{"output", 'o', &option_text, offsetof(struct export_options, output),
	 "Write to a file, instead of STDOUT", NULL},
};
static const struct option_table export_table = {OPTION_ROWS(export_rows)};

static int export_one(struct engine *e, struct container *c, const char *name, void *context,
		      struct strbuf *out, struct err *err)
{
	(void)name, (void)out;
	return container_export(e, c, *(const int *)context, err);
}

static int cmd_export(struct cli_context *ctx, int argc, char **argv)
{
	struct export_options o = {.output = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT, ignored = ERR_INIT;
	struct output_file file;
	int code, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = output_file_open(o.output, &file, &err);
	if (rc < 0 && o.output)
		rc = err_wrap(&err, "failed to export container");
	if (rc < 0)
		return cli_fail(&err);
	code = cli_each_container(ctx, &args, export_one, &file.fd);
	rc = output_file_end(&file, code ? -1 : 0, code ? &ignored : &err);
	return rc < 0 && !code ? cli_fail(&err) : code;
}

const struct command command_export = {
	.paths = {"container export", "export"},
	.arguments = "CONTAINER",
	.summary = "Export a container's filesystem as a tar archive",
	.run = cmd_export,
	.options = &export_table,
	.min_args = 1,
	.max_args = 1,
};

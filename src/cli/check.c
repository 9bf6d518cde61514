/* SPDX-License-Identifier: Apache-2.0 */
/* system check: what a crash left, one line each; with --repair it is swept. */
#include "engine/check.h"

#include "cli/command.h"
#include "cli/commands.h"

struct check_options {
	bool repair;
};

static const struct option rows[] = {
	{"repair", 0, &option_bool, offsetof(struct check_options, repair), "Remove what is found",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

struct check_report {
	struct strbuf out;
	size_t found, repaired;
};

static void on_finding(void *context, const struct engine_finding *f)
{
	struct check_report *r = context;

	r->found++;
	r->repaired += f->repaired;
	strbuf_printf(&r->out, "%s %s: %s", f->kind, f->object, f->why);
	if (f->repaired)
		strbuf_puts(&r->out, "; removed");
	else if (f->failure)
		strbuf_printf(&r->out, "; not removed: %s", f->failure);
	strbuf_putc(&r->out, '\n');
}

/* Nothing left behind is 0, something is 1. */
static int cmd_check(struct cli_context *ctx, int argc, char **argv)
{
	struct check_options o = {.repair = false};
	struct check_report report = {.found = 0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int code, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_engine(ctx, &e, &err);
	if (rc == 0)
		rc = engine_check(e, o.repair, on_finding, &report, &err);
	if (!report.found && rc == 0)
		strbuf_puts(&report.out, "Nothing was left behind.\n");
	else if (report.found && o.repair)
		strbuf_printf(&report.out, "%zu found, %zu removed\n", report.found,
			      report.repaired);
	else if (report.found)
		strbuf_printf(&report.out,
			      "%zu found; `cloche system check --repair` removes them\n",
			      report.found);
	code = cli_print(&report.out);
	strbuf_free(&report.out);
	if (rc < 0)
		return cli_fail(&err);
	return report.found > report.repaired ? EXIT_FAILED : code;
}

const struct command command_check = {
	.paths = {"system check"},
	.summary = "Find what a crash left behind: mounts, cgroups, processes, records, names",
	.run = cmd_check,
	.options = &table,
};

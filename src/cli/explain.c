/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what one container is, topic by topic, with what was read for each statement. */
#include "observe/explain/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/observe_commands.h"
#include "engine/engine.h"
#include "observe/report/report_render.h"

struct explain_options {
	const char *json;
	const char *compare;
	bool plain;
};
#define FIELD(field) offsetof(struct explain_options, field)

static const struct option rows[] = {
	{"compare", 0, &option_text, FIELD(compare), "Set it beside another container", NULL},
	{"json", 0, &option_text, FIELD(json), "Write the report to a file (- for standard output)",
	 NULL},
	{"no-color", 0, &option_bool, FIELD(plain), "Never use bold type", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int write_json(const struct report *r, const char *path, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf json = {0};
	int rc;

	report_json(r, &json);
	if (str_eq(path, "-")) {
		strbuf_puts(out, strbuf_str(&json));
		return 0;
	}
	rc = file_replace_at(AT_FDCWD, path, strbuf_str(&json), json.len, 0644, FILE_VOLATILE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", path, err_errno_text(-rc))
		      : 0;
}

static void describe(struct report *r, const struct target *t)
{
	report_fact(r, "subject", "container", "%s", t->name);
	report_fact(r, "subject", "engine", "%s", target_engine_name(t->engine));
	if (*t->id)
		report_fact(r, "subject", "id", "%s", t->id);
	if (*t->image)
		report_fact(r, "subject", "image", "%s", t->image);
	if (*t->runtime)
		report_fact(r, "subject", "runtime", "%s", t->runtime);
	report_fact(r, "subject", "first process", "%d", t->pid);
}

static int render(struct report *r, const struct explain_options *o, bool course, struct err *err)
{
	auto_strbuf struct strbuf out = {0};
	bool colour = !o->plain && isatty(STDOUT_FILENO);
	int rc = 0;

	report_finish(r);
	if (o->json)
		rc = write_json(r, o->json, &out, err);
	if (rc == 0 && !out.len)
		explain_text(r, colour, course, &out);
	return rc < 0 ? rc : cli_print(&out);
}

static void start_report(struct report *r, const char *title)
{
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_wall_ns(), now);
	r->kind = xstrdup("explain");
	r->title = xstrdup(title);
	r->started = xstrdup(now);
}

static int explain_one(struct cli_context *ctx, struct strv *args, const struct explain_options *o,
		       struct err *err)
{
	auto_report struct report r = {.kind = NULL};
	auto_target struct target t = {.name = NULL}, other = {.name = NULL};
	auto_strv struct strv topics = {0};
	struct explain x = {.report = &r, .target = &t};
	uint64_t start_ns = clock_now_ns();
	int rc = cli_engine(ctx, &x.engine, err);

	if (rc == 0)
		rc = target_resolve(x.engine, args->items[0], &t, err);
	if (rc == 0 && o->compare)
		rc = target_resolve(x.engine, o->compare, &other, err);
	if (rc < 0)
		return rc;
	for (size_t i = 1; i < args->count; i++)
		strv_add(&topics, args->items[i]);
	x.name = t.name;
	x.other = o->compare ? &other : NULL;
	start_report(&r, "cloche explain");
	strv_add(&r.subjects, t.name);
	describe(&r, &t);
	rc = explain_container(&x, &topics, err);
	r.took_s = (double)(clock_now_ns() - start_ns) / 1e9;
	return rc < 0 ? rc : render(&r, o, false, err);
}

static int cmd_explain(struct cli_context *ctx, int argc, char **argv)
{
	struct explain_options o = {.json = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = explain_one(ctx, &args, &o, &err);
	return rc < 0 ? cli_fail(&err) : rc;
}

const struct command command_explain = {
	.paths = {"explain"},
	.arguments = "CONTAINER [TOPIC...]",
	.summary = EXPLAIN_SUMMARY,
	.run = cmd_explain,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* explain: what one container is, topic by topic, with what was read for each statement. */
#include "observe/explain/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/observe_commands.h"
#include "cli/observe_output.h"
#include "cli/output_file.h"
#include "engine/engine.h"
#include "observe/experiment/driver.h"
#include "observe/explain/lab.h"
#include "observe/report/report_render.h"

struct explain_options {
	const char *json;
	const char *compare;
	struct strv subjects;
	bool plain, lab;
};
#define FIELD(field) offsetof(struct explain_options, field)

static const struct option rows[] = {
	{"compare", 0, &option_text, FIELD(compare), "Set it beside another container", NULL},
	{"json", 0, &option_text, FIELD(json), "Write the report to a file (- for standard output)",
	 NULL},
	{"lab", 0, &option_bool, FIELD(lab),
	 "Make the containers that it takes, walk through all topics\nas in a course, and remove them",
	 NULL},
	{"no-color", 0, &option_bool, FIELD(plain), "Never use bold type", NULL},
	{"subject", 0, &option_strings, FIELD(subjects),
	 "Engine of the containers of --lab: cloche, docker or podman", "cloche"},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int write_json(const struct report *r, const char *path, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf json = {0};

	report_json(r, &json);
	if (str_eq(path, "-")) {
		strbuf_puts(out, strbuf_str(&json));
		return 0;
	}
	return output_file_write(path, strbuf_str(&json), json.len, err);
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
	bool colour = !o->plain && observe_has_styles();
	int rc = 0;

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
	int rc;

	if (geteuid() != 0)
		return err_set(
			err, ERR_SYSTEM, EPERM,
			"reading what the kernel knows of a container needs root; run it with "
			"sudo");
	rc = output_file_check(o->json, err);
	if (rc == 0)
		rc = cli_engine(ctx, &x.engine, err);

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
	if (rc < 0)
		return rc;
	report_finish(&r);
	rc = render(&r, o, false, err);
	return rc ? rc : observe_exit_code(&r);
}

static void on_progress(void *opaque, const char *what, size_t done, size_t of)
{
	(void)opaque;
	if (observe_has_progress())
		observe_show_progress(what, done, of);
}

static bool is_engine(const char *name)
{
	return str_eq(name, "cloche") || str_eq(name, "docker") || str_eq(name, "podman");
}

/* One that cannot be had would be found out only when nothing is left to show. */
static int check_subjects(const struct strv *subjects, struct err *err)
{
	for (size_t i = 0; i < subjects->count; i++)
		if (!is_engine(subjects->items[i]))
			return err_set(err, ERR_USAGE, 0,
				       "the course needs an engine that knows containers by name: "
				       "cloche, docker or podman, not \"%s\"",
				       subjects->items[i]);
	return 0;
}

static int give_course(struct cli_context *ctx, const struct explain_options *o, struct err *err)
{
	auto_report struct report r = {.kind = NULL};
	const struct driver_options options = {
		.only = &explain_lab,
		.kind = "explain",
		.title = "cloche explain --lab: what a container is, in nine lessons",
		.subjects = &o->subjects,
		.progress = on_progress,
	};
	int rc = check_subjects(&o->subjects, err);

	if (rc == 0)
		rc = output_file_check(o->json, err);
	if (rc == 0)
		rc = observe_hand_down_roots(ctx, err);
	if (rc == 0)
		rc = driver_run(&options, &r, err);
	if (observe_has_progress())
		observe_clear_progress();
	if (rc == 0)
		rc = render(&r, o, true, err);
	return rc ? rc : observe_exit_code(&r);
}

static int cmd_explain(struct cli_context *ctx, int argc, char **argv)
{
	struct explain_options o = {.json = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (o.lab && (args.count || o.compare))
		rc = cli_usage_error(ctx, "--lab makes its own containers and takes all topics");
	else if (!o.lab && !args.count)
		rc = cli_usage_error(ctx, "name a container, or ask for --lab");
	else
		rc = o.lab ? give_course(ctx, &o, &err) : explain_one(ctx, &args, &o, &err);
	strv_free(&o.subjects);
	return rc < 0 ? cli_fail(&err) : rc;
}

const struct command command_explain = {
	.paths = {"explain"},
	.arguments = "CONTAINER [TOPIC...] | --lab",
	.summary = EXPLAIN_SUMMARY,
	.run = cmd_explain,
	.options = &table,
	.max_args = -1,
};

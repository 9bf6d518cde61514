/* SPDX-License-Identifier: Apache-2.0 */
/* analyze: the tests of the instruments, shown as they come. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/observe_commands.h"
#include "cli/observe_output.h"
#include "cli/output_file.h"
#include "observe/experiment/driver.h"
#include "observe/report/report_render.h"
#include "observe/subject/target.h"

struct analyze_options {
	struct strv subjects, run_flags;
	int64_t runs;
	bool cold, verify, brief, no_progress, details;
	const char *json, *keep, *image, *container, *address;
};
#define FIELD(field) offsetof(struct analyze_options, field)

static const struct option rows[] = {
	{"address", 0, &option_text, FIELD(address),
	 "Address outside this host to reach, too (network); none is\notherwise", NULL},
	{"brief", 0, &option_bool, FIELD(brief), "A short look: fewer runs and smaller sizes",
	 NULL},
	{"cold", 0, &option_bool, FIELD(cold), "Also start with the page cache dropped", NULL},
	{"container", 0, &option_text, FIELD(container),
	 "Look at a running container of any engine, or a pid, instead of\nmaking some: NAME, docker:NAME, pid:N (security, namespaces)",
	 NULL},
	{"details", 0, &option_bool, FIELD(details), "Print every figure and table", NULL},
	{"image", 0, &option_text, FIELD(image), "Image of the containers to measure",
	 "\"cloche/busybox\""},
	{"json", 0, &option_text, FIELD(json), "Write the report as JSON to a file (\"-\": stdout)",
	 NULL},
	{"keep", 0, &option_text, FIELD(keep), "Keep samples and traces in a directory", NULL},
	{"no-progress", 0, &option_bool, FIELD(no_progress), "Do not show what is going on", NULL},
	{"run-flag", 0, &option_list, FIELD(run_flags),
	 "Flag for the command line of every container (may be repeated)", NULL},
	{"runs", 0, &option_int, FIELD(runs), "Samples of every figure", "30, 5 with --brief"},
	{"subject", 0, &option_strings, FIELD(subjects),
	 "What to measure: cloche, docker, podman, host or an OCI\nruntime by name or path (may be "
	 "repeated; the others are\ncompared with the first)",
	 "cloche"},
	{"verify", 0, &option_bool, FIELD(verify), "Measure again by a second instrument", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

struct display {
	struct report_text_options text;
	bool progress; /* a line is rewritten on the terminal */
	bool quiet;    /* standard output takes JSON alone, or nothing any more */
	int failed;    /* why it takes nothing: -errno */
	const struct report_test *test;
};

static void show(struct display *d, struct strbuf *text)
{
	if (d->progress)
		observe_clear_progress();
	/* Output that nobody takes any more does not end a run that must still be swept. */
	if (!d->quiet)
		d->failed = fd_write_all(STDOUT_FILENO, strbuf_str(text), text->len);
	d->quiet = d->quiet || d->failed < 0;
}

static void on_progress(void *opaque, const char *what, size_t done, size_t of)
{
	struct display *d = opaque;

	if (d->progress)
		observe_show_progress(what, done, of);
}

static void on_begun(void *opaque, const struct report *r)
{
	auto_strbuf struct strbuf out = {0};
	struct display *d = opaque;

	report_text_begin(r, &d->text, &out);
	show(d, &out);
}

static void on_test_done(void *opaque, const struct report *r, struct report_test *t)
{
	auto_strbuf struct strbuf out = {0};
	struct display *d = opaque;

	report_text_test(t, r, &d->text, &out);
	show(d, &out);
}

static int write_json(const struct report *r, const char *path, struct err *err)
{
	auto_strbuf struct strbuf out = {0};

	report_json(r, &out);
	return output_file_write(path, strbuf_str(&out), out.len, err);
}

static int analyze(const struct analyze_options *o, const struct strv *tests, struct engine *e,
		   const struct target *container)
{
	struct display d = {
		.text = {.colour = observe_has_styles(), .details = o->details, .brief = o->brief},
		.progress = !o->no_progress && observe_has_progress(),
		.quiet = o->json && str_eq(o->json, "-"),
	};
	const struct driver_options options = {
		.tests = tests,
		.subjects = &o->subjects,
		.run_flags = &o->run_flags,
		.runs = (size_t)o->runs,
		.cold = o->cold,
		.verify = o->verify,
		.brief = o->brief,
		.keep = o->keep,
		.image = o->image,
		.engine = e,
		.container = container,
		.address = o->address,
		.progress = on_progress,
		.begun = on_begun,
		.test_done = on_test_done,
		.opaque = &d,
	};
	auto_strbuf struct strbuf out = {0};
	auto_report struct report r = {0};
	struct err err = ERR_INIT;
	int rc = output_file_check(o->json, &err);

	if (rc == 0)
		rc = driver_run(&options, &r, &err);
	if (d.progress)
		observe_clear_progress();
	if (rc < 0)
		return cli_fail(&err);
	report_text_end(&r, &d.text, &out);
	show(&d, &out);
	if (o->json && write_json(&r, o->json, &err) < 0)
		return cli_fail(&err);
	if (d.failed < 0) {
		err_set(&err, ERR_SYSTEM, -d.failed, "write to standard output: %s",
			err_errno_text(-d.failed));
		return cli_fail(&err);
	}
	return observe_exit_code(&r);
}

/* The tests that can look at what others made. */
static int analyze_container(struct cli_context *ctx, const struct analyze_options *o,
			     struct strv *tests, struct err *err)
{
	static const char *const able[] = {"security", "namespaces", "7", "9"};
	auto_target struct target t = {.name = NULL};
	struct engine *e;
	int rc = cli_engine(ctx, &e, err);

	for (size_t i = 0; i < tests->count; i++) {
		bool found = false;

		for (size_t k = 0; k < sizeof(able) / sizeof(able[0]); k++)
			found = found || str_eq(tests->items[i], able[k]);
		if (!found)
			return err_set(err, ERR_USAGE, 0,
				       "--container: test %s makes containers of its own",
				       tests->items[i]);
	}
	if (!tests->count) {
		strv_add(tests, able[0]);
		strv_add(tests, able[1]);
	}
	if (rc == 0)
		rc = target_resolve(e, o->container, &t, err);
	return rc < 0 ? rc : analyze(o, tests, e, &t);
}

static int cmd_analyze(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv tests = {0};
	struct analyze_options o = {.runs = 0};
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &tests);

	if (rc != CLI_GO_ON)
		return rc;
	if (o.runs < 0 || o.runs > 100000)
		rc = cli_usage_error(ctx, "--runs: a number of samples");
	else if (observe_hand_down_roots(ctx, &err) < 0)
		rc = cli_fail(&err);
	else if (!o.container)
		rc = analyze(&o, &tests, NULL, NULL);
	else
		rc = analyze_container(ctx, &o, &tests, &err);
	if (rc < 0)
		rc = cli_fail(&err);
	strv_free(&o.subjects);
	strv_free(&o.run_flags);
	return rc;
}

const struct command command_analyze = {
	.paths = {"analyze"},
	.arguments = "[TEST...]",
	.summary = ANALYZE_SUMMARY,
	.run = cmd_analyze,
	.options = &table,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 1: how long until a container runs, and what of it the kernel itself needs. The program in the
 * container is the helper, which reads the clock as the first thing it does; clocks are the same on both
 * sides, so "until it runs" contains no pipe, no client and no exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/startup_internal.h"
#include "observe/subject/subject_internal.h"

#define COLD_RUNS_MAX 10
/* As overlay's lowerdir wants them. */
#define LAYERS_OF_IMAGE \
	"{{.GraphDriver.Data.UpperDir}}{{with .GraphDriver.Data.LowerDir}}:{{.}}{{end}}"

static const char *const tell_time[] = {"now", NULL};

/* What is kept between the moments at which samples are taken. */
struct startup {
	struct floor_samples floor;
	char *lower;   /* the image's layers, as overlay wants them */
	bool no_floor; /* it cannot be measured */
	bool no_bill_told;
	double *exec_ms; /* the same program on the bare host */
	size_t exec_count;
};

void startup_sample(struct experiment_context *x, struct report_figure *f, bool warm_up, int rc,
		    const struct command_run *run, uint64_t from_ns, uint64_t to_ns,
		    const struct err *err)
{
	if (warm_up && rc == 0 && run->exit_code == 0) {
		f->warm_ups++;
		return;
	}
	if (rc == 0 && run->exit_code == 0 && to_ns > from_ns) {
		report_sample(f, (double)(to_ns - from_ns) / 1e6);
		return;
	}
	if (f->failed++ == 0)
		report_note(x->test, "%s, %s: a run failed: %.200s", f->subject, f->label,
			    rc < 0 ? err->msg : run->errors);
}

/* When the helper was on: it answers "now_ns=...". */
static uint64_t told_ns(const struct command_run *run)
{
	auto_free char *text = run->output ? session_value(run->output, "now_ns") : NULL;
	uint64_t value;

	if (!text)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, &value) < 0 ? 0 : value;
}

static struct report_figure *figure(struct experiment_context *x, const struct subject *s,
				    const char *key, const char *label)
{
	return report_figure(x->test, s->name, key, label, "ms", REPORT_LOWER);
}

/* ---- run ---- */

struct keys {
	const char *to_program, *total;
	const char *to_program_label, *total_label;
};
static const struct keys warm = {"startup.to_program", "startup.total",
				 "until the container's program runs",
				 "whole `run`, until the command has ended"};
static const struct keys cold = {"startup.cold.to_program", "startup.cold.total",
				 "until the program runs, page cache dropped",
				 "whole `run`, page cache dropped"};

static int run_once(struct experiment_context *x, struct subject *s, bool warm_up,
		    const struct keys *keys, struct err *err)
{
	const struct container_spec spec = {.helper_argv = tell_time};
	struct report_figure *until = figure(x, s, keys->to_program, keys->to_program_label);
	struct report_figure *total = figure(x, s, keys->total, keys->total_label);
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	int rc = subject_run_command(s, &spec, &argv, err);

	if (rc == 0)
		rc = command_execute(s, &argv, STARTUP_TIMEOUT_MS, &run, err);
	if (rc == -EINTR)
		return rc;
	if (keys == &warm)
		total->headline = true;
	startup_sample(x, until, warm_up, rc, &run, run.spawned_ns, told_ns(&run), err);
	startup_sample(x, total, warm_up, rc, &run, run.spawned_ns, run.ended_ns, err);
	return 0;
}

static int run_warm(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		    void *arg, struct err *err)
{
	(void)round;
	(void)arg;
	return run_once(x, s, warm_up, &warm, err);
}

/* proc(5): clean pages only; so what is dirty is written first. */
static int drop_page_cache(struct err *err)
{
	int rc;

	sync();
	rc = file_write_kernel_at(AT_FDCWD, "/proc/sys/vm/drop_caches", "3");
	return rc < 0 ? err_set(err, ERR_UNSUPPORTED, -rc, "drop the page cache: %s",
				err_errno_text(-rc))
		      : 0;
}

static int run_cold(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		    void *arg, struct err *err)
{
	int rc = drop_page_cache(err);

	(void)round;
	(void)arg;
	return rc < 0 ? rc : run_once(x, s, warm_up, &cold, err);
}

/* ---- exec ---- */

/* One container per subject that lives while the others take turns; NULL where there is none. */
struct open_sessions {
	struct session **items;
	size_t count;
};

static bool has_session(const struct experiment_context *x, const struct open_sessions *o,
			const struct subject *s)
{
	for (size_t i = 0; i < o->count; i++) {
		if (x->subjects[i] == s)
			return o->items[i] != NULL;
	}
	return false;
}

static void close_sessions(struct open_sessions *o)
{
	for (size_t i = 0; i < o->count; i++)
		session_close(o->items[i]);
	free(o->items);
}

static int exec_once(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		     void *arg, struct err *err)
{
	static const char *const words[] = {SUBJECT_HELPER_PATH, "true", NULL};
	struct report_figure *f =
		figure(x, s, "startup.exec", "`exec` of a program that ends at once");
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	int rc;

	(void)round;
	if (!has_session(x, arg, s))
		return 0;
	rc = subject_exec_command(s, "long", words, &argv, err);
	if (rc == 0)
		rc = command_execute(s, &argv, STARTUP_TIMEOUT_MS, &run, err);
	if (rc == -EINTR)
		return rc;
	startup_sample(x, f, warm_up, rc, &run, run.spawned_ns, run.ended_ns, err);
	return 0;
}

/* What the same program takes without a container, by the same means. */
static int exec_floor(struct experiment_context *x, struct startup *st, struct err *err)
{
	const char *const words[] = {x->host->helper, "true", NULL};
	auto_strv struct strv argv = {0};
	int rc = subject_exec_command(x->host, "", words, &argv, err);

	for (size_t i = 0; rc == 0 && i < x->runs; i++) {
		auto_command_run struct command_run run = {0};

		rc = command_execute(NULL, &argv, STARTUP_TIMEOUT_MS, &run, err);
		if (rc == 0)
			st->exec_ms[st->exec_count++] =
				(double)(run.ended_ns - run.spawned_ns) / 1e6;
	}
	return rc;
}

static void put_exec_floor(struct experiment_context *x, struct startup *st)
{
	double floor;

	if (!st->exec_count)
		return;
	floor = statistics_median_of(st->exec_ms, st->exec_count);
	for (size_t i = 0; i < x->subject_count; i++) {
		struct report_figure *f =
			report_find_figure(x->test, x->subjects[i]->name, "startup.exec");

		if (f && x->subjects[i]->ops->kind != SUBJECT_HOST)
			report_floor(f, floor, "the same program on the bare host");
	}
}

static int measure_exec(struct experiment_context *x, struct startup *st, struct err *err)
{
	__attribute__((cleanup(close_sessions))) struct open_sessions open = {0};
	const struct container_spec spec = {.name = "long", .helper = true};
	int rc;

	open.items = xcalloc(x->subject_count, sizeof(struct session *));
	for (size_t i = 0; i < x->subject_count; i++) {
		rc = session_open(x->subjects[i], &spec, &open.items[i], err);
		open.count++;
		if (rc == -EINTR)
			return rc;
		if (rc < 0)
			report_status(x->test, REPORT_PARTIAL, "%s: no container to execute in: %s",
				      x->subjects[i]->name, err->msg);
	}
	rc = experiment_interleave(x, experiment_warm_ups(x), x->runs, exec_once, &open, err);
	return rc < 0 ? rc : exec_floor(x, st, err);
}

/* ---- the floor ---- */

/* The image's layers as the start would mount them. */
static int find_layers(struct experiment_context *x, char **lower, struct err *err)
{
	struct subject *cloche;
	int rc = subject_open("cloche", "cloche-analyze-", x->scratch, x->image, &cloche, err);

	if (rc < 0)
		return rc;
	rc = subject_call(
		cloche, STARTUP_TIMEOUT_MS, lower, err,
		SUBJECT_WORDS("image", "inspect", "--format", LAYERS_OF_IMAGE, cloche->image));
	subject_free(cloche);
	return rc;
}

/* As many as the starts that were just measured. Where it cannot be, why not is told once, at the end. */
static int measure_floor(struct experiment_context *x, struct startup *st, struct err *err)
{
	struct err why = ERR_INIT;
	int rc = 0;

	if (st->no_floor)
		return 0;
	if (!st->lower)
		rc = find_layers(x, &st->lower, &why);
	experiment_progress(x, "the floor", 0, 1);
	if (rc == 0)
		rc = floor_bill_sample(NULL, st->lower, x->scratch, experiment_warm_ups(x), x->runs,
				       &st->floor, &why);
	if (rc == 0)
		return 0;
	st->no_floor = true;
	report_status(x->test, REPORT_PARTIAL, "there is no floor: %s", why.msg);
	return experiment_go_on(err);
}

static void put_floor(struct experiment_context *x, const struct floor_bill *floor)
{
	for (size_t i = 0; i < x->subject_count; i++) {
		const struct subject *s = x->subjects[i];
		struct report_figure *total = report_find_figure(x->test, s->name, warm.total);
		struct report_figure *until = report_find_figure(x->test, s->name, warm.to_program);

		if (s->ops->kind == SUBJECT_HOST)
			continue;
		if (total)
			report_floor(total, floor->total_ms.median,
				     "the kernel's own work for a container");
		if (until)
			report_floor(until, floor->to_exec_ms.median,
				     "the kernel's own work until execve");
	}
}

/* ---- what follows ---- */

/* Beyond this multiple of the kernel's own cost most of a start is somebody's doing. */
#define FLOOR_MULTIPLE 3

static void find_cost(struct experiment_context *x, const struct subject *s)
{
	struct report_figure *f = report_find_figure(x->test, s->name, warm.total);
	struct report_finding *finding;
	double median = report_median(f);

	if (f && !f->count)
		report_status(x->test, REPORT_FAILED, "no start of %s went well; see the notes",
			      s->name);
	if (!f || !f->count || !(f->floor > 0))
		return;
	if (median < FLOOR_MULTIPLE * f->floor)
		return;
	finding = report_finding(x->report, REPORT_LOW, 1 - f->floor / median, "startup", s->name,
				 "a start takes %.1f ms, %.1f times the kernel's own %.1f ms",
				 median, median / f->floor, f->floor);
	report_reason(finding,
		      "beyond %d times what bare system calls for the same container took in this "
		      "run, most of the time is the engine's own",
		      FLOOR_MULTIPLE);
	report_recommend(finding, NULL,
			 "where containers are started often, look at what its start waits for: "
			 "`cloche trace -- %s run ...`",
			 s->name);
}

/* ---- all of it ---- */

static int measure_cold(struct experiment_context *x, struct err *err)
{
	size_t n = x->all_runs < COLD_RUNS_MAX ? x->all_runs : COLD_RUNS_MAX;

	return x->cold ? experiment_interleave(x, 0, n, run_cold, NULL, err) : 0;
}

static struct startup *startup_of(struct experiment_context *x)
{
	struct startup *st = x->state;

	if (st)
		return st;
	st = xcalloc(1, sizeof(*st));
	st->exec_ms = xcalloc(x->all_runs, sizeof(*st->exec_ms));
	x->state = st;
	return st;
}

static void release(void *state)
{
	struct startup *st = state;

	floor_samples_free(&st->floor);
	free(st->lower);
	free(st->exec_ms);
	free(st);
}

/* What is taken once, and what follows from all of it. */
static int conclude(struct experiment_context *x, struct startup *st, struct err *err)
{
	bool has_floor = !st->no_floor && st->floor.count;
	struct floor_bill floor;
	int rc;

	if (has_floor) {
		floor_bill_of(&st->floor, &floor);
		put_floor(x, &floor);
	}
	put_exec_floor(x, st);
	startup_phases_conclude(x, has_floor ? &floor : NULL);
	rc = startup_parts(x, err);
	if (rc == 0)
		rc = startup_load(x, err);
	if (rc == 0)
		rc = measure_cold(x, err);
	if (rc == 0)
		rc = startup_verify(x, err);
	for (size_t i = 0; rc == 0 && i < x->subject_count; i++)
		find_cost(x, x->subjects[i]);
	return rc;
}

static int run(struct experiment_context *x, struct err *err)
{
	struct startup *st = startup_of(x);
	int rc = experiment_interleave(x, experiment_warm_ups(x), x->runs, run_warm, NULL, err);

	if (rc == 0)
		rc = measure_floor(x, st, err);
	if (rc == 0)
		rc = startup_phases(x, &st->no_bill_told, err);
	if (rc == 0)
		rc = measure_exec(x, st, err);
	return rc == 0 && experiment_is_last(x) ? conclude(x, st, err) : rc;
}

const struct experiment experiment_startup = {
	.number = 1,
	.key = "startup",
	.title = "How long until a container runs",
	.run = run,
	.spread = true,
	.release = release,
};

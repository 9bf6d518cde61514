/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start bill that cloche records of every start, over many starts: the median of each phase beside the
 * same phase of the floor. The containers are kept until their bill is read, hence made without --rm; the
 * upper file system is then not mounted volatile, which costs nothing at the start.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "observe/experiment/startup_internal.h"
#include "observe/subject/subject_internal.h"
#include "observe/timeline/timeline.h"

#define BILL_TIMEOUT_NS 5000000000ULL
#define PHASE_KEY "startup.phase."

static const struct {
	const char *phase, *advice, *flag;
} advices[] = {
	{"resolve", "name the image by its id, and keep the image store on a fast disk", NULL},
	{"record", "put the data root and the run root on a faster file system",
	 "--root DIRECTORY"},
	{"cgroup",
	 "set fewer kinds of limits; on version 2 a group is one directory instead of many", NULL},
	{"namespaces", "share what need not be private", "--network host, --ipc host"},
	{"mount", "use fewer layers and fewer mounts", NULL},
	{"network", "leave the network out where none is needed", "--network none"},
	{"security", "a smaller seccomp profile loads faster", "--security-opt seccomp=FILE"},
	{"exec", "link the container's program statically, or make it smaller", NULL},
};

static const char *advice_of(const char *phase, const char **flag)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		*flag = advices[i].flag;
		if (str_eq(advices[i].phase, phase))
			return advices[i].advice;
	}
	*flag = NULL;
	return "see where it goes with `cloche run --timeline`";
}

/* With another runtime the bill ends where that begins: all it does stands in one phase. */
static bool has_foreign_runtime(const struct subject *s)
{
	for (size_t i = 0; i < s->extra_flags.count; i++) {
		if (str_starts(s->extra_flags.items[i], "--runtime"))
			return true;
	}
	return s->runtime && !str_eq(s->runtime, "cloche");
}

static const char *phase_label(const struct subject *s, const char *phase)
{
	return str_eq(phase, "exec") && has_foreign_runtime(s)
		       ? "exec: from the runtime's start until the program runs"
		       : phase;
}

/* ---- one start ---- */

/* A phase that a bill does not have took no time in it; nor in the `before` bills that came before the
 * first one that has it. */
static void sample_phase(struct experiment_context *x, const struct subject *s, const char *name,
			 double ms, size_t before)
{
	auto_free char *key = xasprintf(PHASE_KEY "%s", name);
	struct report_figure *f = report_find_figure(x->test, s->name, key);

	if (!f && ms <= 0)
		return;
	if (!f) {
		f = report_figure(x->test, s->name, key, phase_label(s, name), "ms", REPORT_LOWER);
		for (size_t i = 0; i < before; i++)
			report_sample(f, 0);
	}
	report_sample(f, ms);
}

static void sample_phases(struct experiment_context *x, const struct subject *s,
			  struct json_object *phases, size_t before)
{
	for (int p = 0; p < TIMELINE_PHASES; p++) {
		const char *name = timeline_phase_name((enum plan_phase)p);
		uint64_t ns = 0;

		for (size_t i = 0; i < json_object_array_length(phases); i++) {
			struct json_object *o = json_object_array_get_idx(phases, i);
			const char *its;

			if (json_get_string(o, "Phase", &its) == 0 && str_eq(its, name) &&
			    json_get_u64(o, "DurationNs", &ns) < 0)
				ns = 0;
		}
		sample_phase(x, s, name, (double)ns / 1e6, before);
	}
}

static int take_bill(struct experiment_context *x, const struct subject *s, const char *text,
		     struct err *err)
{
	auto_json struct json_object *bill = NULL;
	struct report_figure *until;
	struct json_object *phases;
	uint64_t to_exec, total;
	int rc = json_parse(text, strlen(text), "the start bill", &bill, err);

	if (rc < 0)
		return rc;
	if (json_get_array(bill, "Phases", &phases) < 0 ||
	    json_get_u64(bill, "ToExecNs", &to_exec) < 0 ||
	    json_get_u64(bill, "TotalNs", &total) < 0)
		return err_set(err, ERR_CORRUPT, 0, "the start bill lacks its sums");
	until = report_figure(x->test, s->name, "startup.bill.to_exec",
			      "from main() until the program runs, by the bill", "ms",
			      REPORT_LOWER);
	sample_phases(x, s, phases, until->count);
	report_sample(until, (double)to_exec / 1e6);
	return 0;
}

/* --rm is taken out, so that there is something to ask about. */
static void keep_container(struct strv *argv)
{
	for (size_t i = 0; i < argv->count; i++) {
		if (!str_eq(argv->items[i], "--rm"))
			continue;
		free(argv->items[i]);
		memmove(&argv->items[i], &argv->items[i + 1],
			(argv->count - i) * sizeof(argv->items[0]));
		argv->count--;
		return;
	}
}

/* The monitor writes the bill down after it has answered whoever waits. */
static int read_bill(struct subject *s, const char *name, char **bill, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	uint64_t deadline_ns = clock_now_ns() + BILL_TIMEOUT_NS;

	for (;;) {
		int rc = subject_call(s, STARTUP_TIMEOUT_MS, bill, err,
				      SUBJECT_WORDS("timeline", "--json", name));

		if (rc == 0 || rc == -EINTR || clock_now_ns() > deadline_ns)
			return rc;
		nanosleep(&pause, NULL);
	}
}

int startup_kept_command(struct subject *s, struct startup_kept *k, struct err *err)
{
	static const char *const nothing[] = {"true", NULL};
	const struct container_spec spec = {.name = "bill", .helper_argv = nothing};
	int rc = subject_run_command(s, &spec, &k->argv, err);

	k->name = xasprintf("%sbill", s->prefix);
	keep_container(&k->argv);
	return rc;
}

int startup_kept_end(struct subject *s, struct startup_kept *k, int rc, char **bill,
		     struct err *err)
{
	struct err gone = ERR_INIT;

	if (rc == 0)
		rc = read_bill(s, k->name, bill, err);
	if (subject_call(s, STARTUP_TIMEOUT_MS, NULL, &gone, SUBJECT_WORDS("rm", "-f", k->name)) <
		    0 &&
	    rc == 0)
		rc = err_set(err, ERR_SYSTEM, EIO, "%s", gone.msg);
	strv_free(&k->argv);
	free(k->name);
	return rc;
}

static int start_once(struct experiment_context *x, struct subject *s, bool warm_up,
		      struct err *err)
{
	auto_command_run struct command_run run = {0};
	struct startup_kept kept = {.name = NULL};
	auto_free char *bill = NULL;
	int rc = startup_kept_command(s, &kept, err);

	if (rc == 0)
		rc = command_execute(s, &kept.argv, STARTUP_TIMEOUT_MS, &run, err);
	if (rc == 0 && run.exit_code)
		rc = err_set(err, ERR_SYSTEM, EIO, "%s", run.errors);
	rc = startup_kept_end(s, &kept, rc, &bill, err);
	return rc == 0 && !warm_up ? take_bill(x, s, bill, err) : rc;
}

static int step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		void *arg, struct err *err)
{
	bool *told = arg;
	int rc = s->ops->kind == SUBJECT_CLOCHE ? start_once(x, s, warm_up, err) : 0;

	(void)round;
	if (rc == 0 || rc == -EINTR)
		return rc;
	if (!*told)
		report_note(x->test, "%s: a start gave no bill: %.300s", s->name, err->msg);
	*told = true;
	return 0;
}

/* ---- what follows ---- */

static void find_largest(struct experiment_context *x, const struct subject *s,
			 const struct floor_bill *floor)
{
	const char *worst = NULL, *advice, *flag;
	double worst_ms = 0, worst_floor = 0, sum = 0;
	struct report_finding *finding;

	for (int p = 0; p < TIMELINE_PHASES; p++) {
		const char *name = timeline_phase_name((enum plan_phase)p);
		auto_free char *key = xasprintf(PHASE_KEY "%s", name);
		struct report_figure *f = report_find_figure(x->test, s->name, key);
		double bare = floor ? floor_bill_phase_ms(floor, (enum plan_phase)p) : 0, ms;

		if (!f || !f->count)
			continue;
		ms = report_median(f);
		sum += ms;
		/* The floor has exec, run and exit in one, and keeps what an end removes. */
		if (floor && p != PHASE_EXEC && p != PHASE_EXIT && p != PHASE_CLEANUP)
			report_floor(f, bare, "the same phase of the floor");
		/* What the program does is not the start's doing. */
		if (p != PHASE_RUN && ms - bare > worst_ms - worst_floor) {
			worst = name;
			worst_ms = ms;
			worst_floor = bare;
		}
	}
	if (!worst)
		return;
	if (str_eq(worst, "exec") && has_foreign_runtime(s)) {
		advice = "use a runtime that starts faster; its own part shows in `cloche trace`";
		flag = "--runtime cloche";
	} else {
		advice = advice_of(worst, &flag);
	}
	finding = report_finding(x->report, REPORT_INFO, (worst_ms - worst_floor) / sum, "startup",
				 s->name,
				 "the largest part of a start is %s: %.2f ms, %.0f %% of it",
				 phase_label(s, worst), worst_ms, 100 * worst_ms / sum);
	if (worst_floor > 0)
		report_reason(
			finding,
			"the phases sum to %.2f ms; the kernel's own part of this one is %.2f ms",
			sum, worst_floor);
	else
		report_reason(finding, "the phases sum to %.2f ms; the floor has no such phase",
			      sum);
	report_recommend(finding, flag, "%s", advice);
}

int startup_phases(struct experiment_context *x, bool *told, struct err *err)
{
	int rc = experiment_interleave(x, 1, x->runs, step, told, err);

	return rc < 0 ? err_wrap(err, "start bill") : 0;
}

void startup_phases_conclude(struct experiment_context *x, const struct floor_bill *floor)
{
	for (size_t i = 0; i < x->subject_count; i++) {
		if (x->subjects[i]->ops->kind == SUBJECT_CLOCHE)
			find_largest(x, x->subjects[i], floor);
	}
}

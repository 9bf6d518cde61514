/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a start waits for. Engines other than Cloche keep no bill of their starts, so a few are recorded from
 * kernel tracepoints and the path until the container's program runs is divided between those who took
 * part. The path has neither gaps nor overlap, so the parts of one start sum to it; what ran beside it is
 * in none of them. Recorded starts are slower than others, hence figures of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/experiment/startup_internal.h"
#include "observe/trace/trace.h"

#define PARTS_RUNS 5
#define PARTS_RUNS_BRIEF 2

enum part {
	PART_COMMAND,
	PART_DAEMON,
	PART_CONTAINERD,
	PART_SUPERVISOR,
	PART_RUNTIME,
	PART_FIRST,
	PART_HELPERS,
	PARTS
};

static const struct {
	const char *key, *name;
} parts[PARTS] = {
	[PART_COMMAND] = {"startup.part.command", "the command"},
	[PART_DAEMON] = {"startup.part.daemon", "the engine's daemon"},
	[PART_CONTAINERD] = {"startup.part.containerd", "containerd"},
	[PART_SUPERVISOR] = {"startup.part.supervisor", "shim or monitor"},
	[PART_RUNTIME] = {"startup.part.runtime", "the OCI runtime"},
	/* until its program runs */
	[PART_FIRST] = {"startup.part.first", "the first process"},
	[PART_HELPERS] = {"startup.part.helpers", "other programs"},
};

static enum part part_of(const struct trace_process *p)
{
	switch (p->role) {
	case TRACE_COMMAND:
		return PART_COMMAND;
	case TRACE_DAEMON:
		return str_eq(p->name, "containerd") ? PART_CONTAINERD : PART_DAEMON;
	case TRACE_SUPERVISOR:
		return PART_SUPERVISOR;
	case TRACE_RUNTIME:
		return PART_RUNTIME;
	case TRACE_INIT:
	case TRACE_INSIDE:
		return PART_FIRST;
	case TRACE_HELPER:
		return PART_HELPERS;
	}
	return PART_HELPERS;
}

struct parts_run {
	struct trace **last; /* per subject; NULL: none */
	int null_fd;
	bool told;
};

static size_t subject_index(const struct experiment_context *x, const struct subject *s)
{
	size_t i = 0;

	while (i < x->subject_count && x->subjects[i] != s)
		i++;
	return i;
}

/* A part that took none of one start's time has a sample of 0 as soon as another start had it. */
static void sample(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	uint64_t ns[PARTS] = {0};

	for (size_t i = 0; i < t->process_count; i++)
		ns[part_of(&t->processes[i])] += t->processes[i].path_ns;
	for (int p = 0; p < PARTS; p++) {
		auto_free char *label = xasprintf("recorded start: %s", parts[p].name);

		if (ns[p] || report_find_figure(x->test, s->name, parts[p].key))
			report_sample(report_figure(x->test, s->name, parts[p].key, label, "ms",
						    REPORT_LOWER),
				      (double)ns[p] / 1e6);
	}
	report_sample(report_figure(x->test, s->name, "startup.part.all",
				    "recorded start: until the program runs", "ms", REPORT_LOWER),
		      (double)t->program_ns / 1e6);
}

static int prepare(void *opaque)
{
	const struct subject *s = opaque;

	return s->ops->prepare_child ? s->ops->prepare_child(s) : 0;
}

static int record(struct subject *s, const struct parts_run *r, struct trace **out, struct err *err)
{
	static const char *const nothing[] = {"true", NULL};
	const struct container_spec spec = {.helper_argv = nothing};
	const struct trace_options o = {.output_fd = r->null_fd,
					.prepare_child = prepare,
					.opaque = s,
					.timeout_ms = STARTUP_TIMEOUT_MS};
	auto_strv struct strv argv = {0};
	int rc = subject_run_command(s, &spec, &argv, err);

	if (rc == 0)
		rc = trace_record(&o, (const char *const *)argv.items, out, err);
	if (rc == 0 && ((*out)->exit_code || (*out)->program_ns == TRACE_NEVER))
		rc = err_set(err, ERR_NOT_FOUND, ENODATA,
			     "it shows no program of a container (exit code %d)",
			     (*out)->exit_code);
	return rc;
}

static int step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		void *arg, struct err *err)
{
	struct parts_run *r = arg;
	auto_trace struct trace *t = NULL;
	size_t i = subject_index(x, s);
	int rc;

	(void)round;
	(void)warm_up;
	if (s->ops->kind == SUBJECT_HOST)
		return 0;
	rc = record(s, r, &t, err);
	if (rc == -EINTR)
		return rc;
	if (rc < 0) {
		if (!r->told)
			report_note(x->test, "%s: who a start waits for is not known: %.300s",
				    s->name, err->msg);
		r->told = true;
		return 0;
	}
	sample(x, s, t);
	trace_free(r->last[i]);
	r->last[i] = t;
	t = NULL;
	return 0;
}

/* ---- how each spent its part, in the last start ---- */

struct spent {
	struct strv names; /* each once */
	uint64_t all, calls, asleep, ready;
};

static void add(struct spent *to, const struct trace_process *p)
{
	if (p->path_ns && !strv_contains(&to->names, p->name))
		strv_add(&to->names, p->name);
	to->all += p->path_ns;
	to->calls += p->path_calls_ns;
	to->asleep += p->path_asleep_ns;
	to->ready += p->path_ready_ns;
}

static void add_row(struct report_table *table, const char *what, const struct spent *s,
		    uint64_t all)
{
	const uint64_t own = s->all - s->calls - s->asleep - s->ready;
	auto_strbuf struct strbuf names = {0};
	char *cells[8];

	for (size_t i = 0; i < s->names.count; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", s->names.items[i]);
	cells[0] = xstrdup(what);
	cells[1] = xstrdup(strbuf_str(&names));
	cells[2] = xasprintf("%.2f", (double)s->all / 1e6);
	cells[3] = xasprintf("%.1f", all ? 100.0 * (double)s->all / (double)all : 0);
	cells[4] = xasprintf("%.2f", (double)own / 1e6);
	cells[5] = xasprintf("%.2f", (double)s->calls / 1e6);
	cells[6] = xasprintf("%.2f", (double)s->asleep / 1e6);
	cells[7] = xasprintf("%.2f", (double)s->ready / 1e6);
	report_row(table, (const char *const *)cells);
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		free(cells[i]);
}

static void show(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	static const char *const columns[] = {"part",   "programs", ">ms",     ">%", ">own work",
					      ">calls", ">asleep",  ">no CPU", NULL};
	auto_free char *key = xasprintf("startup.parts.%s", s->name);
	auto_free char *title =
		xasprintf("%s: whom the last of the recorded starts waited for, in ms", s->name);
	struct report_table *table = report_table(x->test, key, title, columns);
	struct spent by_part[PARTS] = {0}, all = {0};

	for (size_t i = 0; i < t->process_count; i++)
		add(&by_part[part_of(&t->processes[i])], &t->processes[i]);
	for (int p = 0; p < PARTS; p++) {
		const struct spent *one = &by_part[p];

		all.all += one->all;
		all.calls += one->calls;
		all.asleep += one->asleep;
		all.ready += one->ready;
	}
	for (int p = 0; p < PARTS; p++) {
		if (by_part[p].all)
			add_row(table, parts[p].name, &by_part[p], all.all);
		strv_free(&by_part[p].names);
	}
	add_row(table, "together", &all, all.all);
	if (t->lost)
		report_note(x->test, "%s: %llu records of that start were lost", s->name,
			    (unsigned long long)t->lost);
}

/* Cloche alone has its bill. */
static bool is_worth_it(const struct experiment_context *x)
{
	for (size_t i = 0; i < x->subject_count; i++) {
		if (x->subjects[i]->ops->kind != SUBJECT_CLOCHE &&
		    x->subjects[i]->ops->kind != SUBJECT_HOST)
			return true;
	}
	return false;
}

int startup_parts(struct experiment_context *x, struct err *err)
{
	size_t most = x->brief ? PARTS_RUNS_BRIEF : PARTS_RUNS;
	auto_close int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct parts_run r = {.null_fd = null_fd};
	int rc;

	if (!is_worth_it(x))
		return 0;
	if (null_fd < 0)
		return err_sys(err, "open /dev/null");
	r.last = xcalloc(x->subject_count + 1, sizeof(*r.last));
	rc = experiment_interleave(x, 0, x->all_runs < most ? x->all_runs : most, step, &r, err);
	for (size_t i = 0; i < x->subject_count; i++) {
		if (r.last[i])
			show(x, x->subjects[i], r.last[i]);
		trace_free(r.last[i]);
	}
	free(r.last);
	return rc;
}

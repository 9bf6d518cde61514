/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 2: every process from the command to the container's first one, and every call that made a
 * namespace, a mount or a cgroup for it. Recorded from kernel tracepoints, system-wide; so daemons are
 * seen as well as what the command forks. The tables are of the last run of each subject; the figures are
 * of all. Runs without the recording take turns with those that have it, which gives what it costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/fd.h"
#include "base/str.h"
#include "observe/experiment/experiment.h"
#include "observe/experiment/experiments.h"
#include "observe/trace/calls.h"
#include "observe/trace/trace.h"

#define RUNS_MAX 5
#define RUNS_BRIEF 1
#define TIMEOUT_MS 60000
#define WAIT_WORTH_TELLING 0.25 /* of the start */

static const char *const nothing[] = {"now", NULL};

struct hierarchy {
	struct trace **last; /* per subject; NULL: none */
	int null_fd;
};

static size_t subject_index(const struct experiment_context *x, const struct subject *s)
{
	size_t i = 0;

	while (i < x->subject_count && x->subjects[i] != s)
		i++;
	return i;
}

static struct report_figure *figure(struct experiment_context *x, const struct subject *s,
				    const char *key, const char *label, const char *unit)
{
	return report_figure(x->test, s->name, key, label, unit, REPORT_LOWER);
}

static size_t calls_of(const struct trace *t, int group, size_t process)
{
	size_t n = 0;

	for (size_t i = 0; i < t->call_count; i++) {
		const struct trace_call *c = &t->calls[i];

		n += (group < 0 || (int)c->group == group) && c->result >= 0 &&
		     (process == TRACE_NONE || c->process == process);
	}
	return n;
}

static size_t execs_of(const struct trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->process_count; i++)
		n += t->processes[i].exec_count;
	return n;
}

static void sample_trace(struct experiment_context *x, struct subject *s, const struct trace *t)
{
	static const struct {
		const char *key, *label;
		enum trace_group group;
	} groups[] = {
		{"hierarchy.namespace_calls", "calls that make or join namespaces",
		 TRACE_NAMESPACES},
		{"hierarchy.mount_calls", "mount calls", TRACE_MOUNTS},
		{"hierarchy.cgroup_calls", "cgroup operations", TRACE_CGROUPS},
		{"hierarchy.security_calls", "seccomp, capability and id calls", TRACE_SECURITY},
	};
	struct report_figure *processes =
		figure(x, s, "hierarchy.processes", "processes that take part", "1");

	processes->headline = true;
	report_sample(processes, (double)t->process_count);
	report_sample(figure(x, s, "hierarchy.execs", "programs executed", "1"),
		      (double)execs_of(t));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		report_sample(figure(x, s, groups[i].key, groups[i].label, "1"),
			      (double)calls_of(t, (int)groups[i].group, TRACE_NONE));
	if (t->program_ns != TRACE_NEVER)
		report_sample(figure(x, s, "hierarchy.until_program",
				     "until the container's program runs, recorded", "ms"),
			      (double)t->program_ns / 1e6);
	report_sample(figure(x, s, "hierarchy.recorded", "whole command, recorded", "ms"),
		      (double)t->end_ns / 1e6);
}

static int prepare(void *opaque)
{
	const struct subject *s = opaque;

	return s->ops->prepare_child ? s->ops->prepare_child(s) : 0;
}

static int record(struct experiment_context *x, struct hierarchy *h, struct subject *s,
		  const struct strv *argv, struct err *err)
{
	const struct trace_options o = {.output_fd = h->null_fd,
					.prepare_child = prepare,
					.opaque = s,
					.timeout_ms = TIMEOUT_MS};
	size_t index = subject_index(x, s);
	struct trace *t = NULL;
	int rc = trace_record(&o, (const char *const *)argv->items, &t, err);

	if (rc < 0)
		return rc;
	if (t->lost > 0)
		report_status(x->test, REPORT_PARTIAL, "%s: %llu records were lost", s->name,
			      (unsigned long long)t->lost);
	if (t->exit_code != 0) {
		figure(x, s, "hierarchy.processes", "processes that take part", "1")->failed++;
		report_note(x->test, "%s: a recorded run ended with exit code %d", s->name,
			    t->exit_code);
		trace_free(t);
		return 0;
	}
	sample_trace(x, s, t);
	trace_free(h->last[index]);
	h->last[index] = t;
	return 0;
}

static int measure(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		   void *arg, struct err *err)
{
	const struct container_spec spec = {.helper_argv = nothing};
	auto_command_run struct command_run plain = {0};
	auto_strv struct strv argv = {0};
	struct report_figure *unrecorded;
	struct hierarchy *h = arg;
	int rc = subject_run_command(s, &spec, &argv, err);

	(void)round;
	if (rc == 0)
		rc = command_execute(s, &argv, TIMEOUT_MS, &plain, err);
	if (rc < 0 || warm_up)
		return rc;
	unrecorded = figure(x, s, "hierarchy.unrecorded", "whole command, not recorded", "ms");
	if (plain.exit_code == 0)
		report_sample(unrecorded, (double)(plain.ended_ns - plain.spawned_ns) / 1e6);
	else if (unrecorded->failed++ == 0)
		report_note(x->test, "%s: a run failed: %.200s", s->name, plain.errors);
	strv_free(&argv);
	argv = (struct strv){0};
	rc = subject_run_command(s, &spec, &argv, err);
	return rc < 0 ? rc : record(x, h, s, &argv, err);
}

/* ---- tables ---- */

static void add_row(struct report_table *table, char *cells[], size_t n)
{
	report_row(table, (const char *const *)cells);
	for (size_t i = 0; i < n; i++)
		free(cells[i]);
}

static void show_processes(struct experiment_context *x, const struct subject *s,
			   const struct trace *t)
{
	static const char *const columns[] = {"process",  "part",     ">pid",    ">parent",
					      ">from ms", ">life ms", ">CPU ms", NULL};
	auto_free char *key = xasprintf("hierarchy.processes.%s", s->name);
	auto_free char *title = xasprintf("processes of one run: %s", s->name);
	struct report_table *table = report_table(x->test, key, title, columns);

	for (size_t i = 0; i < t->process_count; i++) {
		const struct trace_process *p = &t->processes[i];
		uint64_t end = p->end_ns == TRACE_NEVER ? 0 : p->end_ns;
		char *cells[] = {
			xasprintf("%*s%s", p->depth < 8 ? 2 * p->depth : 16, "", p->name),
			xstrdup(trace_role_name(p->role)),
			xasprintf("%d", p->pid),
			p->parent == TRACE_NONE ? xstrdup("-")
						: xasprintf("%d", t->processes[p->parent].pid),
			p->before ? xstrdup("before")
				  : xasprintf("%.2f", (double)p->start_ns / 1e6),
			p->before || end == 0
				? xstrdup("stays")
				: xasprintf("%.2f", (double)(end - p->start_ns) / 1e6),
			xasprintf("%.2f", (double)p->cpu_ns / 1e6),
		};

		add_row(table, cells, 7);
	}
}

static void show_calls(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	static const char *const columns[] = {"process", "call",     "what",
					      ">at ms",  ">took us", NULL};
	auto_free char *key = xasprintf("hierarchy.calls.%s", s->name);
	auto_free char *title = xasprintf("namespace and root calls of one run: %s", s->name);
	struct report_table *table = report_table(x->test, key, title, columns);

	for (size_t i = 0; i < t->call_count; i++) {
		const struct trace_call *c = &t->calls[i];
		char *cells[5];

		if (c->result < 0 || (c->group != TRACE_NAMESPACES &&
				      !str_eq(c->name, "pivot_root") && !str_eq(c->name, "chroot")))
			continue;
		cells[0] = xstrdup(t->processes[c->process].name);
		cells[1] = xstrdup(c->name);
		cells[2] = xasprintf("%.48s", c->text);
		cells[3] = xasprintf("%.2f", (double)c->begin_ns / 1e6);
		cells[4] = xasprintf("%.0f", (double)(c->end_ns - c->begin_ns) / 1e3);
		add_row(table, cells, 5);
	}
}

/* ---- claims ---- */

static void claim_chain(struct experiment_context *x, const struct subject *s,
			const struct trace *t)
{
	auto_strbuf struct strbuf chain = {0};
	size_t p = t->init, first = TRACE_NONE;
	struct report_claim *c;

	if (t->init == TRACE_NONE) {
		c = report_claim(x->test, s->name, "hierarchy.chain", REPORT_UNKNOWN,
				 "Every process from the container's first one up is known");
		report_evidence(c, "no process took another root and executed a program");
		return;
	}
	for (; p != TRACE_NONE; p = t->processes[p].parent) {
		strbuf_printf(&chain, "%s%s (%d)", chain.len ? " <- " : "", t->processes[p].name,
			      t->processes[p].pid);
		first = p;
	}
	c = report_claim(x->test, s->name, "hierarchy.chain",
			 first == 0 || t->processes[first].before ? REPORT_HOLDS : REPORT_BROKEN,
			 "Every process from the container's first one up is known");
	report_evidence(c, "%.400s", strbuf_str(&chain));
	if (t->processes[first].before)
		report_consequence(c,
				   "The container is not a child of the command: %s, which was "
				   "there before, started it when it was asked to",
				   t->processes[first].name);
	else
		report_consequence(c, "The container descends from the command itself");
}

static void claim_client(struct experiment_context *x, const struct subject *s,
			 const struct trace *t)
{
	size_t made = calls_of(t, TRACE_NAMESPACES, 0);
	struct report_claim *c;

	if (s->ops->kind == SUBJECT_RUNTIME || s->ops->kind == SUBJECT_HOST)
		return;
	c = report_claim(x->test, s->name, "hierarchy.client",
			 made == 0 ? REPORT_HOLDS : REPORT_BROKEN,
			 "The command itself makes no namespace");
	report_evidence(
		c, "%zu of %zu namespace calls and %zu of %zu mount calls are those of %s (%d)",
		made, calls_of(t, TRACE_NAMESPACES, TRACE_NONE), calls_of(t, TRACE_MOUNTS, 0),
		calls_of(t, TRACE_MOUNTS, TRACE_NONE), t->processes[0].name, t->processes[0].pid);
	if (made == 0)
		report_consequence(c,
				   "Who traces that program alone does not see the container being "
				   "made");
}

static void claim_namespaces(struct experiment_context *x, const struct subject *s,
			     const struct trace *t)
{
	auto_strbuf struct strbuf names = {0};
	struct report_claim *c = NULL;
	uint64_t flags = 0;

	for (size_t i = 0; i < t->call_count; i++) {
		if (t->calls[i].result >= 0 && !str_eq(t->calls[i].name, "setns"))
			flags |= t->calls[i].flags;
	}
	call_namespace_names(flags, &names);
	c = report_claim(x->test, s->name, "hierarchy.namespaces",
			 flags ? REPORT_HOLDS : REPORT_UNKNOWN,
			 "The container's namespaces were made by the calls that were recorded");
	report_evidence(c, "new: %s", flags ? strbuf_str(&names) : "none");
	for (size_t i = 0; i < t->call_count; i++) {
		if (t->calls[i].flags && t->calls[i].result >= 0)
			report_evidence(c, "%s (%d): %s, %s",
					t->processes[t->calls[i].process].name, t->calls[i].tid,
					t->calls[i].name, t->calls[i].text);
	}
}

static void find_waits(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	const struct trace_wait *w = t->wait_count ? &t->waits[0] : NULL;
	double share;

	if (!w || t->program_ns == TRACE_NEVER || w->state != TRACE_ASLEEP)
		return;
	share = (double)(w->end_ns - w->begin_ns) / (double)t->program_ns;
	if (share < WAIT_WORTH_TELLING)
		return;
	struct report_finding *f = report_finding(
		x->report, REPORT_LOW, share, "hierarchy", s->name,
		"%s sleeps %.1f ms of the %.1f ms until the container's program runs%s%s",
		t->processes[w->process].name, (double)(w->end_ns - w->begin_ns) / 1e6,
		(double)t->program_ns / 1e6, w->in ? ", in " : "", w->in ? w->in : "");
	report_reason(f,
		      "one sleep of a process that the start waits for takes more than a quarter "
		      "of it");
	report_recommend(f, "cloche trace --calls -- COMMAND",
			 "look at what that process does before and after");
}

static void keep(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	auto_strbuf struct strbuf json = {0};
	auto_free char *name = xasprintf("hierarchy-%s.trace.json", s->name);

	if (!x->keep)
		return;
	trace_json(t, &json);
	experiment_keep(x, name, strbuf_str(&json), json.len);
}

static void show(struct experiment_context *x, const struct subject *s, const struct trace *t)
{
	show_processes(x, s, t);
	show_calls(x, s, t);
	claim_chain(x, s, t);
	claim_client(x, s, t);
	claim_namespaces(x, s, t);
	find_waits(x, s, t);
	keep(x, s, t);
	report_note(
		x->test,
		"%s: %zu processes that others started meanwhile are left out; %llu records, %llu "
		"lost; %.1f ms of processor time in the recorder, %.1f ms in the kernel's half",
		s->name, t->left_out_processes, (unsigned long long)t->records,
		(unsigned long long)t->lost, (double)t->recorder_cpu_ns / 1e6,
		(double)t->kernel_cpu_ns / 1e6);
}

/* ---- a second instrument ---- */

#define STRACE "/usr/bin/strace"
#define STRACE_MAX (16 << 20)

/* Calls that no engine's daemon makes for it, so that following the command's children is enough. */
static const char *const checked[] = {"mount",       "umount2",    "pivot_root",   "unshare",
				      "sethostname", "move_mount", "open_tree",    "fsopen",
				      "fsmount",     "fsconfig",   "mount_setattr"};
#define CHECKED (sizeof(checked) / sizeof(checked[0]))

static bool is_checked(const char *name, size_t len)
{
	for (size_t i = 0; i < CHECKED; i++) {
		if (strlen(checked[i]) == len && strncmp(checked[i], name, len) == 0)
			return true;
	}
	return false;
}

/* Lines that begin a call: "PID name(". A resumed one is "PID <... name resumed>". */
static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		const char *name = line + strspn(line, "0123456789 ");
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789");

		n += name[len] == '(' && is_checked(name, len);
		if (!strchr(line, '\n'))
			break;
	}
	return n;
}

static size_t count_recorded(const struct trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->call_count; i++)
		n += is_checked(t->calls[i].name, strlen(t->calls[i].name));
	return n;
}

static void strace_command(const char *file, const struct strv *command, struct strv *out)
{
	auto_strbuf struct strbuf calls = {0};

	strbuf_puts(&calls, "trace=");
	for (size_t i = 0; i < CHECKED; i++)
		strbuf_printf(&calls, "%s%s", i ? "," : "", checked[i]);
	strv_add(out, STRACE);
	strv_add(out, "-f");
	strv_add(out, "-qq");
	strv_add(out, "-e");
	strv_add(out, strbuf_str(&calls));
	strv_add(out, "-o");
	strv_add(out, file);
	strv_add_all(out, command);
}

static int verify(struct experiment_context *x, struct subject *s, const struct trace *t,
		  struct err *err)
{
	const struct container_spec spec = {.helper_argv = nothing};
	auto_free char *file = xasprintf("%s/strace", x->scratch);
	auto_command_run struct command_run run = {0};
	auto_strv struct strv command = {0};
	auto_strv struct strv argv = {0};
	auto_free char *text = NULL;
	size_t len;
	int rc;

	if (s->ops->kind == SUBJECT_DOCKER)
		return 0;
	if (access(STRACE, X_OK) < 0) {
		report_note(x->test, "no second instrument: %s is not installed", STRACE);
		return 0;
	}
	rc = subject_run_command(s, &spec, &command, err);
	if (rc < 0)
		return rc;
	strace_command(file, &command, &argv);
	rc = command_execute(s, &argv, TIMEOUT_MS, &run, err);
	if (rc == 0)
		rc = file_read_at(AT_FDCWD, file, STRACE_MAX, &text, &len);
	unlink(file);
	if (rc == -EINTR)
		return rc;
	if (rc < 0 || run.exit_code != 0) {
		report_note(x->test, "%s: strace of it did not go well: %.200s", s->name,
			    run.errors ? run.errors : err_errno_text(-rc));
		return 0;
	}
	report_check(x->test, s->name, "hierarchy.calls", "mount and namespace calls of a run", "1",
		     "tracepoints", (double)count_recorded(t), "strace -f",
		     (double)count_lines(text), 0, 2);
	return 0;
}

static int run(struct experiment_context *x, struct err *err)
{
	size_t runs = x->brief ? RUNS_BRIEF : x->runs < RUNS_MAX ? x->runs : RUNS_MAX;
	struct hierarchy h = {.last = xcalloc(x->subject_count, sizeof(struct trace *))};
	auto_close int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int rc = null_fd < 0 ? err_sys(err, "open /dev/null") : 0;

	h.null_fd = null_fd;
	if (rc == 0)
		rc = experiment_interleave(x, x->brief ? 0 : 1, runs, measure, &h, err);
	for (size_t i = 0; i < x->subject_count; i++) {
		if (h.last[i])
			show(x, x->subjects[i], h.last[i]);
		if (rc == 0 && x->verify && h.last[i])
			rc = verify(x, x->subjects[i], h.last[i], err);
		if (!h.last[i] && rc == 0)
			report_status(x->test, REPORT_PARTIAL,
				      "%s: no run went well; see the notes", x->subjects[i]->name);
		trace_free(h.last[i]);
	}
	free(h.last);
	return rc;
}

const struct experiment experiment_hierarchy = {
	.number = 2,
	.key = "hierarchy",
	.title = "Processes and system calls of a start",
	.run = run,
};

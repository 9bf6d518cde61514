/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 10: the system calls of a container. In each run, for each subject in turn: what the cheapest call
 * takes with nobody watching; then, counted in the kernel, work whose calls are known (threads of
 * children, failing and refused calls among them), an ordinary command of the image, and the cheapest
 * call again, which gives the observer's own bill.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/syscalls_internal.h"

#define CHILDREN 4
#define THREADS 3
#define OUTSIDE_CALLS 1000
#define TIMED_CALLS 50000
/* Processes, reads, writes, failing look-ups: what a shell does all day. */
#define COMMAND "arg0=/bin/sh arg1=-c arg2=ls%%20-lR%%20/etc;cat%%20/etc/passwd|wc%%20-l"

const char *const known_names[KNOWN_CALLS] = {
	[KNOWN_GETPPID] = "getppid",
	[KNOWN_FCHDIR] = "fchdir",
	[KNOWN_NAP] = "clock_nanosleep",
	[KNOWN_KEYCTL] = "keyctl",
};

bool counted_in_container(const struct counted_subject *c)
{
	return c->subject->ops->kind != SUBJECT_HOST;
}

uint64_t counted_attempts(const struct call_counts *c, enum known_call call)
{
	int number = call_number(known_names[call]);

	return number < 0 ? 0 : c->numbers[number].begun + c->numbers[number].refused;
}

int syscalls_ask_known(struct counted_subject *c, bool brief, uint64_t made[KNOWN_CALLS],
		       uint64_t *threads, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(c->session, ANSWER_MS, &lines, err,
			     "calls children=%d threads=%d times=%d naps=2 refusals=5", CHILDREN,
			     THREADS, brief ? 100 : 500);

	if (rc < 0)
		return rc;
	for (int i = 0; i < KNOWN_CALLS; i++)
		made[i] = (uint64_t)session_number(lines.count ? lines.items[0] : "",
						   known_names[i], 0);
	*threads = (uint64_t)session_number(lines.count ? lines.items[0] : "", "born", 0);
	return 0;
}

/* us per call of the cheapest. */
static int time_a_call(struct counted_subject *c, double *us, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(c->session, ANSWER_MS, &lines, err, "call_time times=%d", TIMED_CALLS);

	*us = rc == 0 && lines.count ? session_number(lines.items[0], "per_call_ns", NAN) / 1e3
				     : NAN;
	return rc;
}

static struct report_figure *figure(struct syscalls_test *t, const struct counted_subject *c,
				    const char *key, const char *label, const char *unit)
{
	return report_figure(t->x->test, c->subject->name, key, label, unit, REPORT_LOWER);
}

static void add_known(struct syscalls_test *t, struct counted_subject *c,
		      const struct call_counts *seen, const uint64_t made[KNOWN_CALLS],
		      uint64_t threads)
{
	uint64_t missed = seen->born > threads ? seen->born - threads : threads - seen->born;

	for (enum known_call i = 0; i < KNOWN_CALLS; i++) {
		uint64_t counted = counted_attempts(seen, i);

		missed += counted > made[i] ? counted - made[i] : made[i] - counted;
		c->made[i] += made[i];
	}
	c->made_threads += threads;
	c->missed += missed;
	c->outside += OUTSIDE_CALLS;
	c->runs++;
	call_counts_add(c->known, seen);
	report_sample(figure(t, c, "syscalls.missed", "known calls missed", "1"), (double)missed);
}

/* Known work between two readings. The observer makes one of the calls itself, which must not count. */
static int count_known(struct syscalls_test *t, struct counted_subject *c, bool warm_up,
		       struct err *err)
{
	auto_free struct call_counts *before = xcalloc(1, sizeof(*before));
	auto_free struct call_counts *after = xcalloc(1, sizeof(*after));
	uint64_t made[KNOWN_CALLS], threads;
	int rc = call_counter_read(c->counter, before, err);

	for (int i = 0; i < OUTSIDE_CALLS; i++)
		syscall(SYS_getppid);
	if (rc == 0)
		rc = syscalls_ask_known(c, t->x->brief, made, &threads, err);
	if (rc == 0)
		rc = call_counter_read(c->counter, after, err);
	if (rc < 0)
		return rc;
	call_counts_subtract(after, before);
	if (!warm_up)
		add_known(t, c, after, made, threads);
	return 0;
}

static void add_command(struct syscalls_test *t, struct counted_subject *c,
			const struct call_counts *seen)
{
	struct call_count all = call_counts_total(seen);

	call_counts_add(c->command, seen);
	c->command_ns += seen->at_ns;
	c->command_runs++;
	report_sample(figure(t, c, "syscalls.command_calls", "calls of an ordinary command", "1"),
		      (double)(all.begun + all.refused));
	if (all.ended)
		report_sample(figure(t, c, "syscalls.command_errors", "of those, failed", "%"),
			      100.0 * (double)all.errors / (double)all.ended);
}

/* Not on the host, whose programs are others. */
static int count_command(struct syscalls_test *t, struct counted_subject *c, bool warm_up,
			 struct err *err)
{
	auto_free struct call_counts *before = xcalloc(1, sizeof(*before));
	auto_free struct call_counts *after = xcalloc(1, sizeof(*after));
	auto_strv struct strv lines = {0};
	double code;
	int rc;

	if (c->no_command || !counted_in_container(c))
		return 0;
	rc = call_counter_read(c->counter, before, err);
	if (rc == 0)
		rc = session_ask(c->session, ANSWER_MS, &lines, err, "execute " COMMAND);
	if (rc == 0)
		rc = call_counter_read(c->counter, after, err);
	if (rc < 0)
		return rc;
	code = session_number(lines.count ? lines.items[0] : "", "exit_code", NAN);
	if (code != 0) {
		c->no_command = true;
		report_note(t->x->test,
			    "%s: no ordinary command was counted: /bin/sh ended with %g",
			    c->subject->name, code);
		return 0;
	}
	call_counts_subtract(after, before);
	if (!warm_up)
		add_command(t, c, after);
	return 0;
}

static int watch(struct syscalls_test *t, struct counted_subject *c, bool warm_up, double alone_us,
		 struct err *err)
{
	double watched_us;
	int rc = call_counter_resume(c->counter, err);

	if (rc == 0)
		rc = count_known(t, c, warm_up, err);
	if (rc == 0)
		rc = count_command(t, c, warm_up, err);
	if (rc == 0)
		rc = time_a_call(c, &watched_us, err);
	call_counter_pause(c->counter);
	if (rc < 0 || warm_up)
		return rc;
	report_sample(figure(t, c, "syscalls.call_time", "the cheapest call, unwatched", "us"),
		      alone_us);
	report_sample(figure(t, c, "syscalls.observer", "counting adds to each call", "us"),
		      watched_us - alone_us);
	return 0;
}

static struct counted_subject *find(struct syscalls_test *t, const struct subject *s)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->subjects[i].subject == s)
			return &t->subjects[i];
	}
	return NULL;
}

static int step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		void *arg, struct err *err)
{
	struct syscalls_test *t = arg;
	struct counted_subject *c = find(t, s);
	double alone_us, host_us;
	int rc;

	(void)round;
	(void)x;
	if (!c || !c->session)
		return 0;
	rc = time_a_call(c, &alone_us, err);
	if (rc == 0)
		rc = watch(t, c, warm_up, alone_us, err);
	/* The floor beside the first subject, in every run. */
	if (rc == 0 && !warm_up && t->host.session && c == t->subjects) {
		rc = time_a_call(&t->host, &host_us, err);
		if (rc == 0)
			t->floor_us[t->floor_count++] = host_us;
	}
	return rc;
}

/* The helper in its container, and a counter that follows it. */
static int open_one(struct counted_subject *c, struct err *err)
{
	struct container_spec spec = {.name = "calls"};
	int rc;

	rc = session_open(c->subject, &spec, &c->session, err);
	if (rc == 0)
		rc = call_counter_open(&c->counter, err);
	if (rc == 0)
		rc = call_counter_follow(c->counter, session_pid(c->session),
					 counted_in_container(c), NULL, err);
	if (rc == 0) {
		call_counter_pause(c->counter);
		return 0;
	}
	call_counter_close(take_ptr(&c->counter));
	session_close(take_ptr(&c->session));
	return rc;
}

static int open_all(struct syscalls_test *t, struct err *err)
{
	struct container_spec spec = {.name = "floor"};
	bool host = false;
	int rc = 0;

	for (size_t i = 0; i < t->count && rc == 0; i++) {
		struct counted_subject *c = &t->subjects[i];

		c->subject = t->x->subjects[i];
		host = host || !counted_in_container(c);
		rc = open_one(c, err);
		if (rc < 0 && rc != -EINTR) {
			report_status(t->x->test, REPORT_PARTIAL, "%s: %s", c->subject->name,
				      err->msg);
			rc = 0;
		}
	}
	t->host.subject = t->x->host;
	if (rc == 0 && !host)
		rc = session_open(t->x->host, &spec, &t->host.session, err);
	return rc;
}

static void close_all(struct syscalls_test **test)
{
	struct syscalls_test *t = *test;

	for (size_t i = 0; t && i < t->count; i++) {
		call_counter_close(take_ptr(&t->subjects[i].counter));
		session_close(take_ptr(&t->subjects[i].session));
	}
	if (t)
		session_close(take_ptr(&t->host.session));
}
#define auto_close_all __attribute__((cleanup(close_all)))

static void release(void *state)
{
	struct syscalls_test *t = state;

	for (size_t i = 0; i < t->count; i++) {
		free(t->subjects[i].known);
		free(t->subjects[i].command);
	}
	free(t->subjects);
	free(t->floor_us);
	free(t);
}

/* Sums that grow from moment to moment. */
static struct syscalls_test *test_of(struct experiment_context *x)
{
	struct syscalls_test *t = x->state;

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->x = x;
	t->count = x->subject_count;
	t->subjects = xcalloc(t->count + 1, sizeof(*t->subjects));
	t->floor_us = xcalloc(x->all_runs + 1, sizeof(*t->floor_us));
	for (size_t i = 0; i < t->count; i++) {
		t->subjects[i].known = xcalloc(1, sizeof(struct call_counts));
		t->subjects[i].command = xcalloc(1, sizeof(struct call_counts));
	}
	x->state = t;
	return t;
}

/* Refuses with the reason before any container is started. */
static int check(struct err *err)
{
	auto_call_counter struct call_counter *counter = NULL;

	return call_counter_open(&counter, err);
}

static int run(struct experiment_context *x, struct err *err)
{
	auto_close_all struct syscalls_test *t = NULL;
	int rc = check(err);

	if (rc < 0)
		return rc;
	t = test_of(x);
	rc = open_all(t, err);
	if (rc == 0)
		rc = experiment_interleave(x, x->brief ? 1 : experiment_warm_ups(x), x->runs, step,
					   t, err);
	if (rc == 0 && !experiment_is_last(x))
		return 0;
	for (size_t i = 0; rc == 0 && x->verify && i < t->count; i++)
		rc = syscalls_verify(t, &t->subjects[i], err);
	syscalls_conclude(t);
	return rc;
}

const struct experiment experiment_syscalls = {
	.number = 10,
	.key = "syscalls",
	.title = "System calls of a container",
	.run = run,
	.spread = true,
	.release = release,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second instrument: strace on the same processes at the same time. It stops every call twice, so it
 * disturbs far more than it is disturbed; the counts do not depend on that. Only the known calls are
 * compared: what strace makes the others do (interrupted and restarted calls) is its own doing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/syscalls_internal.h"
#include "observe/subject/spawn.h"
#include "observe/subject/subject_internal.h"

#define ATTACH_MS 10000
#define TABLE_MAX (256 << 10)

/* A line: "% time, seconds, usecs/call, calls, errors, name", the errors left blank where there are
 * none. */
void syscalls_parse_strace(const char *table, const char *name, uint64_t *calls, uint64_t *errors)
{
	auto_free char *text = xstrdup(table);
	char *save;

	*calls = *errors = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *words[6], *within;
		size_t n = 0;

		for (char *w = strtok_r(line, " ", &within); w && n < 6;
		     w = strtok_r(NULL, " ", &within))
			words[n++] = w;
		if (n < 5 || !str_eq(words[n - 1], name) || str_to_u64(words[3], calls) < 0)
			continue;
		if (n == 6 && str_to_u64(words[4], errors) < 0)
			*errors = 0;
		return;
	}
}

static bool is_traced(pid_t pid)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	at = strstr(text, "TracerPid:");
	return at && strtol(at + strlen("TracerPid:"), NULL, 10) != 0;
}

/* ERR_UNSUPPORTED when strace is not attached in time. */
static int attach(pid_t pid, const char *program, const char *output, struct spawned *strace,
		  struct err *err)
{
	auto_strv struct strv argv = {0};
	uint64_t deadline = spawn_deadline(ATTACH_MS);
	int rc;

	strv_add(&argv, program);
	strv_add(&argv, "-c");
	strv_add(&argv, "-f");
	strv_add(&argv, "-q");
	strv_add(&argv, "-o");
	strv_add(&argv, output);
	strv_add(&argv, "-p");
	strv_add_taken(&argv, xasprintf("%d", (int)pid));
	rc = spawn(NULL, &argv, false, strace, err);
	while (rc == 0 && !is_traced(pid)) {
		rc = experiment_go_on(err);
		if (rc == 0 && clock_now_ns() > deadline)
			rc = err_set(err, ERR_UNSUPPORTED, 0, "strace did not attach");
		usleep(5000);
	}
	return rc;
}

static void compare(struct syscalls_test *t, const struct counted_subject *c,
		    const struct call_counts *seen, const char *table)
{
	uint64_t calls, errors;

	for (enum known_call i = 0; i < KNOWN_CALLS; i++) {
		auto_free char *key = xasprintf("syscalls.%s", known_names[i]);
		auto_free char *what = xasprintf("calls of %s", known_names[i]);

		syscalls_parse_strace(table, known_names[i], &calls, &errors);
		report_check(t->x->test, c->subject->name, key, what, "1", "counter",
			     (double)counted_attempts(seen, i), "strace", (double)calls, 0, 0);
	}
	syscalls_parse_strace(table, known_names[KNOWN_FCHDIR], &calls, &errors);
	report_check(t->x->test, c->subject->name, "syscalls.fchdir_errors", "errors of fchdir",
		     "1", "counter",
		     (double)seen->numbers[call_number(known_names[KNOWN_FCHDIR])].errors, "strace",
		     (double)errors, 0, 0);
}

/* Between attaching and the end of strace. */
static int count_both(struct counted_subject *c, struct call_counter *counter,
		      struct call_counts *seen, struct err *err)
{
	auto_free struct call_counts *before = xcalloc(1, sizeof(*before));
	uint64_t made[KNOWN_CALLS], threads;
	int rc = call_counter_read(counter, before, err);

	if (rc == 0)
		rc = syscalls_ask_known(c, true, made, &threads, err);
	if (rc == 0)
		rc = call_counter_read(counter, seen, err);
	if (rc == 0)
		call_counts_subtract(seen, before);
	return rc;
}

static int run_both(struct counted_subject *c, const char *program, const char *output,
		    struct call_counts *seen, struct err *err)
{
	auto_call_counter struct call_counter *counter = NULL;
	struct spawned strace = SPAWNED_NONE;
	pid_t pid = session_pid(c->session);
	int rc = call_counter_open(&counter, err);

	if (rc == 0)
		rc = call_counter_follow(counter, pid, counted_in_container(c), NULL, err);
	if (rc == 0)
		rc = attach(pid, program, output, &strace, err);
	if (rc == 0)
		rc = count_both(c, counter, seen, err);
	if (strace.pid)
		spawned_end(&strace, SIGINT); /* it detaches and writes its table */
	spawned_close(&strace);
	return rc;
}

int syscalls_verify(struct syscalls_test *t, struct counted_subject *c, struct err *err)
{
	auto_free char *program = subject_find_program("strace");
	auto_free char *output = xasprintf("%s/strace-%s", t->x->scratch, c->subject->name);
	auto_free char *table = NULL;
	auto_free struct call_counts *seen = xcalloc(1, sizeof(*seen));
	size_t len;
	int rc;

	if (!program) {
		report_note(t->x->test, "not counted a second time: strace is not installed");
		return 0;
	}
	if (!c->session)
		return 0;
	for (char *p = output + strlen(t->x->scratch) + 1; *p; p++)
		*p = *p == '/' ? '_' : *p;
	experiment_progress(t->x, "strace", 0, 1);
	rc = run_both(c, program, output, seen, err);
	if (rc == 0 && file_read_at(AT_FDCWD, output, TABLE_MAX, &table, &len) < 0)
		rc = err_set(err, ERR_UNSUPPORTED, 0, "strace wrote no table");
	unlink(output);
	if (rc == -EINTR)
		return rc;
	if (rc < 0)
		report_status(t->x->test, REPORT_PARTIAL, "%s, second instrument: %s",
			      c->subject->name, err->msg);
	else
		compare(t, c, seen, table);
	return 0;
}

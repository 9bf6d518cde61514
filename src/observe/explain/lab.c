/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of the course, what happens to them, and which topic looks at which. */
#include "observe/explain/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "engine/engine.h"
#include "observe/experiment/experiment.h"
#include "observe/explain/birth.h"
#include "observe/explain/explain.h"
#include "observe/explain/lab_image.h"
#include "observe/probe/cgroup.h"
#include "observe/subject/subject_internal.h"

#define ASK_MS 30000
#define CALL_MS 60000
#define SPIN_MS 3500
#define MEMORY_BYTES (32u << 20)
#define OVERRUN_BYTES (96u << 20)
#define PIDS 24

enum lab_container {
	LAB_ALPHA,
	LAB_BETA,
	LAB_HOST_PIDS,
	LAB_JOINED,
	LAB_FOREIGN,
	LAB_LIMITED,
	LAB_COUNT
};

static const struct lab_row {
	const char *name, *how;
	struct container_spec spec; /* image of LAB_FOREIGN: filled in */
} containers[LAB_COUNT] = {
	[LAB_ALPHA] = {"alpha", "as the engine makes it", {.name = "alpha"}},
	[LAB_BETA] = {"beta", "the same once more", {.name = "beta"}},
	[LAB_HOST_PIDS] = {"hostpids", "--pid host", {.name = "hostpids", .pid = "host"}},
	[LAB_JOINED] = {"joined",
			"--network container:alpha",
			{.name = "joined", .network = "container:alpha"}},
	[LAB_FOREIGN] = {"foreign", "from a second root file system", {.name = "foreign"}},
	[LAB_LIMITED] = {"limited",
			 "--cpus 0.1 --memory 32m --pids-limit 24",
			 {.name = "limited",
			  .cpus = 0.1,
			  .memory_bytes = MEMORY_BYTES,
			  .pids_limit = PIDS}},
};

/* Which topic looks at which container, and beside which other one (LAB_COUNT: none). */
static const struct lab_lesson {
	const char *topic;
	enum lab_container container, beside;
} lessons[] = {
	{"kernel", LAB_ALPHA, LAB_FOREIGN}, {"kernel", LAB_FOREIGN, LAB_COUNT},
	{"pids", LAB_ALPHA, LAB_COUNT},     {"namespaces", LAB_ALPHA, LAB_BETA},
	{"creation", LAB_ALPHA, LAB_COUNT}, {"cgroup", LAB_LIMITED, LAB_COUNT},
	{"load", LAB_LIMITED, LAB_COUNT},   {"layers", LAB_ALPHA, LAB_COUNT},
	{"ancestry", LAB_ALPHA, LAB_COUNT}, {"sharing", LAB_HOST_PIDS, LAB_COUNT},
	{"sharing", LAB_JOINED, LAB_COUNT},
};

struct lab {
	struct experiment_context *x;
	struct subject *subject;
	struct engine *engine; /* heap; NULL: not opened */
	struct session *sessions[LAB_COUNT];
};

static void lab_close(struct lab *l)
{
	/* The one whose network is joined ends last. */
	for (int i = LAB_COUNT - 1; i >= 0; i--)
		session_close(l->sessions[i]);
	if (l->engine)
		engine_close(l->engine);
	free(l->engine);
}

/* Swept by the subject's undo like an image that was loaded. */
static int import_other(struct lab *l, char **name, struct err *err)
{
	auto_free char *path = xasprintf("%s/foreign.tar", l->x->scratch);
	auto_strbuf struct strbuf tar = {0};
	int rc;

	lab_image(&tar);
	rc = file_replace_at(AT_FDCWD, path, tar.data, tar.len, 0600, FILE_VOLATILE);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "write %s: %s", path, err_errno_text(-rc));
	*name = xasprintf("%sforeign:latest", l->subject->prefix);
	rc = subject_call(l->subject, CALL_MS, NULL, err, SUBJECT_WORDS("import", path, *name));
	if (rc == 0)
		strv_add(&l->subject->undo, *name);
	return rc;
}

static int start_all(struct lab *l, struct err *err)
{
	static const char *const columns[] = {"container", "made with", ">first process", NULL};
	struct report_table *t = report_table(l->x->test, "lab.containers",
					      "containers made for this course, removed at its end",
					      columns);
	auto_free char *other = NULL;
	int rc = import_other(l, &other, err);

	for (int i = 0; rc == 0 && i < LAB_COUNT; i++) {
		struct container_spec spec = containers[i].spec;
		char pid[16];

		spec.image = i == LAB_FOREIGN ? other : NULL;
		experiment_progress(l->x, "containers", (size_t)i, LAB_COUNT);
		rc = session_open(l->subject, &spec, &l->sessions[i], err);
		if (rc < 0)
			return rc == -EINTR ? rc
					    : err_wrap(err, "container %s", containers[i].name);
		snprintf(pid, sizeof(pid), "%d", session_pid(l->sessions[i]));
		report_row(t, (const char *const[]){containers[i].name, containers[i].how, pid});
	}
	return rc;
}

/* Adds, changes and removes a file in the first one. */
static int change_files(struct lab *l, struct err *err)
{
	auto_command_run struct command_run run = {.output = NULL};
	auto_strv struct strv argv = {0};
	int rc = subject_exec_command(
		l->subject, containers[LAB_ALPHA].name,
		SUBJECT_WORDS("sh", "-c",
			      "echo new >/added; echo '# changed' >>/etc/passwd; rm /etc/group"),
		&argv, err);

	if (rc == 0)
		rc = command_execute(l->subject, &argv, CALL_MS, &run, err);
	if (rc == 0 && run.exit_code)
		report_note(l->x->test, "files of container alpha could not be changed: %.200s",
			    run.errors);
	else if (rc == 0)
		report_note(l->x->test,
			    "in container alpha: /added was written, a line put to /etc/passwd, "
			    "/etc/group removed");
	return rc;
}

static int ask_load(struct lab *l, const char *request, const char *what, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(l->sessions[LAB_LIMITED], ASK_MS, &lines, err, "%s", request);

	if (rc == 0 && lines.count)
		report_note(l->x->test, "in container limited: %s; it answered %s", what,
			    lines.items[0]);
	return rc;
}

/* Until the two were stopped once: on a busy host they take some time to come to their limit. */
static int await_throttling(struct lab *l, struct err *err)
{
	auto_free struct group_view *group = xcalloc(1, sizeof(*group));
	auto_free struct group_counters *now = xcalloc(1, sizeof(*now));
	const struct timespec pause = {.tv_nsec = 20000000};
	int rc = group_probe(session_pid(l->sessions[LAB_LIMITED]), group, err);

	for (int ms = 0; rc == 0 && ms < SPIN_MS / 2; ms += 20) {
		if (group_counters(group, now) < 0 || !now->base.has_throttling ||
		    now->base.throttled_periods)
			break;
		nanosleep(&pause, NULL);
		rc = experiment_go_on(err);
	}
	return rc;
}

/* More memory and more processes than it may have; two processes that want a processor each go on while
 * it is looked at. */
static int put_under_load(struct lab *l, struct err *err)
{
	auto_free char *overrun = xasprintf("overrun bytes=%u", OVERRUN_BYTES);
	int rc = ask_load(l, overrun, "96 MiB were asked for", err);

	if (rc == 0)
		rc = ask_load(l, "forks max=64", "64 processes were asked for", err);
	if (rc == 0)
		rc = session_send(l->sessions[LAB_LIMITED], err, "spin ms=%d workers=2", SPIN_MS);
	if (rc == 0)
		report_note(l->x->test,
			    "in container limited: two processes want a processor each while it "
			    "is looked at");
	return rc < 0 ? rc : await_throttling(l, err);
}

static int resolve(struct lab *l, enum lab_container c, struct target *out, struct err *err)
{
	auto_free char *reference =
		xasprintf("%s:%s", l->subject->name, session_name(l->sessions[c]));

	return target_resolve(l->engine, reference, out, err);
}

static int give_lesson(struct lab *l, const struct lab_lesson *lesson, struct err *err)
{
	auto_target struct target target = {.name = NULL}, other = {.name = NULL};
	struct explain x = {.report = l->x->report,
			    .target = &target,
			    .engine = l->engine,
			    .name = containers[lesson->container].name};
	int rc = resolve(l, lesson->container, &target, err);

	if (rc == 0 && lesson->beside != LAB_COUNT) {
		rc = resolve(l, lesson->beside, &other, err);
		x.other = &other;
	}
	if (rc == 0 && x.other) {
		free(other.name);
		other.name = xstrdup(containers[lesson->beside].name);
	}
	if (rc == 0)
		rc = explain_look(&x, err);
	if (rc == 0)
		explain_topic_add(&x, explain_find_topic(lesson->topic));
	explain_forget(&x);
	if (rc == 0 && str_eq(lesson->topic, "creation"))
		rc = explain_birth(x.test, l->subject, err);
	return rc;
}

static int walk(struct lab *l, struct err *err)
{
	size_t n = sizeof(lessons) / sizeof(lessons[0]);
	auto_strv struct strv answer = {0};
	bool loaded = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		experiment_progress(l->x, lessons[i].topic, i, n);
		rc = experiment_go_on(err);
		if (rc == 0 && lessons[i].container == LAB_LIMITED && !loaded) {
			rc = put_under_load(l, err);
			loaded = true;
		}
		if (rc == 0)
			rc = give_lesson(l, &lessons[i], err);
	}
	if (rc == 0 && loaded)
		rc = session_receive(l->sessions[LAB_LIMITED], ASK_MS, &answer, err);
	return rc;
}

static int run_lab(struct experiment_context *x, struct err *err)
{
	struct lab l __attribute__((cleanup(lab_close))) = {.x = x, .subject = x->subjects[0]};
	int rc;

	if (l.subject->ops->kind != SUBJECT_CLOCHE && l.subject->ops->kind != SUBJECT_DOCKER &&
	    l.subject->ops->kind != SUBJECT_PODMAN)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"the course needs an engine that knows containers by name: cloche, docker "
			"or podman, not %s",
			l.subject->name);
	l.engine = xcalloc(1, sizeof(*l.engine));
	rc = engine_open(l.engine, NULL, NULL, err);
	if (rc < 0) {
		free(l.engine);
		l.engine = NULL;
		return rc;
	}
	rc = start_all(&l, err);
	if (rc == 0)
		rc = change_files(&l, err);
	return rc < 0 ? rc : walk(&l, err);
}

const struct experiment explain_lab = {
	.key = "lab",
	.title = "The containers of this course",
	.run = run_lab,
};

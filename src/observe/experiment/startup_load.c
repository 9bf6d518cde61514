/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an image in from a file. The image is made for it: the shared one with one more layer, whose
 * bytes are new, so no store has it already; each sample loads it and removes it again. The floor is a
 * plain copy of the archive on the same file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/startup_internal.h"
#include "observe/subject/subject_internal.h"

#define LAYER_BYTES "33554432"
#define LAYER_BYTES_BRIEF "4194304"
#define LOAD_RUNS_MAX 5

struct load {
	char *archive, *image;
};

/* ---- the archive ---- */

static int write_archive(struct experiment_context *x, struct subject *cloche, struct load *l,
			 struct err *err)
{
	auto_free char *bytes = xasprintf("bytes=%s", x->brief ? LAYER_BYTES_BRIEF : LAYER_BYTES);
	auto_free char *name = xasprintf("%sload", cloche->prefix);
	auto_free char *helper = xasprintf("%s:" SUBJECT_HELPER_PATH ":ro", cloche->helper);
	int rc = subject_call(cloche, STARTUP_TIMEOUT_MS, NULL, err,
			      SUBJECT_WORDS("run", "--network", "none", "--name", name, "-v",
					    helper, "--entrypoint", SUBJECT_HELPER_PATH,
					    cloche->image, "fill", "path=/layer", bytes));

	if (rc == 0)
		rc = subject_call(cloche, STARTUP_TIMEOUT_MS, NULL, err,
				  SUBJECT_WORDS("commit", name, l->image));
	if (rc == 0)
		rc = subject_call(cloche, STARTUP_TIMEOUT_MS, NULL, err,
				  SUBJECT_WORDS("save", "-o", l->archive, l->image));
	return rc;
}

static int make_archive(struct experiment_context *x, struct load *l, struct err *err)
{
	const struct subject *any = x->subjects[0];
	auto_free char *name = xasprintf("%sload", any->prefix);
	struct err ignored = ERR_INIT;
	struct subject *cloche;
	int rc = subject_open("cloche", any->prefix, x->scratch, x->image, &cloche, err);

	if (rc < 0)
		return rc;
	l->archive = xasprintf("%s/load.tar", x->scratch);
	l->image =
		xasprintf("docker.io/%.*s/load:latest", (int)strlen(any->prefix) - 1, any->prefix);
	rc = write_archive(x, cloche, l, err);
	/* Missing is fine: it may not have come so far. */
	if (subject_call(cloche, STARTUP_TIMEOUT_MS, NULL, &ignored,
			 SUBJECT_WORDS("rm", "-f", name)) < 0 ||
	    subject_call(cloche, STARTUP_TIMEOUT_MS, NULL, &ignored,
			 SUBJECT_WORDS("rmi", l->image)) < 0)
		rc = rc < 0 ? rc : err_set(err, ERR_SYSTEM, EIO, "%s", ignored.msg);
	subject_free(cloche);
	return rc < 0 ? err_wrap(err, "archive to load") : 0;
}

/* ---- the floor ---- */

static int copy(const char *from, const char *to)
{
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC);
	auto_close int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	while ((n = copy_file_range(in, NULL, out, NULL, 1 << 20, 0)) > 0)
		;
	return n < 0 ? -errno : 0;
}

/* The quickest of three, in ms; NAN when it cannot be done. */
static double copy_ms(struct experiment_context *x, const char *archive)
{
	auto_free char *to = xasprintf("%s/copy", x->scratch);
	double best = NAN;

	for (int i = 0; i < 3; i++) {
		uint64_t start_ns = clock_now_ns();
		int rc = copy(archive, to);
		double ms = (double)(clock_now_ns() - start_ns) / 1e6;

		unlink(to);
		if (rc < 0)
			return NAN;
		if (!(best <= ms))
			best = ms;
	}
	return best;
}

/* ---- one load ---- */

static int load_once(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		     void *arg, struct err *err)
{
	const struct load *l = arg;
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	const char *const words[] = {s->program, "load", "-q", "-i", l->archive};
	struct report_figure *f;
	int rc;

	(void)round;
	if (s->ops->kind == SUBJECT_HOST || s->ops->kind == SUBJECT_RUNTIME)
		return 0;
	f = report_figure(x->test, s->name, "startup.load",
			  x->brief ? "`load` of an image's archive, one new layer of 4 MiB"
				   : "`load` of an image's archive, one new layer of 32 MiB",
			  "ms", REPORT_LOWER);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		strv_add(&argv, words[i]);
	rc = command_execute(s, &argv, STARTUP_TIMEOUT_MS, &run, err);
	if (rc == -EINTR)
		return rc;
	startup_sample(x, f, warm_up, rc, &run, run.spawned_ns, run.ended_ns, err);
	return rc == 0 && run.exit_code == 0 ? subject_call(s, STARTUP_TIMEOUT_MS, NULL, err,
							    SUBJECT_WORDS("rmi", l->image))
					     : 0;
}

int startup_load(struct experiment_context *x, struct err *err)
{
	size_t n = x->all_runs < LOAD_RUNS_MAX ? x->all_runs : LOAD_RUNS_MAX;
	struct load l = {.archive = NULL};
	int rc = make_archive(x, &l, err);
	double floor;

	if (rc == 0)
		rc = experiment_interleave(x, 1, n, load_once, &l, err);
	floor = rc == 0 ? copy_ms(x, l.archive) : NAN;
	for (size_t i = 0; !isnan(floor) && i < x->subject_count; i++) {
		struct report_figure *f =
			report_find_figure(x->test, x->subjects[i]->name, "startup.load");

		if (f)
			report_floor(f, floor, "a copy of the archive");
	}
	if (l.archive)
		unlink(l.archive);
	free(l.archive);
	free(l.image);
	return rc;
}

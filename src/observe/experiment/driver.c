/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the instruments from beginning to end. What it makes on the host: a scratch directory on
 * the data root's file system, a second name of the image while its archive is written, the image in
 * engines that it had to be loaded into, and containers. All bear the run's prefix.
 */
#include "observe/experiment/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/environment.h"
#include "observe/experiment/moments.h"
#include "observe/experiment/stale.h"
#include "observe/subject/interrupt.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 120000

struct driver {
	const struct driver_options *options;
	struct report *report;
	char *prefix, *scratch, *archive, *archive_image;
	int scratch_lock;              /* tells other runs that this one lives; -1 */
	struct subject *cloche, *host; /* the first gives the image, the second the floor */
	struct subject **subjects;
	size_t subject_count;
};

/* ---- what was asked for ---- */

static bool is_wanted(const struct driver_options *o, const struct experiment *e)
{
	if (!o->tests || !o->tests->count)
		return true;
	for (size_t i = 0; i < o->tests->count; i++) {
		uint64_t number;

		if (str_eq(o->tests->items[i], e->key) ||
		    (str_to_u64(o->tests->items[i], &number) == 0 && number == e->number))
			return true;
	}
	return false;
}

static int check_tests(const struct driver_options *o, struct err *err)
{
	for (size_t i = 0; o->tests && i < o->tests->count; i++) {
		struct strv one = {.items = &o->tests->items[i], .count = 1};
		struct driver_options alone = {.tests = &one};
		auto_strbuf struct strbuf known = {0};
		bool found = false;

		for (size_t j = 0; j < experiments_count; j++) {
			found = found || is_wanted(&alone, experiments[j]);
			strbuf_printf(&known, "%s%s", j ? ", " : "", experiments[j]->key);
		}
		if (!found)
			return err_set(err, ERR_USAGE, 0, "there is no test \"%s\"; there are: %s",
				       one.items[0], strbuf_str(&known));
	}
	return 0;
}

/* ---- setting up ---- */

static int make_prefix(struct driver *d, struct err *err)
{
	uint16_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return err_sys(err, "make a name for this run");
	d->prefix = xasprintf(STALE_NAME "%04x-", number);
	return 0;
}

static int make_scratch(struct driver *d, struct err *err)
{
	auto_strv struct strv specs = {0};
	int rc;

	if (d->options->subjects)
		strv_add_all(&specs, d->options->subjects);
	if (!strv_contains(&specs, "cloche"))
		strv_add(&specs, "cloche");
	rc = scratch_make(d->cloche->data_root, d->prefix, &specs, &d->scratch_lock, err);
	d->scratch = xasprintf("%s/tmp/%s", d->cloche->data_root, d->prefix);
	if (rc < 0 || !d->options->keep)
		return rc;
	rc = file_mkdir_all_at(AT_FDCWD, d->options->keep, 0755);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "make %s: %s", d->options->keep,
				err_errno_text(-rc))
		      : 0;
}

/* What a run that was killed left behind would be in this one's way, and in its figures. */
static void sweep_stale(struct driver *d)
{
	int found = stale_sweep(d->cloche->data_root);

	if (found)
		report_fact(d->report, "environment", "swept",
			    "what %d killed run%s of these instruments had left", found,
			    found == 1 ? "" : "s");
}

static int open_one(struct driver *d, const char *spec, struct subject **out, struct err *err)
{
	int rc = subject_open(spec, d->prefix, d->scratch ? d->scratch : "", d->options->image, out,
			      err);

	for (size_t i = 0; rc == 0 && d->options->run_flags && i < d->options->run_flags->count;
	     i++) {
		if ((*out)->ops->kind != SUBJECT_HOST)
			strv_add(&(*out)->extra_flags, d->options->run_flags->items[i]);
	}
	/* One engine under two runtimes: containers of both stand at the same time. */
	if (rc == 0 && strchr((*out)->name, ':')) {
		free((*out)->prefix);
		(*out)->prefix = xasprintf("%s%zu-", d->prefix, d->subject_count + 1);
	}
	return rc;
}

/* The built-in image comes into the store by its first use. */
static int fetch_image(struct driver *d, struct err *err)
{
	auto_free char *name = xasprintf("%simage", d->prefix);

	if (subject_call(d->cloche, CALL_TIMEOUT_MS, NULL, err,
			 SUBJECT_WORDS("image", "inspect", d->cloche->image)) == 0)
		return 0;
	return subject_call(d->cloche, CALL_TIMEOUT_MS, NULL, err,
			    SUBJECT_WORDS("run", "--rm", "--network", "none", "--name", name,
					  d->cloche->image, "true"));
}

static bool has_other_engine(const struct driver_options *o)
{
	for (size_t i = 0; o->subjects && i < o->subjects->count; i++) {
		if (str_starts(o->subjects->items[i], "docker") ||
		    str_eq(o->subjects->items[i], "podman"))
			return true;
	}
	return false;
}

static int save_image(struct driver *d, const char *name, struct err *err)
{
	return subject_call(d->cloche, CALL_TIMEOUT_MS, NULL, err,
			    SUBJECT_WORDS("save", "-o", d->archive, name));
}

/* For other engines under a name of its own, so that no tag of theirs is moved by loading it. */
static int make_archive(struct driver *d, struct err *err)
{
	struct err untag = ERR_INIT;
	int rc = fetch_image(d, err);

	d->archive = xasprintf("%s/image.tar", d->scratch);
	if (rc == 0 && !has_other_engine(d->options))
		rc = save_image(d, d->cloche->image, err);
	if (rc < 0)
		return err_wrap(err, "image %s", d->cloche->image);
	if (!has_other_engine(d->options))
		return 0;
	d->archive_image =
		xasprintf("docker.io/%.*s/image:latest", (int)strlen(d->prefix) - 1, d->prefix);
	rc = subject_call(d->cloche, CALL_TIMEOUT_MS, NULL, err,
			  SUBJECT_WORDS("tag", d->cloche->image, d->archive_image));
	if (rc == 0)
		rc = save_image(d, d->archive_image, err);
	if (subject_call(d->cloche, CALL_TIMEOUT_MS, NULL, &untag,
			 SUBJECT_WORDS("rmi", d->archive_image)) < 0 &&
	    rc == 0)
		rc = err_set(err, ERR_SYSTEM, EIO, "%s", untag.msg);
	return rc;
}

static void tell_subject(struct report *r, const struct subject *s)
{
	strv_add(&r->subjects, s->name);
	report_fact(r, "subject", s->name, "%s%s%s%s%s%s%s", s->version,
		    s->runtime ? ", runtime " : "", s->runtime ? s->runtime : "",
		    s->data_root ? ", data in " : "", s->data_root ? s->data_root : "",
		    s->remark ? "; " : "", s->remark ? s->remark : "");
}

/* By an earlier subject that is the same engine. */
static bool has_image(const struct driver *d, const struct subject *s)
{
	for (size_t i = 0; i + 1 < d->subject_count; i++) {
		if (d->subjects[i]->ops == s->ops)
			return true;
	}
	return false;
}

/* A subject that cannot be measured is told of; without any there is nothing to do. */
static int open_subjects(struct driver *d, struct err *err)
{
	auto_strv struct strv specs = {0};

	if (d->options->subjects)
		strv_add_all(&specs, d->options->subjects);
	if (!specs.count)
		strv_add(&specs, "cloche");
	d->subjects = xcalloc(specs.count, sizeof(*d->subjects));
	for (size_t i = 0; i < specs.count; i++) {
		struct subject *s;
		int rc = open_one(d, specs.items[i], &s, err);

		if (rc == 0) {
			d->subjects[d->subject_count++] = s;
			if (s->ops->kind == SUBJECT_DOCKER || s->ops->kind == SUBJECT_PODMAN) {
				free(s->image);
				s->image = xstrdup(d->archive_image);
			}
			rc = has_image(d, s) ? 0 : subject_load(s, d->archive, err);
			if (rc == 0)
				tell_subject(d->report, s);
			else
				subject_free(d->subjects[--d->subject_count]);
		}
		if (rc == -EINTR)
			return rc;
		if (rc < 0)
			report_prerequisite(d->report, specs.items[i], false, err->msg);
	}
	return d->subject_count ? 0 : err_code(err);
}

static int begin(struct driver *d, struct err *err)
{
	int rc;

	if (geteuid() != 0)
		return err_set(err, ERR_SYSTEM, EPERM,
			       "starting containers and reading the kernel's records of them needs "
			       "root; run it with sudo");
	rc = make_prefix(d, err);
	if (rc == 0)
		rc = open_one(d, "cloche", &d->cloche, err);
	if (rc == 0)
		sweep_stale(d);
	if (rc == 0)
		rc = make_scratch(d, err);
	if (rc == 0)
		rc = open_one(d, "host", &d->host, err);
	if (rc == 0)
		rc = make_archive(d, err);
	if (rc == 0)
		rc = open_subjects(d, err);
	return rc;
}

/* ---- the end ---- */

static void sweep_one(struct driver *d, struct subject *s, bool last)
{
	struct err err = ERR_INIT;

	if (subject_sweep(s, &err) < 0 || (last && subject_unload(s, &err) < 0))
		report_fact(d->report, REPORT_AFTERWARDS, "left_behind", "%s: %s", s->name,
			    err.msg);
}

static void sweep(struct driver *d, bool last)
{
	for (size_t i = 0; i < d->subject_count; i++)
		sweep_one(d, d->subjects[i], last);
}

/* From here on nothing stops it. */
static void end(struct driver *d)
{
	d->report->interrupted = d->report->interrupted || interrupt_came();
	interrupt_ignore();
	/* Without the lock the name is another run's, and so is what bears it. */
	if (d->scratch_lock >= 0)
		sweep(d, true);
	if (d->scratch_lock >= 0 && d->cloche)
		sweep_one(d, d->cloche, true);
	for (size_t i = 0; i < d->subject_count; i++)
		subject_free(d->subjects[i]);
	if (d->scratch_lock >= 0 && remove_tree_at(AT_FDCWD, d->scratch) < 0)
		report_fact(d->report, REPORT_AFTERWARDS, "left_behind", "%s", d->scratch);
	if (d->scratch_lock >= 0)
		close(d->scratch_lock);
	if (d->scratch) {
		*strrchr(d->scratch, '/') = '\0';
		rmdir(d->scratch); /* only when nobody else has something there */
	}
	if (d->cloche)
		subject_free(d->cloche);
	if (d->host)
		subject_free(d->host);
	free(d->subjects);
	free(d->prefix);
	free(d->scratch);
	free(d->archive);
	free(d->archive_image);
}

/* ---- the tests ---- */

static void sweep_between(void *opaque)
{
	sweep(opaque, false);
}

static void tell_done(void *opaque, struct report_test *t)
{
	const struct driver *d = opaque;

	if (d->options->test_done)
		d->options->test_done(d->options->opaque, d->report, t);
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* What observing took, beside what was observed. */
static void bill_observer(struct report *r)
{
	struct rusage own, others;

	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &others);
	report_fact(r, REPORT_AFTERWARDS, "observer",
		    "%.2f s of processor time, %.1f MiB at most; the commands it started: %.2f s",
		    seconds(own.ru_utime) + seconds(own.ru_stime), (double)own.ru_maxrss / 1024,
		    seconds(others.ru_utime) + seconds(others.ru_stime));
}

static struct experiment_context common_context(const struct driver *d)
{
	const struct driver_options *o = d->options;

	return (struct experiment_context){
		.report = d->report,
		.subjects = d->subjects,
		.subject_count = d->subject_count,
		.host = d->host,
		.runs = o->runs    ? o->runs
			: o->brief ? DRIVER_BRIEF_RUNS
				   : EXPERIMENT_RUNS,
		.cold = o->cold,
		.verify = o->verify,
		.brief = o->brief,
		.keep = o->keep,
		.scratch = d->scratch,
		.image = o->image,
		.archive = d->archive,
		.container = o->container,
		.address = o->address,
		.engine = o->engine,
		.progress = o->progress,
		.opaque = o->opaque,
	};
}

static void run_tests(struct driver *d)
{
	const struct driver_options *o = d->options;
	const struct experiment_context x = common_context(d);
	struct moments m = {.apart_ns = MOMENTS_APART_NS,
			    .rest_ns = MOMENTS_REST_NS,
			    .steadiness.host = d->host,
			    .tidy = sweep_between,
			    .done = tell_done,
			    .opaque = d};

	if (o->only)
		moments_plan(&m, o->only, &x);
	for (size_t i = 0; !o->only && i < experiments_count; i++) {
		if (is_wanted(o, experiments[i]))
			moments_plan(&m, experiments[i], &x);
	}
	moments_run(&m);
	steadiness_report(&m.steadiness, d->report);
	moments_free(&m);
}

static void start_report(const struct driver_options *o, struct report *r)
{
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_wall_ns(), now);
	r->kind = xstrdup(o->kind ? o->kind : "analyze");
	r->title = xstrdup(o->title ? o->title : "cloche analyze");
	r->started = xstrdup(now);
}

int driver_run(const struct driver_options *o, struct report *r, struct err *err)
{
	struct driver d = {.options = o, .report = r, .scratch_lock = -1};
	uint64_t start_ns = clock_now_ns();
	int rc = check_tests(o, err);

	if (rc < 0)
		return rc;
	start_report(o, r);
	experiment_catch_signals();
	prerequisites_describe(r, o->verify);
	rc = begin(&d, err);
	if (rc == 0) {
		environment_describe(r, d.cloche->data_root);
		environment_pressure(r, "before");
		if (o->begun)
			o->begun(o->opaque, r);
		run_tests(&d);
		environment_pressure(r, "after");
	}
	end(&d);
	if (rc < 0 && !r->interrupted)
		return rc;
	bill_observer(r);
	r->took_s = (double)(clock_now_ns() - start_ns) / 1e9;
	report_finish(r);
	return 0;
}

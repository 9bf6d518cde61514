/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs experiments on subjects and leaves the host as it was: prerequisites and environment first, then
 * the tests one after another, at last the sweep, which an interrupt hastens and nothing skips.
 */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_DRIVER_H
#define CLOCHE_OBSERVE_EXPERIMENT_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"
#include "observe/report/report.h"

struct engine;
struct target;

#define DRIVER_BRIEF_RUNS 5

struct experiment;

struct driver_options {
	/* Another experiment in place of the ten tests, and the report's kind and title then. */
	const struct experiment *only;
	const char *kind, *title;
	const struct strv *tests;     /* keys or numbers; none: all */
	const struct strv *subjects;  /* as subject_open() has them; none: cloche */
	const struct strv *run_flags; /* put into every container's command line */
	size_t runs;                  /* 0: EXPERIMENT_RUNS, or DRIVER_BRIEF_RUNS */
	bool cold, verify, brief;
	const char *keep;               /* directory for raw files, made when missing; or NULL */
	const char *image;              /* NULL: the built-in one */
	const struct target *container; /* look at this one instead of making any; or NULL */
	const char *address; /* outside this host, to be reached by the test of networks; or NULL */
	struct engine *engine; /* that it was found by; or NULL */
	/* Each may be NULL. begun: facts are there; done: a test is finished. */
	void (*progress)(void *opaque, const char *what, size_t done, size_t of);
	void (*begun)(void *opaque, const struct report *r);
	void (*test_done)(void *opaque, const struct report *r, struct report_test *t);
	void *opaque;
};

/* Fills the report and finishes it. 0 also when tests failed or the run was interrupted: the report says
 * so. An error means that nothing could be begun; nothing is left then either. */
int must_check driver_run(const struct driver_options *o, struct report *r, struct err *err);

#endif

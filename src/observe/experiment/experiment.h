/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every experiment shares. An experiment is one file with one `struct experiment`, and one row in
 * experiments.c; it prepares what it needs, lets the subjects take turns, puts samples, claims, tables
 * and findings into its test, and undoes what it did on every way out. What is not given back by a
 * cleanup attribute (a container whose command was killed) bears the run's prefix and is swept by the
 * driver.
 */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_EXPERIMENT_H
#define CLOCHE_OBSERVE_EXPERIMENT_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "observe/report/report.h"
#include "observe/subject/session.h"
#include "observe/subject/subject.h"
#include "observe/subject/target.h"

#define EXPERIMENT_RUNS 30
#define EXPERIMENT_WARM_UPS 3
#define EXPERIMENT_WARM_UPS_LATER 2

struct experiment_context {
	struct report *report;
	struct report_test *test; /* the one being filled */
	struct subject *const *subjects;
	size_t subject_count;
	struct subject *host; /* bare host as the floor beside them; always there */
	size_t runs;          /* samples per figure in this call of run() */
	size_t all_runs;      /* in all of them: --runs */
	size_t moment;        /* which call of run() this is, from 0, */
	size_t moments;       /* of how many: 1, or more of an experiment that is spread */
	uint64_t turns;       /* state of the generator that orders them; 0 at first */
	void *state;          /* that a spread experiment keeps from call to call; see release */
	bool cold;            /* page cache may be dropped */
	bool verify;          /* measure again by a second instrument */
	bool brief;           /* a short look: a tenth of the time, the smaller sizes; the demo */
	const char *keep;     /* directory for raw files, or NULL */
	const char *scratch;  /* directory of this run on the data root's file system */
	const char *image;    /* NULL: the built-in one */
	/* A container or process that was there before and is only looked at (security, namespaces);
	 * NULL: containers are made. engine: where it was found, or NULL. */
	const struct target *container;
	struct engine *engine;
	const char *address; /* outside this host, to be reached as well; NULL: nothing leaves it */
	const char *archive; /* a docker archive of that image, in scratch */
	/* Tells the user what is going on: "12 of 30". */
	void (*progress)(void *opaque, const char *what, size_t done, size_t of);
	void *opaque;
	/* Other tests' turn (experiment_pause()); NULL: there is none. What that took in this call. */
	int (*pause)(struct experiment_context *x, struct err *err);
	void *pause_opaque;
	uint64_t away_ns;
};

struct experiment {
	unsigned number; /* of measurement.md's table; 1 to 10 */
	const char *key; /* "startup", as the command line has it */
	const char *title;
	/* 0, or -errno with *err: the driver then marks the test failed, or unavailable for
	 * ERR_UNSUPPORTED, with the error as reason. -EINTR ends the run. */
	int (*run)(struct experiment_context *x, struct err *err);
	/* run() is called at several moments of the run, each time for a part of the samples
	 * (moments.h): figures grow from call to call, conclusions are drawn in the last one
	 * (experiment_is_last()). Nothing of it may stand in between but x->state. */
	bool spread;
	/* It calls experiment_pause() where others may start containers of theirs. */
	bool pauses;
	/* Frees x->state, which is then not NULL. */
	void (*release)(void *state);
};

/* By number (experiments.c). */
extern const struct experiment *const experiments[];
extern const size_t experiments_count;

/* SIGINT, SIGTERM or SIGHUP came; every wait of session.h returns -EINTR from then on. */
bool experiment_interrupted(void);
/* Installs the handlers; once, by the driver. */
void experiment_catch_signals(void);
/* -EINTR with the error set when interrupted, else 0. */
int must_check experiment_go_on(struct err *err);

/* Whether this call of run() is the last one of its test. */
bool experiment_is_last(const struct experiment_context *x);
/* EXPERIMENT_WARM_UPS in the first call of run(), fewer in later ones: what stays warm is warm. */
size_t experiment_warm_ups(const struct experiment_context *x);
/* Lets other tests take some of their samples, when it is time for it. Between rounds of
 * experiment_interleave() that happens by itself. An error only after an interrupt. */
int must_check experiment_pause(struct experiment_context *x, struct err *err);
/* Monotonic clock without what pauses took, ns. */
uint64_t experiment_now_ns(const struct experiment_context *x);

/* n rounds after `warm_ups` more that are marked as such: in each, step is called once per subject, in
 * an order that is shuffled anew (by a constant seed). At a later moment rounds are counted on. A step that fails counts as a failed run of its
 * figure, which the step itself records; it returns an error only for what makes going on senseless. */
typedef int (*experiment_step)(struct experiment_context *x, struct subject *s, size_t round,
			       bool warm_up, void *arg, struct err *err);
int must_check experiment_interleave(struct experiment_context *x, size_t warm_ups, size_t n,
				     experiment_step step, void *arg, struct err *err);
/* Looks at each subject that has containers, one after another. One that cannot be looked at makes the
 * test partial; an error only when all failed, or when there is only the bare host, which lacks what
 * `lacks` names ("layers"). */
int must_check experiment_each(struct experiment_context *x, const char *lacks,
			       int (*look)(struct experiment_context *x, struct subject *s,
					   struct err *err),
			       struct err *err);
void experiment_progress(struct experiment_context *x, const char *what, size_t done, size_t of);
/* Writes a raw file NAME below --keep (a slash, as in a subject's name, becomes "_") and notes it in the
 * test; does nothing without --keep. */
void experiment_keep(struct experiment_context *x, const char *name, const char *bytes, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the first experiment. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_STARTUP_INTERNAL_H
#define CLOCHE_OBSERVE_EXPERIMENT_STARTUP_INTERNAL_H

#include "observe/experiment/experiment.h"
#include "observe/timeline/floor_bill.h"

#define STARTUP_TIMEOUT_MS 60000

/* Phases of cloche's start from its own bill. Subjects of other kinds are left out. *told: that a start
 * gave none was noted. */
int must_check startup_phases(struct experiment_context *x, bool *told, struct err *err);
/* The same phases of the floor beside them (NULL: there is none), and the findings that follow. */
void startup_phases_conclude(struct experiment_context *x, const struct floor_bill *floor);
/* Who a start waits for, by the kernel's tracepoints; where there are subjects besides cloche. */
int must_check startup_parts(struct experiment_context *x, struct err *err);
/* Taking an image in from a file. */
int must_check startup_load(struct experiment_context *x, struct err *err);
/* With --verify: the bills against the kernel's tracepoints. */
int must_check startup_verify(struct experiment_context *x, struct err *err);

/* A start of cloche that is kept until its bill is read. */
struct startup_kept {
	struct strv argv; /* to be run in between */
	char *name;
};
int must_check startup_kept_command(struct subject *s, struct startup_kept *k, struct err *err);
/* rc: how the run went. Reads the bill (heap), unless it went wrong; removes the container in any case. */
int must_check startup_kept_end(struct subject *s, struct startup_kept *k, int rc, char **bill,
				struct err *err);

/* A sample in ms, or a failed run with its reason noted once; warm-ups are only counted. */
void startup_sample(struct experiment_context *x, struct report_figure *f, bool warm_up, int rc,
		    const struct command_run *run, uint64_t from_ns, uint64_t to_ns,
		    const struct err *err);

#endif

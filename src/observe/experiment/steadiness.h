/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How steady the machine was meanwhile: the same small piece of work, the start and end of a program
 * on the bare host, looked at all through a run. What it varies by, other figures vary by too, and no
 * interval of samples from one moment knows of it.
 */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_STEADINESS_H
#define CLOCHE_OBSERVE_EXPERIMENT_STEADINESS_H

#include <stddef.h>
#include <stdint.h>

#include "observe/report/report.h"

struct subject;

/* Zero with the host set. */
struct steadiness {
	const struct subject *host;
	double *us; /* of each look, the median of some starts */
	size_t count;
	uint64_t last_ns;
};

/* A look, unless the latest one was within the second. */
void steadiness_probe(struct steadiness *s);
/* What it comes to, in the report. */
void steadiness_report(const struct steadiness *s, struct report *r);
void steadiness_free(struct steadiness *s);

#endif

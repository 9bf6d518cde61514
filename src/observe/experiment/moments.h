/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each test takes its samples. A machine's speed comes and goes by the second and by the minute, so
 * thirty starts in a quarter of a second say what that quarter was like. Tests that are quick and are about
 * time (experiment.spread) therefore take a tenth of their samples at each of ten moments of the run: in
 * between the other tests, in the pauses of the long ones, and what is left at the end.
 */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_MOMENTS_H
#define CLOCHE_OBSERVE_EXPERIMENT_MOMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/experiment/experiment.h"
#include "observe/experiment/steadiness.h"

/* One test of a run. */
struct planned_test {
	const struct experiment *experiment;
	struct experiment_context x;
	struct moments *moments;
	uint64_t ended_ns; /* of its latest moment */
	bool over;
};

/* Ten moments fit into the minute that a whole run takes at least; where nothing else is left to be
 * measured, a rest stands between them. */
#define MOMENTS_APART_NS 6000000000ULL
#define MOMENTS_REST_NS 500000000ULL

struct moments {
	uint64_t apart_ns, rest_ns;
	struct planned_test *tests;
	size_t count, told;
	struct steadiness steadiness;
	/* After a test that failed, when nothing of another one stands; and when a test is finished, in
	 * the order of the tests. */
	void (*tidy)(void *opaque);
	void (*done)(void *opaque, struct report_test *t);
	void *opaque;
	bool untidy;
};

/* How many calls of run() the samples of a test are taken in. */
size_t moments_of(const struct experiment *e, size_t runs);
/* x: what all tests have in common. Zero tidy and done at will. */
void moments_plan(struct moments *m, const struct experiment *e,
		  const struct experiment_context *x);
/* All tests, until the end or an interrupt. */
void moments_run(struct moments *m);
void moments_free(struct moments *m);

#endif

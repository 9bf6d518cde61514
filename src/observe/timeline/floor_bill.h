/* SPDX-License-Identifier: Apache-2.0 */
/* The floor, measured n times and put into the phases of the start bill. */
#ifndef CLOCHE_OBSERVE_TIMELINE_FLOOR_BILL_H
#define CLOCHE_OBSERVE_TIMELINE_FLOOR_BILL_H

#include "base/json.h"
#include "observe/statistics/statistics.h"
#include "observe/timeline/floor.h"
#include "runtime/plan.h"

#define FLOOR_WARM_UPS 3

struct floor_bill {
	struct summary total_ms;          /* start to the return of waitid */
	struct summary to_exec_ms;        /* start to execve */
	double step_ms[FLOOR_STEP_COUNT]; /* medians */
	const char *program;              /* what it ran; static */
};

/* Which phase of the bill a step of the floor belongs to. From execve on all of it is PHASE_RUN. */
enum plan_phase floor_step_phase(enum floor_step step);
/* Sum of the medians of the steps of that phase, ms. */
double floor_bill_phase_ms(const struct floor_bill *b, enum plan_phase phase);

/* Starts measured so far, warm-ups left out. Zero before the first. */
struct floor_samples {
	struct floor_run *runs; /* heap */
	size_t count;
	const char *const *argv; /* what they ran; static */
};

/* n more starts, after warm_ups that are dropped; otherwise as floor_bill_measure(), but what it makes below
 * scratch_parent stays there for the caller to remove after the last of them: removing it in between
 * would slow down the next ones (floor_measure()), and so there is no FLOOR_CLEANUP. */
int must_check floor_bill_sample(const char *base, const char *lower, const char *scratch_parent,
				 size_t warm_ups, size_t n, struct floor_samples *out,
				 struct err *err);
/* count > 0. */
void floor_bill_of(const struct floor_samples *s, struct floor_bill *out);
void floor_samples_free(struct floor_samples *s);

/* Measures n starts after FLOOR_WARM_UPS that are dropped, running `true` from the image whose layers
 * are lower (lowerdir option, relative to base). What it needs is made below scratch_parent and
 * removed again, also after an error. ERR_NOT_FOUND when the image has no `true`. */
int must_check floor_bill_measure(const char *base, const char *lower, const char *scratch_parent,
				  size_t n, struct floor_bill *out, struct err *err);
struct json_object *floor_bill_json(const struct floor_bill *b);

#endif

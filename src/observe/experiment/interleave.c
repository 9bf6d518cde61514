/* SPDX-License-Identifier: Apache-2.0 */
/* What experiments share: taking turns, saying how far one is, keeping raw files, noticing the wish to end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/experiment.h"
#include "observe/subject/interrupt.h"

/* Of the generator that orders the turns: any constant will do, as long as it stays. */
#define ORDER_SEED 0x9e3779b97f4a7c15ULL

bool experiment_interrupted(void)
{
	return interrupt_came();
}

void experiment_catch_signals(void)
{
	interrupt_catch();
}

int experiment_go_on(struct err *err)
{
	return interrupt_came() ? err_set(err, ERR_SYSTEM, EINTR, "interrupted") : 0;
}

bool experiment_is_last(const struct experiment_context *x)
{
	return x->moment + 1 >= x->moments;
}

size_t experiment_warm_ups(const struct experiment_context *x)
{
	return x->moment ? EXPERIMENT_WARM_UPS_LATER : EXPERIMENT_WARM_UPS;
}

int experiment_pause(struct experiment_context *x, struct err *err)
{
	return x->pause ? x->pause(x, err) : 0;
}

uint64_t experiment_now_ns(const struct experiment_context *x)
{
	return clock_now_ns() - x->away_ns;
}

void experiment_progress(struct experiment_context *x, const char *what, size_t done, size_t of)
{
	if (x->progress)
		x->progress(x->opaque, what, done, of);
}

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle(size_t *order, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)(next_random(state) % i), kept = order[i - 1];

		order[i - 1] = order[j];
		order[j] = kept;
	}
}

int experiment_interleave(struct experiment_context *x, size_t warm_ups, size_t n,
			  experiment_step step, void *arg, struct err *err)
{
	auto_free size_t *order = xcalloc(x->subject_count + 1, sizeof(*order));
	size_t first = x->moment * x->all_runs / (x->moments ? x->moments : 1);

	x->turns = x->turns ? x->turns : ORDER_SEED;
	for (size_t i = 0; i < x->subject_count; i++)
		order[i] = i;
	for (size_t round = 0; round < warm_ups + n; round++) {
		bool warm_up = round < warm_ups;
		int rc = round ? experiment_pause(x, err) : 0;

		if (rc < 0)
			return rc;
		shuffle(order, x->subject_count, &x->turns);
		experiment_progress(x, warm_up ? "warm-up" : "runs",
				    warm_up ? round : round - warm_ups, warm_up ? warm_ups : n);
		for (size_t i = 0; i < x->subject_count; i++) {
			rc = experiment_go_on(err);
			if (rc == 0)
				rc = step(x, x->subjects[order[i]],
					  warm_up ? round : first + round - warm_ups, warm_up, arg,
					  err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int experiment_each(struct experiment_context *x, const char *lacks,
		    int (*look)(struct experiment_context *x, struct subject *s, struct err *err),
		    struct err *err)
{
	size_t looked = 0, containers = 0;

	for (size_t i = 0; i < x->subject_count; i++) {
		struct subject *s = x->subjects[i];
		int rc = experiment_go_on(err);

		if (rc == 0 && s->ops->kind == SUBJECT_HOST)
			continue;
		containers++;
		experiment_progress(x, s->name, i, x->subject_count);
		if (rc == 0)
			rc = look(x, s, err);
		if (rc == -EINTR)
			return rc;
		if (rc < 0)
			report_status(x->test, REPORT_PARTIAL, "%s: %s", s->name, err->msg);
		else
			looked++;
	}
	if (containers == 0)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "the bare host has no %s", lacks);
	return looked == 0 ? err_code(err) : 0;
}

void experiment_keep(struct experiment_context *x, const char *name, const char *bytes, size_t len)
{
	auto_free char *file = xstrdup(name);
	auto_free char *path = NULL;
	int rc;

	if (!x->keep)
		return;
	for (char *p = file; *p; p++)
		*p = *p == '/' ? '_' : *p;
	path = xasprintf("%s/%s", x->keep, file);
	rc = file_replace_at(AT_FDCWD, path, bytes, len, 0644, FILE_VOLATILE);
	if (rc < 0)
		report_note(x->test, "%s could not be kept: %s", path, err_errno_text(-rc));
	else
		strv_add(&x->test->raw, file);
}

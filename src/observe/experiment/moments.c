/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/experiment/moments.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "observe/statistics/statistics.h"
#include "observe/subject/interrupt.h"

size_t moments_of(const struct experiment *e, size_t runs)
{
	size_t blocks = statistics_blocks(runs);

	return e->spread && blocks < runs ? blocks : 1;
}

static void settle(struct report_test *t, int rc, const struct err *err)
{
	if (rc == -EINTR || interrupt_came())
		report_status(t, REPORT_INTERRUPTED, "interrupted");
	else if (rc < 0)
		report_status(t, err->kind == ERR_UNSUPPORTED ? REPORT_UNAVAILABLE : REPORT_FAILED,
			      "%s", err->msg);
}

static bool is_begun(const struct planned_test *p)
{
	return p->x.moment > 0 || p->over;
}

/* In order: a test that is over waits for those before it. */
static void tell(struct moments *m)
{
	for (; m->told < m->count && m->tests[m->told].over; m->told++) {
		if (m->done)
			m->done(m->opaque, m->tests[m->told].x.test);
	}
}

/* The next call of run(). */
static void take_moment(struct planned_test *p)
{
	struct experiment_context *x = &p->x;
	uint64_t start_ns = clock_now_ns();
	struct err err = ERR_INIT;
	int rc;

	x->away_ns = 0;
	x->runs = (x->moment + 1) * x->all_runs / x->moments - x->moment * x->all_runs / x->moments;
	rc = p->experiment->run(x, &err);
	settle(x->test, rc, &err);
	p->ended_ns = clock_now_ns();
	x->test->took_s += (double)(p->ended_ns - start_ns - x->away_ns) / 1e9;
	x->moment++;
	p->over = rc < 0 || x->moment == x->moments || interrupt_came();
	/* What a failed test left would disturb the next one; the end of an interrupted run sweeps. */
	p->moments->untidy = p->moments->untidy || (rc < 0 && !interrupt_came());
}

static void tidy(struct moments *m)
{
	if (m->untidy && m->tidy && !interrupt_came())
		m->tidy(m->opaque);
	m->untidy = false;
}

/* Other tests' turn. */
static void visit(struct moments *m)
{
	steadiness_probe(&m->steadiness);
	for (size_t i = 0; i < m->count && !interrupt_came(); i++) {
		struct planned_test *p = &m->tests[i];

		if (p->x.moments > 1 && is_begun(p) && !p->over &&
		    clock_now_ns() - p->ended_ns >= m->apart_ns)
			take_moment(p);
	}
}

/* Called from within a test that pauses. */
static int pause_for_others(struct experiment_context *x, struct err *err)
{
	struct planned_test *p = x->pause_opaque;
	uint64_t start_ns = clock_now_ns();

	visit(p->moments);
	x->away_ns += clock_now_ns() - start_ns;
	return experiment_go_on(err);
}

void moments_plan(struct moments *m, const struct experiment *e, const struct experiment_context *x)
{
	struct planned_test *p;

	m->tests = xrealloc(m->tests, (m->count + 1) * sizeof(*m->tests));
	p = &m->tests[m->count++];
	*p = (struct planned_test){.experiment = e, .x = *x};
	p->x.all_runs = x->runs;
	p->x.moments = moments_of(e, x->runs);
	p->x.test = report_add_test(x->report, e->number, e->key, e->title);
}

static void rest(const struct moments *m, uint64_t since_ns)
{
	uint64_t passed_ns = clock_now_ns() - since_ns;

	if (passed_ns < m->rest_ns && !interrupt_came())
		nanosleep(&(struct timespec){.tv_nsec = (long)(m->rest_ns - passed_ns)}, NULL);
}

/* The moments that found no place between tests. */
static void finish_spread(struct moments *m)
{
	bool left = true;

	while (left && !interrupt_came()) {
		left = false;
		for (size_t i = 0; i < m->count && !interrupt_came(); i++) {
			struct planned_test *p = &m->tests[i];

			if (p->over)
				continue;
			rest(m, p->ended_ns);
			steadiness_probe(&m->steadiness);
			take_moment(p);
			left = left || !p->over;
			tidy(m);
			tell(m);
		}
	}
}

static void begin_spread(struct moments *m)
{
	for (size_t i = 0; i < m->count && !interrupt_came(); i++) {
		steadiness_probe(&m->steadiness);
		if (m->tests[i].x.moments > 1)
			take_moment(&m->tests[i]);
		tidy(m);
	}
	tell(m);
}

void moments_run(struct moments *m)
{
	for (size_t i = 0; i < m->count; i++) {
		m->tests[i].moments = m;
		m->tests[i].x.pause_opaque = &m->tests[i];
		if (m->tests[i].experiment->pauses)
			m->tests[i].x.pause = pause_for_others;
	}
	begin_spread(m);
	for (size_t i = 0; i < m->count && !interrupt_came(); i++) {
		if (m->tests[i].x.moments > 1)
			continue;
		take_moment(&m->tests[i]);
		tidy(m);
		visit(m);
		tidy(m);
		tell(m);
	}
	finish_spread(m);
	steadiness_probe(&m->steadiness);
	for (size_t i = m->told; i < m->count; i++) {
		if (!m->tests[i].over)
			report_status(m->tests[i].x.test, REPORT_INTERRUPTED, "interrupted");
		m->tests[i].over = true;
	}
	tell(m);
}

void moments_free(struct moments *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->tests[i].experiment->release && m->tests[i].x.state)
			m->tests[i].experiment->release(m->tests[i].x.state);
	}
	free(m->tests);
	steadiness_free(&m->steadiness);
	*m = (struct moments){0};
}

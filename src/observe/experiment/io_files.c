/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many small files: made, looked at, renamed and removed, 500 and 5,000 of them, all in one directory
 * and spread over a tree. What is shown is the time of one operation. Nothing is flushed meanwhile, but
 * before: metadata lies in memory, and that is what is measured.
 *
 * All rounds are removed after the last was made: ext4 without a journal passes over inodes that were
 * deleted within the last minute one by one (fs/ext4/ialloc.c, recently_deleted), so that removing in
 * between would make each round pay for those before it. For the same reason there are few rounds.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/io.h"

#define SHARE_S 8.0 /* for making; removing takes about as long */
#define LEAST_ROUNDS 2
#define WARM_UPS 1
#define MOST_ROUNDS 10

struct kind {
	unsigned count;
	bool nested;
	const char *key, *label;
	size_t warm_ups;
	size_t most; /* rounds that it takes part in, warm-ups not counted */
};

static const struct kind kinds[] = {
	{500, false, "500_flat", "500 files, flat", 1, 10},
	{500, true, "500_nested", "500 files, nested", 1, 10},
	{5000, false, "5000_flat", "5,000 files, flat", 0, 3},
	{5000, true, "5000_nested", "5,000 files, nested", 0, 3},
};
static const char *const operations[] = {"create", "stat", "rename", "unlink"};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static struct report_figure *figure(struct io_run *r, const struct io_place *p,
				    const struct kind *k, const char *operation)
{
	auto_free char *key = xasprintf("io.%s.%s_%s", p->key, operation, k->key);
	auto_free char *label = xasprintf("%s: %s, %s", p->label, operation, k->label);

	struct report_figure *f =
		report_figure(r->x->test, p->subject->name, key, label, "us", REPORT_LOWER);

	f->detail = true; /* the table has the medians side by side */
	return f;
}

/* One round of one kind in one place that was made and is to be removed. */
struct made {
	const struct io_place *p;
	const struct kind *k;
	size_t round;
	bool warm_up;
};

struct files_run {
	struct io_run *r;
	struct made *made;
	size_t count;
	double end_s; /* from then on the larger kinds have had their turn */
};

static void take_samples(struct io_run *r, const struct made *m, const char *line)
{
	for (size_t i = 0; i < OPERATIONS; i++) {
		struct report_figure *f = figure(r, m->p, m->k, operations[i]);
		char key[32];
		double ns;

		snprintf(key, sizeof(key), "%s_ns", operations[i]);
		ns = session_number(line, key, NAN);
		if (isnan(ns))
			continue;
		if (m->warm_up)
			f->warm_ups++;
		else
			report_sample(f, ns / 1e3 / m->k->count);
	}
}

static int ask(struct io_run *r, const struct made *m, const char *step, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(m->p->session, IO_ASK_MS, &lines, err,
			     "io-metadata step=%s path=%s/%s-%zu count=%u nested=%d", step,
			     m->p->path, m->k->key, m->round, m->k->count, m->k->nested);

	if (rc == 0 && lines.count > 0)
		take_samples(r, m, lines.items[0]);
	if (rc < 0 && rc != -EINTR)
		report_status(r->x->test, REPORT_PARTIAL, "%s, %s: %s: %s", m->p->subject->name,
			      m->p->label, m->k->label, err->msg);
	return rc;
}

static int make(struct files_run *f, const struct made *m, struct err *err)
{
	int rc = io_flush(f->r, err);

	if (rc < 0)
		return rc;
	rc = ask(f->r, m, "make", err);
	if (rc < 0)
		return rc == -EINTR ? rc : 0;
	f->made = xrealloc(f->made, (f->count + 1) * sizeof(*f->made));
	f->made[f->count++] = *m;
	return 0;
}

/* The larger kinds: one round at least, none in a short look. */
static bool too_much(const struct files_run *f, size_t round)
{
	return f->r->x->brief || (round > 0 && io_now_s(f->r) > f->end_s);
}

static int make_round(struct files_run *f, size_t round, struct err *err)
{
	auto_free size_t *order = io_shuffled(f->r);
	int rc = 0;

	for (size_t k = 0; k < KINDS && rc == 0; k++) {
		const struct kind *kind = &kinds[k];

		if (round >= kind->most + kind->warm_ups ||
		    (kind->count > 500 && too_much(f, round)))
			continue;
		for (size_t i = 0; i < f->r->place_count && rc == 0; i++) {
			struct made m = {.p = &f->r->places[order[i]], .k = kind, .round = round};

			m.warm_up = round < kind->warm_ups;
			rc = make(f, &m, err);
		}
	}
	return rc;
}

/* In the order in which they were made. */
static int drop_all(struct files_run *f, struct err *err)
{
	int rc = io_flush(f->r, err);

	for (size_t i = 0; i < f->count && rc != -EINTR; i++) {
		rc = ask(f->r, &f->made[i], "drop", err);
		experiment_progress(f->r->x, "removing files", i, f->count);
	}
	return rc == -EINTR ? rc : 0;
}

static void set_floors(struct io_run *r)
{
	for (size_t i = 0; i < r->place_count; i++) {
		const struct io_place *p = &r->places[i];

		if (!p->disk || str_eq(p->key, "host"))
			continue;
		for (size_t k = 0; k < KINDS * OPERATIONS; k++) {
			const struct kind *kind = &kinds[k / OPERATIONS];
			const char *operation = operations[k % OPERATIONS];
			auto_free char *key = xasprintf("io.host.%s_%s", operation, kind->key);
			double floor = report_median(
				report_find_figure(r->x->test, r->x->host->name, key));

			if (!isnan(floor))
				report_floor(figure(r, p, kind, operation), floor,
					     "the host's file system");
		}
	}
}

int io_metadata(struct io_run *r, struct err *err)
{
	size_t rounds = (r->x->runs < MOST_ROUNDS ? r->x->runs : MOST_ROUNDS) + WARM_UPS, done = 0;
	struct files_run f = {.r = r, .end_s = io_now_s(r) + io_budget_s(r, SHARE_S)};
	int rc = 0;

	for (; rc == 0 && done < rounds; done++) {
		if (done >= LEAST_ROUNDS + WARM_UPS && io_now_s(r) > f.end_s)
			break;
		experiment_progress(r->x, "many files", done, rounds);
		rc = experiment_pause(r->x, err);
		if (rc == 0)
			rc = make_round(&f, done, err);
	}
	if (rc == 0)
		rc = drop_all(&f, err);
	free(f.made);
	if (rc < 0)
		return rc;
	if (done < rounds)
		report_note(r->x->test, "many files: %zu of %zu runs in their share of time",
			    done - WARM_UPS, rounds - WARM_UPS);
	set_floors(r);
	return 0;
}

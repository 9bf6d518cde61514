/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 8: does each limit hold, and how exactly. This file has the processor's quota, sampled run
 * by run and by two instruments (the group's counter and the workload's own rusage), and what is in
 * force when nothing was asked for. A sample counts only where the quota was what held the workload
 * back: on a busy host others may have had the processor, which says nothing of the limit.
 *
 * Reference: the kernel hands the quota out in slices (sched_cfs_bandwidth_slice_us), so one processor
 * may overdraw by one slice; it is paid back in the next period (kernel, scheduler/sched-bwc.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/human.h"
#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/limits.h"

#define QUOTA 0.37
#define PERIODS 10
#define ROUNDS_MAX 15
#define BRIEF_ROUNDS 2
#define TRIES 3
#define HOPELESS 6
#define WRITTEN_BOUND 0.005 /* engines round to a millisecond at worst */
#define STALL_MS 50
#define BUDGET_NS 22000000000ULL /* for each subject */
/* Below this share of throttled periods something else than the quota held the workload back. */
#define BOUND_PERIODS 0.9
#define ACCURACY 0.05 /* of the quota; the slices' part comes to it */
#define SLICE_DEFAULT_US 5000
#define START_IN_MS 20
/* A reading that took longer was interrupted: then it is not known when within that time it was. */
#define PROMPT_NS 500000ULL
#define PROMPT_TRIES 5
#define NS_PER_MS 1000000ULL

int limits_processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

int limits_last_processor(void)
{
	cpu_set_t set;
	int last = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &set))
			last = i;
	return last;
}

double limits_number(const struct strv *lines, const char *key)
{
	return lines->count ? session_number(lines->items[0], key, 0) : 0;
}

int limits_unknown(struct experiment_context *x, const struct subject *s, const char *key,
		   const char *claim, struct err *err)
{
	struct report_claim *c;

	if (experiment_interrupted())
		return -EINTR;
	c = report_claim(x->test, s->name, key, REPORT_UNKNOWN, "%s", claim);
	report_evidence(c, "not tested: %s", err->msg);
	report_status(x->test, REPORT_PARTIAL, "%s: %s", s->name, err->msg);
	*err = ERR_INIT;
	return 0;
}

static int read_counters(struct limits_subject *l, struct err *err)
{
	int rc = group_counters(l->groups, &l->after);

	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read the counters of the container: %s",
				err_errno_text(-rc))
		      : 0;
}

int limits_count(struct limits_subject *l, struct err *err)
{
	l->before = l->after;
	return read_counters(l, err);
}

int limits_count_at(struct limits_subject *l, uint64_t due_ns, uint64_t *at_ns, struct err *err)
{
	struct timespec t = {.tv_sec = (time_t)(due_ns / 1000000000),
			     .tv_nsec = (long)(due_ns % 1000000000)};
	int rc = 0;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR && rc == 0)
		rc = experiment_go_on(err);
	l->before = l->after;
	for (int i = 0; rc == 0 && i < PROMPT_TRIES; i++) {
		*at_ns = clock_now_ns();
		rc = read_counters(l, err);
		if (clock_now_ns() - *at_ns < PROMPT_NS)
			break;
	}
	return rc;
}

int limits_open(struct subject *s, const struct container_spec *spec, struct limits_subject *out,
		struct err *err)
{
	int rc = session_open(s, spec, &out->session, err);

	if (rc < 0)
		return rc;
	out->groups = xcalloc(1, sizeof(*out->groups));
	rc = group_probe(session_pid(out->session), out->groups, err);
	return rc < 0 ? rc : limits_count(out, err);
}

void limits_close(struct limits_subject *l)
{
	session_close(l->session);
	free(l->groups);
	l->session = NULL;
	l->groups = NULL;
}

/* ---- the quota ---- */

struct quota_subject {
	struct subject *s;
	struct limits_subject l;
	double worst; /* distance from the quota, in processors */
	size_t good, starved;
	double periods, throttled;
	char why[ERR_MSG_MAX]; /* it cannot be measured */
};

struct quota {
	struct quota_subject *subjects;
	size_t count;
	unsigned periods;
	int workers;
	uint64_t until_ns; /* no more runs from here on */
};

static uint64_t slice_us(void)
{
	char text[32];
	uint64_t us;
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/sys/kernel/sched_cfs_bandwidth_slice_us",
				       text, sizeof(text));

	if (n <= 0)
		return SLICE_DEFAULT_US;
	text[n - 1] = '\0';
	return str_to_u64(text, &us) < 0 ? SLICE_DEFAULT_US : us;
}

/* How far the share may lie from the quota: the documented accuracy and a slice for each processor. */
static double quota_bound(const struct quota *q)
{
	return QUOTA * ACCURACY + (double)q->workers * (double)slice_us() /
					  ((double)q->periods * LIMITS_PERIOD_MS * 1000);
}

struct quota_sample {
	double group_wall_ns, wall_ns, group_ns, rusage_ns, stall_ns, periods, throttled,
		throttled_ns;
};

/* The load runs for two periods more than are counted, so that a window of whole periods lies anywhere
 * in its steady part: then it does not matter at which point of a period it begins. */
static int quota_once(const struct quota *q, struct quota_subject *qs, struct quota_sample *out,
		      struct err *err)
{
	auto_strv struct strv lines = {0};
	const struct cgroup_stats *a = &qs->l.before.base, *b = &qs->l.after.base;
	const unsigned ms = q->periods * LIMITS_PERIOD_MS;
	uint64_t start = clock_now_ns() + START_IN_MS * NS_PER_MS, from, to;
	int rc = session_send(
		qs->l.session, err, "spin ms=%u workers=%d start_ns=%llu lead_ms=%u tail_ms=%u", ms,
		q->workers, (unsigned long long)start, LIMITS_PERIOD_MS, LIMITS_PERIOD_MS);

	if (rc == 0)
		rc = limits_count_at(&qs->l, start + LIMITS_PERIOD_MS * NS_PER_MS, &from, err);
	if (rc == 0)
		rc = limits_count_at(&qs->l, from + ms * NS_PER_MS, &to, err);
	if (rc == 0)
		rc = session_receive(qs->l.session, LIMITS_ANSWER_MS, &lines, err);
	if (rc < 0)
		return rc;
	out->group_wall_ns = (double)(to - from);
	out->wall_ns = limits_number(&lines, "wall_ns");
	out->rusage_ns = limits_number(&lines, "user_ns") + limits_number(&lines, "system_ns");
	out->stall_ns = limits_number(&lines, "longest_stall_ns");
	out->group_ns = (double)(b->cpu_usage_ns - a->cpu_usage_ns);
	out->periods = (double)(b->periods - a->periods);
	out->throttled = (double)(b->throttled_periods - a->throttled_periods);
	out->throttled_ns = (double)(b->throttled_ns - a->throttled_ns);
	return out->wall_ns > 0 ? 0 : err_set(err, ERR_CORRUPT, EPROTO, "the helper ran no time");
}

static struct report_figure *quota_figure(struct experiment_context *x, const struct subject *s,
					  const char *key, const char *label, const char *unit,
					  enum report_better better)
{
	return report_figure(x->test, s->name, key, label, unit, better);
}

static void quota_record(struct experiment_context *x, struct quota_subject *qs,
			 const struct quota_sample *v, double workers)
{
	double share = v->group_ns / v->group_wall_ns;
	const struct subject *s = qs->s;

	report_sample(quota_figure(x, s, "limits.quota_share",
				   "processor used under a quota of 37 %", "%", REPORT_NEITHER),
		      share * 100);
	report_sample(quota_figure(x, s, "limits.quota_share_rusage",
				   "the same as the workload counts it (rusage)", "%",
				   REPORT_NEITHER),
		      v->rusage_ns / v->wall_ns * 100);
	report_sample(quota_figure(x, s, "limits.longest_stall",
				   "longest time the workload stood still", "ms", REPORT_LOWER),
		      v->stall_ns / 1e6);
	report_sample(quota_figure(x, s, "limits.throttled_periods", "periods throttled", "%",
				   REPORT_NEITHER),
		      v->throttled / v->periods * 100);
	report_sample(quota_figure(x, s, "limits.throttled_time",
				   "throttled, per processor and period", "ms", REPORT_NEITHER),
		      v->throttled_ns / 1e6 / v->periods / workers);
	qs->good++;
	qs->periods += v->periods;
	qs->throttled += v->throttled;
	if (fabs(share - QUOTA) > fabs(qs->worst))
		qs->worst = share - QUOTA;
}

static int quota_step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		      void *arg, struct err *err)
{
	struct quota *q = arg;
	struct quota_subject *qs = q->subjects;
	struct quota_sample v;
	int rc, tries = TRIES;

	while (qs->s != s)
		qs++;
	if (!qs->l.session || (experiment_now_ns(x) > q->until_ns && round > 0))
		return 0;
	/* Where others always have the processor, trying again has been tried. */
	if (!qs->good && qs->starved >= HOPELESS)
		tries = 1;
	for (int i = 0; i < tries; i++) {
		rc = quota_once(q, qs, &v, err);
		if (rc < 0) {
			memcpy(qs->why, err->msg, sizeof(qs->why));
			limits_close(&qs->l);
			return experiment_interrupted() ? -EINTR : 0;
		}
		if (warm_up)
			return 0;
		if (v.periods > 0 && v.throttled >= BOUND_PERIODS * v.periods) {
			quota_record(x, qs, &v, q->workers);
			return 0;
		}
		qs->starved++;
	}
	quota_figure(x, s, "limits.quota_share", "processor used under a quota of 37 %", "%",
		     REPORT_NEITHER)
		->failed++;
	return 0;
}

static const char quota_claim[] = "a quota of 37 % of a processor is 37 %";

static void quota_references(struct experiment_context *x, const struct subject *s)
{
	struct report_figure *f = report_find_figure(x->test, s->name, "limits.quota_share");

	f->headline = true;
	f->reference = xasprintf("%.0f %% was asked for", QUOTA * 100);
	f = report_find_figure(x->test, s->name, "limits.longest_stall");
	report_floor(f, LIMITS_PERIOD_MS * (1 - QUOTA),
		     "a period less its quota, which one worker alone would wait");
}

/* More than the quota is a limit that does not hold, and so is another quota than was asked for. Less may
 * be the doing of whoever else wants the processor, a hypervisor among them, and proves nothing. */
static enum report_verdict judge_quota(const struct group_limit *l, double share, double bound)
{
	double asked = l->in_force_period_us ? (double)l->in_force / (double)l->in_force_period_us
					     : 0;

	if (!l->known || l->in_force == GROUP_UNLIMITED || fabs(asked - QUOTA) > WRITTEN_BOUND ||
	    share > QUOTA + bound)
		return REPORT_BROKEN;
	return share < QUOTA - bound ? REPORT_UNKNOWN : REPORT_HOLDS;
}

static double median_share(const struct experiment_context *x, const struct subject *s)
{
	const struct report_figure *f = report_find_figure(x->test, s->name, "limits.quota_share");

	return report_median(f) / 100;
}

static void quota_evidence(const struct quota *q, const struct quota_subject *qs, double share,
			   struct report_claim *c)
{
	const struct group_limit *l = &qs->l.groups->limits[GROUP_CPU_QUOTA];
	char file[LIMITS_PATH_MAX];

	report_evidence(c, "%s: %.1f ms in %.0f ms",
			group_short_path(l->in_force_file, file, sizeof(file)),
			(double)l->in_force / 1000, (double)l->in_force_period_us / 1000);
	report_evidence(c,
			"%zu runs of %u periods, %d workers: median %.2f %%, furthest off by %+.2f",
			qs->good, q->periods, q->workers, share * 100, qs->worst * 100);
	report_evidence(c,
			"allowed: %.2f either way (5 %% of the quota and a slice of %.0f ms each)",
			quota_bound(q) * 100, (double)slice_us() / 1000);
	report_evidence(c, "%s: %.0f of %.0f periods throttled",
			group_short_path(qs->l.after.cpu_stat_file, file, sizeof(file)),
			qs->throttled, qs->periods);
	if (qs->starved)
		report_evidence(c, "%zu tries not counted: others had the processor", qs->starved);
}

static int quota_verdict(struct experiment_context *x, const struct quota *q,
			 struct quota_subject *qs, struct err *err)
{
	struct report_claim *c;
	double share;

	if (!qs->good) {
		if (qs->starved)
			snprintf(qs->why, sizeof(qs->why),
				 "in all %zu tries others had the processor, not the quota held",
				 qs->starved);
		err_set(err, ERR_SYSTEM, EIO, "%s", qs->why);
		return limits_unknown(x, qs->s, "limits.quota", quota_claim, err);
	}
	quota_references(x, qs->s);
	share = median_share(x, qs->s);
	c = report_claim(x->test, qs->s->name, "limits.quota",
			 judge_quota(&qs->l.groups->limits[GROUP_CPU_QUOTA], share, quota_bound(q)),
			 "%s", quota_claim);
	quota_evidence(q, qs, share, c);
	report_consequence(c,
			   "A workload that wants more stands still until the next period: short "
			   "peaks wait although the host is idle.");
	return 0;
}

/* What a quota costs those who wait for an answer. */
static void stall_finding(struct experiment_context *x, const struct quota_subject *qs)
{
	const struct report_figure *stall =
		report_find_figure(x->test, qs->s->name, "limits.longest_stall");
	struct report_finding *f;
	double worst = 0;

	for (size_t i = 0; stall && i < stall->count; i++)
		worst = fmax(worst, stall->samples[i]);
	if (worst < STALL_MS)
		return;
	f = report_finding(x->report, REPORT_INFO, worst / 1000, x->test->key, qs->s->name,
			   "under a quota of 37 %% a workload stood still for %.0f ms at a time",
			   worst);
	report_reason(
		f,
		"the quota is used up early in a period of 100 ms, then all wait for the next; "
		"above %d ms people and time limits of others notice",
		STALL_MS);
	report_recommend(
		f,
		qs->s->ops->kind == SUBJECT_RUNTIME ? "linux.resources.cpu.shares" : "--cpu-shares",
		"where answers must be prompt, give weights instead of quotas, or a shorter "
		"period with the same proportion");
}

static void quota_check(struct experiment_context *x, const struct quota_subject *qs)
{
	const struct report_figure *a =
		report_find_figure(x->test, qs->s->name, "limits.quota_share");
	const struct report_figure *b =
		report_find_figure(x->test, qs->s->name, "limits.quota_share_rusage");

	if (!x->verify || !a || !b || !a->count || !b->count)
		return;
	report_check(x->test, qs->s->name, "limits.cpu_time", "processor used under the quota", "%",
		     "the group's counter", report_median(a), "rusage of the workload",
		     report_median(b), 3, 1);
}

/* What a stall is worth must be seen against the host's own: a workload without any limit. */
static int host_stall(struct experiment_context *x, struct err *err)
{
	const struct container_spec spec = {.helper = true};
	auto_session struct session *session = NULL;
	auto_strv struct strv lines = {0};
	int rc = session_open(x->host, &spec, &session, err);

	if (rc == 0)
		rc = session_ask(session, LIMITS_ANSWER_MS, &lines, err, "spin ms=300 workers=1");
	if (rc < 0)
		return experiment_interrupted() ? -EINTR : 0;
	report_note(
		x->test,
		"without any limit, directly on this host, the same workload stood still for %.1f "
		"ms at most and had %.0f %% of a processor",
		limits_number(&lines, "longest_stall_ns") / 1e6,
		100 * (limits_number(&lines, "user_ns") + limits_number(&lines, "system_ns")) /
			limits_number(&lines, "wall_ns"));
	return 0;
}

static int quota_all(struct experiment_context *x, struct quota *q, struct err *err)
{
	const struct container_spec spec = {.cpus = QUOTA};
	size_t rounds = x->runs < ROUNDS_MAX ? x->runs : ROUNDS_MAX;
	int rc;

	if (x->brief && rounds > BRIEF_ROUNDS)
		rounds = BRIEF_ROUNDS;
	for (size_t i = 0; i < q->count; i++) {
		struct quota_subject *qs = &q->subjects[i];

		if (qs->s->ops->kind == SUBJECT_HOST)
			continue;
		rc = limits_open(qs->s, &spec, &qs->l, err);
		if (rc < 0) {
			memcpy(qs->why, err->msg, sizeof(qs->why));
			limits_close(&qs->l);
		}
		if (experiment_interrupted())
			return -EINTR;
	}
	*err = ERR_INIT;
	if (rounds < x->runs)
		report_note(x->test,
			    "the quota was sampled %zu times, each over %u periods, to "
			    "keep within a minute",
			    rounds, q->periods);
	q->until_ns = experiment_now_ns(x) + BUDGET_NS * q->count;
	rc = experiment_interleave(x, 1, rounds, quota_step, q, err);
	for (size_t i = 0; rc == 0 && i < q->count; i++) {
		struct quota_subject *qs = &q->subjects[i];

		if (qs->s->ops->kind == SUBJECT_HOST)
			continue;
		rc = quota_verdict(x, q, qs, err);
		quota_check(x, qs);
		stall_finding(x, qs);
	}
	return rc;
}

static int quota(struct experiment_context *x, struct err *err)
{
	struct quota q = {.count = x->subject_count, .periods = PERIODS};
	int rc;

	q.workers = limits_processors() < 4 ? limits_processors() : 4;
	q.subjects = xcalloc(q.count + 1, sizeof(*q.subjects));
	for (size_t i = 0; i < q.count; i++)
		q.subjects[i].s = x->subjects[i];
	rc = quota_all(x, &q, err);
	for (size_t i = 0; i < q.count; i++)
		limits_close(&q.subjects[i].l);
	free(q.subjects);
	return rc;
}

/* ---- what is in force when nothing is asked for ---- */

static void value_text(enum group_limit_kind kind, const struct group_limit *l, uint64_t value,
		       char *out, size_t size)
{
	char bytes[HUMAN_MAX];

	if (!l->known)
		snprintf(out, size, "this kernel has none");
	else if (value == GROUP_UNLIMITED)
		snprintf(out, size, "none");
	else if (kind == GROUP_CPU_QUOTA)
		snprintf(out, size, "%.2f processors",
			 (double)l->in_force / (double)l->in_force_period_us);
	else if (kind == GROUP_CPU_WEIGHT || kind == GROUP_PIDS)
		snprintf(out, size, "%llu", (unsigned long long)value);
	else {
		human_bytes(value, bytes);
		snprintf(out, size, "%s", bytes);
	}
}

static void default_rows(struct report_table *t, const struct subject *s,
			 const struct group_view *g)
{
	for (size_t i = 0; i < GROUP_LIMITS; i++) {
		const struct group_limit *l = &g->limits[i];
		char value[64], file[LIMITS_PATH_MAX];

		if (i == GROUP_MEMORY_LOW || (!l->known && i == GROUP_MEMORY_HIGH))
			continue;
		value_text((enum group_limit_kind)i, l, l->in_force, value, sizeof(value));
		report_row(t, (const char *const[]){
				      s->name, group_limit_name((enum group_limit_kind)i), value,
				      group_short_path(l->in_force_file, file, sizeof(file))});
	}
}

static void finding_memory(struct experiment_context *x, const struct subject *s,
			   const struct group_view *g)
{
	const struct group_limit *l = &g->limits[GROUP_MEMORY];
	char file[LIMITS_PATH_MAX];
	struct report_finding *f;

	if (!l->known || l->in_force != GROUP_UNLIMITED)
		return;
	f = report_finding(x->report, REPORT_MEDIUM, 0.5, x->test->key, s->name,
			   "no memory limit by default (%s)",
			   group_short_path(l->in_force_file, file, sizeof(file)));
	report_reason(f, "one container may take all memory of the host; the kernel then kills the "
			 "largest process anywhere, not the one that asked");
	report_recommend(
		f, s->ops->kind == SUBJECT_RUNTIME ? "linux.resources.memory.limit" : "--memory",
		"give each container a limit above its measured peak");
}

static void finding_pids(struct experiment_context *x, const struct subject *s,
			 const struct group_view *g)
{
	const struct group_limit *l = &g->limits[GROUP_PIDS];
	char file[LIMITS_PATH_MAX];
	struct report_finding *f;

	if (!l->known || l->in_force != GROUP_UNLIMITED)
		return;
	f = report_finding(x->report, REPORT_MEDIUM, 0.4, x->test->key, s->name,
			   "no limit of processes by default (%s)",
			   group_short_path(l->in_force_file, file, sizeof(file)));
	report_reason(f, "a fork bomb in one container takes all process numbers of the host "
			 "(kernel.pid_max), and nobody can log in any more");
	report_recommend(
		f, s->ops->kind == SUBJECT_RUNTIME ? "linux.resources.pids.limit" : "--pids-limit",
		"a few hundred are enough for most services");
}

static int defaults(struct experiment_context *x, struct report_table *t, struct subject *s,
		    struct err *err)
{
	const struct container_spec spec = {0};
	auto_limits_subject struct limits_subject l = {0};
	int rc = limits_open(s, &spec, &l, err);

	if (rc < 0)
		return limits_unknown(x, s, "limits.defaults", "the default limits can be read",
				      err);
	default_rows(t, s, l.groups);
	finding_memory(x, s, l.groups);
	finding_pids(x, s, l.groups);
	return 0;
}

static int run(struct experiment_context *x, struct err *err)
{
	static int (*const parts[])(struct experiment_context *, struct subject *, struct err *) = {
		limits_weight, limits_memory, limits_pids, limits_cpuset, limits_io};
	static const char *const columns[] = {"subject", "limit", "in force", "read from", NULL};
	const size_t part_count = sizeof(parts) / sizeof(parts[0]);
	struct report_table *t = report_table(x->test, "limits.defaults",
					      "in force when nothing is asked for", columns);
	size_t containers = 0;
	int rc = host_stall(x, err);

	for (size_t i = 0; rc == 0 && i < x->subject_count; i++) {
		struct subject *s = x->subjects[i];

		if (s->ops->kind == SUBJECT_HOST)
			continue;
		containers++;
		rc = defaults(x, t, s, err);
		for (size_t p = 0; rc == 0 && p < part_count; p++) {
			experiment_progress(x, s->name, p, part_count);
			rc = experiment_pause(x, err);
			if (rc == 0)
				rc = parts[p](x, s, err);
		}
	}
	if (rc == 0 && !containers)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the bare host has no limits of its own to test");
	return rc < 0 ? rc : quota(x, err);
}

const struct experiment experiment_limits = {
	.number = 8, .key = "limits", .title = "CPU and limits", .run = run, .pauses = true};

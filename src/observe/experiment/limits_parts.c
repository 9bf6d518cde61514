/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 8, the limits that are yes or no: each runs a workload against its limit and reads from the
 * kernel's own counters what happened, so that a limit that is only written down is not taken for one
 * that holds.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/str.h"
#include "kernel/oom_log.h"
#include "observe/experiment/limits.h"

#define MEMORY_LIMIT (64ULL << 20)
#define MEMORY_WANTED (128ULL << 20)
#define PIDS_LIMIT 24U
#define PIDS_WANTED 200
#define WEIGHTS 3
#define WEIGHT_ROUNDS 4
#define WEIGHT_MS 1500
#define WEIGHT_EDGE_MS 100
#define WEIGHT_BOUND 0.10
/* At both ends of a round one turn of a container may fall on either side: a tick and a slice. */
#define TURN_NS 8e6
#define NS_PER_MS 1000000ULL
#define START_IN_NS 60000000ULL

/* ---- weights ---- */

struct weight {
	struct limits_subject l[WEIGHTS];
	double used_ns[WEIGHTS], all_ns[WEIGHTS];
};

static const unsigned weight_shares[WEIGHTS] = {512, 1024, 2048};
static const char weight_claim[] = "shares of 512, 1024 and 2048 divide one processor 1 : 2 : 4";

static int weight_open(struct weight *w, struct subject *s, const char *cpuset, struct err *err)
{
	for (size_t i = 0; i < WEIGHTS; i++) {
		const struct container_spec spec = {.cpu_shares = weight_shares[i],
						    .cpuset = cpuset};
		int rc = limits_open(s, &spec, &w->l[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* All three want the processor from before the first reading until after the last; what each gets
 * between them is counted by its group. */
static int weight_round(struct weight *w, struct err *err)
{
	uint64_t start = clock_now_ns() + START_IN_NS, at;
	uint64_t from = start + WEIGHT_EDGE_MS * NS_PER_MS, to = from + WEIGHT_MS * NS_PER_MS;
	auto_strv struct strv lines = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < WEIGHTS; i++)
		rc = session_send(w->l[i].session, err,
				  "spin ms=%u start_ns=%llu lead_ms=%u tail_ms=%u", WEIGHT_MS,
				  (unsigned long long)start, WEIGHT_EDGE_MS, WEIGHT_EDGE_MS);
	for (size_t i = 0; rc == 0 && i < WEIGHTS; i++)
		rc = limits_count_at(&w->l[i], from, &at, err);
	for (size_t i = 0; rc == 0 && i < WEIGHTS; i++) {
		rc = limits_count_at(&w->l[i], to, &at, err);
		w->used_ns[i] = (double)(w->l[i].after.base.cpu_usage_ns -
					 w->l[i].before.base.cpu_usage_ns);
		w->all_ns[i] += w->used_ns[i];
	}
	for (size_t i = 0; rc == 0 && i < WEIGHTS; i++)
		rc = session_receive(w->l[i].session, LIMITS_ANSWER_MS, &lines, err);
	return rc;
}

static void weight_samples(struct experiment_context *x, const struct subject *s,
			   const struct weight *w)
{
	report_sample(report_figure(x->test, s->name, "limits.weight_1_to_2",
				    "processor time, 1024 shares against 512", "x", REPORT_NEITHER),
		      w->used_ns[1] / w->used_ns[0]);
	report_sample(report_figure(x->test, s->name, "limits.weight_1_to_4",
				    "processor time, 2048 shares against 512", "x", REPORT_NEITHER),
		      w->used_ns[2] / w->used_ns[0]);
}

/* The written weights themselves may be in another proportion: version 2 has whole numbers. */
static void weight_verdict(struct experiment_context *x, const struct subject *s,
			   const struct weight *w, size_t rounds)
{
	double bound = WEIGHT_BOUND + TURN_NS * (double)rounds / w->all_ns[0];
	double two = w->all_ns[1] / w->all_ns[0], four = w->all_ns[2] / w->all_ns[0];
	bool holds = fabs(two / 2 - 1) <= bound && fabs(four / 4 - 1) <= bound;
	struct report_claim *c = report_claim(x->test, s->name, "limits.weight",
					      holds ? REPORT_HOLDS : REPORT_BROKEN, "%s",
					      weight_claim);
	char file[LIMITS_PATH_MAX];

	report_evidence(
		c, "processor time over %zu rounds: %.0f, %.0f and %.0f ms = 1 : %.2f : %.2f",
		rounds, w->all_ns[0] / 1e6, w->all_ns[1] / 1e6, w->all_ns[2] / 1e6, two, four);
	report_evidence(c, "allowed: %.0f %%, that is 10 %% and one turn of %.0f ms in each round",
			bound * 100, TURN_NS / 1e6);
	for (size_t i = 0; i < WEIGHTS; i++) {
		const struct group_limit *l = &w->l[i].groups->limits[GROUP_CPU_WEIGHT];

		if (l->known)
			report_evidence(c, "%s: %llu",
					group_short_path(l->written_file, file, sizeof(file)),
					(unsigned long long)l->written);
	}
	report_consequence(c,
			   "Weights count only while others want the same processor; an idle host "
			   "gives everything to whoever asks.");
}

int limits_weight(struct experiment_context *x, struct subject *s, struct err *err)
{
	size_t rounds = x->runs < WEIGHT_ROUNDS ? x->runs : WEIGHT_ROUNDS;
	char cpuset[16];
	struct weight w = {0};
	int rc;

	if (x->brief)
		rounds = 1;
	snprintf(cpuset, sizeof(cpuset), "%d", limits_last_processor());
	rc = weight_open(&w, s, cpuset, err);
	for (size_t i = 0; rc == 0 && i < rounds; i++) {
		rc = weight_round(&w, err);
		if (rc == 0)
			weight_samples(x, s, &w);
	}
	if (rc == 0)
		weight_verdict(x, s, &w, rounds);
	for (size_t i = 0; i < WEIGHTS; i++)
		limits_close(&w.l[i]);
	return rc < 0 ? limits_unknown(x, s, "limits.weight", weight_claim, err) : 0;
}

/* ---- memory ---- */

static void memory_victim(struct report_claim *c, const struct limits_subject *l, uint64_t since_us)
{
	const struct group_place *p = group_place_of(l->groups, CGROUP_MEMORY);
	struct oom_victim victim = {0};
	char bytes[HUMAN_MAX];

	if (!p || oom_log_find(p->path, since_us, &victim) < 0) {
		report_evidence(c, "the kernel's log names no victim (or cannot be read)");
		return;
	}
	human_bytes(victim.anon_bytes, bytes);
	report_evidence(c,
			"kernel log: killed %s (pid %d) with %s of its own, for its group's limit",
			victim.name, victim.pid, bytes);
}

int limits_memory(struct experiment_context *x, struct subject *s, struct err *err)
{
	static const char claim[] = "a memory limit of 64 MiB ends a process that wants 128 MiB";
	const struct container_spec spec = {.memory_bytes = MEMORY_LIMIT};
	auto_limits_subject struct limits_subject l = {0};
	auto_strv struct strv lines = {0};
	uint64_t since_us = clock_now_ns() / 1000, kills;
	struct report_claim *c;
	char file[LIMITS_PATH_MAX];
	double reached, ended_by;
	bool holds;
	int rc = limits_open(s, &spec, &l, err);

	if (rc == 0)
		rc = session_ask(l.session, LIMITS_ANSWER_MS, &lines, err, "overrun bytes=%llu",
				 MEMORY_WANTED);
	if (rc == 0)
		rc = limits_count(&l, err);
	if (rc < 0)
		return limits_unknown(x, s, "limits.memory", claim, err);
	reached = limits_number(&lines, "reached");
	ended_by = limits_number(&lines, "signal");
	kills = l.after.base.oom_kills - l.before.base.oom_kills;
	holds = reached <= MEMORY_LIMIT && (int)ended_by == SIGKILL && kills > 0;
	c = report_claim(x->test, s->name, "limits.memory", holds ? REPORT_HOLDS : REPORT_BROKEN,
			 "%s", claim);
	report_evidence(c, "it had %.1f MiB when %s ended it", reached / 1048576,
			(int)ended_by == SIGKILL ? "SIGKILL" : "nothing");
	report_evidence(
		c, "%s: %.0f MiB; killed by the kernel: %llu",
		group_short_path(l.groups->limits[GROUP_MEMORY].in_force_file, file, sizeof(file)),
		(double)l.groups->limits[GROUP_MEMORY].in_force / 1048576,
		(unsigned long long)kills);
	memory_victim(c, &l, since_us);
	report_consequence(c,
			   "The kernel first drops page cache of the group, then kills its largest "
			   "process; the others live on, unless it was the first one.");
	report_sample(report_figure(x->test, s->name, "limits.memory_reached",
				    "memory had under a limit of 64 MiB", "B", REPORT_NEITHER),
		      reached);
	return 0;
}

/* ---- processes ---- */

int limits_pids(struct experiment_context *x, struct subject *s, struct err *err)
{
	static const char claim[] = "a limit of 24 processes stops the 25th";
	const struct container_spec spec = {.pids_limit = PIDS_LIMIT};
	auto_limits_subject struct limits_subject l = {0};
	auto_strv struct strv lines = {0};
	struct report_claim *c;
	char file[LIMITS_PATH_MAX];
	double forked, error;
	int rc = limits_open(s, &spec, &l, err);
	uint64_t there;

	if (rc == 0)
		rc = session_ask(l.session, LIMITS_ANSWER_MS, &lines, err, "forks max=%d",
				 PIDS_WANTED);
	if (rc == 0)
		rc = limits_count(&l, err);
	if (rc < 0)
		return limits_unknown(x, s, "limits.pids", claim, err);
	forked = limits_number(&lines, "forked");
	error = limits_number(&lines, "error");
	there = l.before.base.has_pids ? l.before.base.pids : 1;
	c = report_claim(x->test, s->name, "limits.pids",
			 (int)error == EAGAIN && forked + (double)there == PIDS_LIMIT
				 ? REPORT_HOLDS
				 : REPORT_BROKEN,
			 "%s", claim);
	report_evidence(c, "%llu there, %.0f more forked, then fork said: %s",
			(unsigned long long)there, forked,
			(int)error ? err_errno_text((int)error) : "yes, to all");
	report_evidence(
		c, "%s: %llu; forks refused: %llu",
		group_short_path(l.groups->limits[GROUP_PIDS].in_force_file, file, sizeof(file)),
		(unsigned long long)l.groups->limits[GROUP_PIDS].in_force,
		(unsigned long long)(l.after.pids_hits - l.before.pids_hits));
	report_consequence(c, "Threads count as well as processes.");
	return 0;
}

/* ---- processors ---- */

int limits_cpuset(struct experiment_context *x, struct subject *s, struct err *err)
{
	static const char claim[] = "a container bound to one processor runs on no other";
	int processor = limits_last_processor();
	char cpuset[16];
	const struct container_spec spec = {.cpuset = cpuset};
	auto_limits_subject struct limits_subject l = {0};
	auto_strv struct strv lines = {0};
	char file[LIMITS_PATH_MAX];
	struct report_claim *c;
	uint64_t seen;
	int rc;

	if (limits_processors() < 2) {
		err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this host has one processor only");
		return limits_unknown(x, s, "limits.cpuset", claim, err);
	}
	snprintf(cpuset, sizeof(cpuset), "%d", processor);
	rc = limits_open(s, &spec, &l, err);
	if (rc == 0)
		rc = session_ask(l.session, LIMITS_ANSWER_MS, &lines, err, "spin ms=100 workers=%d",
				 2 * limits_processors());
	if (rc < 0)
		return limits_unknown(x, s, "limits.cpuset", claim, err);
	seen = (uint64_t)limits_number(&lines, "processors");
	c = report_claim(x->test, s->name, "limits.cpuset",
			 seen == 1ULL << (processor & 63) ? REPORT_HOLDS : REPORT_BROKEN, "%s",
			 claim);
	report_evidence(c, "%d workers for 100 ms: seen on processors (bits) %#llx, %d was allowed",
			2 * limits_processors(), (unsigned long long)seen, processor);
	report_evidence(c, "%s: %s, effective %s",
			group_short_path(l.groups->cpuset_file, file, sizeof(file)),
			l.groups->cpuset, l.groups->cpuset_effective);
	return 0;
}

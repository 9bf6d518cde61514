/* SPDX-License-Identifier: Apache-2.0 */
/* load: the kernel's counters of what happened at each limit, and of half a second while looking. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/human.h"
#include "observe/explain/topics.h"
#include "observe/probe/cgroup.h"

#define WINDOW_MS 500

/* Both are some KiB, so they are kept off the stack. */
struct readings {
	struct group_view group;
	struct group_counters before, after;
	double seconds; /* between them */
};

static void free_readings(struct readings **r)
{
	free(*r);
}

static unsigned long long show(uint64_t value)
{
	return value;
}

static int take(struct explain *x, struct readings *r, struct err *err)
{
	struct timespec pause = {.tv_nsec = WINDOW_MS * 1000000L};
	int rc = group_probe(x->target->pid, &r->group, err);
	uint64_t start_ns;

	if (rc < 0)
		return rc;
	rc = group_counters(&r->group, &r->before);
	start_ns = clock_now_ns();
	nanosleep(&pause, NULL);
	if (rc == 0)
		rc = group_counters(&r->group, &r->after);
	r->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
	return rc < 0 ? err_set(err, ERR_NOT_FOUND, -rc,
				"read the counters of its control group: %s", err_errno_text(-rc))
		      : 0;
}

static void claim_throttled(struct explain *x, const struct readings *r)
{
	const struct cgroup_stats *s = &r->after.base, *b = &r->before.base;
	const struct group_limit *l = &r->group.limits[GROUP_CPU_QUOTA];
	struct report_claim *c = explain_claim(x, "load.throttled", REPORT_UNKNOWN,
					       "%s has been made to wait at its processor limit",
					       x->name);

	if (s->has_cpu)
		report_evidence(c,
				"used in all: %.3f s; in the %.2f s of this look: %.2f processors",
				(double)s->cpu_usage_ns / 1e9, r->seconds,
				(double)(s->cpu_usage_ns - b->cpu_usage_ns) / 1e9 / r->seconds);
	if (!s->has_throttling) {
		report_evidence(c, "the kernel counts no throttling for its group");
		return;
	}
	report_evidence(c, "%s: %llu periods, throttled in %llu of them, for %.3f s in all",
			r->after.cpu_stat_file, show(s->periods), show(s->throttled_periods),
			(double)s->throttled_ns / 1e9);
	report_evidence(c,
			"in the %.2f s of this look: %llu periods, throttled in %llu, for %.3f s",
			r->seconds, show(s->periods - b->periods),
			show(s->throttled_periods - b->throttled_periods),
			(double)(s->throttled_ns - b->throttled_ns) / 1e9);
	c->verdict = s->throttled_periods ? REPORT_HOLDS : REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c,
			"in each period of %llu ms all its threads together ran for their share, "
			"then none of them until the next: it is slower, never killed",
			show(l->in_force_period_us / 1000));
	else if (l->known && l->in_force != GROUP_UNLIMITED)
		report_consequence(
			c,
			"it has a limit of %.2f processors and never wanted more for long enough",
			group_cpus(&r->group));
	else
		report_consequence(
			c,
			"it has no quota: under load its weight decides, and it is never made to "
			"wait while a processor is idle");
}

/* By any of the marks that this leaves: not every kernel makes each of them. */
static bool has_met_memory(const struct group_counters *a, bool limited)
{
	return limited && (a->memory_failures || a->oom_events || a->base.oom_kills ||
			   (a->base.has_memory_peak &&
			    a->base.memory_peak_bytes >= a->base.memory_limit_bytes));
}

static void claim_memory(struct explain *x, const struct readings *r)
{
	const struct group_counters *a = &r->after;
	char now[HUMAN_MAX], peak[HUMAN_MAX], limit[HUMAN_MAX];
	struct report_claim *c = explain_claim(x, "load.memory", REPORT_UNKNOWN,
					       "%s has met its memory limit", x->name);
	bool limited = a->base.has_memory_limit && a->base.memory_limit_bytes != UINT64_MAX;

	if (!a->base.has_memory) {
		report_evidence(c, "the kernel counts no memory for its group");
		return;
	}
	human_bytes(a->base.memory_bytes, now);
	human_bytes(a->base.memory_peak_bytes, peak);
	human_bytes(limited ? a->base.memory_limit_bytes : 0, limit);
	report_evidence(c, "now %s, peak %s, limit %s", now,
			a->base.has_memory_peak ? peak : "not counted", limited ? limit : "none");
	if (a->has_memory_stat)
		report_evidence(
			c, "%s: %llu bytes anonymous, %llu of files (cache), %llu shared memory",
			a->memory_stat_file, show(a->anonymous), show(a->file), show(a->shmem));
	if (a->has_memory_failures)
		report_evidence(
			c,
			"times the limit stood in the way (failcnt, or max of memory.events): %llu",
			show(a->memory_failures));
	if (has_met_memory(a, limited))
		c->verdict = REPORT_HOLDS;
	else if (!limited || a->has_memory_failures || a->has_oom_events)
		c->verdict = REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c,
			"at the limit the kernel first takes back its cached files, then swaps where "
			"that is allowed, then kills");
	else if (c->verdict == REPORT_BROKEN)
		report_consequence(c, "%s",
				   limited ? "there was always room below the limit"
					   : "there is no limit to meet");
}

static void claim_killed(struct explain *x, const struct readings *r)
{
	struct report_claim *c = explain_claim(x, "load.killed", REPORT_UNKNOWN,
					       "the kernel has killed processes of %s for memory",
					       x->name);

	if (!r->after.base.has_oom_kills) {
		report_evidence(c, "this kernel does not count such kills by group");
		return;
	}
	report_evidence(c, "oom_kill of its memory group: %llu", show(r->after.base.oom_kills));
	if (x->target->engine == TARGET_CLOCHE)
		report_evidence(c, "recorded by Cloche of its last end: OOMKilled %s",
				target_setting(x->target, "State.OOMKilled"));
	c->verdict = r->after.base.oom_kills ? REPORT_HOLDS : REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c,
			"the victim is chosen among its own processes, mostly the largest; the first "
			"process survived, else there would be no container to look at");
	else
		report_consequence(c, "allocations of it have succeeded, or failed without a kill");
}

static void claim_pids(struct explain *x, const struct readings *r)
{
	const struct group_limit *l = &r->group.limits[GROUP_PIDS];
	struct report_claim *c = explain_claim(x, "load.pids", REPORT_UNKNOWN,
					       "forks in %s have been refused", x->name);
	auto_free char *limit = l->in_force == GROUP_UNLIMITED
					? xstrdup("none")
					: xasprintf("%llu", show(l->in_force));

	if (r->after.base.has_pids)
		report_evidence(c, "processes and threads now: %llu, limit %s",
				show(r->after.base.pids), l->known ? limit : "not known");
	if (!r->after.has_pids_hits) {
		report_evidence(c, "this kernel does not count refused forks for its group");
		return;
	}
	report_evidence(c, "max of pids.events: %llu", show(r->after.pids_hits));
	c->verdict = r->after.pids_hits ? REPORT_HOLDS : REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c,
			"fork(2) and clone(2) gave EAGAIN there: shells say that they cannot fork");
}

static void host_pressure(struct explain *x, struct report_claim *c)
{
	static const char *const files[] = {"cpu", "memory", "io"};

	for (size_t i = 0; i < 3; i++) {
		auto_free char *path = xasprintf("/proc/pressure/%s", files[i]);
		auto_free char *text = NULL;

		if (file_read_at(AT_FDCWD, path, 4096, &text, NULL) < 0) {
			report_note(x->test, "not read: %s; this kernel has no pressure accounting",
				    path);
			continue;
		}
		text[strcspn(text, "\n")] = '\0';
		report_evidence(c, "%s: %s", path, text);
	}
}

static void claim_pressure(struct explain *x, const struct readings *r)
{
	const struct group_counters *a = &r->after, *b = &r->before;
	struct report_claim *c = explain_claim(x, "load.pressure", REPORT_UNKNOWN,
					       "%s waits for processor, memory or disk", x->name);
	uint64_t waited = a->cpu_pressure_us + a->memory_pressure_us + a->io_pressure_us -
			  b->cpu_pressure_us - b->memory_pressure_us - b->io_pressure_us;

	if (a->has_pressure) {
		report_evidence(
			c,
			"its pressure files, in all: processor %.3f s, memory %.3f s, I/O %.3f s",
			(double)a->cpu_pressure_us / 1e6, (double)a->memory_pressure_us / 1e6,
			(double)a->io_pressure_us / 1e6);
		report_evidence(c, "in the %.2f s of this look: %.3f s", r->seconds,
				(double)waited / 1e6);
		c->verdict = (double)waited / 1e6 > 0.01 * r->seconds ? REPORT_HOLDS
								      : REPORT_BROKEN;
	} else {
		report_note(x->test,
			    "not read: the pressure of its group, which is counted in groups of "
			    "version 2 below the root alone; so the host's stands here");
	}
	host_pressure(x, c);
	report_consequence(
		c, "pressure is time in which something could have run and had to wait (PSI); "
		   "it tells need from use");
}

/* What is counted for a group with others in it is not known to be the container's doing. */
static void doubt_shared(struct explain *x, const struct readings *r, size_t first)
{
	const struct group_place *p = group_place_of(&r->group, CGROUP_CPU);

	if (x->processes.scope == PROCESS_SCOPE_GROUP)
		return;
	for (size_t i = first; i < x->test->claim_count; i++) {
		struct report_claim *c = x->test->claims[i];

		report_evidence(c,
				"counted for its whole group (%s), in which there are others, too",
				p ? p->path : "/");
		if (c->verdict == REPORT_HOLDS)
			c->verdict = REPORT_UNKNOWN;
	}
}

int explain_load(struct explain *x, struct err *err)
{
	size_t first = x->test->claim_count;
	struct readings *r __attribute__((cleanup(free_readings))) = xcalloc(1, sizeof(*r));
	int rc = take(x, r, err);

	if (rc < 0)
		return rc;
	claim_throttled(x, r);
	claim_memory(x, r);
	claim_killed(x, r);
	claim_pids(x, r);
	claim_pressure(x, r);
	doubt_shared(x, r, first);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: where its groups are, what was written to them, what is in force and what was asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "observe/explain/topics.h"
#include "observe/probe/cgroup.h"

#define PLACES_SHOWN 4
#define PAGE_BYTES ((uint64_t)sysconf(_SC_PAGESIZE))

static void free_view(struct group_view **g)
{
	free(*g);
}

/* others: hierarchies in which it is the same. */
static void show_place(struct report_claim *c, const struct group_view *g, size_t i, size_t others)
{
	const struct group_place *p = &g->places[i];
	auto_free char *more = others ? xasprintf(", and in %zu more hierarch%s", others,
						  others == 1 ? "y" : "ies")
				      : xstrdup("");

	report_evidence(c, "/proc/%d/cgroup: %s%s is %s%s", g->pid,
			p->v2 ? "version 2" : "version 1, ", p->v2 ? "" : p->name, p->path, more);
}

static void claim_own(struct explain *x, const struct group_view *g)
{
	const struct group_place *p = group_place_of(g, CGROUP_PIDS);
	struct report_claim *c;
	size_t shown = 0;
	bool own = x->processes.scope == PROCESS_SCOPE_GROUP;

	c = explain_claim(x, "cgroup.own", own ? REPORT_HOLDS : REPORT_BROKEN,
			  "%s has a control group to itself", x->name);
	for (size_t i = 0; i < g->count && shown < PLACES_SHOWN; i++) {
		size_t same = 0;
		bool told = false;

		for (size_t k = 0; k < g->count; k++) {
			bool equal = str_eq(g->places[k].path, g->places[i].path);

			told = told || (equal && k < i);
			same += equal && k > i;
		}
		if (told)
			continue;
		shown++;
		show_place(c, g, i, same);
	}
	report_evidence(c, "as a directory: %s", p ? p->dir : g->places[0].dir);
	if (x->processes.group)
		report_evidence(
			c,
			"/proc/PID/cgroup of all processes: %zu are in it or below, its parent "
			"is not",
			x->processes.member_count);
	report_consequence(
		c, own ? "limits and counters of that directory concern these processes and "
			 "no others"
		       : "limits and counters of that group concern others, too");
}

static void claim_controllers(struct explain *x, const struct group_view *g)
{
	auto_strbuf struct strbuf active = {0};
	struct report_claim *c =
		explain_claim(x, "cgroup.controllers", REPORT_UNKNOWN,
			      "processor, memory and number of processes of %s are "
			      "controlled",
			      x->name);
	bool all = group_place_of(g, CGROUP_CPU) && group_place_of(g, CGROUP_MEMORY) &&
		   group_place_of(g, CGROUP_PIDS);

	for (size_t i = 0; i < g->count; i++) {
		if (g->places[i].active[0])
			strbuf_printf(&active, "%s%s", active.len ? ", " : "", g->places[i].active);
	}
	report_evidence(c, "controllers active in its groups: %s",
			active.len ? active.data : "none");
	report_evidence(c, "layout of this host: %s",
			g->mode == CGROUP_V2   ? "version 2"
			: g->mode == CGROUP_V1 ? "version 1"
					       : "version 1, with version 2 beside it");
	c->verdict = all ? REPORT_HOLDS : REPORT_BROKEN;
	if (!all)
		report_consequence(c, "what no controller counts cannot be limited");
}

/* A limit with its unit, for people. */
static void limit_text(enum group_limit_kind kind, uint64_t value, uint64_t period_us,
		       struct strbuf *out)
{
	char bytes[HUMAN_MAX];

	if (value == GROUP_UNLIMITED) {
		strbuf_puts(out, "none");
	} else if (kind == GROUP_CPU_QUOTA) {
		strbuf_printf(out, "%llu us in %llu us (%.2f processors)",
			      (unsigned long long)value, (unsigned long long)period_us,
			      period_us ? (double)value / (double)period_us : 0);
	} else if (kind == GROUP_MEMORY || kind == GROUP_MEMORY_SWAP || kind == GROUP_MEMORY_LOW ||
		   kind == GROUP_MEMORY_HIGH) {
		human_bytes(value, bytes);
		strbuf_printf(out, "%llu (%s)", (unsigned long long)value, bytes);
	} else {
		strbuf_printf(out, "%llu", (unsigned long long)value);
	}
}

/* What the engine says was asked for, in the file's unit; 0: nothing. */
static uint64_t asked(const struct explain *x, enum group_limit_kind kind, uint64_t period_us)
{
	static const char *const settings[GROUP_LIMITS] = {
		[GROUP_CPU_QUOTA] = "HostConfig.CpuQuota",
		[GROUP_MEMORY] = "HostConfig.Memory",
		[GROUP_PIDS] = "HostConfig.PidsLimit",
	};
	int64_t value = 0, cpus = 0;

	if (!settings[kind] || str_to_i64(target_setting(x->target, settings[kind]), &value) < 0)
		value = 0;
	if (kind == GROUP_CPU_QUOTA && value <= 0 &&
	    str_to_i64(target_setting(x->target, "HostConfig.NanoCpus"), &cpus) == 0)
		value = (int64_t)((double)cpus / 1e9 * (double)period_us + 0.5);
	return value > 0 ? (uint64_t)value : 0;
}

/* The kernel keeps memory in whole pages (page_counter_memparse), and of a share of processors engines write
 * whole microseconds, rounded in their own way. */
static bool is_written(enum group_limit_kind kind, uint64_t wanted, uint64_t written)
{
	if (kind == GROUP_MEMORY)
		return written == wanted / PAGE_BYTES * PAGE_BYTES;
	if (kind == GROUP_CPU_QUOTA)
		return written <= wanted + 1 && wanted <= written + 1;
	return written == wanted;
}

static void claim_limit(struct explain *x, const struct group_view *g, enum group_limit_kind kind,
			const char *key, const char *what, const char *without)
{
	const struct group_limit *l = &g->limits[kind];
	auto_strbuf struct strbuf written = {0}, in_force = {0};
	struct report_claim *c =
		explain_claim(x, key, REPORT_UNKNOWN, "%s of %s is limited", what, x->name);
	uint64_t wanted = asked(x, kind, l->period_us ? l->period_us : 100000);

	if (!l->known) {
		report_evidence(c, "no controller of this host has that limit for its group");
		return;
	}
	limit_text(kind, l->written, l->period_us, &written);
	limit_text(kind, l->in_force, l->in_force_period_us, &in_force);
	report_evidence(c, "%s: %s", l->written_file, strbuf_str(&written));
	if (l->in_force != l->written)
		report_evidence(c, "in force, from %s: %s", l->in_force_file,
				strbuf_str(&in_force));
	if (x->target->engine != TARGET_PROCESS && (kind != GROUP_CPU_WEIGHT))
		report_evidence(c, "asked for, by %s: %llu%s",
				target_engine_name(x->target->engine), (unsigned long long)wanted,
				wanted ? "" : ", that is, nothing");
	c->verdict = l->in_force == GROUP_UNLIMITED ? REPORT_BROKEN : REPORT_HOLDS;
	if (wanted && !is_written(kind, wanted, l->written))
		report_consequence(
			c, "the file does not hold what was asked for: the container runs with %s",
			strbuf_str(&in_force));
	else if (c->verdict == REPORT_BROKEN)
		report_consequence(c, "%s", without);
	else
		report_consequence(
			c,
			"the kernel holds all its processes together to %s; what happens there "
			"is the next topic",
			strbuf_str(&in_force));
}

static void claim_weight(struct explain *x, const struct group_view *g)
{
	const struct group_limit *l = &g->limits[GROUP_CPU_WEIGHT];
	const struct group_place *p = group_place_of(g, CGROUP_CPU);
	uint64_t usual = p && p->v2 ? 100 : 1024;
	struct report_claim *c;

	if (!l->known)
		return;
	c = explain_claim(x, "cgroup.weight", l->written == usual ? REPORT_HOLDS : REPORT_BROKEN,
			  "%s has the usual weight when processors are short", x->name);
	report_evidence(c, "%s: %llu; usual: %llu", l->written_file, (unsigned long long)l->written,
			(unsigned long long)usual);
	report_consequence(
		c, "weights part time between groups of one parent that all want it; an idle "
		   "host ignores them");
}

static void note_devices(struct explain *x, const struct group_view *g)
{
	for (size_t i = 0; i < g->io_count; i++)
		report_note(x->test, "%s of device %u:%u limited to %llu a second (%s)",
			    group_io_name(g->io[i].kind), g->io[i].major, g->io[i].minor,
			    (unsigned long long)g->io[i].per_second, g->io[i].file);
	if (g->cpuset_effective[0])
		report_note(x->test, "processors it may run on: %s%s%s", g->cpuset_effective,
			    g->cpuset_file[0] ? ", from " : "", g->cpuset_file);
	else
		report_note(x->test,
			    "not read: the processors it may run on; no cpuset controller counts "
			    "for its group");
}

int explain_cgroup(struct explain *x, struct err *err)
{
	struct group_view *g __attribute__((cleanup(free_view))) = xcalloc(1, sizeof(*g));
	int rc = group_probe(x->target->pid, g, err);

	if (rc < 0)
		return rc;
	claim_own(x, g);
	claim_controllers(x, g);
	claim_limit(x, g, GROUP_CPU_QUOTA, "cgroup.cpu", "processor time",
		    "it may use every processor as long as nobody else wants it");
	claim_limit(x, g, GROUP_MEMORY, "cgroup.memory", "memory",
		    "it may use all memory of the host; then the kernel chooses a victim from all "
		    "processes, not only from its own");
	claim_limit(x, g, GROUP_PIDS, "cgroup.pids", "the number of processes",
		    "a fork bomb in it takes pids from the whole host");
	claim_weight(x, g);
	note_devices(x, g);
	return 0;
}

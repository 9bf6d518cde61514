/* SPDX-License-Identifier: Apache-2.0 */
/* creation: what Cloche recorded of the birth; of other engines' containers only what the inodes and the
 * kernel's ioctls still tell. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "observe/explain/company.h"
#include "observe/explain/topics.h"
#include "observe/timeline/timeline.h"

#define BILL_WAIT_MS 1000
#define BILL_MAX (1u << 20)

static double ms(uint64_t ns, uint64_t since_ns)
{
	return ns > since_ns ? (double)(ns - since_ns) / 1e6 : 0;
}

static bool is_young(const struct target *t)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec < t->start_ticks / (uint64_t)sysconf(_SC_CLK_TCK) + 3;
}

/* The bill of the start that runs; its monitor writes it a moment after the program's first. 0, or
 * -errno with *err. */
static int read_bill(struct explain *x, struct timeline_stamps *out, struct err *err)
{
	auto_json struct json_object *o = NULL;
	auto_free char *path = xasprintf("containers/%s/timeline.json", x->target->id);
	int most_ms = is_young(x->target) ? BILL_WAIT_MS : 0, rc = -ENOENT;

	for (int waited_ms = 0; rc == -ENOENT && waited_ms <= most_ms; waited_ms += 10) {
		if (waited_ms)
			nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		*err = ERR_INIT;
		rc = json_read_at(x->engine->run_fd, path, BILL_MAX, &o, err);
	}
	return rc < 0 ? rc : timeline_stamps_decode(o, path, out, err);
}

/* Whether a recorded step made or joined a namespace of that kind. */
static bool has_step(const struct timeline_stamps *s, enum namespace_kind kind)
{
	const char *name = kind == NAMESPACE_MNT ? "mount" : namespace_about[kind].name;

	for (size_t i = 0; i < s->op_count; i++) {
		if (strstr(s->ops[i].label, " namespace") && strstr(s->ops[i].label, name))
			return true;
	}
	return false;
}

/* The kinds that are its own now, that no step made and in which nobody was before: what the clone made.
 * Those in which somebody was are put into *joined. */
static unsigned cloned_kinds(const struct explain *x, const struct timeline_stamps *s,
			     struct strbuf *flags, struct strbuf *kinds, struct strbuf *joined)
{
	unsigned n = 0;

	for (enum namespace_kind k = 0; k < NAMESPACE_KINDS; k++) {
		struct company who;

		if (!x->own.inode[k] || x->own.inode[k] == x->host.inode[k] || has_step(s, k))
			continue;
		explain_company(x, k, &who);
		if (who.joined) {
			strbuf_printf(joined, "%s%s:[%llu]", joined->len ? ", " : "",
				      namespace_about[k].name, (unsigned long long)x->own.inode[k]);
			continue;
		}
		strbuf_printf(flags, "%s%s", n ? " | " : "", namespace_about[k].flag);
		strbuf_printf(kinds, "%s%s:[%llu]", n ? ", " : "", namespace_about[k].name,
			      (unsigned long long)x->own.inode[k]);
		n++;
	}
	return n;
}

static void claim_clone(struct explain *x, const struct timeline_stamps *s)
{
	auto_strbuf struct strbuf flags = {0}, kinds = {0}, joined = {0};
	uint64_t begin = s->point_ns[POINT_CLI_MAIN];
	unsigned n = cloned_kinds(x, s, &flags, &kinds, &joined);
	struct report_claim *c = explain_claim(x, "creation.clone",
					       n ? REPORT_HOLDS : REPORT_BROKEN,
					       "one clone3(2) made the first process of %s and %u "
					       "namespaces with it",
					       x->name, n);

	report_evidence(
		c,
		"its start bill: monitor ran at +%.2f ms, clone3 had returned at +%.2f ms, the "
		"child ran at +%.2f ms",
		ms(s->point_ns[POINT_MONITOR_MAIN], begin),
		ms(s->point_ns[POINT_MONITOR_CLONED], begin),
		ms(s->point_ns[POINT_CHILD_MAIN], begin));
	if (n)
		report_evidence(c, "/proc/%d/ns, neither the host's nor made by a later step: %s",
				x->target->pid, kinds.data);
	if (joined.len)
		report_evidence(
			c, "/proc/PID/ns: older processes are in these, so they were joined: %s",
			joined.data);
	if (n)
		report_consequence(
			c,
			"the flags that it takes are %s; all were made in this one call, before "
			"the child ran its first instruction",
			flags.data);
	else
		report_consequence(c, "none of its namespaces comes from the clone");
}

/* Steps that made or joined a namespace or group after the clone, one claim each sort. */
static void claim_steps(struct explain *x, const struct timeline_stamps *s, const char *key,
			const char *text, const char *word, const char *means)
{
	uint64_t begin = s->point_ns[POINT_CLI_MAIN], before = s->point_ns[POINT_CHILD_RELEASED];
	struct report_claim *c = NULL;
	size_t n = 0;

	for (size_t i = 0; i < s->op_count; before = s->ops[i++].end_ns) {
		if (!s->ops[i].end_ns || !strstr(s->ops[i].label, word))
			continue;
		if (!c)
			c = explain_claim(x, key, REPORT_HOLDS, "%s", text);
		if (n++ < 4)
			report_evidence(c, "step %zu of its start bill: %s, +%.2f ms, took %.0f us",
					i + 1, s->ops[i].label, ms(s->ops[i].end_ns, begin),
					ms(s->ops[i].end_ns, before) * 1000);
	}
	if (n > 4)
		report_evidence(c, "and %zu more such steps", n - 4);
	if (c)
		report_consequence(c, "%s", means);
}

/* Whether two steps are of one sort ("mount /proc" and "mount /dev"), so that they share a row. */
static bool is_alike(const struct timeline_op *a, const struct timeline_op *b)
{
	size_t word = strcspn(a->label, " ");

	return a->phase == b->phase && a->label[word] == ' ' && word == strcspn(b->label, " ") &&
	       !strncmp(a->label, b->label, word);
}

/* The steps in order; those of one sort that follow each other as one row. */
static void add_table(struct explain *x, const struct timeline_stamps *s)
{
	static const char *const columns[] = {"step",  ">ended at ms", ">took us",
					      "phase", "what",         NULL};
	uint64_t begin = s->point_ns[POINT_CLI_MAIN], before = s->point_ns[POINT_CHILD_RELEASED];
	struct report_table *t =
		report_table(x->test, "creation.steps",
			     "what the child did between clone3 and execve, as recorded", columns);

	for (size_t i = 0, last = 0; i < s->op_count; i = last + 1) {
		const struct timeline_op *op = &s->ops[i];
		auto_free char *what = NULL;
		char step[32], at[32], took[32];
		uint64_t end;

		for (last = i; last + 1 < s->op_count && is_alike(op, &s->ops[last + 1]);)
			last++;
		end = s->ops[last].end_ns ? s->ops[last].end_ns : s->point_ns[POINT_MONITOR_EXEC];
		what = last > i ? xasprintf("%s, and %zu more such", op->label, last - i)
				: xstrdup(op->label);
		if (last > i)
			snprintf(step, sizeof(step), "%zu-%zu", i + 1, last + 1);
		else
			snprintf(step, sizeof(step), "%zu", i + 1);
		snprintf(at, sizeof(at), "%.2f", ms(end, begin));
		snprintf(took, sizeof(took), "%.0f", ms(end, before) * 1000);
		report_row(t, (const char *const[]){step, at, took, timeline_phase_name(op->phase),
						    what});
		before = end;
	}
}

static int explain_recorded(struct explain *x, struct err *err)
{
	auto_stamps struct timeline_stamps s = {.ops = NULL};
	struct report_claim *c;
	uint64_t begin;
	int rc = read_bill(x, &s, err);

	if (rc < 0)
		return rc;
	begin = s.point_ns[POINT_CLI_MAIN];
	c = explain_claim(x, "creation.recorded", REPORT_HOLDS, "the birth of %s was recorded",
			  x->name);
	report_evidence(
		c,
		"%s/containers/%.12s.../timeline.json: %zu steps of the child, program started "
		"+%.2f ms after the command line",
		x->engine->run_root, x->target->id, s.op_count,
		ms(s.point_ns[POINT_MONITOR_EXEC], begin));
	report_consequence(
		c, "Cloche stamps each step as it makes a container; `cloche timeline` shows "
		   "where the time went");
	claim_clone(x, &s);
	claim_steps(
		x, &s, "creation.namespaces",
		"later steps made or joined the namespaces that the clone did not", "namespace",
		"the cgroup namespace takes the group that the process is in for its root, so it is "
		"made after the process has moved");
	claim_steps(x, &s, "creation.cgroups",
		    "the first process put itself into its control groups", "/tasks",
		    "one write for each hierarchy of version 1; into version 2's it was born");
	claim_steps(x, &s, "creation.root", "its root became the root by pivot_root(2)",
		    "pivot_root",
		    "the host's root is then not merely hidden: it is not mounted there any more");
	claim_steps(x, &s, "creation.confined", "it gave up rights before it became the program",
		    "seccomp", "what execve(2) starts can only lose more");
	add_table(x, &s);
	return 0;
}

/* The pid namespace's parent and the owners: the only ancestry that the kernel tells afterwards. */
static void claim_inferred(struct explain *x)
{
	struct report_claim *c =
		explain_claim(x, "creation.inferred", REPORT_HOLDS,
			      "the namespaces of %s tell where they come from, not how", x->name);

	for (enum namespace_kind k = 0; k < NAMESPACE_KINDS; k++) {
		if (!x->own.inode[k])
			report_evidence(c, "/proc/%d/ns/%s: %s", x->own.pid,
					namespace_about[k].name, err_errno_text(-x->own.errors[k]));
		if (!x->own.inode[k] && x->own.errors[k] != -ENOENT)
			c->verdict = REPORT_UNKNOWN;
		if (!x->own.inode[k])
			continue;
		report_evidence(c, "%s:[%llu] %s", namespace_about[k].name,
				(unsigned long long)x->own.inode[k],
				x->own.inode[k] == x->host.inode[k]
					? "the host's: neither made nor joined for it"
					: "not the host's: made for it, or joined");
	}
	if (x->own.pid_parent)
		report_evidence(c, "ioctl(2) NS_GET_PARENT of pid: inside pid:[%llu]%s",
				(unsigned long long)x->own.pid_parent,
				x->own.pid_parent == x->host.inode[NAMESPACE_PID] ? ", the host's"
										  : "");
	if (x->own.owner[NAMESPACE_NET])
		report_evidence(c, "ioctl(2) NS_GET_USERNS of net: owned by user:[%llu]%s",
				(unsigned long long)x->own.owner[NAMESPACE_NET],
				x->own.owner[NAMESPACE_NET] == x->host.inode[NAMESPACE_USER]
					? ", the host's: made with the host's privilege"
					: "");
	report_consequence(
		c, "whether clone(2), unshare(2) or setns(2) did it, and who called, cannot be "
		   "read afterwards");
}

static void claim_unrecorded(struct explain *x, const char *why)
{
	struct report_claim *c = explain_claim(x, "creation.recorded", REPORT_UNKNOWN,
					       "the birth of %s was recorded", x->name);

	report_evidence(c, "%s", why);
	report_consequence(c,
			   "a birth can only be watched: `cloche trace -- %s run ...` records each "
			   "clone, unshare and setns of a new one, with flags, whoever makes it",
			   x->target->engine == TARGET_PROCESS
				   ? "cloche"
				   : target_engine_name(x->target->engine));
	report_note(x->test, "not read: the calls that made %s; %s", x->name, why);
}

int explain_creation(struct explain *x, struct err *err)
{
	struct err why = ERR_INIT;

	(void)err;
	if (x->target->engine == TARGET_CLOCHE && x->engine) {
		if (explain_recorded(x, &why) == 0)
			return 0;
		claim_unrecorded(x, why.msg);
	} else {
		claim_unrecorded(
			x, x->target->engine == TARGET_PROCESS
				   ? "no engine is known to have made this process"
				   : "this engine keeps no record of how it makes containers");
	}
	claim_inferred(x);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ancestry: the parents there are, and what the kernel still knows of those who have gone. */
#include <errno.h>
#include <stdlib.h>

#include "observe/explain/inside.h"
#include "observe/explain/topics.h"

#define CHAIN_MAX 32

/* Who may stand above a container and what it is there for. By the thread's name, which the kernel cuts at
 * 15 bytes. */
static const struct supervisor {
	const char *name, *role;
	const char *gone; /* who made it, or the container under it, and ended */
} supervisors[] = {
	{"cloche-monitor",
	 "Cloche's monitor: made the container itself, keeps its output and its end",
	 "the command line that started it (`cloche run` or `start`) handed the container over and ended"},
	{"containerd-shim",
	 "containerd's shim: keeps terminal, output and exit code, so that dockerd may "
	 "be restarted",
	 "runc made the container in the shim's name (create, start) and ended; so did the docker client"},
	{"conmon", "Podman's monitor: keeps terminal, output and exit code",
	 "podman and the OCI runtime (crun or runc) made the container and ended"},
	{"dockerd", "Docker's daemon", NULL},
	{"containerd", "containerd's daemon", NULL},
	{"systemd", "the service manager", NULL},
};

static const struct supervisor *supervisor_of(const struct process *p)
{
	for (size_t i = 0; i < sizeof(supervisors) / sizeof(supervisors[0]); i++) {
		if (!strncmp(p->name, supervisors[i].name, 15))
			return &supervisors[i];
	}
	return NULL;
}

static void show_link(struct explain *x, struct report_claim *c, const struct process *p)
{
	const struct supervisor *s = supervisor_of(p);

	report_evidence(c, "/proc/%d/stat: %s, parent %d, %.1f s old%s%s", p->pid, p->name,
			p->parent, process_age_s(&x->processes, p), s ? "; " : "",
			s ? s->role : "");
}

static void claim_chain(struct explain *x)
{
	const struct process *chain[CHAIN_MAX];
	const struct process *first = process_find(&x->processes, x->target->pid);
	size_t n = process_ancestors(&x->processes, x->target->pid, chain, CHAIN_MAX);
	bool complete = n && n <= CHAIN_MAX && chain[n - 1]->pid == 1;
	struct report_claim *c = explain_claim(
		x, "ancestry.chain", complete ? REPORT_HOLDS : REPORT_UNKNOWN,
		"from %s up to process 1 every parent is a process of this host", x->name);

	if (first)
		show_link(x, c, first);
	for (size_t i = 0; i < n && i < CHAIN_MAX; i++)
		show_link(x, c, chain[i]);
	if (!complete)
		report_evidence(c, "the chain ends before process 1: its parent is outside the pid "
				   "namespace that this /proc shows");
	if (n)
		report_consequence(c, "%s (%d) is told when %s ends and reaps it", chain[0]->name,
				   chain[0]->pid, x->name);
}

/* Whether it was surely not started by the parent that it has. */
static bool is_adopted(const struct process *p, const struct process *parent)
{
	return parent && parent->start_ticks > p->start_ticks;
}

/* What speaks for somebody between parent and p who has ended. Returns how much. What a shell or a daemon
 * has waited for may have been anything; what a supervisor has was for its container. */
static unsigned show_gone(struct explain *x, struct report_claim *c, const struct process *p,
			  const struct process *parent)
{
	unsigned found = 0;

	if (is_adopted(p, parent)) {
		found++;
		report_evidence(c, "%s (%d) is older than its parent %s (%d): it was handed to it",
				p->name, p->pid, parent->name, parent->pid);
	}
	if (p->session != p->pid && p->session && !process_find(&x->processes, p->session)) {
		found++;
		report_evidence(
			c, "/proc/%d/stat: session %d of %s has lost its leader: process %d ended",
			p->pid, p->session, p->name, p->session);
	}
	if (p->group != p->pid && p->group && p->group != p->session &&
	    !process_find(&x->processes, p->group)) {
		found++;
		report_evidence(
			c,
			"/proc/%d/stat: process group %d of %s has lost its leader: process %d "
			"ended",
			p->pid, p->group, p->name, p->group);
	}
	if (p->gone_children_faults && supervisor_of(p) && supervisor_of(p)->gone) {
		found++;
		report_evidence(
			c,
			"/proc/%d/stat, children waited for: %s reaped processes that had made "
			"%llu page faults and used %.2f s",
			p->pid, p->name, (unsigned long long)p->gone_children_faults,
			(double)p->gone_children_ticks / (double)x->processes.ticks_per_s);
	}
	return found;
}

static void claim_gone(struct explain *x)
{
	const struct process *chain[CHAIN_MAX];
	size_t n = process_ancestors(&x->processes, x->target->pid, chain, CHAIN_MAX);
	const struct process *first = process_find(&x->processes, x->target->pid);
	const struct supervisor *s = n ? supervisor_of(chain[0]) : NULL;
	struct report_claim *c = explain_claim(x, "ancestry.gone", REPORT_UNKNOWN,
					       "some who took part in starting %s have ended",
					       x->name);
	unsigned found = 0;

	if (!first || !n) {
		report_evidence(c, "/proc/%d/stat: no parent in this /proc", x->target->pid);
		return;
	}
	if (is_adopted(first, chain[0]))
		found += show_gone(x, c, first, chain[0]);
	found += show_gone(x, c, chain[0], n > 1 ? chain[1] : NULL);
	if (n > 1 && s && s->gone && chain[1]->pid == 1 && chain[0]->session == chain[0]->pid) {
		found++;
		report_evidence(c,
				"/proc/%d/stat: %s has parent 1 and a session of its own: whoever "
				"started it left it to process 1",
				chain[0]->pid, chain[0]->name);
	}
	if (found)
		c->verdict = REPORT_HOLDS;
	else
		report_evidence(
			c,
			"no parent is younger than its child, no session or group has lost its "
			"leader, and nothing that %s (%d) waited for is known to be of it",
			chain[0]->name, chain[0]->pid);
	if (!found)
		report_consequence(
			c, "nothing shows it; whoever ended without leaving such a mark cannot "
			   "be known of");
	if (s && s->gone && found)
		report_consequence(
			c,
			"%s; a child whose parent ends goes to the next subreaper "
			"(prctl(2)) or to process 1, which is why the tree does not show it",
			s->gone);
}

/* Daemons of the engine that live and are no ancestors. */
static void claim_daemons(struct explain *x)
{
	static const char *const daemons[] = {"dockerd", "containerd", "cloched", "cloche-keeper"};
	const struct process *chain[CHAIN_MAX];
	size_t n = process_ancestors(&x->processes, x->target->pid, chain, CHAIN_MAX);
	struct report_claim *c = NULL;

	for (size_t i = 0; i < x->processes.count; i++) {
		const struct process *p = &x->processes.items[i];
		bool above = false, daemon = false;

		for (size_t d = 0; d < sizeof(daemons) / sizeof(daemons[0]); d++)
			daemon |= str_eq(p->name, daemons[d]);
		for (size_t k = 0; k < n && k < CHAIN_MAX; k++)
			above |= chain[k] == p;
		if (!daemon || (above && !c))
			continue;
		if (!c)
			c = explain_claim(x, "ancestry.daemons", REPORT_HOLDS,
					  "no engine's daemon is an ancestor of %s", x->name);
		if (above)
			c->verdict = REPORT_BROKEN;
		report_evidence(c, "/proc/%d/stat: %s runs, parent %d, and is %s the chain", p->pid,
				p->name, p->parent, above ? "in" : "not in");
	}
	if (c && c->verdict == REPORT_HOLDS)
		report_consequence(
			c, "a daemon that is restarted, or killed, takes no container with it");
}

/* The number of its parent as its own /proc gives it. */
static void claim_inside(struct explain *x)
{
	const struct process *first = process_find(&x->processes, x->target->pid);
	auto_inside_file struct inside_file stat = {.text = NULL};
	auto_free char *path = NULL;
	struct process seen = {.name = NULL};
	struct report_claim *c;
	int rc;

	if (!first || !first->level_count)
		return;
	path = xasprintf("/proc/%d/stat", first->ns_pids[first->level_count - 1]);
	c = explain_claim(x, "ancestry.inside", REPORT_UNKNOWN,
			  "seen from inside, the first process of %s has no parent", x->name);
	rc = inside_read_proc(x->target->pid, path, &stat);
	if (rc == 0)
		rc = process_parse_stat(stat.text, &seen);
	if (rc < 0)
		report_evidence(c, "%s through its own /proc: %s", path, err_errno_text(-rc));
	else
		report_evidence(c,
				"%s through its own /proc: %s, parent %d; in the host's: parent %d",
				path, seen.name, seen.parent, first->parent);
	if (rc == 0)
		c->verdict = seen.parent == 0 ? REPORT_HOLDS : REPORT_BROKEN;
	if (c->verdict == REPORT_HOLDS)
		report_consequence(
			c, "0 stands for a process that has no number in its pid namespace: it "
			   "cannot signal, trace or even name its supervisor");
	else if (c->verdict == REPORT_BROKEN)
		report_consequence(c, "it can name its supervisor, and signal it where users and "
				      "capabilities allow");
	free(seen.name);
}

int explain_ancestry(struct explain *x, struct err *err)
{
	(void)err;
	claim_chain(x);
	claim_gone(x);
	if (x->target->engine != TARGET_PROCESS)
		claim_daemons(x);
	claim_inside(x);
	report_note(x->test,
		    "not read: the names of processes that have ended; the kernel forgets them. "
		    "`cloche trace -- COMMAND` sees them while they live");
	return 0;
}

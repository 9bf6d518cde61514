/* SPDX-License-Identifier: Apache-2.0 */
/* sharing: with whom each namespace is shared, whether it was there before, and what becomes visible. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "observe/explain/company.h"
#include "observe/explain/inside.h"
#include "observe/explain/topics.h"

/* What the engine was asked for, by kind; NULL: engines have no such setting. */
static const char *const settings[NAMESPACE_KINDS] = {
	[NAMESPACE_CGROUP] = "HostConfig.CgroupnsMode", [NAMESPACE_IPC] = "HostConfig.IpcMode",
	[NAMESPACE_NET] = "HostConfig.NetworkMode",     [NAMESPACE_PID] = "HostConfig.PidMode",
	[NAMESPACE_USER] = "HostConfig.UsernsMode",     [NAMESPACE_UTS] = "HostConfig.UTSMode",
};

static void show_setting(struct explain *x, struct report_claim *c, enum namespace_kind kind)
{
	const char *value = settings[kind] ? target_setting(x->target, settings[kind]) : "";

	if (*value)
		report_evidence(c, "asked for, by %s: %s = %s",
				target_engine_name(x->target->engine),
				settings[kind] + strlen("HostConfig."), value);
}

/* Not the host's, and others are in it. */
static void claim_joint(struct explain *x, enum namespace_kind kind, const struct company *who)
{
	const struct namespace_about *about = &namespace_about[kind];
	auto_free char *key = xasprintf("sharing.%s", about->name);
	struct report_claim *c = explain_claim(
		x, key, REPORT_BROKEN, "%s has its %s namespace to itself", x->name, about->name);

	report_evidence(c, "/proc/PID/ns/%s is %s:[%llu] for its processes (%zu) and others (%zu)",
			about->name, about->name, (unsigned long long)x->own.inode[kind],
			who->members, who->strangers);
	for (size_t i = 0; i < who->strangers && i < COMPANY_SHOWN; i++)
		report_evidence(c, "process %d (%s), %.1f s old, is in it too", who->shown[i]->pid,
				who->shown[i]->name, process_age_s(&x->processes, who->shown[i]));
	show_setting(x, c, kind);
	report_consequence(
		c,
		who->joined ? "process %d was there first: %s joined it with setns(2) (or was born "
			      "in it); shared both ways: %s"
			    : "process %d came later, with setns(2): the namespace was made for "
			      "%s; shared both ways: %s",
		who->oldest ? who->oldest->pid : 0, x->name, about->holds);
}

static void claim_host(struct explain *x, enum namespace_kind kind, const struct company *who)
{
	const struct namespace_about *about = &namespace_about[kind];
	auto_free char *key = xasprintf("sharing.%s", about->name);
	struct report_claim *c = explain_claim(
		x, key, REPORT_BROKEN, "%s has its %s namespace to itself", x->name, about->name);

	report_evidence(c, "/proc/%d/ns/%s and /proc/%d/ns/%s: both %s:[%llu]", x->own.pid,
			about->name, explain_host_pid(x), about->name, about->name,
			(unsigned long long)x->own.inode[kind]);
	report_evidence(c, "in it: its processes (%zu) and others of this host (%zu)", who->members,
			who->strangers);
	show_setting(x, c, kind);
	report_consequence(
		c,
		"nothing was made and nothing joined: it stayed where the process that made "
		"it was; so these are the host's: %s",
		about->holds);
}

static void claim_kind(struct explain *x, enum namespace_kind kind, unsigned counts[3])
{
	struct company who;

	if (!x->own.inode[kind])
		return;
	explain_company(x, kind, &who);
	switch (namespaces_relate(&x->own, &x->host, kind)) {
	case NAMESPACE_SAME:
		counts[0]++;
		claim_host(x, kind, &who);
		break;
	case NAMESPACE_APART:
		counts[who.strangers ? 1 : 2]++;
		if (who.strangers)
			claim_joint(x, kind, &who);
		break;
	case NAMESPACE_UNKNOWN:
		report_note(x->test, "not read: whether the %s namespace is the host's",
			    namespace_about[kind].name);
		break;
	}
}

/* The kinds that nobody else is in, as one claim. */
static void claim_alone(struct explain *x)
{
	auto_strbuf struct strbuf kinds = {0};
	struct report_claim *c;

	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++) {
		struct company who;

		explain_company(x, kind, &who);
		if (x->own.inode[kind] && !who.strangers)
			strbuf_printf(&kinds, "%s%s", kinds.len ? ", " : "",
				      namespace_about[kind].name);
	}
	c = explain_claim(x, "sharing.alone", kinds.len ? REPORT_HOLDS : REPORT_BROKEN,
			  "%s has namespaces that nobody else is in", x->name);
	report_evidence(c, "/proc/PID/ns of all %zu processes compared: alone in %s",
			x->census.count, kinds.len ? kinds.data : "none");
	if (kinds.len)
		report_consequence(
			c, "these were made for it, by clone(2) or unshare(2) with a CLONE_NEW "
			   "flag: nobody was there to be joined");
}

/* What its own /proc lists against what the host's does. */
static void claim_visible_processes(struct explain *x)
{
	ssize_t n = inside_count_processes(x->target->pid);
	struct report_claim *c = explain_claim(x, "sharing.visible_processes", REPORT_UNKNOWN,
					       "%s sees only its own processes", x->name);
	size_t own = process_count_pid_ns(&x->processes, x->own.inode[NAMESPACE_PID]);

	if (n < 0) {
		report_evidence(c, "its own /proc: %s",
				n == -EXDEV ? "not the kernel's" : err_errno_text((int)-n));
		return;
	}
	report_evidence(
		c, "its own /proc lists %zd process%s; the host's lists %zu, of which %zu are its",
		n, n == 1 ? "" : "es", x->processes.count, x->processes.member_count);
	report_evidence(c, "/proc/PID/ns/pid: directly in its pid namespace: %zu", own);
	/* Between the two looks processes come and go. */
	c->verdict = (size_t)n <= x->processes.member_count + 2 ? REPORT_HOLDS : REPORT_BROKEN;
	if (c->verdict == REPORT_BROKEN)
		report_consequence(
			c, "it can list processes that are not its own, with their arguments, and "
			   "where users allow read their environment");
}

/* How many sockets listen in the network namespace of pid. */
static size_t listeners(pid_t pid)
{
	static const char *const files[] = {"net/tcp", "net/tcp6"};
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		auto_free char *path = xasprintf("/proc/%d/%s", pid, files[i]);
		auto_free char *line = NULL;
		auto_fclose FILE *f = fopen(path, "re");
		size_t room = 0;
		unsigned state;

		/* "  0: 0100007F:0035 00000000:0000 0A ...": 0A is TCP_LISTEN */
		while (f && getline(&line, &room, f) > 0)
			n += sscanf(line, " %*d: %*s %*s %2x", &state) == 1 && state == 0x0A;
	}
	return n;
}

static void claim_visible_network(struct explain *x)
{
	struct company who;
	struct report_claim *c;

	if (!x->own.inode[NAMESPACE_NET])
		return;
	explain_company(x, NAMESPACE_NET, &who);
	c = explain_claim(x, "sharing.visible_network",
			  who.strangers ? REPORT_BROKEN : REPORT_HOLDS,
			  "%s sees only its own devices and sockets", x->name);
	report_evidence(
		c,
		"/proc/%d/net/tcp and tcp6, sockets that listen: %zu; in the host's network: %zu",
		x->own.pid, listeners(x->own.pid), listeners(explain_host_pid(x)));
	report_evidence(
		c, "/proc/PID/ns/net: processes in its network namespace that are not its own: %zu",
		who.strangers);
	if (who.strangers)
		report_consequence(c,
				   "127.0.0.1 is the same for both: what listens there without a "
				   "password is open to it, and a port can be taken once only");
}

int explain_sharing(struct explain *x, struct err *err)
{
	unsigned counts[3] = {0};

	(void)err;
	claim_alone(x);
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		claim_kind(x, kind, counts);
	claim_visible_processes(x);
	claim_visible_network(x);
	report_note(
		x->test,
		"of the %u namespaces of %s %u are the host's, %u are shared with others, %u are "
		"its alone",
		counts[0] + counts[1] + counts[2], x->name, counts[0], counts[1], counts[2]);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings on shared namespaces, by one table. Severities follow what is reached: processes and sockets
 * of the other side first. Numbers are those of the CIS Docker Benchmark 1.6.0.
 */
#include "observe/experiment/isolation.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

struct sharing {
	enum report_severity host, neighbour;
	const char *reason; /* with its source */
	const char *remedy;
};
static const struct sharing sharings[NAMESPACE_KINDS] = {
	[NAMESPACE_CGROUP] = {REPORT_LOW, REPORT_INFO,
			      "paths of the host's groups are told to the container "
			      "(cgroup_namespaces(7))",
			      "--cgroupns private"},
	[NAMESPACE_IPC] = {REPORT_MEDIUM, REPORT_LOW,
			   "shared memory and queues of the other side can be read and changed "
			   "(CIS 5.17)",
			   "--ipc private"},
	[NAMESPACE_MNT] = {REPORT_CRITICAL, REPORT_HIGH,
			   "all files of the other side are there, with its mounts "
			   "(mount_namespaces(7))",
			   NULL},
	[NAMESPACE_NET] = {REPORT_HIGH, REPORT_MEDIUM,
			   "what listens on the other side's loopback or on abstract sockets is "
			   "reached (CIS 5.10, CVE-2020-15257)",
			   "--network bridge"},
	[NAMESPACE_PID] =
		{REPORT_HIGH, REPORT_MEDIUM,
		 "processes of the other side can be seen, signalled and, with the same user, "
		 "traced (CIS 5.16)",
		 "without --pid"},
	[NAMESPACE_TIME] = {REPORT_INFO, REPORT_INFO, NULL, NULL},
	[NAMESPACE_USER] =
		{REPORT_LOW, REPORT_INFO,
		 "root inside is root outside, so whatever gets out of the container owns the "
		 "host (user_namespaces(7), CIS 2.9)",
		 "--user 1000:1000 (or a user namespace, where the engine can: --userns-remap, --userns)"},
	[NAMESPACE_UTS] = {REPORT_LOW, REPORT_INFO,
			   "the host can be renamed by a container with CAP_SYS_ADMIN (CIS 5.21)",
			   "without --uts"},
};

char *isolation_group_path(pid_t pid)
{
	auto_free char *text = NULL;
	char path[48], *best = NULL;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (file_read_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return NULL;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *names = strchr(p, ':'), *at = names ? strchr(names + 1, ':') : NULL;
		size_t n = at ? strcspn(at + 1, "\n") : 0;

		if (at && (!best || n > strlen(best))) {
			free(best);
			best = xstrndup(at + 1, n);
		}
	}
	return best;
}

static bool is_known(const struct report *r, const char *subject, const char *title)
{
	for (size_t i = 0; i < r->finding_count; i++)
		if (str_eq(r->findings[i]->subject, subject) &&
		    str_eq(r->findings[i]->title, title))
			return true;
	return false;
}

/* A process that has this namespace, too, but other mounts: of another container. */
static pid_t stranger_in(const struct namespace_census *census, const struct namespace_set *set,
			 const struct namespace_set *host, enum namespace_kind kind)
{
	for (size_t i = 0; i < census->count; i++) {
		const struct namespace_member *m = &census->members[i];

		if (m->inode[kind] == set->inode[kind] && m->inode[NAMESPACE_MNT] &&
		    m->inode[NAMESPACE_MNT] != set->inode[NAMESPACE_MNT] &&
		    m->inode[NAMESPACE_MNT] != host->inode[NAMESPACE_MNT])
			return m->pid;
	}
	return 0;
}

static void add(struct experiment_context *x, const char *subject, enum namespace_kind kind,
		enum report_severity severity, double cost, const char *title)
{
	struct report_finding *f;

	if (is_known(x->report, subject, title))
		return;
	f = report_finding(x->report, severity, cost, x->test->key, subject, "%s", title);
	report_reason(f, "%s", sharings[kind].reason);
	report_recommend(f, sharings[kind].remedy, "give it a %s namespace of its own",
			 namespace_about[kind].name);
}

void isolation_find_shared(struct experiment_context *x, const char *subject,
			   const struct namespace_set *set, const struct namespace_set *host,
			   const struct namespace_census *census, enum namespace_kind kind)
{
	const struct sharing *s = &sharings[kind];
	const struct namespace_about *about = &namespace_about[kind];
	size_t count = namespaces_count(census, kind, set->inode[kind]);
	auto_free char *title = NULL;
	pid_t other;

	if (!s->reason)
		return;
	if (namespaces_relate(set, host, kind) == NAMESPACE_SAME) {
		title = xasprintf("The %s namespace is the host's (%s:[%llu])", about->name,
				  about->name, (unsigned long long)set->inode[kind]);
		add(x, subject, kind, s->host, 0.5, title);
		return;
	}
	other = stranger_in(census, set, host, kind);
	/* A neighbour in the same user namespace is what remapping of a whole engine gives. */
	if (!other || kind == NAMESPACE_USER || kind == NAMESPACE_CGROUP)
		return;
	title = xasprintf(
		"The %s namespace is another container's, too (%s:[%llu], %zu processes, one "
		"is pid %d)",
		about->name, about->name, (unsigned long long)set->inode[kind], count, (int)other);
	add(x, subject, kind, s->neighbour, 0.3, title);
}

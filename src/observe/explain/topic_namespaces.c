/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces: all eight by inode, what each keeps apart as far as it can be shown, and whether all
 * processes of the container are in the same ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "observe/explain/inside.h"
#include "observe/explain/topics.h"

#define TEXT_MAX (4u << 20)
#define STRAYS_SHOWN 4
#define DEVICES_SHOWN 60 /* bytes */

/* What follows of a namespace of its own, and of the host's. */
static const char *const own_means[NAMESPACE_KINDS] = {
	[NAMESPACE_CGROUP] = "it sees its own control group as the root of them all",
	[NAMESPACE_IPC] =
		"System V and POSIX message queues and semaphores of others are out of reach",
	[NAMESPACE_MNT] = "what it mounts, nobody else sees; its root can be another directory",
	[NAMESPACE_NET] =
		"devices, addresses, ports and rules are its own; two containers may both "
		"listen on port 80",
	[NAMESPACE_PID] = "processes outside have no number inside and cannot be named there",
	[NAMESPACE_TIME] = "its monotonic and boot clocks may be shifted",
	[NAMESPACE_USER] =
		"root inside is another user outside, and its capabilities end at what this "
		"namespace owns",
	[NAMESPACE_UTS] = "it may have, and with CAP_SYS_ADMIN change, a host name of its own",
};
static const char *const host_means[NAMESPACE_KINDS] = {
	[NAMESPACE_CGROUP] = "it can read where in the host's tree of control groups it stands",
	[NAMESPACE_IPC] = "it can find the host's message queues, semaphores and shared memory",
	[NAMESPACE_MNT] = "it sees the host's mounts: nothing is kept from it but by permissions",
	[NAMESPACE_NET] =
		"it sees the host's devices, and a port that it opens is open on the host",
	[NAMESPACE_PID] = "it sees all processes of the host and may signal those of its user",
	[NAMESPACE_TIME] = "its clocks are the host's, as is usual: hardly anybody shifts them",
	[NAMESPACE_USER] = "user 0 inside is user 0 of the host, as is usual",
	[NAMESPACE_UTS] = "it has the host's name, and with CAP_SYS_ADMIN could change it",
};

/* Lines of a file of /proc/PID, however many. */
static size_t count_lines(pid_t pid, const char *name)
{
	auto_free char *path = xasprintf("/proc/%d/%s", pid, name);
	auto_free char *line = NULL;
	auto_fclose FILE *f = fopen(path, "re");
	size_t n = 0, room = 0;

	while (f && getline(&line, &room, f) > 0)
		n++;
	return n;
}

/* "eth0 lo": the devices of a process's network namespace; heap, "" when not readable. */
static char *devices(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/net/dev", pid);
	auto_free char *text = NULL;
	struct strbuf out = {0};
	size_t more = 0;

	if (file_read_at(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
		return xstrdup("");
	for (const char *line = text; *line; line += *line == '\n') {
		size_t len = strcspn(line, "\n"), blank = strspn(line, " ");
		const char *colon = memchr(line, ':', len);

		if (colon && out.len < DEVICES_SHOWN)
			strbuf_printf(&out, "%s%.*s", out.len ? " " : "",
				      (int)(colon - line - (ssize_t)blank), line + blank);
		more += colon && out.len >= DEVICES_SHOWN;
		line += len;
	}
	if (more > 1)
		strbuf_printf(&out, " and %zu more", more - 1);
	return strbuf_take(&out);
}

/* The lines of a small file in one, blanks squeezed; heap. */
static char *one_line(pid_t pid, const char *name)
{
	auto_free char *path = xasprintf("/proc/%d/%s", pid, name);
	auto_free char *text = NULL;
	struct strbuf out = {0};
	bool blank = false;

	if (file_read_at(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
		return xstrdup("not readable");
	for (const char *p = text; *p && out.len < 80; p++) {
		bool end = *p == '\n';

		if (end || *p == ' ' || *p == '\t') {
			blank = out.len > 0;
			if (end && p[1])
				strbuf_putc(&out, ';');
			continue;
		}
		if (blank)
			strbuf_putc(&out, ' ');
		blank = false;
		strbuf_putc(&out, *p);
	}
	return strbuf_take(&out);
}

static void show_uts(struct explain *x, struct report_claim *c)
{
	char inside[65], here[65], release[65];
	int rc = inside_uname(x->target->pid, inside, release);

	if (rc == 0)
		rc = inside_uname(getpid(), here, release);
	if (rc == 0)
		report_evidence(c, "uname(2): host name %s inside, %s here", inside, here);
	else
		report_evidence(c, "uname(2) inside: %s", err_errno_text(-rc));
}

/* What can be seen of the difference, beside the inodes. */
static void show_content(struct explain *x, struct report_claim *c, enum namespace_kind kind)
{
	pid_t pid = x->target->pid;
	auto_free char *inside = NULL, *here = NULL;

	switch (kind) {
	case NAMESPACE_NET:
		inside = devices(pid);
		here = devices(explain_host_pid(x));
		report_evidence(c, "/proc/%d/net/dev: %s; of the host: %s", pid, inside, here);
		break;
	case NAMESPACE_MNT:
		report_evidence(c, "/proc/%d/mountinfo: %zu mounts; of the host: %zu", pid,
				count_lines(pid, "mountinfo"),
				count_lines(explain_host_pid(x), "mountinfo"));
		break;
	case NAMESPACE_USER:
		inside = one_line(pid, "uid_map");
		report_evidence(c, "/proc/%d/uid_map (inside, outside, how many): %s", pid, inside);
		break;
	case NAMESPACE_TIME:
		inside = one_line(pid, "timens_offsets");
		report_evidence(c, "/proc/%d/timens_offsets (clock, s, ns): %s", pid, inside);
		break;
	case NAMESPACE_UTS:
		show_uts(x, c);
		break;
	default: /* of the others the inode is all that can be read from outside */
		break;
	}
}

static void claim_kind(struct explain *x, enum namespace_kind kind)
{
	const struct namespace_about *about = &namespace_about[kind];
	auto_free char *key = xasprintf("namespaces.%s", about->name);
	enum namespace_relation relation = namespaces_relate(&x->own, &x->host, kind);
	static const enum report_verdict verdicts[] = {
		[NAMESPACE_UNKNOWN] = REPORT_UNKNOWN,
		[NAMESPACE_SAME] = REPORT_BROKEN,
		[NAMESPACE_APART] = REPORT_HOLDS,
	};
	struct report_claim *c = explain_claim(x, key, verdicts[relation],
					       "%s has another %s namespace (%s) than the host",
					       x->name, about->name, about->holds);
	unsigned long long own = x->own.inode[kind], host = x->host.inode[kind];

	if (!own) {
		report_evidence(c, "/proc/%d/ns/%s: %s", x->own.pid, about->name,
				err_errno_text(-x->own.errors[kind]));
		return;
	}
	report_evidence(c, "/proc/%d/ns/%s: %s:[%llu]; of the host: %s:[%llu]", x->own.pid,
			about->name, about->name, own, about->name, host);
	report_evidence(c, "processes in it: %zu of %zu on this host",
			namespaces_count(&x->census, kind, own), x->census.count);
	if (x->own.owner[kind] && kind != NAMESPACE_USER)
		report_evidence(c, "ioctl(2) NS_GET_USERNS: owned by user:[%llu]%s",
				(unsigned long long)x->own.owner[kind],
				x->own.owner[kind] == x->host.inode[NAMESPACE_USER] ? ", the host's"
										    : "");
	show_content(x, c, kind);
	if (relation != NAMESPACE_UNKNOWN)
		report_consequence(c, "%s",
				   relation == NAMESPACE_SAME ? host_means[kind] : own_means[kind]);
}

/* The kinds in which a process is elsewhere than the first one, as one line; "" for none. */
static char *strays(const struct explain *x, const struct namespace_member *m)
{
	struct strbuf out = {0};

	for (enum namespace_kind k = 0; k < NAMESPACE_KINDS; k++) {
		if (m->inode[k] && x->own.inode[k] && m->inode[k] != x->own.inode[k])
			strbuf_printf(&out, "%s%s:[%llu] instead of [%llu]", out.len ? ", " : "",
				      namespace_about[k].name, (unsigned long long)m->inode[k],
				      (unsigned long long)x->own.inode[k]);
	}
	return strbuf_take(&out);
}

static void claim_uniform(struct explain *x)
{
	struct report_claim *c =
		explain_claim(x, "namespaces.uniform", REPORT_HOLDS,
			      "all processes of %s are in the same eight namespaces", x->name);
	size_t looked = 0, away = 0;

	for (size_t i = 0; i < x->census.count; i++) {
		const struct namespace_member *m = &x->census.members[i];
		const struct process *p = process_find(&x->processes, m->pid);
		auto_free char *where = NULL;

		if (!p || !p->member)
			continue;
		looked++;
		where = strays(x, m);
		if (!*where)
			continue;
		if (away++ < STRAYS_SHOWN)
			report_evidence(c, "process %d (%s): %s", m->pid, p->name, where);
	}
	if (away)
		c->verdict = REPORT_BROKEN;
	else if (!looked)
		c->verdict = REPORT_UNKNOWN;
	report_evidence(
		c, "/proc/PID/ns of %zu of its processes compared: %zu differ%s from process %d",
		looked, away, away == 1 ? "s" : "", x->own.pid);
	if (away)
		report_consequence(
			c, "a process of it made or joined namespaces after the start; what is "
			   "said of the container here is said of its first process");
	else if (looked)
		report_consequence(c, "what is said of its first process holds for all of them");
}

static void claim_apart_from_other(struct explain *x)
{
	struct namespace_set other;
	struct err ignored = ERR_INIT;
	struct report_claim *c;
	unsigned apart = 0;

	c = explain_claim(x, "namespaces.between", REPORT_UNKNOWN,
			  "%s and %s are kept apart in what each has of its own", x->name,
			  x->other->name);
	if (namespaces_read(x->other->pid, &other, &ignored) < 0) {
		report_evidence(c, "%s", ignored.msg);
		return;
	}
	c->verdict = REPORT_HOLDS;
	for (enum namespace_kind k = 0; k < NAMESPACE_KINDS; k++) {
		enum namespace_relation r = namespaces_relate(&x->own, &other, k);

		if (r == NAMESPACE_UNKNOWN || x->own.inode[k] == x->host.inode[k])
			continue;
		apart += r == NAMESPACE_APART;
		if (r == NAMESPACE_SAME)
			c->verdict = REPORT_BROKEN;
		report_evidence(c, "%s: [%llu] and [%llu]%s", namespace_about[k].name,
				(unsigned long long)x->own.inode[k],
				(unsigned long long)other.inode[k],
				r == NAMESPACE_SAME ? ", one and the same" : "");
	}
	report_consequence(c,
			   "%u namespaces differ; in those that both have of the host (see above) "
			   "nothing but permissions parts them",
			   apart);
}

int explain_namespaces(struct explain *x, struct err *err)
{
	(void)err;
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		claim_kind(x, kind);
	claim_uniform(x);
	if (x->other)
		claim_apart_from_other(x);
	if (x->census.unreadable)
		report_note(x->test,
			    "not read: namespaces of %zu process%s (ended, or not permitted), "
			    "missing in the counts",
			    x->census.unreadable, x->census.unreadable == 1 ? "" : "es");
	return 0;
}

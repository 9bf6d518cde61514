/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 9: which of the eight namespaces are a container's own, and whether that keeps anything from
 * being seen. Two containers of a subject stand beside the host; each claim has the inodes as the host
 * reads them and what the helper finds from inside, objects included that were made on the other side
 * for it to find. A claim holds when both agree.
 *
 * A container that was there before (--container) is only read from outside: no program of ours is put
 * into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/str.h"
#include "observe/experiment/experiment.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/isolation.h"
#include "observe/probe/mounts.h"
#include "observe/probe/namespaces.h"

#define ASK_MS 20000

/* Objects on the host that a container with namespaces of its own must not find. */
struct marks {
	uint64_t key; /* of System V */
	char queue[48];
	bool made;
};

/* One side: the host, or a container of ours with what its helper saw. */
struct side {
	struct namespace_set set;
	struct strv seen; /* answers of `look`; empty when nobody looked from inside */
	bool looked;
};

struct look {
	struct experiment_context *x;
	const char *subject;
	struct side host, first, second;
	bool has_second;
	struct namespace_census census;
	struct marks host_marks, first_marks;
	char *file;  /* a file of this run on the host */
	char *group; /* of the first, as the host sees it; NULL: unknown */
};

/* ---- marks ---- */

static uint64_t random_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		n = (uint32_t)getpid();
	/* Of a key_t's positive half, and never IPC_PRIVATE. */
	return (n & 0x7fffffff) | 1;
}

static void name_marks(struct marks *m)
{
	m->key = random_number();
	snprintf(m->queue, sizeof(m->queue), "/cloche-analyze-%llx", (unsigned long long)m->key);
}

static void make_marks(struct marks *m)
{
	struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 16};
	mqd_t q;

	name_marks(m);
	m->made = shmget((key_t)m->key, 4096, IPC_CREAT | IPC_EXCL | 0600) >= 0;
	q = mq_open(m->queue, O_RDWR | O_CREAT | O_EXCL, 0600, &small);
	if (q != (mqd_t)-1)
		mq_close(q);
	else
		m->queue[0] = '\0';
}

static void remove_marks(const struct marks *m)
{
	int id = m->made ? shmget((key_t)m->key, 0, 0) : -1;

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	if (m->made && m->queue[0])
		mq_unlink(m->queue);
}

static void end_look(struct look *l)
{
	remove_marks(&l->host_marks);
	if (l->file)
		unlink(l->file);
	free(l->file);
	free(l->group);
	strv_free(&l->first.seen);
	strv_free(&l->second.seen);
	strv_free(&l->host.seen);
	namespaces_census_free(&l->census);
}
#define auto_look __attribute__((cleanup(end_look)))

static void make_file(struct look *l)
{
	int fd;

	l->file = xasprintf("%s/seen-by-nobody-else", l->x->scratch);
	fd = open(l->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* ---- what was seen ---- */

/* The first line that begins with the word and, unless key is NULL, has that value. */
static const char *seen_line(const struct side *s, const char *word, const char *key,
			     const char *value)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < s->seen.count; i++) {
		auto_free char *got = key ? session_value(s->seen.items[i], key) : NULL;

		if (strncmp(s->seen.items[i], word, n) == 0 && s->seen.items[i][n] == ' ' &&
		    (!key || (got && str_eq(got, value))))
			return s->seen.items[i];
	}
	return NULL;
}

static double seen_number(const struct side *s, const char *word, const char *key)
{
	const char *line = seen_line(s, word, NULL, NULL);

	return line ? session_number(line, key, -1) : -1;
}

/* Heap, "" when it was not seen. */
static char *seen_text(const struct side *s, const char *word, const char *key)
{
	const char *line = seen_line(s, word, NULL, NULL);
	char *text = line ? session_value(line, key) : NULL;

	return text ? text : xstrdup("");
}

static void names_of_interfaces(const struct side *s, struct strbuf *out)
{
	for (size_t i = 0; i < s->seen.count; i++) {
		auto_free char *name = NULL;

		if (!str_starts(s->seen.items[i], "interface "))
			continue;
		name = session_value(s->seen.items[i], "name");
		strbuf_printf(out, "%s%s", out->len ? ", " : "", name ? name : "?");
	}
}

/* ---- the claims' second halves: whether something of the other side was found from inside ---- */

static void tell_inodes(const struct look *l, struct report_claim *c, enum namespace_kind kind)
{
	const struct namespace_about *about = &namespace_about[kind];

	report_evidence(c, "host %s:[%llu], container %s:[%llu], processes in it: %zu", about->name,
			(unsigned long long)l->host.set.inode[kind], about->name,
			(unsigned long long)l->first.set.inode[kind],
			namespaces_count(&l->census, kind, l->first.set.inode[kind]));
	if (l->has_second)
		report_evidence(c, "its neighbour %s:[%llu]", about->name,
				(unsigned long long)l->second.set.inode[kind]);
}

static bool look_at_processes(const struct look *l, struct report_claim *c)
{
	auto_free char *pids = seen_text(&l->first, "processes", "pids");
	bool found = seen_number(&l->first, "signal", "found") > 0;

	report_evidence(c, "inside: /proc shows %.0f processes (%s) of the host's %zu",
			seen_number(&l->first, "processes", "count"), pids, l->census.count);
	report_evidence(c, "inside: the observer's pid %d is %s", (int)getpid(),
			found ? "a process that signals reach" : "nobody's");
	if (l->first.set.pid_count > 1)
		report_evidence(c, "one process, two numbers: %d on the host, %d inside",
				(int)l->first.set.pids[0],
				(int)l->first.set.pids[l->first.set.pid_count - 1]);
	return found;
}

static bool look_at_interfaces(const struct look *l, struct report_claim *c)
{
	auto_strbuf struct strbuf inside = {0}, host = {0};

	names_of_interfaces(&l->first, &inside);
	names_of_interfaces(&l->host, &host);
	report_evidence(c, "inside: %s; on the host: %s", strbuf_str(&inside), strbuf_str(&host));
	return false;
}

static bool look_at_mounts(const struct look *l, struct report_claim *c)
{
	bool found = seen_number(&l->first, "file", "found") > 0;

	report_evidence(c, "inside: %.0f mounts; on the host: %.0f",
			seen_number(&l->first, "mounts", "count"),
			seen_number(&l->host, "mounts", "count"));
	report_evidence(c, "inside: a file just made on the host is %s",
			found ? "there, by the same path" : "not there");
	return found;
}

static bool look_at_name(const struct look *l, struct report_claim *c)
{
	auto_free char *inside = seen_text(&l->first, "host", "name");
	auto_free char *host = seen_text(&l->host, "host", "name");

	report_evidence(c, "inside: %s; on the host: %s", inside, host);
	return false;
}

static bool look_at_objects(const struct look *l, struct report_claim *c)
{
	bool sysv = seen_number(&l->first, "sysv", "found") > 0;
	bool queue = seen_number(&l->first, "queue", "found") > 0;
	bool other = l->has_second && (seen_number(&l->second, "sysv", "found") > 0 ||
				       seen_number(&l->second, "queue", "found") > 0);

	report_evidence(c, "inside: shared memory made on the host (key %#llx) is %s",
			(unsigned long long)l->host_marks.key, sysv ? "found" : "not found");
	report_evidence(c, "inside: a message queue made on the host is %s",
			queue ? "found" : "not found");
	if (l->has_second)
		report_evidence(c, "neighbour: what the container itself made is %s",
				other ? "found" : "not found");
	return sysv || queue || other;
}

static bool look_at_groups(const struct look *l, struct report_claim *c)
{
	auto_free char *inside = NULL;

	for (size_t i = 0; i < l->first.seen.count; i++) {
		auto_free char *path = NULL;

		if (!str_starts(l->first.seen.items[i], "cgroup "))
			continue;
		path = session_value(l->first.seen.items[i], "path");
		/* Of several hierarchies the longest path tells most. */
		if (path && (!inside || strlen(path) > strlen(inside))) {
			free(inside);
			inside = take_ptr(&path);
		}
	}
	report_evidence(c, "inside: its group is %s; on the host: %s", inside ? inside : "unknown",
			l->group ? l->group : "unknown");
	return inside && !str_eq(inside, "/");
}

static bool look_at_users(const struct look *l, struct report_claim *c)
{
	auto_free char *map = seen_text(&l->first, "user", "map");

	report_evidence(c, "inside: uid %.0f, map (inside:outside:length) %s",
			seen_number(&l->first, "user", "uid"), map);
	return false;
}

static bool look_at_clocks(const struct look *l, struct report_claim *c)
{
	double inside = seen_number(&l->first, "clock", "monotonic_ns");
	double host = seen_number(&l->host, "clock", "monotonic_ns");

	report_evidence(c, "inside: up %.0f s by the monotonic clock; host: %.0f s", inside / 1e9,
			host / 1e9);
	return false;
}

/* ---- one claim per kind ---- */

struct kind_claim {
	const char *own;     /* what is said when it is kept apart */
	const char *shared;  /* what is said instead where sharing is what every engine does */
	const char *follows; /* from sharing it */
	bool (*look)(const struct look *l, struct report_claim *c);
};
static const struct kind_claim kind_claims[NAMESPACE_KINDS] = {
	[NAMESPACE_CGROUP] =
		{"Its cgroup path begins at its own group", NULL,
		 "It reads where it stands in the host's hierarchy, and names of others' "
		 "groups on the way",
		 look_at_groups},
	[NAMESPACE_IPC] = {"Shared memory and message queues of others are out of reach", NULL,
			   "It can attach shared memory of the other side and read its queues",
			   look_at_objects},
	[NAMESPACE_MNT] = {"Its mounts and files are its own", NULL,
			   "It sees the host's files; what it mounts, the host has mounted",
			   look_at_mounts},
	[NAMESPACE_NET] = {"Its interfaces, addresses and ports are its own", NULL,
			   "It reaches what listens on the other side's loopback and its abstract "
			   "sockets",
			   look_at_interfaces},
	[NAMESPACE_PID] = {"It sees no process but its own", NULL,
			   "It sees and may signal processes of the other side, and read their "
			   "environment where it has the same user",
			   look_at_processes},
	[NAMESPACE_TIME] = {"Its clocks are its own", "Clocks are the host's",
			    "It can tell how long the host has been up; no flag of run changes that",
			    look_at_clocks},
	[NAMESPACE_USER] = {"Its users are others than the host's", "Users are the host's",
			    "Its root is the host's root wherever it gets out", look_at_users},
	[NAMESPACE_UTS] = {"Its host name is its own", NULL,
			   "With CAP_SYS_ADMIN it can rename the other side", look_at_name},
};

static enum namespace_relation relate_all(const struct look *l, enum namespace_kind kind)
{
	enum namespace_relation host = namespaces_relate(&l->first.set, &l->host.set, kind);
	enum namespace_relation other =
		l->has_second ? namespaces_relate(&l->first.set, &l->second.set, kind)
			      : NAMESPACE_APART;

	if (host == NAMESPACE_UNKNOWN || other == NAMESPACE_UNKNOWN)
		return NAMESPACE_UNKNOWN;
	return host == NAMESPACE_SAME || other == NAMESPACE_SAME ? NAMESPACE_SAME : NAMESPACE_APART;
}

static void claim_kind(const struct look *l, enum namespace_kind kind)
{
	const struct kind_claim *k = &kind_claims[kind];
	auto_free char *key = xasprintf("namespaces.%s", namespace_about[kind].name);
	enum namespace_relation relation = relate_all(l, kind);
	bool expected = relation == NAMESPACE_SAME && k->shared;
	struct report_claim *c = report_claim(l->x->test, l->subject, key, REPORT_HOLDS, "%s",
					      expected ? k->shared : k->own);
	bool found;

	tell_inodes(l, c, kind);
	found = l->first.looked && k->look(l, c);
	if (l->first.set.errors[kind])
		report_evidence(c, "%s could not be read: %s", namespace_about[kind].name,
				err_errno_text(-l->first.set.errors[kind]));
	if (relation == NAMESPACE_UNKNOWN)
		c->verdict = REPORT_UNKNOWN;
	else if (!expected && (relation == NAMESPACE_SAME || found))
		c->verdict = REPORT_BROKEN;
	if (relation == NAMESPACE_SAME || found)
		report_consequence(c, "%s", k->follows);
	isolation_find_shared(l->x, l->subject, &l->first.set, &l->host.set, &l->census, kind);
}

static void put_table(const struct look *l)
{
	static const char *const columns[] = {"namespace",     ">host", ">container",
					      ">neighbour",    "own?",  ">processes",
					      "what it holds", NULL};
	auto_free char *title = xasprintf("The eight namespaces by inode, %s", l->subject);
	struct report_table *t = report_table(l->x->test, "namespaces", title, columns);

	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++) {
		char host[24], first[24], second[24] = "-", count[24];
		enum namespace_relation relation = relate_all(l, kind);

		snprintf(host, sizeof(host), "%llu", (unsigned long long)l->host.set.inode[kind]);
		snprintf(first, sizeof(first), "%llu",
			 (unsigned long long)l->first.set.inode[kind]);
		if (l->has_second)
			snprintf(second, sizeof(second), "%llu",
				 (unsigned long long)l->second.set.inode[kind]);
		snprintf(count, sizeof(count), "%zu",
			 namespaces_count(&l->census, kind, l->first.set.inode[kind]));
		report_row(t, (const char *const[]){namespace_about[kind].name, host, first, second,
						    relation == NAMESPACE_APART  ? "yes"
						    : relation == NAMESPACE_SAME ? "shared"
										 : "unknown",
						    count, namespace_about[kind].holds});
	}
}

static void put_all(const struct look *l)
{
	struct report_figure *f =
		report_figure(l->x->test, l->subject, "namespaces.shared_with_host",
			      "Namespaces shared with the host", "1", REPORT_LOWER);

	f->headline = true;
	report_sample(f, namespaces_same_count(&l->first.set, &l->host.set));
	if (l->has_second)
		report_sample(report_figure(l->x->test, l->subject,
					    "namespaces.shared_with_neighbour",
					    "Namespaces shared with another container", "1",
					    REPORT_LOWER),
			      namespaces_same_count(&l->first.set, &l->second.set));
	put_table(l);
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		claim_kind(l, kind);
}

/* ---- looking ---- */

static int ask(struct session *s, const struct look *l, const struct marks *m, struct side *out,
	       struct err *err)
{
	int rc = session_ask(s, ASK_MS, &out->seen, err, "look key=%llu%s%s pid=%d file=%s",
			     (unsigned long long)m->key, m->queue[0] ? " queue=" : "", m->queue,
			     (int)getpid(), l->file);

	out->looked = rc == 0;
	if (rc == 0)
		rc = namespaces_read(session_pid(s), &out->set, err);
	return rc;
}

static int look_from_host(struct look *l, struct err *err)
{
	auto_session struct session *s = NULL;
	int rc = session_open(l->x->host, &(struct container_spec){.name = "host"}, &s, err);

	if (rc == 0)
		rc = session_ask(s, ASK_MS, &l->host.seen, err, "look");
	return rc;
}

static int look_at_subject(struct look *l, struct subject *subject, struct err *err)
{
	auto_session struct session *first = NULL, *second = NULL;
	auto_strv struct strv ignored = {0};
	int rc = session_open(subject, &(struct container_spec){.name = "first"}, &first, err);

	if (rc == 0)
		rc = session_open(subject, &(struct container_spec){.name = "second"}, &second,
				  err);
	name_marks(&l->first_marks);
	if (rc == 0)
		rc = session_ask(first, ASK_MS, &ignored, err, "mark key=%llu queue=%s",
				 (unsigned long long)l->first_marks.key, l->first_marks.queue);
	if (rc == 0)
		rc = look_from_host(l, err);
	if (rc == 0)
		rc = ask(first, l, &l->host_marks, &l->first, err);
	if (rc == 0)
		rc = ask(second, l, &l->first_marks, &l->second, err);
	if (rc == 0)
		rc = namespaces_census(&l->census, err);
	if (rc == 0)
		l->group = isolation_group_path(session_pid(first));
	/* In the host's own namespaces they would outlive the container. */
	if (first &&
	    session_ask(first, ASK_MS, &ignored, &(struct err){0}, "unmark key=%llu queue=%s",
			(unsigned long long)l->first_marks.key, l->first_marks.queue) < 0)
		l->first_marks.made = true;
	remove_marks(&l->first_marks);
	l->has_second = rc == 0;
	return rc;
}

static int run_subject(struct experiment_context *x, struct subject *subject, struct err *err)
{
	auto_look struct look l = {.x = x, .subject = subject->name};
	int rc = namespaces_read_host(&l.host.set, err);

	if (rc < 0)
		return rc;
	make_marks(&l.host_marks);
	make_file(&l);
	rc = look_at_subject(&l, subject, err);
	if (rc == 0)
		put_all(&l);
	return rc;
}

static int run_container(struct experiment_context *x, struct err *err)
{
	auto_look struct look l = {.x = x, .subject = x->container->name};
	int rc = namespaces_read_host(&l.host.set, err);

	if (rc == 0)
		rc = namespaces_read(x->container->pid, &l.first.set, err);
	if (rc == 0)
		rc = namespaces_census(&l.census, err);
	if (rc < 0)
		return rc;
	report_note(x->test,
		    "%s was looked at from outside only: no program of ours is put into a "
		    "container that was there before",
		    l.subject);
	put_all(&l);
	return 0;
}

static int run(struct experiment_context *x, struct err *err)
{
	return x->container ? run_container(x, err)
			    : experiment_each(x, "namespaces of its own", run_subject, err);
}

const struct experiment experiment_namespaces = {
	.number = 9,
	.key = "namespaces",
	.title = "Namespace isolation",
	.run = run,
};

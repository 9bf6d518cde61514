/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 6, three containers side by side: sums, files they share with the proof of it, who is charged
 * for the page cache, who stands out, and the second instruments.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/human.h"
#include "base/str.h"
#include "observe/experiment/memory.h"
#include "observe/probe/layers.h"

#define FILES_SHOWN 8
#define PIDS_MAX 512
/* Shares of the smallest mapping that must be in the same frames: the rest was faulted in by one only. */
#define COMMON_MIN 0.9
/* A container stands out by this much more than the middle one. */
#define EXCESS_BYTES (1U << 20)
#define EXCESS_SHARE 0.10
/* What the host has less may differ from what the page tables and the charged kernel memory tell by
 * this much: mounts, namespaces and the groups themselves are charged to nobody. */
#define HOST_BOUND_SHARE 0.10
#define HOST_BOUND_BYTES (2U << 20)
#define VERIFY_BYTES (64U << 20)
#define VERIFY_ROUNDS 5
#define NOISE_SHARE 0.10
#define SUPERVISOR_BYTES (1U << 20)
#define DAEMON_BYTES (16U << 20)

struct pid_list {
	pid_t pids[PIDS_MAX];
	size_t count;
};

static int note_pid(int pid, void *arg)
{
	struct pid_list *l = arg;

	if (l->count < PIDS_MAX)
		l->pids[l->count++] = pid;
	return 0;
}

static int read_files(const struct memory_subject *m, struct memory_container *c, struct err *err)
{
	auto_layers_mount struct layers_mount root = {0};
	struct err none = ERR_INIT;
	struct pid_list pids = {.count = 0};
	bool has_root;
	int rc = group_for_each_pid(c->groups, note_pid, &pids);

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "list the processes of a container: %s",
			       err_errno_text(-rc));
	has_root = layers_read(session_pid(c->session), m->s->data_root, &root, &none) == 0;
	return memory_read_files(pids.pids, pids.count, has_root ? &root : NULL, &c->files, err);
}

static void mib(double bytes, char out[static HUMAN_MAX])
{
	snprintf(out, HUMAN_MAX, "%.2f", bytes / MEMORY_MIB);
}

/* ---- containers ---- */

static void container_row(struct report_table *t, const char *subject, const char *name,
			  const double values[6])
{
	char cells[6][HUMAN_MAX];
	const char *row[8] = {subject, name};

	for (size_t i = 0; i < 6; i++) {
		mib(values[i], cells[i]);
		row[i + 2] = cells[i];
	}
	report_row(t, row);
}

/* As `stats` of Docker and Cloche shows it. */
static double stats_bytes(const struct group_counters *c)
{
	uint64_t cache = c->inactive_file < c->base.memory_bytes ? c->inactive_file : 0;

	return (double)(c->base.memory_bytes - cache);
}

static void containers(struct experiment_context *x, const struct memory_subject *m,
		       double sums[static 6])
{
	static const char *const columns[] = {"subject",    "container",          ">RSS MiB",
					      ">PSS MiB",   ">private MiB",       ">shared MiB",
					      ">stats MiB", ">cache charged MiB", NULL};
	char key[64];
	struct report_table *t;

	snprintf(key, sizeof(key), "memory.containers.%.40s", m->s->name);
	t = report_table(x->test, key, "three containers of one image", columns);
	for (size_t i = 0; i < MEMORY_CONTAINERS; i++) {
		const struct memory_container *c = &m->c[i];
		const double values[6] = {
			(double)c->totals.rss,           (double)c->totals.pss,
			(double)c->totals.private_bytes, (double)c->totals.shared_bytes,
			stats_bytes(&c->counters),       (double)c->counters.file};
		char name[16];

		snprintf(name, sizeof(name), "%zu", i + 1);
		container_row(t, m->s->name, name, values);
		for (size_t v = 0; v < 6; v++)
			sums[v] += values[v];
		report_sample(report_figure(x->test, m->s->name, "memory.pss",
					    "one container (PSS)", "B", REPORT_LOWER),
			      values[1]);
		report_sample(report_figure(x->test, m->s->name, "memory.private",
					    "one container, private", "B", REPORT_LOWER),
			      values[2]);
		report_sample(report_figure(x->test, m->s->name, "memory.shared",
					    "one container, shared with others", "B",
					    REPORT_NEITHER),
			      values[3]);
	}
	container_row(t, m->s->name, "sum", sums);
}

static double middle(double a, double b, double c)
{
	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* Of containers that are made alike, one that has more holds it for itself. */
static void outlier(struct experiment_context *x, const struct memory_subject *m)
{
	double p[MEMORY_CONTAINERS], mid, excess;
	struct report_finding *f;
	size_t most = 0;

	for (size_t i = 0; i < MEMORY_CONTAINERS; i++) {
		p[i] = (double)m->c[i].totals.private_bytes;
		most = p[i] > p[most] ? i : most;
	}
	mid = middle(p[0], p[1], p[2]);
	excess = p[most] - mid;
	report_sample(report_figure(x->test, m->s->name, "memory.excess",
				    "the largest has more of its own than the middle one", "B",
				    REPORT_LOWER),
		      excess);
	if (excess < EXCESS_BYTES || excess < EXCESS_SHARE * mid)
		return;
	f = report_finding(
		x->report, REPORT_MEDIUM, excess / p[most], x->test->key, m->s->name,
		"container %zu (%s) has %.1f MiB more private memory than its neighbours", most + 1,
		session_name(m->c[most].session), excess / MEMORY_MIB);
	report_reason(f,
		      "%.1f MiB against %.1f MiB in the middle one of three that were made alike; "
		      "above 1 MiB and 10 %% it is no accident of start-up",
		      p[most] / MEMORY_MIB, mid / MEMORY_MIB);
	report_recommend(f, "--memory",
			 "look at what that process allocated; a limit above the others' "
			 "peak keeps it from growing");
}

static void sums_claim(struct experiment_context *x, const struct memory_subject *m,
		       const double sums[static 6])
{
	struct report_claim *c =
		report_claim(x->test, m->s->name, "memory.sums",
			     sums[0] > sums[1] ? REPORT_HOLDS : REPORT_BROKEN,
			     "adding up what containers show counts shared pages more than once");
	struct report_finding *f;

	report_evidence(c, "sum of RSS %.2f MiB, of PSS %.2f MiB: %.2f MiB were counted again",
			sums[0] / MEMORY_MIB, sums[1] / MEMORY_MIB,
			(sums[0] - sums[1]) / MEMORY_MIB);
	report_evidence(
		c,
		"sum of `stats` %.2f MiB, of which page cache %.2f MiB is charged to whoever "
		"read it first",
		sums[4] / MEMORY_MIB, sums[5] / MEMORY_MIB);
	f = report_finding(
		x->report, REPORT_INFO, (sums[0] - sums[1]) / fmax(sums[0], 1), x->test->key,
		m->s->name,
		"the RSS of three containers adds up to %.1f MiB; together they have %.1f MiB",
		sums[0] / MEMORY_MIB, sums[1] / MEMORY_MIB);
	report_reason(f,
		      "shared pages are in each container's RSS; PSS divides them by those who map "
		      "them");
	report_recommend(f, NULL, "plan by PSS, or by what the host loses, never by sums of RSS");
	report_consequence(
		c, "PSS divides each page by those who map it, so its sum is what they have "
		   "together.");
}

/* ---- files ---- */

/* The same file in all containers, by the inode behind it. NULL where one does not have it. */
static bool in_all(const struct memory_subject *m, const struct memory_file *f,
		   const struct memory_file *out[static MEMORY_CONTAINERS])
{
	for (size_t i = 0; i < MEMORY_CONTAINERS; i++) {
		out[i] = f->real_inode
				 ? memory_find_file(&m->c[i].files, f->real_device, f->real_inode)
				 : NULL;
		if (!out[i])
			return false;
	}
	return true;
}

/* Pages of it that are mapped at all, each once, however many processes of the container do. */
static uint64_t mapped_bytes(const struct memory_file *f)
{
	return f->page_count * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The first container's pages against those of the one that has least in common with it. */
static struct memory_overlap least_overlap(
	const struct memory_file *const f[static MEMORY_CONTAINERS])
{
	struct memory_overlap least = {.common = UINT64_MAX};

	for (size_t i = 1; i < MEMORY_CONTAINERS; i++) {
		struct memory_overlap o = memory_compare_files(f[0], f[i]);

		if (o.common < least.common)
			least = o;
	}
	return least;
}

static uint64_t common(const struct memory_file *const f[static MEMORY_CONTAINERS])
{
	return least_overlap(f).common;
}

static void files_table(struct experiment_context *x, const struct memory_subject *m)
{
	static const char *const columns[] = {"subject",       "file",        ">size KiB",
					      ">in cache KiB", ">mapped KiB", ">same frames KiB",
					      ">PSS KiB",      "inode",       NULL};
	const struct memory_files *first = &m->c[0].files;
	struct report_table *t;
	uint64_t all = 0;
	char key[64];

	snprintf(key, sizeof(key), "memory.files.%.40s", m->s->name);
	t = report_table(x->test, key, "files that all three map", columns);
	for (size_t i = 0, shown = 0; i < first->count; i++) {
		const struct memory_file *f[MEMORY_CONTAINERS];
		char size[24], cache[24], rss[24], same[24], pss[24], inode[48];

		if (!in_all(m, &first->items[i], f))
			continue;
		all += common(f);
		if (shown++ >= FILES_SHOWN)
			continue;
		snprintf(size, sizeof(size), "%llu", (unsigned long long)f[0]->size / 1024);
		snprintf(cache, sizeof(cache), "%s", "?");
		if (f[0]->has_resident)
			snprintf(cache, sizeof(cache), "%llu",
				 (unsigned long long)f[0]->resident / 1024);
		snprintf(rss, sizeof(rss), "%llu", (unsigned long long)mapped_bytes(f[0]) / 1024);
		snprintf(same, sizeof(same), "%s", "?");
		if (f[0]->has_frames)
			snprintf(same, sizeof(same), "%llu", (unsigned long long)common(f) / 1024);
		snprintf(pss, sizeof(pss), "%llu", (unsigned long long)f[0]->pss / 1024);
		snprintf(inode, sizeof(inode), "%u:%u %llu", major(f[0]->real_device),
			 minor(f[0]->real_device), (unsigned long long)f[0]->real_inode);
		report_row(t, (const char *const[]){m->s->name, f[0]->path, size, cache, rss, same,
						    pss, inode});
	}
	report_sample(report_figure(x->test, m->s->name, "memory.same_frames",
				    "pages of files that all three have in the same frames", "B",
				    REPORT_NEITHER),
		      (double)all);
}

/* The file of the image that most is mapped of. */
static const struct memory_file *largest_of_image(const struct memory_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		if (files->items[i].overlay)
			return &files->items[i];
	return files->count ? &files->items[0] : NULL;
}

static void cache_claim(struct experiment_context *x, const struct memory_subject *m)
{
	static const char claim[] = "containers of one image map the same pages of its files";
	const struct memory_file *top = largest_of_image(&m->c[0].files), *f[MEMORY_CONTAINERS];
	bool same = top && in_all(m, top, f);
	enum report_verdict verdict = REPORT_UNKNOWN;
	struct report_claim *c;
	struct memory_overlap o = {0};

	if (same)
		o = least_overlap(f);
	/* Which pages of it each has mapped by now depends on what was in the page cache when it asked. */
	if (same && top->has_frames)
		verdict = o.both && (double)o.common >= COMMON_MIN * (double)o.both ? REPORT_HOLDS
										    : REPORT_BROKEN;
	else if (top && top->real_inode && !same)
		verdict = REPORT_BROKEN;
	c = report_claim(x->test, m->s->name, "memory.page_cache", verdict, "%s", claim);
	if (!top) {
		report_evidence(c, "the containers map no file that could be read");
		return;
	}
	for (size_t i = 0; same && i < MEMORY_CONTAINERS; i++)
		report_evidence(c, "container %zu shows %s as device %u:%u inode %llu", i + 1,
				f[i]->path, major(f[i]->device), minor(f[i]->device),
				(unsigned long long)f[i]->inode);
	if (top->real_path)
		report_evidence(c, "behind it: %s, device %u:%u inode %llu", top->real_path,
				major(top->real_device), minor(top->real_device),
				(unsigned long long)top->real_inode);
	else
		report_evidence(c, "the file behind %s was not found", top->path);
	if (same)
		report_evidence(
			c,
			"in the same page frames in all: %llu of %llu KiB that all map; the "
			"first maps %llu",
			(unsigned long long)o.common / 1024, (unsigned long long)o.both / 1024,
			(unsigned long long)mapped_bytes(top) / 1024);
	if (top->has_resident)
		report_evidence(c, "in the page cache by %s: %llu of %llu KiB",
				top->by_mincore ? "mincore" : "cachestat",
				(unsigned long long)top->resident / 1024,
				(unsigned long long)top->size / 1024);
	report_consequence(c,
			   "The second container of an image pays only for what it writes; images "
			   "that share no layers share no pages.");
}

/* ---- the host ---- */

static void host_claim(struct experiment_context *x, const struct memory_subject *m)
{
	const struct report_figure *added =
		report_find_figure(x->test, m->s->name, "memory.marginal");
	const struct report_figure *lost =
		report_find_figure(x->test, m->s->name, "memory.host_loss");
	auto_free double *a = NULL, *b = NULL;
	struct summary sa, sb;
	struct report_claim *c;
	double bound;
	bool quiet;

	if (!added || !lost || !added->count || !lost->count)
		return;
	a = xcalloc(added->count, sizeof(*a));
	b = xcalloc(lost->count, sizeof(*b));
	memcpy(a, added->samples, added->count * sizeof(*a));
	memcpy(b, lost->samples, lost->count * sizeof(*b));
	statistics_summarize(a, added->count, &sa);
	statistics_summarize(b, lost->count, &sb);
	bound = HOST_BOUND_SHARE * sa.median + HOST_BOUND_BYTES;
	quiet = sb.median_high - sb.median_low <= 2 * bound;
	c = report_claim(x->test, m->s->name, "memory.host",
			 !quiet                                 ? REPORT_UNKNOWN
			 : fabs(sa.median - sb.median) <= bound ? REPORT_HOLDS
								: REPORT_BROKEN,
			 "what the page tables say a container adds is what the host loses");
	report_evidence(c,
			"PSS of all before and after, its supervisor, its client, charged kernel "
			"memory: %.2f MiB",
			sa.median / MEMORY_MIB);
	report_evidence(
		c,
		"MemAvailable and free lists: %.2f MiB less (%.2f to %.2f in %zu runs); %.2f MiB apart is "
		"allowed",
		sb.median / MEMORY_MIB, sb.median_low / MEMORY_MIB, sb.median_high / MEMORY_MIB,
		sb.n, bound / MEMORY_MIB);
	if (!quiet)
		report_evidence(c, "others took and gave back more memory meanwhile than is to be "
				   "measured");
}

static double middle_of_figure(const struct experiment_context *x, const struct memory_subject *m,
			       const char *key)
{
	const struct report_figure *f = report_find_figure(x->test, m->s->name, key);

	return f && f->count ? report_median(f) : 0;
}

static void supervisor_finding(struct experiment_context *x, const struct memory_subject *m)
{
	double supervisor = middle_of_figure(x, m, "memory.supervisor");
	double container = middle_of_figure(x, m, "memory.pss");
	struct report_finding *f;

	if (supervisor < SUPERVISOR_BYTES || supervisor < container)
		return;
	f = report_finding(
		x->report, REPORT_LOW, 0.3, x->test->key, m->s->name,
		"each container's supervisor takes %.1f MiB, the container itself %.1f MiB",
		supervisor / MEMORY_MIB, container / MEMORY_MIB);
	report_reason(f,
		      "PSS of what was started above the container's first process; it is paid for "
		      "every container, and above 1 MiB a hundred of them take 100 MiB");
	report_recommend(f, NULL, "for many small containers, an engine with a small supervisor");
}

static void engine_part(struct experiment_context *x, const struct memory_subject *m)
{
	auto_free char *what = NULL;
	uint64_t bytes = memory_engine(m->s, &what);
	struct report_finding *f;

	report_sample(report_figure(x->test, m->s->name, "memory.engine",
				    "the engine itself, whatever runs (PSS)", "B", REPORT_LOWER),
		      (double)bytes);
	if (what[0])
		report_note(x->test, "%s: the engine is %s", m->s->name, what);
	if (bytes < DAEMON_BYTES)
		return;
	f = report_finding(x->report, REPORT_LOW, 0.2, x->test->key, m->s->name,
			   "the engine's daemons hold %.0f MiB, with or without containers",
			   (double)bytes / MEMORY_MIB);
	report_reason(f, "PSS of %s; above 16 MiB it outweighs the supervisors of a few containers",
		      what);
	report_recommend(f, NULL,
			 "on small hosts an engine without a daemon leaves that to the "
			 "containers");
}

int memory_report(struct experiment_context *x, struct memory_subject *m, struct err *err)
{
	double sums[6] = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < MEMORY_CONTAINERS; i++) {
		rc = memory_look(&m->c[i], err);
		if (rc == 0)
			rc = read_files(m, &m->c[i], err);
	}
	if (rc < 0)
		return rc;
	containers(x, m, sums);
	files_table(x, m);
	cache_claim(x, m);
	sums_claim(x, m, sums);
	host_claim(x, m);
	supervisor_finding(x, m);
	outlier(x, m);
	engine_part(x, m);
	return 0;
}

/* ---- second instruments ---- */

struct verify {
	double pss[VERIFY_ROUNDS], anonymous[VERIFY_ROUNDS], charged[VERIFY_ROUNDS],
		lost[VERIFY_ROUNDS];
};

static int verify_round(struct memory_container *c, struct verify *v, size_t i, struct err *err)
{
	auto_strv struct strv lines = {0};
	struct memory_totals totals;
	struct group_counters counters;
	double before, with;
	int rc = memory_look(c, err);

	if (rc < 0)
		return rc;
	totals = c->totals;
	counters = c->counters;
	before = (double)memory_available();
	rc = session_ask(c->session, MEMORY_ANSWER_MS, &lines, err, "allocate bytes=%u",
			 VERIFY_BYTES);
	with = (double)memory_available();
	if (rc == 0)
		rc = memory_look(c, err);
	v->pss[i] = (double)c->totals.pss - (double)totals.pss;
	v->anonymous[i] = (double)c->totals.anonymous - (double)totals.anonymous;
	v->charged[i] = (double)c->counters.anonymous - (double)counters.anonymous;
	if (rc == 0)
		rc = session_ask(c->session, MEMORY_ANSWER_MS, &lines, err, "release");
	v->lost[i] = (before + (double)memory_available()) / 2 - with;
	return rc;
}

static double median_of(double *values)
{
	return statistics_median_of(values, VERIFY_ROUNDS);
}

/* Of the middle values: one that somebody else's program spoilt does not count. */
static double spread_of(double *values)
{
	statistics_sort(values, VERIFY_ROUNDS);
	return values[VERIFY_ROUNDS - 2] - values[1];
}

int memory_verify(struct experiment_context *x, struct memory_subject *m, struct err *err)
{
	struct verify v;
	double spread;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < VERIFY_ROUNDS; i++)
		rc = verify_round(&m->c[1], &v, i, err);
	if (rc < 0)
		return rc;
	report_check(x->test, m->s->name, "memory.anonymous", "64 MiB allocated in a container",
		     "B", "memory.stat", median_of(v.charged), "smaps_rollup",
		     median_of(v.anonymous), 2, 262144);
	spread = spread_of(v.lost);
	if (spread > NOISE_SHARE * VERIFY_BYTES) {
		report_note(
			x->test,
			"%s: what the host has less with 64 MiB more could not be told: it went "
			"up and down by %.0f MiB by itself",
			m->s->name, spread / MEMORY_MIB);
		return 0;
	}
	report_check(x->test, m->s->name, "memory.host_loss", "64 MiB allocated in a container",
		     "B", "PSS", median_of(v.pss), "MemAvailable of the host", median_of(v.lost),
		     10, HOST_BOUND_BYTES);
	return 0;
}

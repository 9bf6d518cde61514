/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 6: what containers of one image cost in memory. Of three containers two stay; the third
 * comes and goes, run by run, and each time it is said what it adds: by the page tables (PSS of all
 * containers, before and after, so that what it merely shares is not counted) and by what the host has
 * left. The last time all three are looked at in detail (memory_report.c).
 *
 * With an image that was named, its own command is what runs; the built-in one has a file mapped.
 */
#include "observe/experiment/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "kernel/path.h"
#include "kernel/proc.h"
#include "observe/experiment/experiments.h"

#define BUDGET_NS 22000000000ULL /* for the rounds of all subjects */
#define ROUNDS_MIN 3
#define REST_TRIES 40
#define REST_PAUSE_NS 50000000L
#define REST_BYTES 65536
#define CALL_TIMEOUT_MS 30000

struct rounds {
	struct memory_subject *subjects;
	size_t count;
	uint64_t begin_ns;
};

/* ---- the workload ---- */

/* Entrypoint and command of the image, as its engine tells them. */
static void image_command(struct memory_subject *m)
{
	static const char *const keys[] = {"Entrypoint", "Cmd"};
	auto_strv struct strv argv = {0};
	auto_command_run struct command_run run = {0};
	auto_json struct json_object *config = NULL;
	struct err err = ERR_INIT;

	if (m->s->ops->kind == SUBJECT_RUNTIME || !m->s->image)
		return;
	strv_add(&argv, m->s->program);
	strv_add(&argv, "image");
	strv_add(&argv, "inspect");
	strv_add(&argv, "--format");
	strv_add(&argv, "{{json .Config}}");
	strv_add(&argv, m->s->image);
	if (command_execute(m->s, &argv, CALL_TIMEOUT_MS, &run, &err) < 0 || run.exit_code != 0 ||
	    json_parse(run.output, strcspn(run.output, "\n"), "image", &config, &err) < 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		int rc = json_get_strv(config, keys[i], &m->command);

		if (rc < 0 && rc != -ENOENT)
			return;
	}
}

/* A blank or a percent sign would end or change a word of the request. */
static void add_word(struct strbuf *out, const char *word)
{
	strbuf_puts(out, " arg=");
	for (; *word; word++)
		if (*word == ' ' || *word == '%' || *word == '\n' || *word == '\t')
			strbuf_printf(out, "%%%02X", (unsigned char)*word);
		else
			strbuf_putc(out, *word);
}

/* Where in the container's root a program of that name is. */
static char *find_program(int root, const char *name)
{
	static const char *const places[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					     "/usr/bin",        "/sbin",          "/bin"};

	if (name[0] == '/')
		return xstrdup(name);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = xasprintf("%s/%s", places[i], name);
		auto_close int fd = path_open(root, path, O_PATH, 0);

		if (fd >= 0)
			return path;
		free(path);
	}
	return xstrdup(name);
}

static char *largest_file(int root)
{
	static const char *const places[] = {"/bin", "/usr/bin", "/usr/lib/x86_64-linux-gnu",
					     "/usr/lib", "/lib"};
	char *best = NULL;
	off_t size = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd = path_open(root, places[i], O_RDONLY | O_DIRECTORY, 0);
		auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *e;
		struct stat st;

		while (dir && (e = readdir(dir))) {
			if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			    !S_ISREG(st.st_mode) || st.st_size <= size)
				continue;
			free(best);
			best = xasprintf("%s/%s", places[i], e->d_name);
			size = st.st_size;
		}
	}
	return best;
}

static int start_workload(struct memory_subject *m, struct session *session, struct err *err)
{
	auto_strbuf struct strbuf request = {0};
	auto_strv struct strv lines = {0};
	auto_free char *program = NULL;
	char path[64];
	auto_close int root = -1;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)session_pid(session));
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open the container's root, %s", path);
	if (m->command.count) {
		program = find_program(root, m->command.items[0]);
		add_word(&request, program);
		for (size_t i = 1; i < m->command.count; i++)
			add_word(&request, m->command.items[i]);
		return session_ask(session, MEMORY_ANSWER_MS, &lines, err, "spawn%s",
				   strbuf_str(&request));
	}
	if (!m->mapped)
		m->mapped = largest_file(root);
	if (!m->mapped)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "the image has no file to map");
	return session_ask(session, MEMORY_ANSWER_MS, &lines, err, "map path=%s", m->mapped);
}

int memory_look(struct memory_container *c, struct err *err)
{
	int rc = memory_read_group(c->groups, &c->totals);

	if (rc == 0)
		rc = group_counters(c->groups, &c->counters);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read the memory of a container: %s",
				err_errno_text(-rc))
		      : 0;
}

static int count_awake(int pid, void *arg)
{
	struct proc_stat stat;

	*(size_t *)arg += proc_read_stat(pid, &stat) == 0 && strchr("RD", stat.state) != NULL;
	return 0;
}

/* Whether any of its processes runs, or waits for the disk, at this moment. */
static bool is_awake(const struct memory_container *c)
{
	size_t awake = 0;

	return group_for_each_pid(c->groups, count_awake, &awake) == 0 && awake > 0;
}

/* Until two looks find the same and all sleep; a program that never rests is taken as it is. */
static int come_to_rest(struct memory_container *c, struct err *err)
{
	const struct timespec pause = {.tv_nsec = REST_PAUSE_NS};
	uint64_t last = 0;
	int rc = 0;

	for (int i = 0; rc == 0 && i < REST_TRIES; i++) {
		rc = memory_look(c, err);
		if (rc == 0 && i > 1 && c->totals.rss <= last + REST_BYTES &&
		    last <= c->totals.rss + REST_BYTES && !is_awake(c))
			return 0;
		last = c->totals.rss;
		nanosleep(&pause, NULL);
		if (rc == 0)
			rc = experiment_go_on(err);
	}
	return rc;
}

int memory_start(struct memory_subject *m, size_t i, struct err *err)
{
	const struct container_spec spec = {0};
	struct memory_container *c = &m->c[i];
	int rc = session_open(m->s, &spec, &c->session, err);

	if (rc == 0) {
		c->groups = xcalloc(1, sizeof(*c->groups));
		rc = group_probe(session_pid(c->session), c->groups, err);
	}
	if (rc == 0)
		rc = start_workload(m, c->session, err);
	if (rc == 0)
		rc = m->command.count ? come_to_rest(c, err) : memory_look(c, err);
	if (rc < 0)
		memory_stop(m, i);
	return rc;
}

void memory_stop(struct memory_subject *m, size_t i)
{
	struct memory_container *c = &m->c[i];

	session_close(c->session);
	free(c->groups);
	memory_files_free(&c->files);
	*c = (struct memory_container){0};
}

/* ---- the rounds ---- */

static double pss_of_others(struct memory_subject *m)
{
	struct err none = ERR_INIT;
	double sum = 0;

	for (size_t i = 0; i + 1 < MEMORY_CONTAINERS; i++)
		if (memory_look(&m->c[i], &none) == 0)
			sum += (double)m->c[i].totals.pss;
	return sum;
}

static void add_sample(struct experiment_context *x, const struct subject *s, const char *key,
		       const char *label, enum report_better better, double value)
{
	report_sample(report_figure(x->test, s->name, key, label, "B", better), value);
}

static void round_samples(struct experiment_context *x, const struct memory_subject *m,
			  double others_before, double others_after, double lost)
{
	const struct memory_container *c = &m->c[MEMORY_CONTAINERS - 1];
	double supervisor = (double)c->supervisor_bytes, client = (double)c->client_bytes;
	double kernel = (double)c->counters.kernel;
	double added = (double)c->totals.pss + others_after - others_before + supervisor + client;

	add_sample(x, m->s, "memory.marginal", "the third container adds, with its supervisor",
		   REPORT_LOWER, added + kernel);
	add_sample(x, m->s, "memory.host_loss", "the host has less with it (free and available)",
		   REPORT_LOWER, lost);
	add_sample(x, m->s, "memory.supervisor", "its supervisor (PSS)", REPORT_LOWER, supervisor);
	add_sample(x, m->s, "memory.client", "the command that waits for it (PSS)", REPORT_LOWER,
		   client);
	add_sample(x, m->s, "memory.kernel", "kernel memory charged to it", REPORT_LOWER, kernel);
}

static struct memory_subject *subject_of(struct rounds *r, const struct subject *s)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->subjects[i].s == s)
			return &r->subjects[i];
	return NULL;
}

static int round_step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		      void *arg, struct err *err)
{
	struct rounds *r = arg;
	struct memory_subject *m = subject_of(r, s);
	struct memory_container *third = m ? &m->c[MEMORY_CONTAINERS - 1] : NULL;
	double before, after, others_before, others_after, with;
	int rc;

	(void)round;
	if (!m || !m->c[0].session ||
	    (clock_now_ns() - r->begin_ns > BUDGET_NS && m->rounds_done >= ROUNDS_MIN))
		return 0;
	others_before = pss_of_others(m);
	before = (double)memory_available();
	rc = memory_start(m, MEMORY_CONTAINERS - 1, err);
	if (rc < 0) {
		if (!warm_up)
			report_figure(x->test, s->name, "memory.marginal",
				      "the third container adds, with its supervisor", "B",
				      REPORT_LOWER)
				->failed++;
		return experiment_interrupted() ? -EINTR : 0;
	}
	memory_supervisors(third);
	with = (double)memory_available();
	others_after = pss_of_others(m);
	if (warm_up) {
		memory_stop(m, MEMORY_CONTAINERS - 1);
		return 0;
	}
	/* What else the host did meanwhile is taken to have gone on evenly. */
	session_close(third->session);
	third->session = NULL;
	after = (double)memory_available();
	round_samples(x, m, others_before, others_after, (before + after) / 2 - with);
	memory_stop(m, MEMORY_CONTAINERS - 1);
	m->rounds_done++;
	return 0;
}

/* ---- all of it ---- */

static int subject_unknown(struct experiment_context *x, struct memory_subject *m, struct err *err)
{
	if (experiment_interrupted())
		return -EINTR;
	report_status(x->test, REPORT_PARTIAL, "%s: %s", m->s->name, err->msg);
	for (size_t i = 0; i < MEMORY_CONTAINERS; i++)
		memory_stop(m, i);
	*err = ERR_INIT;
	return 0;
}

static int start_first(struct experiment_context *x, struct memory_subject *m, struct err *err)
{
	int rc = 0;

	if (x->image)
		image_command(m);
	for (size_t i = 0; rc == 0 && i + 1 < MEMORY_CONTAINERS; i++)
		rc = memory_start(m, i, err);
	if (rc == 0 && m->command.count && m->c[0].totals.processes < 2) {
		report_note(x->test, "%s: the image's command has ended; a file is mapped instead",
			    m->s->name);
		strv_free(&m->command);
		for (size_t i = 0; rc == 0 && i + 1 < MEMORY_CONTAINERS; i++) {
			memory_stop(m, i);
			rc = memory_start(m, i, err);
		}
	}
	return rc < 0 ? subject_unknown(x, m, err) : 0;
}

/* The helper with the same file, without a container: what of the private memory is the program's. */
static int host_floor(struct experiment_context *x, const struct memory_subject *m, struct err *err)
{
	const struct container_spec spec = {.helper = true};
	auto_session struct session *session = NULL;
	struct memory_totals totals = {0};
	struct report_figure *f = report_find_figure(x->test, m->s->name, "memory.private");
	int rc;

	if (m->command.count || !f)
		return 0;
	rc = session_open(x->host, &spec, &session, err);
	if (rc < 0)
		return experiment_interrupted() ? -EINTR : 0;
	if (memory_add_process(session_pid(session), &totals) == 0)
		report_floor(f, (double)totals.private_bytes,
			     "the same program, not in a container");
	return 0;
}

static int finish(struct experiment_context *x, struct memory_subject *m, struct err *err)
{
	struct report_figure *f;
	int rc;

	if (!m->c[0].session)
		return 0;
	rc = memory_start(m, MEMORY_CONTAINERS - 1, err);
	if (rc == 0)
		rc = memory_report(x, m, err);
	if (rc == 0)
		rc = host_floor(x, m, err);
	if (rc == 0 && x->verify)
		rc = memory_verify(x, m, err);
	f = report_find_figure(x->test, m->s->name, "memory.marginal");
	if (f)
		f->headline = true;
	return rc < 0 ? subject_unknown(x, m, err) : 0;
}

static int measure(struct experiment_context *x, struct rounds *r, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->count; i++)
		rc = start_first(x, &r->subjects[i], err);
	r->begin_ns = clock_now_ns();
	if (rc == 0)
		rc = experiment_interleave(x, 1, x->runs, round_step, r, err);
	for (size_t i = 0; rc == 0 && i < r->count; i++)
		rc = finish(x, &r->subjects[i], err);
	for (size_t i = 0; rc == 0 && i < r->count; i++)
		if (r->subjects[i].c[0].session && r->subjects[i].rounds_done < x->runs)
			report_note(x->test,
				    "%s: %llu runs of the third container, to keep within the time",
				    r->subjects[i].s->name,
				    (unsigned long long)r->subjects[i].rounds_done);
	return rc;
}

static int run(struct experiment_context *x, struct err *err)
{
	struct rounds r = {.subjects = xcalloc(x->subject_count + 1, sizeof(*r.subjects))};
	int rc;

	for (size_t i = 0; i < x->subject_count; i++)
		if (x->subjects[i]->ops->kind != SUBJECT_HOST)
			r.subjects[r.count++].s = x->subjects[i];
	rc = r.count ? measure(x, &r, err)
		     : err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the bare host has no containers that could share memory");
	for (size_t i = 0; i < r.count; i++) {
		for (size_t c = 0; c < MEMORY_CONTAINERS; c++)
			memory_stop(&r.subjects[i], c);
		strv_free(&r.subjects[i].command);
		free(r.subjects[i].mapped);
	}
	free(r.subjects);
	return rc;
}

const struct experiment experiment_memory = {
	.number = 6, .key = "memory", .title = "Memory", .run = run};

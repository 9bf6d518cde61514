/* SPDX-License-Identifier: Apache-2.0 */
/*
 * True copy-up: the first change of a file that lies in a lower layer. The image is made for this run:
 * a container writes files of 1, 10 and 100 MiB that nothing can compress, and is committed, so that
 * they are a layer of it. Then each round has a new container, in which each file is changed for the
 * first time, and again. Beside it, in the same round: a plain copy of the same file by the helper on
 * the host, from the layer's own directory, with fsync where the overlay syncs; and the first change of
 * a file of the same size on a volume. The lower file lies in the page cache, everything written before
 * is on the disk.
 *
 * That a copy was made is not taken from the time: the blocks of the file in the upper directory and
 * the kernel's count of bytes written by the process say it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/experiment/io_copy_up.h"

#define SHARE_S 20.0
#define LEAST_ROUNDS 3
#define WARM_UPS 1
#define COMMAND_MS 120000
#define LOWER "/io-lower"

/* The 64 MiB file is no part of the fit: it is what the fit must predict. */
const struct copy_file copy_files[] = {
	{"1mib", 1, COPY_WRITE, "write", true, false, 1000},
	{"10mib", 10, COPY_WRITE, "write", true, false, 1000},
	{"100mib", 100, COPY_WRITE, "write", true, true, 10},
	{"64mib", 64, COPY_WRITE, "write", false, false, 10},
	{"chmod_10mib", 10, COPY_OTHER, "chmod", false, false, 5},
	{"open_10mib", 10, COPY_OTHER, "open", false, false, 5},
	{"append_10mib", 10, COPY_OTHER, "append", false, false, 5},
};
const size_t copy_file_count = sizeof(copy_files) / sizeof(copy_files[0]);

struct report_figure *copy_figure(const struct io_run *r, const struct subject *s,
				  const struct copy_file *f, const char *what, const char *label,
				  const char *unit)
{
	auto_free char *key = xasprintf("io.copy_up.%s.%s", f->key, what);
	auto_free char *text = f->kind == COPY_WRITE
				       ? xasprintf("%u MiB: %s", f->mib, label)
				       : xasprintf("%u MiB, %s: %s", f->mib, f->how, label);

	struct report_figure *figure =
		report_figure(r->x->test, s->name, key, text, unit, REPORT_LOWER);

	figure->detail = f->kind != COPY_WRITE;
	return figure;
}

static bool wanted(const struct io_run *r, const struct copy_file *f, size_t round)
{
	if (r->x->brief && f->large)
		return false;
	return round < f->most && (f->fitted || f->kind != COPY_WRITE || r->x->verify);
}

/* ---- the image ---- */

static int fill_layer(struct io_run *r, struct session *session, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(session, IO_ASK_MS, &lines, err, "io-mkdir path=" LOWER);

	for (size_t i = 0; i < copy_file_count && rc == 0; i++) {
		if (wanted(r, &copy_files[i], 0))
			rc = session_ask(session, IO_ASK_MS, &lines, err,
					 "io-fill path=" LOWER "/%s bytes=%u", copy_files[i].key,
					 copy_files[i].mib << 20);
	}
	return rc;
}

/* The image bears the run's prefix, by which the driver removes it. */
static int commit(struct subject *s, const char *container, const char *image, struct err *err)
{
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	int rc;

	strv_add(&argv, s->program);
	strv_add(&argv, "commit");
	strv_add(&argv, container);
	strv_add(&argv, image);
	rc = command_execute(s, &argv, COMMAND_MS, &run, err);
	if (rc < 0)
		return rc;
	if (run.exit_code != 0)
		return err_set(err, ERR_SYSTEM, EIO, "commit %s: %s", container, run.errors);
	return 0;
}

/* The image's name, to be freed; NULL with *err when it could not be made. */
static char *make_image(struct io_run *r, struct subject *s, struct err *err)
{
	const struct container_spec spec = {.name = "io-source"};
	auto_session struct session *session = NULL;
	auto_free char *image = xasprintf("%sio", s->prefix);
	int rc = session_open(s, &spec, &session, err);

	if (rc == 0)
		rc = fill_layer(r, session, err);
	if (rc == 0)
		rc = commit(s, session_name(session), image, err);
	return rc < 0 ? NULL : take_ptr(&image);
}

/* ---- one container ---- */

/* What a container's root is made of, as far as it matters here. */
struct stack {
	char *lower; /* the directory that holds our files */
	char *upper;
	bool is_volatile, metacopy, same_disk;
};

static void stack_free(struct stack *s)
{
	free(s->lower);
	free(s->upper);
}
#define auto_stack __attribute__((cleanup(stack_free)))

static int find_stack(struct io_run *r, struct subject *s, struct session *session,
		      struct stack *out, struct err *err)
{
	auto_layers_mount struct layers_mount m = {0};
	struct stat upper, scratch;
	int rc = layers_read(session_pid(session), s->data_root, &m, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < m.lower.count && !out->lower; i++) {
		auto_free char *path = xasprintf("%s" LOWER, m.lower.items[i]);

		if (access(path, F_OK) == 0)
			out->lower = take_ptr(&path);
	}
	if (!m.overlay || !m.upper || !out->lower || stat(m.upper, &upper) < 0 ||
	    stat(r->x->scratch, &scratch) < 0)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the root is no overlay whose directories can be seen from here");
	out->upper = xasprintf("%s" LOWER, m.upper);
	out->is_volatile = m.features.is_volatile;
	out->metacopy = m.features.metacopy;
	out->same_disk = upper.st_dev == scratch.st_dev;
	return 0;
}

/* What the kernel has counted as written by a process; -1 when it does not tell. */
static double written_bytes(pid_t pid)
{
	char path[64], text[512];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/io", pid);
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "\nwrite_bytes: ");
	return line ? strtod(line + strlen("\nwrite_bytes: "), NULL) : -1;
}

struct turn {
	struct subject *s;
	struct session *session;
	const struct stack *stack;
	bool warm_up;
};

static void sample(const struct turn *t, struct report_figure *f, double value)
{
	if (t->warm_up)
		f->warm_ups++;
	else
		report_sample(f, value);
}

static int first_write(struct io_run *r, const struct turn *t, const struct copy_file *f,
		       struct err *err)
{
	auto_strv struct strv lines = {0};
	auto_free char *copy = xasprintf("%s/%s", t->stack->upper, f->key);
	double before, after;
	struct stat st;
	int rc = io_flush(r, err);

	if (rc < 0)
		return rc;
	before = written_bytes(session_pid(t->session));
	rc = session_ask(t->session, IO_ASK_MS, &lines, err,
			 "io-first-write path=" LOWER "/%s how=%s", f->key, f->how);
	after = written_bytes(session_pid(t->session));
	if (rc < 0)
		return rc;
	if (lines.count == 0)
		return err_set(err, ERR_CORRUPT, EBADMSG, "the helper timed nothing");
	sample(t, copy_figure(r, t->s, f, "first", "first change", "ms"),
	       session_number(lines.items[0], "ns", NAN) / 1e6);
	sample(t, copy_figure(r, t->s, f, "second", "second change", "ms"),
	       session_number(lines.items[0], "second_ns", NAN) / 1e6);
	if (before >= 0 && after >= 0)
		sample(t, copy_figure(r, t->s, f, "written", "bytes written", "B"), after - before);
	if (stat(copy, &st) == 0)
		sample(t, copy_figure(r, t->s, f, "disk", "blocks of the copy", "B"),
		       (double)st.st_blocks * 512);
	return 0;
}

/* With and without fsync are two quantities, which must not be compared between engines. */
static struct report_figure *plain_figure(struct io_run *r, const struct turn *t,
					  const struct copy_file *f, const char *what,
					  const char *label)
{
	bool synced = !t->stack->is_volatile;
	auto_free char *key = xasprintf("%s%s", what, synced ? "_synced" : "");
	auto_free char *text = xasprintf("%s%s", label, synced ? ", fsync" : "");

	return copy_figure(r, t->s, f, key, text, "ms");
}

static int plain_copy(struct io_run *r, const struct turn *t, const struct copy_file *f,
		      struct err *err)
{
	auto_strv struct strv lines = {0};
	auto_free char *from = io_word(t->stack->lower);
	int rc = io_flush(r, err);

	if (rc == 0)
		rc = session_ask(r->host, IO_ASK_MS, &lines, err,
				 "io-copy from=%s/%s to=%s/plain sync=%d", from, f->key, r->scratch,
				 !t->stack->is_volatile);
	if (rc < 0)
		return rc;
	if (lines.count > 0)
		sample(t, plain_figure(r, t, f, "plain", "plain copy"),
		       session_number(lines.items[0], "ns", NAN) / 1e6);
	return 0;
}

/* The same from within the container, past the overlay: it runs where the copy-up runs, in the same
 * control group, however busy the processors are. */
static int copy_inside(const struct turn *t, struct io_run *r, const struct copy_file *f,
		       struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = io_flush(r, err);

	if (rc == 0)
		rc = session_ask(t->session, IO_ASK_MS, &lines, err,
				 "io-copy from=" LOWER "/%s to=" IO_VOLUME "/plain sync=%d", f->key,
				 !t->stack->is_volatile);
	if (rc < 0)
		return rc;
	if (lines.count > 0)
		sample(t, plain_figure(r, t, f, "to_volume", "plain copy to a volume"),
		       session_number(lines.items[0], "ns", NAN) / 1e6);
	return 0;
}

static int on_volume(struct io_run *r, const struct turn *t, const struct copy_file *f,
		     struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = 0;

	/* In the warm-up: later containers find a file that was there before them. */
	if (t->warm_up)
		rc = session_ask(t->session, IO_ASK_MS, &lines, err,
				 "io-fill path=" IO_VOLUME "/%s bytes=%u", f->key, f->mib << 20);
	if (rc == 0)
		rc = io_flush(r, err);
	if (rc == 0)
		rc = session_ask(t->session, IO_ASK_MS, &lines, err,
				 "io-first-write path=" IO_VOLUME "/%s how=write", f->key);
	if (rc < 0)
		return rc;
	if (lines.count > 0)
		sample(t, copy_figure(r, t->s, f, "volume", "first change on a volume", "ms"),
		       session_number(lines.items[0], "ns", NAN) / 1e6);
	return 0;
}

/* Copy-up and plain copy take turns in being the first. */
static int change_file(struct io_run *r, const struct turn *t, const struct copy_file *f,
		       size_t round, struct err *err)
{
	bool plain = f->kind == COPY_WRITE && t->stack->same_disk;
	int rc = 0;

	if (f->kind == COPY_WRITE && r->x->verify)
		rc = copy_inside(t, r, f, err);
	if (rc == 0 && plain && round % 2)
		rc = plain_copy(r, t, f, err);
	if (rc == 0)
		rc = first_write(r, t, f, err);
	if (rc == 0 && plain && round % 2 == 0)
		rc = plain_copy(r, t, f, err);
	if (rc == 0 && f->fitted)
		rc = on_volume(r, t, f, err);
	return rc;
}

static void note_stack(struct io_run *r, const struct turn *t, struct err *err)
{
	auto_strv struct strv lines = {0};
	auto_free char *from = io_word(t->stack->lower);
	bool reflink;

	if (!t->stack->same_disk) {
		report_note(r->x->test,
			    "%s: its layers lie on another file system than the data root of "
			    "this installation: no plain copy beside its copies up",
			    t->s->name);
		return;
	}
	if (session_ask(r->host, IO_ASK_MS, &lines, err, "io-reflink from=%s/1mib to=%s/plain",
			from, r->scratch) < 0 ||
	    lines.count == 0)
		return;
	reflink = session_number(lines.items[0], "reflink", 0) > 0;
	report_note(r->x->test, "%s: copies up %s; the overlay %s, so the plain copy does %s",
		    t->s->name,
		    reflink ? "share blocks with the layer (reflink): they cost no data"
			    : "copy every block: the file system has no reflinks",
		    t->stack->is_volatile ? "is volatile and does not sync them"
					  : "syncs each of them",
		    t->stack->is_volatile ? "not either" : "too");
}

static int step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		void *arg, struct err *err)
{
	static const struct subject_mount volume = {
		.type = SUBJECT_VOLUME, .source = "io", .target = IO_VOLUME};
	struct copy_run *c = arg;
	struct copy_subject *of = copy_subject_of(c, s);
	struct container_spec spec = {.mounts = &volume, .mount_count = 1};
	auto_session struct session *session = NULL;
	auto_stack struct stack stack = {0};
	struct turn t = {.s = s, .stack = &stack, .warm_up = warm_up};
	int rc;

	if (!of || !of->image || (round >= LEAST_ROUNDS && io_now_s(c->r) > c->end_s))
		return 0;
	spec.image = of->image;
	rc = session_open(s, &spec, &session, err);
	t.session = session;
	if (rc == 0)
		rc = find_stack(c->r, s, session, &stack, err);
	if (rc == 0 && warm_up)
		note_stack(c->r, &t, err);
	for (size_t i = 0; i < copy_file_count && rc == 0; i++) {
		if (wanted(c->r, &copy_files[i], round))
			rc = change_file(c->r, &t, &copy_files[i], round, err);
	}
	of->metacopy = stack.metacopy;
	if (rc == -EINTR)
		return rc;
	if (rc < 0) {
		report_status(x->test, REPORT_PARTIAL, "%s: copy-up: %s", s->name, err->msg);
		free(take_ptr(&of->image));
	} else if (!warm_up) {
		of->rounds++;
	}
	return 0;
}

struct copy_subject *copy_subject_of(struct copy_run *c, const struct subject *s)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->subjects[i].s == s)
			return &c->subjects[i];
	}
	return NULL;
}

static void copy_run_free(struct copy_run *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->subjects[i].image);
	free(c->subjects);
}
#define auto_copy_run __attribute__((cleanup(copy_run_free)))

static int make_images(struct copy_run *c, struct err *err)
{
	struct experiment_context *x = c->r->x;

	c->subjects = xcalloc(x->subject_count + 1, sizeof(*c->subjects));
	for (size_t i = 0; i < x->subject_count; i++) {
		struct subject *s = x->subjects[i];
		struct copy_subject *of = &c->subjects[c->count];

		if (s->ops->kind == SUBJECT_HOST)
			continue;
		if (s->ops->kind == SUBJECT_RUNTIME) {
			report_note(x->test,
				    "%s: a runtime has no layers of its own: no copy-up to measure",
				    s->name);
			continue;
		}
		experiment_progress(x, "image for copy-up", i, x->subject_count);
		*of = (struct copy_subject){.s = s, .image = make_image(c->r, s, err)};
		if (!of->image && experiment_interrupted())
			return -EINTR;
		if (!of->image)
			report_status(x->test, REPORT_PARTIAL, "%s: image for copy-up: %s", s->name,
				      err->msg);
		else
			c->count++;
	}
	return 0;
}

int io_copy_up(struct io_run *r, struct err *err)
{
	auto_copy_run struct copy_run c = {.r = r};
	int rc = make_images(&c, err);

	if (rc < 0 || c.count == 0)
		return rc;
	c.end_s = io_now_s(r) + io_budget_s(r, SHARE_S);
	rc = experiment_interleave(r->x, WARM_UPS, r->x->runs, step, &c, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c.count; i++) {
		if (c.subjects[i].rounds < r->x->runs)
			report_note(r->x->test, "%s: copy-up: %zu of %zu runs in its share of time",
				    c.subjects[i].s->name, c.subjects[i].rounds, r->x->runs);
		copy_up_conclude(r, &c.subjects[i]);
	}
	return 0;
}

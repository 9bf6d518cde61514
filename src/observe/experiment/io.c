/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 4: input and output, by a helper inside the container and the same helper on the host, with the
 * same calls and flags everywhere. The places: the container's own (upper) layer, a volume, a tmpfs, and
 * the host's file system that the data root lies on. What is started, mounted and made stands before the
 * clock runs.
 */
#include "observe/experiment/io.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/probe/layers.h"

char *io_word(const char *path)
{
	struct strbuf out = {0};

	for (; *path; path++) {
		if (*path == ' ' || *path == '%')
			strbuf_printf(&out, "%%%02x", (unsigned char)*path);
		else
			strbuf_putc(&out, *path);
	}
	return strbuf_take(&out);
}

int io_flush(struct io_run *r, struct err *err)
{
	auto_strv struct strv lines = {0};

	return session_ask(r->host, IO_ASK_MS, &lines, err, "io-sync path=%s", r->scratch);
}

size_t *io_shuffled(struct io_run *r)
{
	size_t *order = xcalloc(r->place_count + 1, sizeof(*order));

	for (size_t i = 0; i < r->place_count; i++)
		order[i] = i;
	for (size_t i = r->place_count; i > 1; i--) {
		size_t j, kept = order[i - 1];

		/* xorshift64 */
		r->order ^= r->order << 13;
		r->order ^= r->order >> 7;
		r->order ^= r->order << 17;
		j = (size_t)(r->order % i);
		order[i - 1] = order[j];
		order[j] = kept;
	}
	return order;
}

double io_budget_s(const struct io_run *r, double share)
{
	double subjects = r->x->subject_count > 1 ? (double)r->x->subject_count : 1;

	return share * subjects * (r->x->brief ? 0.1 : 1);
}

double io_now_s(const struct io_run *r)
{
	return (double)experiment_now_ns(r->x) / 1e9;
}

/* ---- places ---- */

/* Adds the place when the helper can make a directory there. */
static void add_place(struct io_run *r, struct subject *s, struct session *session, const char *key,
		      const char *label, char *path)
{
	auto_strv struct strv lines = {0};
	struct io_place *p;
	struct err err;

	if (session_ask(session, IO_ASK_MS, &lines, &err, "io-mkdir path=%s", path) < 0) {
		report_status(r->x->test, REPORT_PARTIAL, "%s: %s: %s", s->name, label, err.msg);
		free(path);
		return;
	}
	r->places = xrealloc(r->places, (r->place_count + 1) * sizeof(*r->places));
	p = &r->places[r->place_count++];
	*p = (struct io_place){
		.subject = s,
		.session = session,
		.key = key,
		.label = label,
		.path = path,
		.disk = !str_eq(key, "tmpfs"),
	};
}

/* Whether fsync does nothing in the container's root, and that it is noted. */
static bool root_is_volatile(struct io_run *r, struct subject *s, struct session *session)
{
	auto_layers_mount struct layers_mount m = {0};
	struct err err;

	if (layers_read(session_pid(session), s->data_root, &m, &err) < 0)
		return false;
	if (m.features.is_volatile)
		report_note(r->x->test,
			    "%s mounts the root of a container that is removed at its end as "
			    "volatile: fsync does nothing in the upper layer, so its buffered "
			    "writes are those of memory",
			    s->name);
	return m.features.is_volatile;
}

static int open_subject(struct io_run *r, size_t i, struct err *err)
{
	static const struct subject_mount mounts[] = {
		{.type = SUBJECT_VOLUME, .source = "io", .target = IO_VOLUME},
		{.type = SUBJECT_TMPFS, .target = IO_TMPFS},
	};
	const struct container_spec spec = {
		.mounts = mounts,
		.mount_count = sizeof(mounts) / sizeof(mounts[0]),
	};
	struct subject *s = r->x->subjects[i];
	int rc;

	if (s->ops->kind == SUBJECT_HOST)
		return 0;
	rc = session_open(s, &spec, &r->sessions[i], err);
	if (rc == -EINTR)
		return rc;
	if (rc < 0) {
		report_status(r->x->test, REPORT_PARTIAL, "%s: %s", s->name, err->msg);
		return 0;
	}
	add_place(r, s, r->sessions[i], "upper", "upper", xstrdup(IO_UPPER));
	if (r->place_count > 0 && str_eq(r->places[r->place_count - 1].key, "upper"))
		r->places[r->place_count - 1].is_volatile = root_is_volatile(r, s, r->sessions[i]);
	add_place(r, s, r->sessions[i], "volume", "volume", xstrdup(IO_VOLUME "/io"));
	add_place(r, s, r->sessions[i], "tmpfs", "tmpfs", xstrdup(IO_TMPFS "/io"));
	return 0;
}

static int open_places(struct io_run *r, struct err *err)
{
	struct container_spec nothing = {0};
	int rc = session_open(r->x->host, &nothing, &r->host, err);

	if (rc < 0)
		return err_wrap(err, "helper on the host");
	for (size_t i = 0; i < r->x->subject_count && rc == 0; i++)
		rc = open_subject(r, i, err);
	if (rc == 0)
		add_place(r, r->x->host, r->host, "host", "host", xasprintf("%s/io", r->scratch));
	return rc;
}

static void close_sessions(struct io_run *r)
{
	for (size_t i = 0; r->sessions && i < r->x->subject_count; i++) {
		session_close(r->sessions[i]);
		r->sessions[i] = NULL;
	}
	for (size_t i = 0; i < r->place_count; i++)
		free(r->places[i].path);
	free(r->places);
	r->places = NULL;
	r->place_count = 0;
}

static void run_free(struct io_run *r)
{
	close_sessions(r);
	session_close(r->host);
	free(r->sessions);
	free(r->scratch);
}
#define auto_run __attribute__((cleanup(run_free)))

static int run(struct experiment_context *x, struct err *err)
{
	auto_run struct io_run r = {.x = x, .order = 0x9e3779b97f4a7c15ULL};
	int rc;

	r.scratch = io_word(x->scratch);
	r.sessions = xcalloc(x->subject_count + 1, sizeof(*r.sessions));
	rc = open_places(&r, err);
	if (rc == 0)
		rc = io_transfers(&r, err);
	if (rc == 0)
		rc = io_metadata(&r, err);
	if (rc < 0)
		return rc;
	io_conclude(&r);
	/* Copies up need containers of their own; these ones' volumes and writes are done with. */
	close_sessions(&r);
	return io_copy_up(&r, err);
}

const struct experiment experiment_io = {
	.number = 4,
	.key = "io",
	.title = "Input and output",
	.run = run,
	.pauses = true,
};

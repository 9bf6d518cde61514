/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering what why.c speaks from: marks, health, the kernel's log, the container's own. Reads only;
 * what cannot be read is not known, and no failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/internal.h"
#include "engine/marker.h"
#include "engine/why.h"

#define HEALTH_MAX_BYTES (1u << 20)
#define TAIL_BYTES 65536
#define LINE_MAX_BYTES 400

static bool was_stopped(const struct engine *e, const struct container *c)
{
	auto_close int run = container_run_dir(e, c->id);

	return run >= 0 && faccessat(run, MARKER_STOPPED, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The document keeps the strings that *f borrows. */
static void read_health(const struct engine *e, struct why_facts *f, struct json_object **document)
{
	auto_free char *path = xasprintf("containers/%s/health.json", f->c->id);
	struct err ignored = ERR_INIT;
	struct json_object *log, *last;

	if (json_read_at(e->run_fd, path, HEALTH_MAX_BYTES, document, &ignored) < 0)
		return;
	if (json_get_string(*document, "Status", &f->health) < 0)
		f->health = NULL;
	if (json_get_i64(*document, "FailingStreak", &f->health_failures) < 0)
		f->health_failures = 0;
	if (json_get_array(*document, "Log", &log) < 0 || !json_object_array_length(log))
		return;
	last = json_object_array_get_idx(log, json_object_array_length(log) - 1);
	if (json_get_string(last, "Output", &f->health_output) < 0)
		f->health_output = NULL;
}

/* The kernel's clock counts from the boot. */
static void find_victim(struct why_facts *f)
{
	const struct container_state *s = &f->c->state;
	uint64_t mono_us = clock_now_ns() / 1000, age_us;

	if (!s->oom_kills || !s->started_ns || f->now_ns < s->started_ns)
		return;
	age_us = (f->now_ns - s->started_ns) / 1000 + 1000000;
	if (oom_log_find(f->c->id, mono_us > age_us ? mono_us - age_us : 0, &f->victim) < 0)
		f->victim = (struct oom_victim){.pid = 0};
}

/* ---- the last lines of its log ---- */

static int open_log(const struct engine *e, const struct container *c)
{
	auto_free char *path = xasprintf("containers/%s/%s-json.log", c->id, c->id);

	return openat(c->persistent ? e->root_fd : e->run_fd, path, O_RDONLY | O_CLOEXEC);
}

/* A line for a terminal: no control characters of the container's making. */
static void add_line(struct strv *out, const char *text)
{
	auto_strbuf struct strbuf line = {0};

	for (; *text && *text != '\n' && line.len < LINE_MAX_BYTES; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '\t')
			strbuf_putc(&line, ' ');
		else if (byte >= 0x20 && byte != 0x7f)
			strbuf_putc(&line, *text);
	}
	strv_add(out, strbuf_str(&line));
}

static void add_entry(struct strv *out, const char *text, size_t len)
{
	auto_json struct json_object *o = NULL;
	struct err ignored = ERR_INIT;
	const char *log;

	if (json_parse(text, len, "log", &o, &ignored) == 0 && json_get_string(o, "log", &log) == 0)
		add_line(out, log);
}

/* Docker's json-file: one object a line. */
static void read_tail(const struct engine *e, const struct container *c, size_t lines,
		      struct strv *out)
{
	auto_close int fd = open_log(e, c);
	auto_free char *text = xcalloc(1, TAIL_BYTES + 1);
	const char *begin;
	struct stat st;
	off_t start;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	start = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	n = pread(fd, text, TAIL_BYTES, start);
	if (n <= 0)
		return;
	/* Back over so many newlines, the last byte's own aside. */
	begin = text + n - 1;
	for (size_t found = 0; begin > text; begin--) {
		if (begin[-1] == '\n' && ++found == lines)
			break;
	}
	while (begin < text + n) {
		size_t len = strcspn(begin, "\n");

		if (len)
			add_entry(out, begin, len);
		begin += len + 1;
	}
}

int container_why(struct engine *e, const struct container *c, enum why_depth depth, size_t lines,
		  struct why *out, struct err *err)
{
	struct why_facts f = {.c = c, .now_ns = clock_wall_ns()};
	auto_json struct json_object *health = NULL;

	(void)err;
	f.stopped_by_user = was_stopped(e, c);
	read_health(e, &f, &health);
	if (depth == WHY_SEARCHED)
		find_victim(&f);
	why_explain(&f, out);
	if (lines)
		read_tail(e, c, lines, &out->output);
	return 0;
}

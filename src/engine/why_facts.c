/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering what why.c speaks from: marks, health, the kernel's log, the container's own. Reads only;
 * what cannot be read is not known, and no failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/internal.h"
#include "engine/log_read.h"
#include "engine/marker.h"
#include "engine/why.h"

#define HEALTH_MAX_BYTES (1u << 20)
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

/* A line for a terminal: no control characters of the container's making. */
static void add_line(struct strv *out, const char *text, size_t len)
{
	auto_strbuf struct strbuf line = {0};

	for (size_t i = 0; i < len && text[i] != '\n' && line.len < LINE_MAX_BYTES; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '\t')
			strbuf_putc(&line, ' ');
		else if (byte >= 0x20 && byte != 0x7f)
			strbuf_putc(&line, text[i]);
	}
	strv_add(out, strbuf_str(&line));
}

static void read_tail(struct engine *e, struct container *c, size_t lines, struct strv *out)
{
	const struct log_query query = {.tail = (int64_t)lines};
	struct log_reader *reader = NULL;
	struct log_entry entry;
	struct err ignored = ERR_INIT;
	int news;

	if (log_reader_open(e, c, &query, &reader, &ignored) < 0)
		return;
	while ((news = log_reader_next(reader, &entry, &ignored)) == LOG_ENTRY || news == LOG_GAP) {
		if (news == LOG_ENTRY)
			add_line(out, entry.text, entry.len);
	}
	log_reader_close(reader);
}

int container_why(struct engine *e, struct container *c, enum why_depth depth, size_t lines,
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

/* SPDX-License-Identifier: Apache-2.0 */
/* logs: what a container has said, and says. Its standard error goes to ours. */
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/timestamp.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/following.h"
#include "engine/log_read.h"

#define OUTPUT_BYTES (256u << 10)

struct logs_options {
	bool details, follow, timestamps;
	const char *since, *until, *tail;
};
#define FIELD(field) offsetof(struct logs_options, field)

static const struct option rows[] = {
	{"details", 0, &option_bool, FIELD(details), "Show extra details provided to logs", NULL},
	{"follow", 'f', &option_bool, FIELD(follow), "Follow log output", NULL},
	{"since", 0, &option_text, FIELD(since),
	 "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
	 "minutes)",
	 NULL},
	{"tail", 'n', &option_text, FIELD(tail), "Number of lines to show from the end of the logs",
	 "\"all\""},
	{"timestamps", 't', &option_bool, FIELD(timestamps), "Show timestamps", NULL},
	{"until", 0, &option_text, FIELD(until),
	 "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for "
	 "42 minutes)",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

/* What is to be written, all of it to one of the two. */
struct output {
	struct strbuf text;
	int fd;
};

/* 0 or -errno; empties it. */
static int flush(struct output *o)
{
	int rc = o->text.len ? fd_write_all(o->fd, o->text.data, o->text.len) : 0;

	o->text.len = 0;
	return rc;
}

static int put_entry(struct output *o, const struct logs_options *options,
		     const struct log_entry *entry)
{
	int fd = entry->is_stderr ? STDERR_FILENO : STDOUT_FILENO;
	int rc = fd != o->fd || o->text.len >= OUTPUT_BYTES ? flush(o) : 0;

	o->fd = fd;
	if (options->timestamps) {
		strbuf_add(&o->text, entry->time, LOG_TIME_LEN);
		strbuf_putc(&o->text, ' ');
	}
	if (options->details) {
		strbuf_puts(&o->text, entry->attributes);
		strbuf_putc(&o->text, ' ');
	}
	strbuf_add(&o->text, entry->text, entry->len);
	return rc;
}

static void say_gap(int64_t bytes)
{
	if (bytes < 0)
		cli_note("cloche: part of the log was rotated away before it was read");
	else
		cli_note("cloche: %lld bytes of the log were rotated away before they were read",
			 (long long)bytes);
}

/* A reader that has gone wants no more, and no word about it. */
static int fail_write(int rc)
{
	if (rc != -EPIPE)
		cli_note("cloche: write the log: %s", err_errno_text(-rc));
	return EXIT_FAILED;
}

static int print_log(struct log_reader *r, const struct logs_options *options, struct output *o,
		     struct err *err)
{
	for (;;) {
		struct log_entry entry;
		int rc = log_reader_next(r, &entry, err), written = 0;

		if (rc == LOG_ENTRY)
			written = put_entry(o, options, &entry);
		else
			written = flush(o);
		if (written < 0)
			return fail_write(written);
		if (rc == LOG_GAP)
			say_gap(entry.bytes_missed);
		if (rc == LOG_NONE)
			rc = log_reader_wait(r, err);
		if (rc < 0)
			return cli_fail(err);
		if (rc == LOG_END)
			return 0;
	}
}

/* What is no number means all, as Docker has it. */
static int64_t parse_tail(const char *text)
{
	int64_t n;

	return text && str_to_i64(text, &n) == 0 && n >= 0 ? n : -1;
}

static int parse_time(const char *text, const char *what, uint64_t *out, struct err *err)
{
	if (!text || !*text || timestamp_parse(text, clock_wall_ns(), out, err) == 0)
		return 0;
	return err_wrap(err, "invalid value for \"%s\"", what);
}

static int print_logs_of(struct cli_context *ctx, const char *name,
			 const struct logs_options *options, const struct log_query *q)
{
	struct output o = {.fd = STDOUT_FILENO};
	auto_container struct container c;
	struct log_reader *r = NULL;
	struct err err = ERR_INIT;
	struct engine *e;
	int code;

	container_init(&c);
	if (cli_engine(ctx, &e, &err) < 0 || container_find(e, name, &c, &err) < 0 ||
	    log_reader_open(e, &c, q, &r, &err) < 0)
		return cli_fail(&err);
	code = print_log(r, options, &o, &err);
	log_reader_close(r);
	strbuf_free(&o.text);
	return code;
}

static int cmd_logs(struct cli_context *ctx, int argc, char **argv)
{
	struct logs_options o = {.tail = NULL};
	auto_strv struct strv args = {0};
	struct log_query q = {.tail = -1};
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (parse_time(o.since, "since", &q.since_ns, &err) < 0 ||
	    parse_time(o.until, "until", &q.until_ns, &err) < 0) {
		cli_note("%s", err.msg);
		return EXIT_FAILED;
	}
	q.follow = o.follow;
	q.details = o.details;
	q.tail = parse_tail(o.tail);
	if (o.follow)
		follow_end_on_signals();
	return print_logs_of(ctx, args.items[0], &o, &q);
}

const struct command command_logs = {
	.paths = {"container logs", "logs"},
	.arguments = "CONTAINER",
	.summary = "Fetch the logs of a container",
	.run = cmd_logs,
	.options = &table,
	.min_args = 1,
	.max_args = 1,
};

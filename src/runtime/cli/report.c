/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors and warnings in the forms that callers of an OCI runtime read: containerd parses the JSON
 * lines of --log, people read standard error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/cli/command.h"

/* The message as a Go-quoted string: what logrus prints. */
static void add_quoted(struct strbuf *b, const char *text)
{
	strbuf_putc(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_putc(b, '\\');
		if (*text == '\n')
			strbuf_puts(b, "\\n");
		else
			strbuf_putc(b, *text);
	}
	strbuf_putc(b, '"');
}

static void format_line(const struct runtime *rt, const char *level, const char *text,
			struct strbuf *out)
{
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_wall_ns(), now);
	if (rt->log_json) {
		struct json_object *o = json_object_new_object();

		json_add_string(o, "level", level);
		json_add_string(o, "msg", text);
		json_add_string(o, "time", now);
		strbuf_puts(out, json_text(o));
		json_object_put(o);
	} else {
		strbuf_printf(out, "time=\"%s\" level=%s msg=", now, level);
		add_quoted(out, text);
	}
	strbuf_putc(out, '\n');
}

static void report(const struct runtime *rt, const char *level, const char *text)
{
	auto_strbuf struct strbuf line = {0};
	auto_close int log =
		rt->log_path ? open(rt->log_path,
				    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644)
			     : -1;

	format_line(rt, level, text, &line);
	/* Nobody is left to tell when this fails too. */
	if (fd_write_all(log >= 0 ? log : STDERR_FILENO, line.data, line.len) < 0)
		return;
}

void report_error(const struct runtime *rt, const struct err *err)
{
	auto_free char *text = xasprintf("cloche-runtime %s failed: %s", rt->command, err->msg);

	report(rt, "error", text);
	if (rt->log_path)
		fprintf(stderr, "%s\n", text);
}

void report_warning(const struct runtime *rt, const char *text)
{
	report(rt, "warning", text);
}

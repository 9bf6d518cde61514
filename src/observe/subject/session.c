/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The talk with a helper. The helper is found among the host's processes by its command line, which
 * bears a token that no other session has, and by the pid that it says it has itself; so an engine
 * that would name another process cannot be believed by mistake.
 */
#include "observe/subject/session.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "observe/subject/spawn.h"
#include "observe/subject/subject_internal.h"

#define HELLO_TIMEOUT_MS 60000
#define CLOSE_TIMEOUT_MS 10000
#define BUFFER_MAX 65536

struct session {
	struct spawned child;
	char *name;
	char token[24];
	pid_t pid; /* on the host; 0: not found */
	uint64_t hello_ns;
	size_t have;
	char buffer[BUFFER_MAX];
};

pid_t session_pid(const struct session *s)
{
	return s->pid;
}

uint64_t session_spawned_ns(const struct session *s)
{
	return s->child.spawned_ns;
}

uint64_t session_hello_ns(const struct session *s)
{
	return s->hello_ns;
}

const char *session_name(const struct session *s)
{
	return s->name;
}

/* ---- key=value ---- */

char *session_value(const char *line, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = line; at; at = strchr(at, ' ')) {
		auto_strbuf struct strbuf out = {0};

		while (*at == ' ')
			at++;
		if (strncmp(at, key, n) != 0 || at[n] != '=')
			continue;
		for (at += n + 1; *at && *at != ' '; at++) {
			char hex[3] = {0};

			if (*at != '%' || !isxdigit((unsigned char)at[1]) ||
			    !isxdigit((unsigned char)at[2])) {
				strbuf_putc(&out, *at);
				continue;
			}
			hex[0] = at[1];
			hex[1] = at[2];
			strbuf_putc(&out, (char)strtoul(hex, NULL, 16));
			at += 2;
		}
		return strbuf_take(&out);
	}
	return NULL;
}

double session_number(const char *line, const char *key, double fallback)
{
	auto_free char *text = session_value(line, key);
	char *end;
	double value;

	if (!text || !*text)
		return fallback;
	value = strtod(text, &end);
	return *end ? fallback : value;
}

/* ---- lines ---- */

/* What the container's command said on its standard error, or how it ended. */
static int explain_end(struct session *s, struct err *err)
{
	auto_free char *said = NULL;

	if (spawned_wait(&s->child, CLOSE_TIMEOUT_MS) < 0)
		spawned_end(&s->child, SIGKILL);
	said = spawned_errors(&s->child, 300);
	return err_set(err, ERR_SYSTEM, EPIPE, "%s ended (exit code %d)%s%s",
		       *s->name ? s->name : "the helper", s->child.exit_code, *said ? ": " : "",
		       said);
}

static int read_line(struct session *s, uint64_t deadline_ns, char **out, struct err *err)
{
	for (;;) {
		char *end = memchr(s->buffer, '\n', s->have);
		ssize_t n;
		int rc;

		if (end) {
			size_t used = (size_t)(end - s->buffer) + 1;

			*out = xstrndup(s->buffer, used - 1);
			s->have -= used;
			memmove(s->buffer, end + 1, s->have);
			return 0;
		}
		if (s->have == sizeof(s->buffer))
			return err_set(err, ERR_CORRUPT, EMSGSIZE, "the helper's line is too long");
		rc = spawn_wait_fds(s->child.out, -1, deadline_ns);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "%s: %s",
				       *s->name ? s->name : "the helper",
				       rc == -EINTR ? "interrupted" : "no answer in time");
		n = read(s->child.out, s->buffer + s->have, sizeof(s->buffer) - s->have);
		if (n <= 0)
			return explain_end(s, err);
		s->have += (size_t)n;
	}
}

/* "error ERRNO TEXT" */
static int helper_error(const char *line, struct err *err)
{
	char *text;
	long number = strtol(line, &text, 10);

	while (*text == ' ')
		text++;
	return err_set(err, number == ENOSYS ? ERR_UNSUPPORTED : ERR_SYSTEM, (int)number, "%s",
		       text);
}

int session_receive(struct session *s, int timeout_ms, struct strv *lines, struct err *err)
{
	uint64_t deadline_ns = spawn_deadline(timeout_ms);

	strv_free(lines);
	*lines = (struct strv){0};
	for (;;) {
		auto_free char *line = NULL;
		int rc = read_line(s, deadline_ns, &line, err);

		if (rc < 0 || !line)
			return rc;
		if (str_eq(line, "ok"))
			return 0;
		if (str_starts(line, "error "))
			return helper_error(line + strlen("error "), err);
		strv_add_taken(lines, take_ptr(&line));
	}
}

static int send_text(struct session *s, struct strbuf *request, struct err *err)
{
	int rc;

	strbuf_putc(request, '\n');
	rc = fd_write_all(s->child.in, request->data, request->len);
	if (rc == -EPIPE)
		return explain_end(s, err);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "ask %s: %s", s->name, err_errno_text(-rc))
		      : 0;
}

static void format_request(struct strbuf *out, const char *request, va_list args)
	__attribute__((format(printf, 2, 0)));
static void format_request(struct strbuf *out, const char *request, va_list args)
{
	auto_free char *text = NULL;

	if (vasprintf(&text, request, args) < 0)
		text = NULL;
	strbuf_puts(out, text ? text : "");
}

int session_send(struct session *s, struct err *err, const char *request, ...)
{
	auto_strbuf struct strbuf text = {0};
	va_list args;

	va_start(args, request);
	format_request(&text, request, args);
	va_end(args);
	return send_text(s, &text, err);
}

int session_ask(struct session *s, int timeout_ms, struct strv *lines, struct err *err,
		const char *request, ...)
{
	auto_strbuf struct strbuf text = {0};
	va_list args;
	int rc;

	va_start(args, request);
	format_request(&text, request, args);
	va_end(args);
	rc = send_text(s, &text, err);
	return rc < 0 ? rc : session_receive(s, timeout_ms, lines, err);
}

/* ---- finding it on the host ---- */

/* Its arguments are PROGRAM serve TOKEN, so a client that was told to start it is not taken for it. */
static bool has_command_line(const char *pid, const char *token)
{
	char path[64], text[4096];
	const char *at = text;
	ssize_t n;

	if (str_format(path, sizeof(path), "/proc/%s/cmdline", pid) < 0)
		return false;
	n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));
	if (n <= 0)
		return false;
	at += strlen(at) + 1;
	if (at >= text + n || !str_eq(at, "serve"))
		return false;
	at += strlen(at) + 1;
	return at < text + n && str_eq(at, token);
}

/* The last number of the line NSpid is the pid in the innermost namespace. */
static bool has_inner_pid(const char *pid, long inner)
{
	char path[64], text[8192], *line, *end, *last;

	if (str_format(path, sizeof(path), "/proc/%s/status", pid) < 0 ||
	    file_read_small_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	if (end)
		*end = '\0';
	last = strrchr(line + 1, '\t');
	return last && strtol(last + 1, NULL, 10) == inner;
}

static pid_t find_on_host(const char *token, long inner)
{
	auto_closedir DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		if (isdigit((unsigned char)e->d_name[0]) && has_command_line(e->d_name, token) &&
		    has_inner_pid(e->d_name, inner))
			return (pid_t)strtol(e->d_name, NULL, 10);
	}
	return 0;
}

static int hear_hello(struct session *s, struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_receive(s, HELLO_TIMEOUT_MS, &lines, err);

	s->hello_ns = clock_now_ns();
	if (rc < 0)
		return rc;
	if (!lines.count || !str_starts(lines.items[0], "hello "))
		return err_set(err, ERR_CORRUPT, EPROTO, "the helper said no hello");
	s->pid = find_on_host(s->token, (long)session_number(lines.items[0], "pid", 0));
	if (!s->pid)
		return err_set(err, ERR_NOT_FOUND, ESRCH,
			       "the helper of %s is not among the host's processes", s->name);
	return 0;
}

static int make_token(char token[static 24], struct err *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return err_sys(err, "make a token");
	return str_format(token, 24, "%016llx", (unsigned long long)number);
}

int session_open(struct subject *s, const struct container_spec *spec, struct session **out,
		 struct err *err)
{
	auto_session struct session *made = xcalloc(1, sizeof(*made));
	auto_strv struct strv argv = {0};
	struct container_spec copy = *spec;
	char number[32];
	int rc;

	made->child = SPAWNED_NONE;
	made->name = xstrdup("");
	rc = make_token(made->token, err);
	if (rc < 0)
		return rc;
	if (!copy.name) {
		snprintf(number, sizeof(number), "%d", ++s->sequence);
		copy.name = number;
	}
	copy.argv = NULL;
	copy.helper_argv = (const char *const[]){"serve", made->token, NULL};
	copy.interactive = true;
	rc = subject_run_command(s, &copy, &argv, err);
	if (rc < 0)
		return rc;
	free(made->name);
	made->name = s->ops->kind == SUBJECT_HOST ? xstrdup("")
						  : xasprintf("%s%s", s->prefix, copy.name);
	rc = spawn(s, &argv, true, &made->child, err);
	if (rc == 0)
		rc = hear_hello(made, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&made);
	return 0;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	if (s->child.in >= 0) {
		close(s->child.in);
		s->child.in = -1;
	}
	/* An interrupt must not leave a container for the sweep that would have ended by itself. */
	if (spawned_wait_anyway(&s->child, CLOSE_TIMEOUT_MS) < 0)
		spawned_end(&s->child, SIGKILL);
	spawned_close(&s->child);
	free(s->name);
	free(s);
}

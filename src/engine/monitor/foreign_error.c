/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another runtime's error in Docker's words. Runtimes write JSON lines to --log; the message of the
 * last line of level error or fatal is looked for with a bounded scan, nothing else is read. What it
 * says may come from the image: it is text to be shown, never more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/monitor/monitor.h"

#define LOG_TAIL_MAX 8192

static size_t put_utf8(unsigned code, char out[3])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3f));
	out[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* What stands between the quotes of a JSON string; at is behind the first one. */
static void unescape(const char *at, const char *end, char *out, size_t size)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	size_t n = 0;

	while (at < end && *at != '"' && n + 4 < size) {
		const char *name;
		char hex[5] = "";

		if (*at != '\\' || at + 1 >= end) {
			out[n++] = *at++;
			continue;
		}
		at++;
		name = strchr(names, *at);
		if (*at == 'u' && end - at > 4) {
			memcpy(hex, at + 1, 4);
			n += put_utf8((unsigned)strtoul(hex, NULL, 16) & 0xffff, out + n);
			at += 5;
		} else {
			out[n++] = name ? values[name - names] : *at;
			at++;
		}
	}
	while (n && (out[n - 1] == '\n' || out[n - 1] == ' '))
		n--;
	out[n] = '\0';
}

/* The message of one line into out, if it is an error. */
static void take_line(const char *line, size_t len, char *out, size_t size)
{
	static const char *const levels[] = {"\"level\":\"error\"", "\"level\":\"fatal\""};
	static const char key[] = "\"msg\":\"";
	const char *msg = memmem(line, len, key, sizeof(key) - 1);

	for (int i = 0; msg && i < 2; i++) {
		if (memmem(line, len, levels[i], strlen(levels[i])))
			unescape(msg + sizeof(key) - 1, line + len, out, size);
	}
}

static void read_message(struct monitor *m, char *out, size_t size)
{
	auto_close int fd = openat(m->run_dir, FOREIGN_LOG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[LOG_TAIL_MAX];
	off_t bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = bytes < 0 ? -1
			      : pread(fd, text, sizeof(text) - 1,
				      bytes > LOG_TAIL_MAX - 1 ? bytes - (LOG_TAIL_MAX - 1) : 0);

	*out = '\0';
	if (n <= 0)
		return;
	text[n] = '\0';
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		take_line(line, len, out, size);
		line += len;
		line += *line == '\n';
	}
}

/* What dockerd and its client look for in such texts to choose an exit code. */
static enum err_kind kind_of(const char *text)
{
	static const struct {
		const char *words;
		enum err_kind kind;
	} table[] = {
		{"executable file not found", ERR_NO_COMMAND},
		{"no such file or directory", ERR_NO_COMMAND},
		{"permission denied", ERR_NO_EXEC},
		{"is a directory", ERR_NO_EXEC},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcasestr(text, table[i].words))
			return table[i].kind;
	}
	return ERR_SYSTEM;
}

void foreign_error(struct monitor *m, const char *command, int wait_status)
{
	char text[ERR_MSG_MAX];

	read_message(m, text, sizeof(text));
	if (*text)
		err_set(&m->start_error, kind_of(text), ECANCELED, "OCI runtime %s failed: %s",
			command, text);
	else if (WIFSIGNALED(wait_status))
		err_set(&m->start_error, ERR_SYSTEM, ECANCELED,
			"OCI runtime %s failed: the runtime was killed by signal %d", command,
			WTERMSIG(wait_status));
	else
		err_set(&m->start_error, ERR_SYSTEM, ECANCELED,
			"OCI runtime %s failed: the runtime ended with status %d and no message",
			command, WEXITSTATUS(wait_status));
}

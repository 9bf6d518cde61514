/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's json-file log: one object a line, {"log":"text\n","stream":"stdout","time":"..."}. Bounded
 * by rotation. A log that cannot be written never stops the container: it ends there, and the state
 * of the container is what counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/monitor/monitor.h"

#define LINE_OVERHEAD 96 /* keys, stream and time of one line */

static void open_log(struct monitor *m)
{
	struct log_writer *l = &m->log;
	struct stat st;

	l->fd = open(plan_string(m->plan, m->plan->monitor.log_path),
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		l->failed = true;
	else
		l->size = (uint64_t)st.st_size;
}

/* log -> log.1 -> log.2 ...; the oldest goes. */
static void rotate(struct monitor *m)
{
	const char *path = plan_string(m->plan, m->plan->monitor.log_path);
	char from[PATH_MAX], to[PATH_MAX];

	for (uint32_t i = m->plan->monitor.log_max_files - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", path, i);
		if (i == 1)
			snprintf(from, sizeof(from), "%s", path);
		else
			snprintf(from, sizeof(from), "%s.%u", path, i - 1);
		rename(from, to);
	}
	if (m->plan->monitor.log_max_files <= 1)
		unlink(path);
	close(m->log.fd);
	m->log.fd = -1;
	open_log(m);
}

static void write_out(struct monitor *m)
{
	struct log_writer *l = &m->log;

	if (l->fd < 0 && !l->failed)
		open_log(m);
	if (!l->failed && fd_write_all(l->fd, l->out, l->out_len) < 0)
		l->failed = true;
	l->size += l->out_len;
	l->out_len = 0;
	if (!l->failed && m->plan->monitor.log_max_bytes &&
	    l->size >= m->plan->monitor.log_max_bytes)
		rotate(m);
}

static size_t escape_byte(unsigned char c, char *out)
{
	static const char hex[] = "0123456789abcdef";
	const char *two = c == '"'    ? "\\\""
			  : c == '\\' ? "\\\\"
			  : c == '\n' ? "\\n"
			  : c == '\r' ? "\\r"
			  : c == '\t' ? "\\t"
				      : NULL;

	if (two) {
		memcpy(out, two, 2);
		return 2;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

/* Length of the valid UTF-8 sequence at p (n bytes left), 0 when it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t len = *p < 0x80                 ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : *p >= 0xe0 && *p < 0xf0 ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static void put_line(struct monitor *m, int stream, const unsigned char *line, size_t n)
{
	struct log_writer *l = &m->log;
	char time[CLOCK_RFC3339_MAX];
	char *o;

	if (sizeof(l->out) - l->out_len < 6 * n + LINE_OVERHEAD)
		write_out(m);
	o = l->out + l->out_len;
	memcpy(o, "{\"log\":\"", 8);
	o += 8;
	for (size_t i = 0; i < n;) {
		unsigned char c = line[i];
		size_t len = utf8_length(line + i, n - i);

		if (len == 0) {
			memcpy(o, "\\ufffd", 6);
			o += 6;
			i++;
		} else if (len == 1 && (c < 0x20 || c == '"' || c == '\\')) {
			o += escape_byte(c, o);
			i++;
		} else {
			memcpy(o, line + i, len);
			o += len;
			i += len;
		}
	}
	clock_format_rfc3339(clock_wall_ns(), time);
	o += snprintf(o, LINE_OVERHEAD - 8, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n",
		      stream == 0 ? "stdout" : "stderr", time);
	l->out_len = (size_t)(o - l->out);
}

void log_write(struct monitor *m, int stream, const unsigned char *bytes, size_t n)
{
	struct log_writer *l = &m->log;
	/* A sixth of the output buffer: every byte may grow to six. */
	const size_t room = sizeof(l->out) / 8;

	if (!m->plan->monitor.log_path || l->failed)
		return;
	while (n > 0) {
		size_t space = room - l->partial_len[stream];
		size_t take = n < space ? n : space;
		const unsigned char *end = memchr(bytes, '\n', take);

		if (end)
			take = (size_t)(end - bytes) + 1;
		memcpy(l->partial[stream] + l->partial_len[stream], bytes, take);
		l->partial_len[stream] += take;
		bytes += take;
		n -= take;
		if (end || l->partial_len[stream] == room) {
			put_line(m, stream, (const unsigned char *)l->partial[stream],
				 l->partial_len[stream]);
			l->partial_len[stream] = 0;
		}
	}
	write_out(m);
}

void log_flush(struct monitor *m, bool end)
{
	for (int s = 0; end && s < 2; s++) {
		if (m->log.partial_len[s])
			put_line(m, s, (const unsigned char *)m->log.partial[s],
				 m->log.partial_len[s]);
		m->log.partial_len[s] = 0;
	}
	if (m->log.out_len)
		write_out(m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's json-file log: one object a line, {"log":"text\n","stream":"stdout","time":"..."}. Bounded
 * by rotation, which renames, so that no line is lost and a reader sees by the inode that the file
 * under the name is another one. An entry is whole in one file, and every file ends with an entry. A
 * log that cannot be written never stops the container: what does not fit is left out, and writing
 * goes on when there is room again.
 *
 * The way of every byte a container says: text is copied a word at a time for as long as no byte of
 * the word needs care; the time stamp is that of the read that brought the text.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/log_files.h"
#include "engine/monitor/monitor.h"

#define ENTRY_BEGIN "{\"log\":\""
#define ENTRY_BEGIN_LEN (sizeof(ENTRY_BEGIN) - 1)
#define SUFFIX_MAX 80 /* stream and time of one entry */
/* Every byte may grow to six; words are stored whole, also where only their first bytes count. */
#define ENTRY_OUT_MAX \
	(6 * LOG_ENTRY_MAX + ENTRY_BEGIN_LEN + SUFFIX_MAX + PLAN_LOG_ATTRIBUTES_MAX + 16)

_Static_assert(ENTRY_OUT_MAX < LOG_OUT_BYTES, "one entry must fit");

/* What ends each entry of one read. */
struct suffix {
	char text[SUFFIX_MAX];
	size_t len;
	size_t stream_len; /* of it, the part before the attributes */
};

static void open_log(struct monitor *m)
{
	struct log_writer *l = &m->log;
	struct stat st;

	l->fd = open(plan_string(m->plan, m->plan->monitor.log_path),
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	l->size = l->fd >= 0 && fstat(l->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Notes on a new file how much of the log came before it, so that a reader who missed some knows how
 * much. Where there is no such attribute, he knows only that. */
static void note_begin(struct log_writer *l, uint64_t begin)
{
	if (l->fd >= 0 && fsetxattr(l->fd, LOG_BEGIN_XATTR, &begin, sizeof(begin), 0) < 0)
		return;
}

/* log -> log.1 -> log.2 ...; the oldest goes. */
static void rotate(struct monitor *m)
{
	const char *path = plan_string(m->plan, m->plan->monitor.log_path);
	char from[PATH_MAX], to[PATH_MAX];
	uint64_t begin;

	if (fgetxattr(m->log.fd, LOG_BEGIN_XATTR, &begin, sizeof(begin)) != sizeof(begin))
		begin = 0;
	begin += m->log.size;
	for (uint32_t i = m->plan->monitor.log_max_files; i > 1; i--) {
		snprintf(to, sizeof(to), "%s.%u", path, i - 1);
		if (i == 2)
			snprintf(from, sizeof(from), "%s", path);
		else
			snprintf(from, sizeof(from), "%s.%u", path, i - 2);
		rename(from, to);
	}
	if (m->plan->monitor.log_max_files <= 1)
		unlink(path);
	close(m->log.fd);
	m->log.fd = -1;
	open_log(m);
	note_begin(&m->log, begin);
}

/* Writes whole entries. A write that fails half-way is taken back, so that the next entry does not
 * go on in the middle of a line. */
static void write_entries(struct monitor *m, const char *bytes, size_t n)
{
	struct log_writer *l = &m->log;
	bool failed_before = l->failed;

	if (l->fd < 0)
		open_log(m);
	l->failed = l->fd < 0 || fd_write_all(l->fd, bytes, n) < 0;
	if (!l->failed) {
		l->size += n;
		return;
	}
	if (l->fd >= 0 && ftruncate(l->fd, (off_t)l->size) < 0) {
		close(l->fd);
		l->fd = -1;
	}
	if (!failed_before)
		tell_log_failed(m);
}

/* How much of what is to be written goes into the file that is open: up to the first end of an entry
 * that fills it. */
static size_t fitting(const struct monitor *m, const char *bytes, size_t n)
{
	const struct log_writer *l = &m->log;
	uint64_t max = m->plan->monitor.log_max_bytes;
	const char *end;

	if (!max || l->size + n < max)
		return n;
	if (l->size >= max)
		return 0;
	end = memchr(bytes + (max - l->size) - 1, '\n', n - (size_t)(max - l->size) + 1);
	return end ? (size_t)(end - bytes) + 1 : n;
}

static bool is_full(const struct monitor *m)
{
	uint64_t max = m->plan->monitor.log_max_bytes;

	return max && m->log.size >= max;
}

static void write_out(struct monitor *m)
{
	struct log_writer *l = &m->log;
	bool stuck = false;
	size_t done = 0;

	if (l->fd < 0)
		open_log(m);
	while (done < l->out_len) {
		/* A file that cannot be replaced is written to beyond its size. */
		size_t n = stuck ? l->out_len - done : fitting(m, l->out + done, l->out_len - done);

		if (n)
			write_entries(m, l->out + done, n);
		done += n;
		if (is_full(m)) {
			rotate(m);
			stuck = is_full(m) || l->fd < 0;
		}
	}
	l->out_len = 0;
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

/* One character at p that is not plain. Returns how many bytes of the text it was. */
static size_t put_special(char **out, const unsigned char *p, size_t n)
{
	size_t len = utf8_length(p, n);

	if (len == 0) {
		memcpy(*out, "\\ufffd", 6);
		*out += 6;
		return 1;
	}
	if (len == 1 && (*p < 0x20 || *p == '"' || *p == '\\')) {
		*out += escape_byte(*p, *out);
		return 1;
	}
	memcpy(*out, p, len);
	*out += len;
	return len;
}

/* Bit 7 of every byte that is a control character, quote, backslash, or not ASCII. Bytes above the
 * lowest such one may be marked wrongly (borrows run upwards), so only the lowest is to be believed. */
static uint64_t special_bytes(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');

	return (((word - ones * 0x20) & ~word) | word | ((quote - ones) & ~quote) |
		((slash - ones) & ~slash)) &
	       tops;
}

/* Copies text into an entry, escaped, up to and with the first newline. Returns how many bytes it
 * took; *ended tells whether a newline was the last. Stores up to 7 bytes more than it says. */
static size_t put_text(char **out, const unsigned char *p, size_t n, bool *ended)
{
	char *o = *out;
	size_t i = 0;

	*ended = false;
	while (i < n && !*ended) {
		if (n - i >= 8) {
			uint64_t word, special;

			memcpy(&word, p + i, 8);
			memcpy(o, &word, 8);
			special = special_bytes(word);
			if (!special) {
				o += 8;
				i += 8;
				continue;
			}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			i += (size_t)__builtin_ctzll(special) / 8;
			o += (size_t)__builtin_ctzll(special) / 8;
#endif
		}
		*ended = p[i] == '\n';
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
			*o++ = (char)p[i++];
		else
			i += put_special(&o, p + i, n - i);
	}
	*out = o;
	return i;
}

static char *begin_entry(struct monitor *m)
{
	struct log_writer *l = &m->log;

	if (sizeof(l->out) - l->out_len < ENTRY_OUT_MAX)
		write_out(m);
	memcpy(l->out + l->out_len, ENTRY_BEGIN, ENTRY_BEGIN_LEN);
	return l->out + l->out_len + ENTRY_BEGIN_LEN;
}

static void end_entry(struct monitor *m, char *o, const struct suffix *suffix)
{
	const char *attributes;
	size_t n;

	/* A copy of fixed size, where nothing stands between: this is done for every line. */
	if (!m->plan->monitor.log_attributes) {
		memcpy(o, suffix->text, sizeof(suffix->text));
		m->log.out_len = (size_t)(o - m->log.out) + suffix->len;
		return;
	}
	attributes = plan_string(m->plan, m->plan->monitor.log_attributes);
	n = strlen(attributes);
	memcpy(o, suffix->text, suffix->stream_len);
	memcpy(o + suffix->stream_len, attributes, n);
	memcpy(o + suffix->stream_len + n, suffix->text + suffix->stream_len,
	       suffix->len - suffix->stream_len);
	m->log.out_len = (size_t)(o - m->log.out) + suffix->len + n;
}

static void make_suffix(struct suffix *suffix, int stream)
{
	char time[CLOCK_RFC3339_MAX];
	int n;

	clock_format_rfc3339(clock_wall_ns(), time);
	n = snprintf(suffix->text, sizeof(suffix->text), "\",\"stream\":\"%s\",\"time\":\"%s\"}\n",
		     stream == 0 ? "stdout" : "stderr", time);
	suffix->len = (size_t)n;
	suffix->stream_len = strlen("\",\"stream\":\"stdout\"");
}

/* The line that earlier reads began goes on. Returns how much of the new text belongs to it. */
static size_t continue_partial(struct monitor *m, int stream, const unsigned char *bytes, size_t n,
			       const struct suffix *suffix)
{
	struct log_writer *l = &m->log;
	size_t space = LOG_ENTRY_MAX - l->partial_len[stream];
	size_t take = n < space ? n : space, at = 0;
	const unsigned char *end = memchr(bytes, '\n', take);
	bool ended;
	char *o;

	if (end)
		take = (size_t)(end - bytes) + 1;
	memcpy(l->partial[stream] + l->partial_len[stream], bytes, take);
	l->partial_len[stream] += take;
	if (!end && l->partial_len[stream] < LOG_ENTRY_MAX)
		return take;
	o = begin_entry(m);
	while (at < l->partial_len[stream])
		at += put_text(&o, (const unsigned char *)l->partial[stream] + at,
			       l->partial_len[stream] - at, &ended);
	end_entry(m, o, suffix);
	l->partial_len[stream] = 0;
	return take;
}

void log_write(struct monitor *m, int stream, const unsigned char *bytes, size_t n)
{
	struct log_writer *l = &m->log;
	struct suffix suffix;

	if (!m->plan->monitor.log_path)
		return;
	l->used = true;
	make_suffix(&suffix, stream);
	while (n > 0) {
		size_t most = n < LOG_ENTRY_MAX ? n : LOG_ENTRY_MAX, took;
		bool ended;
		char *o;

		if (l->partial_len[stream]) {
			took = continue_partial(m, stream, bytes, n, &suffix);
		} else {
			o = begin_entry(m);
			took = put_text(&o, bytes, most, &ended);
			if (ended || took == LOG_ENTRY_MAX)
				end_entry(m, o, &suffix);
			else /* no end in sight: what there is waits for it */
				took = continue_partial(m, stream, bytes, n, &suffix);
		}
		bytes += took;
		n -= took;
	}
}

void log_flush(struct monitor *m, bool end)
{
	for (int s = 0; end && s < 2; s++) {
		struct log_writer *l = &m->log;
		struct suffix suffix;
		size_t at = 0;
		bool ended;
		char *o;

		if (!l->partial_len[s])
			continue;
		make_suffix(&suffix, s);
		o = begin_entry(m);
		while (at < l->partial_len[s])
			at += put_text(&o, (const unsigned char *)l->partial[s] + at,
				       l->partial_len[s] - at, &ended);
		end_entry(m, o, &suffix);
		l->partial_len[s] = 0;
	}
	if (m->log.out_len)
		write_out(m);
}

void log_rest(struct monitor *m)
{
	m->log.used = false;
	madvise(m->log.out, sizeof(m->log.out), MADV_DONTNEED);
	if (!client_frame_pending(m))
		madvise(m->frame_bytes, sizeof(m->frame_bytes), MADV_DONTNEED);
}

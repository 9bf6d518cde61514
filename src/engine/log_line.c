/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of log lines. A log is read at the speed at which it was written, so runs of plain text
 * are found and copied by the C library's word-wise functions, and nothing is looked at twice but the
 * text between two escapes.
 */
#include "engine/log_line.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 32
#define REPLACEMENT 0xfffd

struct cursor {
	const char *p, *end;
};

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
		c->p++;
}

static bool take(struct cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->p >= c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
		*out++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
		*out++ = (char)(0x80 | (code & 0x3f));
	}
	return out;
}

/* After "\u". A high half takes a low half that follows with it. */
static int take_unicode(struct cursor *c, char **out)
{
	int32_t code = hex4(c->p, c->end);

	if (code < 0)
		return -EINVAL;
	c->p += 4;
	if (code >= 0xd800 && code < 0xdc00 && c->end - c->p >= 6 && c->p[0] == '\\' &&
	    c->p[1] == 'u') {
		int32_t low = hex4(c->p + 2, c->end);

		if (low >= 0xdc00 && low < 0xe000) {
			c->p += 6;
			*out = put_utf8(*out, (uint32_t)(0x10000 + ((code - 0xd800) << 10) +
							 (low - 0xdc00)));
			return 0;
		}
	}
	*out = put_utf8(*out, code >= 0xd800 && code < 0xe000 ? REPLACEMENT : (uint32_t)code);
	return 0;
}

/* After a backslash. */
static int take_escape(struct cursor *c, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char letter;

	if (c->p >= c->end)
		return -EINVAL;
	letter = *c->p++;
	if (letter == 'u')
		return take_unicode(c, out);
	found = letter ? strchr(from, letter) : NULL;
	if (!found)
		return -EINVAL;
	*(*out)++ = to[found - from];
	return 0;
}

static int take_string(struct cursor *c, char *buffer, size_t *len)
{
	const char *quote = NULL;
	char *out = buffer;

	if (!take(c, '"'))
		return -EINVAL;
	for (;;) {
		const char *slash;
		size_t n;

		/* Looked for again only once it turned out to be an escaped one. */
		if (!quote || quote < c->p)
			quote = memchr(c->p, '"', (size_t)(c->end - c->p));
		if (!quote)
			return -EINVAL;
		slash = memchr(c->p, '\\', (size_t)(quote - c->p));
		n = (size_t)((slash ? slash : quote) - c->p);
		memcpy(out, c->p, n);
		out += n;
		c->p += n + 1;
		if (!slash)
			break;
		if (take_escape(c, &out) < 0)
			return -EINVAL;
	}
	*len = (size_t)(out - buffer);
	return 0;
}

/* A string of which only the extent is wanted. */
static int skip_string(struct cursor *c, const char **start, size_t *len)
{
	if (!take(c, '"'))
		return -EINVAL;
	*start = c->p;
	for (; c->p < c->end && *c->p != '"'; c->p++) {
		if (*c->p == '\\' && ++c->p >= c->end)
			return -EINVAL;
	}
	if (c->p >= c->end)
		return -EINVAL;
	*len = (size_t)(c->p++ - *start);
	return 0;
}

/* Any value: brackets are counted, not matched; nobody looks inside. */
static int skip_value(struct cursor *c, const char **start, size_t *len)
{
	int depth = 0;

	skip_blanks(c);
	*start = c->p;
	do {
		const char *text;
		size_t n;

		skip_blanks(c);
		if (c->p >= c->end)
			return -EINVAL;
		if (*c->p == '"') {
			if (skip_string(c, &text, &n) < 0)
				return -EINVAL;
		} else if (*c->p == '{' || *c->p == '[') {
			if (++depth > DEPTH_MAX)
				return -EINVAL;
			c->p++;
		} else if (*c->p == '}' || *c->p == ']') {
			if (--depth < 0)
				return -EINVAL;
			c->p++;
		} else if (*c->p == ',' || *c->p == ':') {
			if (depth == 0)
				return -EINVAL;
			c->p++;
		} else {
			const char *before = c->p;

			while (c->p < c->end && !strchr(",:{}[]\" \t\r\n", *c->p))
				c->p++;
			/* A NUL is what strchr() finds as the end of its set. */
			if (c->p == before)
				return -EINVAL;
		}
	} while (depth > 0);
	*len = (size_t)(c->p - *start);
	return 0;
}

static bool is_key(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(key, name, len) == 0;
}

static int take_member(struct cursor *c, char *buffer, struct log_line *out, bool *has_text)
{
	const char *key, *value;
	size_t key_len, value_len;

	if (skip_string(c, &key, &key_len) < 0 || !take(c, ':'))
		return -EINVAL;
	if (is_key(key, key_len, "log")) {
		/* Two of them would not fit into the buffer. */
		if (*has_text || take_string(c, buffer, &out->text_len) < 0)
			return -EINVAL;
		out->text = buffer;
		*has_text = true;
		return 0;
	}
	if (is_key(key, key_len, "stream")) {
		if (skip_string(c, &value, &value_len) < 0)
			return -EINVAL;
		out->is_stderr = is_key(value, value_len, "stderr");
		return 0;
	}
	if (is_key(key, key_len, "time"))
		return skip_string(c, &out->time, &out->time_len);
	if (skip_value(c, &value, &value_len) < 0)
		return -EINVAL;
	if (is_key(key, key_len, "attrs") && *value == '{') {
		out->attributes = value;
		out->attributes_len = value_len;
	}
	return 0;
}

int log_line_decode(const char *line, size_t n, char *buffer, struct log_line *out)
{
	struct cursor c = {.p = line, .end = line + n};
	bool has_text = false;

	*out = (struct log_line){.text = buffer};
	if (!take(&c, '{'))
		return -EINVAL;
	if (!take(&c, '}')) {
		do {
			if (take_member(&c, buffer, out, &has_text) < 0)
				return -EINVAL;
		} while (take(&c, ','));
		if (!take(&c, '}'))
			return -EINVAL;
	}
	skip_blanks(&c);
	return c.p == c.end && has_text && out->time ? 0 : -EINVAL;
}

int log_line_time(const struct log_line *line, char out[static LOG_TIME_LEN + 1])
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	const size_t whole = sizeof(form) - 1;
	size_t n = line->time_len, digits;

	if (n < whole + 1 || line->time[n - 1] != 'Z')
		return -EINVAL;
	for (size_t i = 0; i < whole; i++) {
		bool digit = line->time[i] >= '0' && line->time[i] <= '9';

		if (form[i] == 'd' ? !digit : line->time[i] != form[i])
			return -EINVAL;
	}
	memcpy(out, line->time, whole);
	memcpy(out + whole, ".000000000Z", sizeof(".000000000Z"));
	if (n == whole + 1)
		return 0;
	digits = n - whole - 2;
	if (line->time[whole] != '.' || digits < 1 || digits > 9)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		char digit = line->time[whole + 1 + i];

		if (digit < '0' || digit > '9')
			return -EINVAL;
		out[whole + 1 + i] = digit;
	}
	return 0;
}

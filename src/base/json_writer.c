/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming JSON. Owns quoting and commas; knows nothing of what is written. */
#include "base/json_writer.h"

/* Length of the valid UTF-8 sequence at s, or 0 (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Writes the escape for the byte at s and returns how many bytes it stands for. */
static size_t write_escaped(struct strbuf *out, const unsigned char *s)
{
	static const char short_from[] = "\"\\\n\r\t\b\f", short_to[] = "\"\\nrtbf";
	const char *known = *s ? strchr(short_from, *s) : NULL;
	size_t n = *s >= 0x80 ? utf8_length(s) : 1;

	if (known) {
		char text[2] = {'\\', short_to[known - short_from]};

		strbuf_add(out, text, 2);
	} else if (*s < 0x20) {
		strbuf_printf(out, "\\u%04x", *s);
	} else if (n == 0) {
		strbuf_puts(out, "\\ufffd");
	} else {
		strbuf_add(out, (const char *)s, n);
	}
	return n ? n : 1;
}

static void write_quoted(struct strbuf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	strbuf_putc(out, '"');
	while (*s) {
		const unsigned char *plain = s;

		while (*s >= 0x20 && *s < 0x80 && *s != '"' && *s != '\\')
			s++;
		strbuf_add(out, (const char *)plain, (size_t)(s - plain));
		if (*s)
			s += write_escaped(out, s);
	}
	strbuf_putc(out, '"');
}

static void write_key(struct json_writer *w, const char *key)
{
	if (w->comma)
		strbuf_putc(w->out, ',');
	w->comma = true;
	if (key) {
		write_quoted(w->out, key);
		strbuf_putc(w->out, ':');
	}
}

void json_write_begin(struct json_writer *w, const char *key, char bracket)
{
	write_key(w, key);
	strbuf_putc(w->out, bracket);
	w->comma = false;
}

void json_write_end(struct json_writer *w, char bracket)
{
	strbuf_putc(w->out, bracket);
	w->comma = true;
}

void json_write_string(struct json_writer *w, const char *key, const char *value)
{
	write_key(w, key);
	if (value)
		write_quoted(w->out, value);
	else
		strbuf_puts(w->out, "null");
}

void json_write_bool(struct json_writer *w, const char *key, bool value)
{
	json_write_raw(w, key, value ? "true" : "false");
}

static void write_digits(struct json_writer *w, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + value % 10);
	while (value /= 10);
	strbuf_add(w->out, digits + n, sizeof(digits) - n);
}

void json_write_u64(struct json_writer *w, const char *key, uint64_t value)
{
	write_key(w, key);
	write_digits(w, value);
}

void json_write_i64(struct json_writer *w, const char *key, int64_t value)
{
	write_key(w, key);
	if (value < 0)
		strbuf_putc(w->out, '-');
	write_digits(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_write_strv(struct json_writer *w, const char *key, const struct strv *v)
{
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < v->count; i++)
		json_write_string(w, NULL, v->items[i]);
	json_write_end(w, ']');
}

void json_write_raw(struct json_writer *w, const char *key, const char *json)
{
	write_key(w, key);
	strbuf_puts(w->out, json);
}

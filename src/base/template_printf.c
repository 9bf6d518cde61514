/* SPDX-License-Identifier: Apache-2.0 */
/* Go's fmt.Sprintf over values, with its words for arguments that do not fit. */
#include <ctype.h>

#include "base/quote.h"
#include "base/template_internal.h"

#define WIDTH_MAX 1000

struct verb {
	bool minus, plus, zero, sharp, space;
	int width, precision; /* -1: not given */
	char letter;
};

/* Reads what follows '%'; returns the rest. */
static const char *read_verb(const char *s, struct verb *v)
{
	*v = (struct verb){.width = -1, .precision = -1};
	for (;; s++) {
		if (*s == '-')
			v->minus = true;
		else if (*s == '+')
			v->plus = true;
		else if (*s == '0')
			v->zero = true;
		else if (*s == '#')
			v->sharp = true;
		else if (*s == ' ')
			v->space = true;
		else
			break;
	}
	for (; isdigit((unsigned char)*s); s++)
		v->width = v->width < 0           ? *s - '0'
			   : v->width > WIDTH_MAX ? WIDTH_MAX
						  : v->width * 10 + *s - '0';
	if (*s == '.') {
		v->precision = 0;
		for (s++; isdigit((unsigned char)*s); s++)
			v->precision = v->precision > WIDTH_MAX ? WIDTH_MAX
								: v->precision * 10 + *s - '0';
	}
	v->letter = *s;
	return *s ? s + 1 : s;
}

static void put_padded(const struct verb *v, const struct strbuf *text, bool zeros,
		       struct strbuf *out)
{
	size_t n = utf8_count(strbuf_str(text), text->len);
	int fill = v->width > (int)n ? v->width - (int)n : 0;
	size_t sign = zeros && text->len && strchr("+-", text->data[0]) ? 1 : 0;

	if (v->minus) {
		strbuf_add(out, strbuf_str(text), text->len);
		strbuf_printf(out, "%*s", fill, "");
		return;
	}
	strbuf_add(out, strbuf_str(text), sign);
	for (; fill > 0; fill--)
		strbuf_putc(out, zeros ? '0' : ' ');
	strbuf_add(out, strbuf_str(text) + sign, text->len - sign);
}

static void put_unsigned(uint64_t magnitude, unsigned base, bool upper, struct strbuf *out)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[65];
	size_t n = sizeof(text);

	do {
		text[--n] = digits[magnitude % base];
		magnitude /= base;
	} while (magnitude);
	strbuf_add(out, text + n, sizeof(text) - n);
}

static bool put_int(const struct verb *v, struct json_object *o, struct strbuf *out)
{
	static const char letters[] = "dvxXob";
	static const unsigned bases[] = {10, 10, 16, 16, 8, 2};
	const char *at = strchr(letters, v->letter);
	int64_t n = json_object_get_int64(o);

	if (v->letter == 'c' || v->letter == 'U') {
		if (v->letter == 'U')
			strbuf_printf(out, "U+%04llX", (unsigned long long)n);
		else
			utf8_encode(n < 0 || n > 0x10ffff ? 0xfffd : (uint32_t)n, out);
		return true;
	}
	if (!at)
		return false;
	if (n < 0)
		strbuf_putc(out, '-');
	else if (v->plus)
		strbuf_putc(out, '+');
	else if (v->space)
		strbuf_putc(out, ' ');
	if (v->sharp && (v->letter == 'x' || v->letter == 'X'))
		strbuf_printf(out, "0%c", v->letter);
	put_unsigned(n < 0 ? 0 - (uint64_t)n : json_object_get_uint64(o), bases[at - letters],
		     v->letter == 'X', out);
	return true;
}

static bool put_double(const struct verb *v, double d, struct strbuf *out)
{
	char format[8] = "%.*f";

	if (v->plus && d >= 0)
		strbuf_putc(out, '+');
	if (v->letter == 'v' || (v->letter == 'g' && v->precision < 0)) {
		value_print_float(d, out);
		return true;
	}
	if (!v->letter || !strchr("feEgG", v->letter))
		return false;
	format[3] = v->letter;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	strbuf_printf(out, format, v->precision < 0 ? 6 : v->precision, d);
#pragma GCC diagnostic pop
	return true;
}

static bool put_string(const struct verb *v, const char *s, size_t n, struct strbuf *out)
{
	if (v->precision >= 0) {
		size_t cut = 0;

		for (int i = 0; i < v->precision && cut < n; i++) {
			uint32_t code;
			int valid;

			cut += utf8_decode(s + cut, n - cut, &code, &valid);
		}
		n = cut;
	}
	if (v->letter == 'q') {
		quote_go(out, s, n);
	} else if (v->letter == 'x' || v->letter == 'X') {
		for (size_t i = 0; i < n; i++)
			strbuf_printf(out, v->letter == 'x' ? "%02x" : "%02X", (unsigned char)s[i]);
	} else if (v->letter == 's' || v->letter == 'v') {
		strbuf_add(out, s, n);
	} else {
		return false;
	}
	return true;
}

/* A scalar, or an element of a list. false: the verb does not fit the type. */
static bool put_value(const struct call *c, const struct verb *v, const struct value *arg,
		      struct strbuf *out)
{
	switch (arg->json ? json_object_get_type(arg->json) : json_type_null) {
	case json_type_int:
		return put_int(v, arg->json, out);
	case json_type_double:
		return put_double(v, json_object_get_double(arg->json), out);
	case json_type_string:
		return put_string(v, json_object_get_string(arg->json),
				  (size_t)json_object_get_string_len(arg->json), out);
	case json_type_boolean:
		if (v->letter != 't' && v->letter != 'v')
			return false;
		strbuf_puts(out, json_object_get_boolean(arg->json) ? "true" : "false");
		return true;
	default:
		if (v->letter != 'v' && (v->letter != 's' || !arg->json))
			return false;
		value_print(arg, c->model, true, out);
		return true;
	}
}

static void put_argument(const struct call *c, const struct verb *v, const struct value *arg,
			 struct strbuf *out)
{
	bool number = json_object_is_type(arg->json, json_type_int) ||
		      json_object_is_type(arg->json, json_type_double);
	auto_strbuf struct strbuf text = {0};

	if (v->letter == 'T') {
		strbuf_puts(&text, arg->json ? value_type_name(arg) : "<nil>");
	} else if (!put_value(c, v, arg, &text)) {
		strbuf_printf(out, "%%!%c(", v->letter);
		if (arg->json) {
			strbuf_printf(out, "%s=", value_type_name(arg));
			value_print(arg, c->model, true, out);
		} else {
			strbuf_puts(out, "<nil>");
		}
		strbuf_putc(out, ')');
		return;
	}
	put_padded(v, &text, v->zero && number && !v->minus, out);
}

static void put_extra(const struct call *c, size_t from, struct strbuf *out)
{
	strbuf_puts(out, "%!(EXTRA ");
	for (size_t i = from; i < c->count; i++) {
		if (i > from)
			strbuf_puts(out, ", ");
		if (c->args[i].json)
			strbuf_printf(out, "%s=", value_type_name(&c->args[i]));
		value_print(&c->args[i], c->model, true, out);
	}
	strbuf_putc(out, ')');
}

void template_sprintf(const struct call *c, struct strbuf *out)
{
	const char *s = json_object_get_string(c->args[0].json);
	size_t next = 1;

	while (*s) {
		struct verb v;

		if (*s != '%') {
			strbuf_putc(out, *s++);
			continue;
		}
		s = read_verb(s + 1, &v);
		if (!v.letter)
			strbuf_puts(out, "%!(NOVERB)");
		else if (v.letter == '%')
			strbuf_putc(out, '%');
		else if (next == c->count)
			strbuf_printf(out, "%%!%c(MISSING)", v.letter);
		else
			put_argument(c, &v, &c->args[next++], out);
	}
	if (next < c->count)
		put_extra(c, next, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Go's %q, and the little UTF-8 it takes. Pure functions; no locale. */
#include "base/quote.h"

size_t utf8_decode(const char *s, size_t n, uint32_t *code, int *valid)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80       ? 1
		     : p[0] >> 5 == 6  ? 2
		     : p[0] >> 4 == 14 ? 3
		     : p[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t c = len <= 1 ? p[0] : p[0] & (0x7fu >> len);

	*valid = 0;
	*code = 0xfffd;
	if (!len || len > n)
		return 1;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 1;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 1;
	*valid = 1;
	*code = c;
	return len;
}

void utf8_encode(uint32_t code, struct strbuf *out)
{
	int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = {0x00, 0xc0, 0xe0, 0xf0};

	strbuf_putc(out, (char)(lead[more] | code >> (6 * more)));
	while (more-- > 0)
		strbuf_putc(out, (char)(0x80 | ((code >> (6 * more)) & 0x3f)));
}

size_t utf8_count(const char *s, size_t n)
{
	size_t count = 0;
	uint32_t code;
	int valid;

	for (size_t i = 0; i < n; count++)
		i += utf8_decode(s + i, n - i, &code, &valid);
	return count;
}

/* The letter after the backslash, or 0. */
static char escape_letter(uint32_t code)
{
	static const char codes[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";
	const char *at = code && code < 0x80 ? strchr(codes, (int)code) : NULL;

	return at ? letters[at - codes] : '\0';
}

void quote_go(struct strbuf *out, const char *bytes, size_t n)
{
	strbuf_putc(out, '"');
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t code;
		int valid;
		char letter;

		len = utf8_decode(bytes + i, n - i, &code, &valid);
		letter = valid ? escape_letter(code) : '\0';
		if (!valid)
			strbuf_printf(out, "\\x%02x", (unsigned char)bytes[i]);
		else if (letter)
			strbuf_printf(out, "\\%c", letter);
		else if (code < 0x20 || code == 0x7f)
			strbuf_printf(out, "\\x%02x", code);
		else if ((code >= 0x80 && code <= 0xa0) || code == 0xad || code == 0xfeff)
			strbuf_printf(out, "\\u%04x", code);
		else
			strbuf_add(out, bytes + i, len);
	}
	strbuf_putc(out, '"');
}

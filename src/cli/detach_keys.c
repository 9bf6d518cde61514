/* SPDX-License-Identifier: Apache-2.0 */
/* Detach keys: parsing and matching; no input or output. */
#include "cli/detach_keys.h"

#include <string.h>

/* One key of n characters as the byte a terminal sends, or -1. */
static int key_byte(const char *key, size_t n)
{
	if (n == 1)
		return (unsigned char)key[0];
	if (n != 6 || memcmp(key, "ctrl-", 5) != 0)
		return -1;
	if (key[5] >= 'a' && key[5] <= 'z')
		return key[5] - 'a' + 1;
	if (key[5] == '@' || (key[5] >= '[' && key[5] <= '_'))
		return key[5] - '@';
	return -1;
}

int detach_keys_parse(const char *text, struct detach_keys *out, struct err *err)
{
	const char *p = text;

	*out = (struct detach_keys){.count = 0};
	while (*p) {
		size_t n = strcspn(p, ",");
		int byte = key_byte(p, n);

		if (byte < 0 || out->count == DETACH_KEYS_MAX || (p[n] && !p[n + 1]))
			return err_set(err, ERR_USAGE, 0, "Invalid detach keys (%s) provided",
				       text);
		out->bytes[out->count++] = (unsigned char)byte;
		p += n;
		p += *p == ',';
	}
	return 0;
}

bool detach_keys_filter(struct detach_keys *k, const unsigned char *bytes, size_t n,
			unsigned char *out, size_t *sent)
{
	*sent = 0;
	for (size_t i = 0; i < n; i++) {
		if (k->matched && bytes[i] != k->bytes[k->matched]) {
			memcpy(out + *sent, k->bytes, k->matched);
			*sent += k->matched;
			k->matched = 0;
		}
		if (!k->count || bytes[i] != k->bytes[k->matched])
			out[(*sent)++] = bytes[i];
		else if (++k->matched == k->count)
			return true;
	}
	return false;
}

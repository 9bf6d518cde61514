/* SPDX-License-Identifier: Apache-2.0 */
/* Random ids. getrandom() never fails once the kernel's generator is seeded. */
#include "base/id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

void hex_encode(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

int id_generate(char out[static ID_LEN + 1])
{
	unsigned char raw[ID_LEN / 2];

	do {
		if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
			return -errno;
		hex_encode(raw, sizeof(raw), out);
	} while (strspn(out, "0123456789") >= ID_SHORT_LEN);
	return 0;
}

bool id_is_hex(const char *text, size_t n)
{
	return strspn(text, "0123456789abcdef") == n && text[n] == '\0';
}

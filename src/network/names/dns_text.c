/* SPDX-License-Identifier: Apache-2.0 */
/* Names as text: what may be asked, and the names of addresses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "network/names/dns.h"

#define LABEL_MAX 63
#define SUFFIX_IPV4 ".in-addr.arpa"
#define SUFFIX_IPV6 ".ip6.arpa"
#define NIBBLES 32

bool dns_name_is_valid(const char *text)
{
	size_t total = strlen(text), n;

	if (!total || total >= DNS_TEXT_MAX)
		return false;
	for (;; text += n + 1) {
		n = strcspn(text, ".");
		if (!n || n > LABEL_MAX)
			return false;
		if (!text[n])
			return true;
	}
}

void dns_reverse_name(const struct ip_address *address, char out[static DNS_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET) {
		snprintf(out, DNS_TEXT_MAX, "%u.%u.%u.%u" SUFFIX_IPV4, b[3], b[2], b[1], b[0]);
		return;
	}
	for (size_t i = 0; i < NIBBLES; i++) {
		uint8_t byte = b[15 - i / 2];

		out[2 * i] = digits[i % 2 ? byte >> 4 : byte & 15];
		out[2 * i + 1] = '.';
	}
	memcpy(out + 2 * (size_t)NIBBLES - 1, SUFFIX_IPV6, sizeof(SUFFIX_IPV6));
}

static int parse_ipv4(const char *name, struct ip_address *out)
{
	unsigned b[4];
	char rest[sizeof(SUFFIX_IPV4) + 1];
	char again[DNS_TEXT_MAX];

	if (sscanf(name, "%3u.%3u.%3u.%3u%14s", &b[3], &b[2], &b[1], &b[0], rest) != 5)
		return -EINVAL;
	*out = (struct ip_address){.family = AF_INET};
	for (size_t i = 0; i < 4; i++)
		out->bytes[i] = (uint8_t)b[i];
	/* Only the one spelling is the address's name. */
	dns_reverse_name(out, again);
	return str_eq(name, again) ? 0 : -EINVAL;
}

static int parse_ipv6(const char *name, struct ip_address *out)
{
	*out = (struct ip_address){.family = AF_INET6};
	for (size_t i = 0; i < NIBBLES; i++) {
		char c = name[2 * i];
		unsigned v = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;

		if (v > 15 || name[2 * i + 1] != '.')
			return -EINVAL;
		out->bytes[15 - i / 2] |= (uint8_t)(i % 2 ? v << 4 : v);
	}
	return str_eq(name + 2 * (size_t)NIBBLES - 1, SUFFIX_IPV6) ? 0 : -EINVAL;
}

int dns_reverse_parse(const char *name, struct ip_address *out)
{
	if (str_ends(name, SUFFIX_IPV4))
		return parse_ipv4(name, out);
	/* As long as that: its digits are all inside. */
	if (str_ends(name, SUFFIX_IPV6) && strlen(name) == 2 * NIBBLES - 1 + strlen(SUFFIX_IPV6))
		return parse_ipv6(name, out);
	return -EINVAL;
}

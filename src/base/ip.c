/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 and IPv6 addresses. Text is written here and not by inet_ntop(3): libcs disagree about which
 * run of zeros to shorten, and names of files are made of it.
 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

#define GROUPS 8

size_t ip_bytes(const struct ip_address *a)
{
	if (a->family == AF_INET)
		return 4;
	return a->family == AF_INET6 ? 16 : 0;
}

int ip_parse(const char *text, struct ip_address *out)
{
	struct ip_address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(a.family, text, a.bytes) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

static void format_ipv4(const uint8_t bytes[static 4], char *out, size_t size)
{
	snprintf(out, size, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

/* The longest run of at least two zero groups, the first of equals; *run 0: none. */
static size_t longest_zeros(const unsigned int groups[static GROUPS], size_t *run)
{
	size_t at = 0;

	*run = 1;
	for (size_t i = 0; i < GROUPS;) {
		size_t n = 0;

		while (i + n < GROUPS && groups[i + n] == 0)
			n++;
		if (n > *run) {
			at = i;
			*run = n;
		}
		i += n ? n : 1;
	}
	if (*run < 2)
		*run = 0;
	return at;
}

static void format_ipv6(const uint8_t bytes[static 16], char *out, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned int groups[GROUPS];
	size_t run, zeros, len = 0;

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		len = (size_t)snprintf(out, size, "::ffff:");
		format_ipv4(bytes + 12, out + len, size - len);
		return;
	}
	for (size_t i = 0; i < GROUPS; i++)
		groups[i] = (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1];
	zeros = longest_zeros(groups, &run);
	out[0] = '\0';
	for (size_t i = 0; i < GROUPS; i++) {
		if (run && i == zeros) {
			len += (size_t)snprintf(out + len, size - len, "::");
			i += run - 1;
			continue;
		}
		len += (size_t)snprintf(out + len, size - len, "%s%x",
					i && !(run && i == zeros + run) ? ":" : "", groups[i]);
	}
}

void ip_format(const struct ip_address *a, char out[static IP_TEXT_MAX])
{
	out[0] = '\0';
	if (a->family == AF_INET)
		format_ipv4(a->bytes, out, IP_TEXT_MAX);
	else if (a->family == AF_INET6)
		format_ipv6(a->bytes, out, IP_TEXT_MAX);
}

int ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	const char *slash = strchr(text, '/');
	char address[IP_TEXT_MAX];
	struct ip_prefix p = {0};
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (ip_parse(address, &p.address) < 0 || str_to_u64(slash + 1, &length) < 0 ||
	    length > 8 * ip_bytes(&p.address) || (slash[1] == '0' && slash[2] != '\0'))
		return -EINVAL;
	p.length = (uint8_t)length;
	*out = p;
	return 0;
}

void ip_prefix_format(const struct ip_prefix *p, char out[static IP_TEXT_MAX])
{
	size_t len;

	ip_format(&p->address, out);
	if (!out[0])
		return;
	len = strlen(out);
	snprintf(out + len, IP_TEXT_MAX - len, "/%u", p->length);
}

int ip_compare(const struct ip_address *a, const struct ip_address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_bytes(a));
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
	return ip_compare(a, b) == 0;
}

bool ip_is_unspecified(const struct ip_address *a)
{
	static const uint8_t zeros[16];

	return memcmp(a->bytes, zeros, ip_bytes(a)) == 0;
}

bool ip_is_loopback(const struct ip_address *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	return a->family == AF_INET6 && memcmp(a->bytes, one, sizeof(one)) == 0;
}

/* The bits of byte i that belong to the network. */
static uint8_t network_bits(size_t length, size_t i)
{
	if (length >= 8 * (i + 1))
		return 0xff;
	if (length <= 8 * i)
		return 0;
	return (uint8_t)(0xff00u >> (length - 8 * i));
}

struct ip_address ip_prefix_first(const struct ip_prefix *p)
{
	struct ip_address a = p->address;

	for (size_t i = 0; i < ip_bytes(&a); i++)
		a.bytes[i] &= network_bits(p->length, i);
	return a;
}

struct ip_address ip_prefix_last(const struct ip_prefix *p)
{
	struct ip_address a = p->address;

	for (size_t i = 0; i < ip_bytes(&a); i++)
		a.bytes[i] |= (uint8_t)~network_bits(p->length, i);
	return a;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_address *a)
{
	if (p->address.family == 0 || p->address.family != a->family)
		return false;
	for (size_t i = 0; i < ip_bytes(a); i++)
		if ((p->address.bytes[i] ^ a->bytes[i]) & network_bits(p->length, i))
			return false;
	return true;
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->length <= b->length ? ip_prefix_contains(a, &b->address)
				      : ip_prefix_contains(b, &a->address);
}

struct ip_address ip_add(const struct ip_address *a, uint64_t n)
{
	struct ip_address sum = *a;

	for (size_t i = ip_bytes(a); i-- > 0 && n;) {
		uint64_t byte = sum.bytes[i] + (n & 0xff);

		sum.bytes[i] = (uint8_t)byte;
		n = (n >> 8) + (byte >> 8);
	}
	return sum;
}

uint64_t ip_distance(const struct ip_address *a, const struct ip_address *b)
{
	size_t bytes = ip_bytes(a);
	uint64_t distance = 0;
	uint8_t difference[16] = {0};
	int borrow = 0;

	for (size_t i = bytes; i-- > 0;) {
		int d = b->bytes[i] - a->bytes[i] - borrow;

		borrow = d < 0;
		difference[i] = (uint8_t)(d + (borrow ? 256 : 0));
	}
	for (size_t i = 0; i < bytes; i++) {
		if (distance >> 56)
			return UINT64_MAX;
		distance = distance << 8 | difference[i];
	}
	return distance;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 and IPv6 addresses and prefixes as values. No allocation; the static musl programs use it too. */
#ifndef CLOCHE_BASE_IP_H
#define CLOCHE_BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IP_TEXT_MAX 64 /* "ffff:...:255.255.255.255/128" with its NUL */

struct ip_address {
	uint8_t family;    /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16]; /* network order; of IPv4 the first four */
};

struct ip_prefix {
	struct ip_address address; /* with the host's bits as they were given */
	uint8_t length;
};

/* Strict: no leading zeros of IPv4, no zones. 0 or -EINVAL. */
int must_check ip_parse(const char *text, struct ip_address *out);
/* "10.0.0.1", or the shortest form of RFC 5952; "" for none. */
void ip_format(const struct ip_address *a, char out[static IP_TEXT_MAX]);
/* "10.0.0.0/8"; a bare address is refused. 0 or -EINVAL. */
int must_check ip_prefix_parse(const char *text, struct ip_prefix *out);
void ip_prefix_format(const struct ip_prefix *p, char out[static IP_TEXT_MAX]);

size_t ip_bytes(const struct ip_address *a); /* 4, 16, or 0 */
bool ip_equal(const struct ip_address *a, const struct ip_address *b);
int ip_compare(const struct ip_address *a, const struct ip_address *b); /* by family, then value */
bool ip_is_unspecified(const struct ip_address *a);                     /* 0.0.0.0, ::, or none */
bool ip_is_loopback(const struct ip_address *a);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_address *a);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
/* Host's bits zeroed, or all set. */
struct ip_address ip_prefix_first(const struct ip_prefix *p);
struct ip_address ip_prefix_last(const struct ip_prefix *p);
/* a + n; wraps. */
struct ip_address ip_add(const struct ip_address *a, uint64_t n);
/* b - a as far as 64 bits hold it (UINT64_MAX beyond); b must not be below a. */
uint64_t ip_distance(const struct ip_address *a, const struct ip_address *b);

#endif

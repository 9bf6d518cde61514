/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages as bytes: what a container asks, what a server outside answers, and what we say. Strict
 * and bounded: every name is walked with pointers that only lead backwards, nothing is believed that is
 * not inside the message, nothing is allocated. RFC 1035, 3596, 6891.
 */
#ifndef CLOCHE_NETWORK_NAMES_DNS_H
#define CLOCHE_NETWORK_NAMES_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

#define DNS_HEADER_BYTES 12
#define DNS_NAME_MAX 255   /* on the wire */
#define DNS_TEXT_MAX 254   /* as text with its NUL: "a.b" */
#define DNS_UDP_MIN 512    /* what every client takes */
#define DNS_UDP_MAX 4096   /* what we send at most over UDP, to who says it takes so much */
#define DNS_UDP_ASKED 1232 /* what we say that we take: fits an unfragmented packet everywhere */
#define DNS_MESSAGE_MAX 65535
#define DNS_CLASS_IN 1
/* Header, question and OPT: what one of our own queries has at most. */
#define DNS_QUERY_MAX (DNS_HEADER_BYTES + DNS_NAME_MAX + 4 + 11)

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DNAME = 39,
	DNS_OPT = 41,
	DNS_ANY = 255,
};

enum dns_code {
	DNS_NO_ERROR = 0,
	DNS_FORMAT_ERROR = 1,
	DNS_SERVER_FAILURE = 2,
	DNS_NO_NAME = 3,
	DNS_NOT_IMPLEMENTED = 4,
	DNS_REFUSED = 5,
	DNS_BAD_VERSION = 16, /* needs EDNS */
};

/* A query. */
struct dns_query {
	uint16_t id, flags; /* flags as in the header */
	uint16_t type, class;
	char name[DNS_TEXT_MAX]; /* lower case, labels joined by dots, "" for the root */
	bool plain; /* name says exactly what was asked: no dot, NUL... within a label */
	/* Header and question of the message as they came, letters of either case; 0: none could be read. */
	size_t bytes;
	bool edns, dnssec_ok;
	uint16_t udp_bytes; /* what the client takes over UDP, DNS_UDP_MIN and more */
};

/* 0; the code (enum dns_code) that the query is to be refused with; or -EBADMSG: not to be answered at
 * all, being no query. *out is filled as far as it could be read. */
int must_check dns_read_query(const uint8_t *message, size_t n, struct dns_query *out);

/* What asks a server outside the same. message: the client's. Returns how many bytes, at most
 * DNS_QUERY_MAX. */
size_t dns_write_question(uint8_t out[static DNS_QUERY_MAX], const uint8_t *message,
			  const struct dns_query *q, uint16_t id);

struct dns_reply {
	unsigned code;  /* of the header: enum dns_code */
	bool truncated; /* by its server; then nothing behind the question is used */
	size_t bytes;   /* of the message, without what follows it */
};

/* Whether message, as it came from a server that was asked with this id, answers q: each of its records
 * is checked. 0 or -EBADMSG. */
int must_check dns_read_reply(const uint8_t *message, size_t n, const struct dns_query *q,
			      uint16_t id, struct dns_reply *out);

/* Makes a checked reply the client's own: its id, the question spelled as it did. */
void dns_adopt_reply(uint8_t *message, const uint8_t *asked, const struct dns_query *q);

/* Cuts a checked reply to limit bytes by whole records, and says so in it. Returns what is left. */
size_t dns_truncate(uint8_t *message, size_t n, size_t limit);

/* An answer of our own under construction. */
struct dns_answer {
	uint8_t *bytes;
	size_t used, limit;
	const struct dns_query *query;
	uint16_t records;
	bool truncated;
};

/* size: of the buffer, DNS_QUERY_MAX at least. limit: of the transport. */
void dns_answer_begin(struct dns_answer *a, uint8_t *out, size_t size, size_t limit,
		      const uint8_t *message, const struct dns_query *q);
/* Records of the name that was asked; what does not fit truncates. They are not to be kept by whoever
 * reads them: the next container may have the address at once. */
void dns_answer_address(struct dns_answer *a, const struct ip_address *address);
void dns_answer_pointer(struct dns_answer *a, const char *name);
/* Returns how many bytes. */
size_t dns_answer_end(struct dns_answer *a, enum dns_code code);

/* How much may be sent back over UDP. */
size_t dns_udp_limit(const struct dns_query *q);

/* "4.3.2.1.in-addr.arpa", or the form of IPv6. */
void dns_reverse_name(const struct ip_address *address, char out[static DNS_TEXT_MAX]);
/* 0, or -EINVAL: no whole address. */
int must_check dns_reverse_parse(const char *name, struct ip_address *out);
/* Whether text could be asked as it is: labels of 1 to 63 characters, 253 in all. */
bool dns_name_is_valid(const char *text);

#endif

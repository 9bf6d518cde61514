/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages: first byte 0: a container's query, answered from a small zone and turned into a question
 * for outside; 1: what a server outside replies to a fixed question, taken over and cut. Whatever we
 * make of either must be readable by the reader again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "network/names/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* web.example.com, type A, id 0x1234, with OPT. */
static const uint8_t question[] = {0x12, 0x34, 1,   0,   0,   1,   0,   0,   0,   0,   0,
				   1,    3,    'w', 'e', 'b', 7,   'e', 'x', 'a', 'm', 'p',
				   'l',  'e',  3,   'c', 'o', 'm', 0,   0,   1,   0,   1,
				   0,    0,    41,  16,  0,   0,   0,   0,   0,   0,   0};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct zone_member *member(struct zone *z)
{
	static char name[] = "Web", network[] = "net", alias[] = "db.example";
	static char *aliases[] = {alias, NULL};
	struct endpoint e = {.network_name = network,
			     .ipv4 = {{AF_INET, {172, 18, 0, 2}}, 16},
			     .ipv6 = {{AF_INET6, {0xfd, 0, 1, 2}}, 64},
			     .has_names = true,
			     .aliases = {.items = aliases, .count = 1}};
	struct sandbox s = {.container_name = name, .endpoints = &e, .endpoint_count = 1};

	memset(s.container_id, 'a', ID_LEN);
	memset(e.network_id, 'b', ID_LEN);
	return zone_add(z, &s);
}

/* An answer of ours is one to the question, by our own reader's rules. */
static void check_answer(const uint8_t *out, size_t n, size_t limit, const struct dns_query *q)
{
	struct dns_reply reply;

	must(n <= limit);
	if (q->bytes)
		must(dns_read_reply(out, n, q, q->id, &reply) == 0);
}

static void query(const uint8_t *data, size_t size)
{
	struct zone *z = zone_new();
	struct zone_member *m = member(z);
	uint8_t *message = malloc(size + !size), out[DNS_UDP_MAX], forwarded[DNS_QUERY_MAX];
	struct dns_query q, again;
	struct dns_answer a;
	size_t n;
	int rc;

	memcpy(message, data, size);
	rc = dns_read_query(message, size, &q);
	if (rc > 0) {
		dns_answer_begin(&a, out, sizeof(out), dns_udp_limit(&q), message, &q);
		n = dns_answer_end(&a, (enum dns_code)rc);
		check_answer(out, n, dns_udp_limit(&q), &q);
	} else if (rc == 0) {
		if (zone_answer(z, m, message, &q, out, sizeof(out), dns_udp_limit(&q), &n) !=
		    ZONE_OUTSIDE)
			check_answer(out, n, dns_udp_limit(&q), &q);
		n = dns_write_question(forwarded, message, &q, 77);
		must(n <= sizeof(forwarded) && dns_read_query(forwarded, n, &again) == 0);
		must(again.id == 77 && strcmp(again.name, q.name) == 0 && again.type == q.type);
	}
	zone_remove(z, m);
	zone_free(z);
	free(message);
}

static void reply(const uint8_t *data, size_t size)
{
	uint8_t *message = malloc(size + !size);
	struct dns_reply r, again;
	struct dns_query q;
	size_t n;

	must(dns_read_query(question, sizeof(question), &q) == 0);
	memcpy(message, data, size);
	if (dns_read_reply(message, size, &q, q.id, &r) == 0) {
		must(r.bytes <= size);
		dns_adopt_reply(message, question, &q);
		for (size_t limit = DNS_UDP_MIN; limit <= DNS_UDP_MAX && !r.truncated; limit *= 2) {
			uint8_t *cut = malloc(r.bytes);

			memcpy(cut, message, r.bytes);
			n = dns_truncate(cut, r.bytes, limit);
			must(n && n <= limit && dns_read_reply(cut, n, &q, q.id, &again) == 0);
			must(again.truncated == (r.bytes > limit));
			free(cut);
		}
	}
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 1)
		reply(data + 1, size - 1);
	else
		query(data + 1, size - 1);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/str.h"
#include "network/names/zone.h"

/* A container as network.json has it: "name network ipv4 [alias...]"; '!' before the network: internal;
 * '=' before an alias: a link. */
static struct zone_member *container(struct zone *z, unsigned number, const char *name,
				     const char *networks, unsigned last, const char *aliases)
{
	auto_free char *list = xstrdup(networks);
	struct endpoint e[4];
	struct sandbox s = {.container_name = (char *)(uintptr_t)name, .endpoints = e};
	auto_strv struct strv alias = {0}, links = {0};
	struct zone_member *m;
	char *rest = list, *word;

	for (auto_free char *copy = xstrdup(aliases), *at = copy; (word = strsep(&at, " "));) {
		if (*word == '=')
			strv_add(&links, word + 1);
		else if (*word)
			strv_add(&alias, word);
		if (!at)
			break;
	}
	snprintf(s.container_id, sizeof(s.container_id), "%012x%052x", 0xc0000 + number, number);
	while ((word = strsep(&rest, " "))) {
		struct endpoint *to = &e[s.endpoint_count++];
		unsigned net;

		*to = (struct endpoint){.internal = *word == '!', .has_names = *word != '-'};
		word += *word == '!' || *word == '-';
		net = (unsigned)(uint8_t)*word;
		to->network_name = word;
		to->aliases = alias;
		to->request.links = links;
		memset(to->network_id, *word, ID_LEN);
		to->ipv4 = (struct ip_prefix){{AF_INET, {10, (uint8_t)net, 0, (uint8_t)last}}, 24};
		if (str_starts(word, "six"))
			to->ipv6 = (struct ip_prefix){
				{AF_INET6, {0xfd, (uint8_t)net, [15] = (uint8_t)last}}, 64};
	}
	m = zone_add(z, &s);
	assert_non_null(m);
	return m;
}

/* What is answered, as text: "outside", "unknown", or the last bytes of the addresses, or a name. */
static const char *ask(struct zone *z, const struct zone_member *from, const char *name,
		       unsigned type)
{
	static char text[512];
	uint8_t message[300] = {0, 1, 1, 0, 0, 1}, out[DNS_MESSAGE_MAX];
	size_t at = 12, n, used = 0;
	struct dns_query q;
	enum zone_result result;

	for (const char *p = name; *p;) {
		size_t label = strcspn(p, ".");

		message[at] = (uint8_t)label;
		memcpy(message + at + 1, p, label);
		at += label + 1;
		p += label + (p[label] == '.');
	}
	message[at + 2] = (uint8_t)type;
	message[at + 4] = DNS_CLASS_IN;
	assert_int_equal(dns_read_query(message, at + 5, &q), 0);
	result = zone_answer(z, from, message, &q, out, sizeof(out), DNS_MESSAGE_MAX, &n);
	if (result == ZONE_OUTSIDE)
		return "outside";
	assert_int_equal(out[3] & 15, result == ZONE_UNKNOWN ? DNS_NO_NAME : DNS_NO_ERROR);
	if (result == ZONE_UNKNOWN)
		return "unknown";
	text[0] = '\0';
	for (size_t i = q.bytes; i < n; i += 12u + out[i + 11]) {
		const uint8_t *data = out + i + 12;

		/* No answer outlives what it says. */
		assert_memory_equal(out + i + 6, "\0\0\0\0", 4);
		if (out[i + 3] == DNS_PTR)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s ", data[0],
						 data + 1);
		else
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%u.%u%s ",
						 data[1], data[out[i + 11] - 1],
						 out[i + 3] == DNS_A ? "" : "v6");
	}
	if (used)
		text[used - 1] = '\0';
	return text;
}

/* What --link calls another, only the one that links knows. */
static void test_links(void **state)
{
	struct zone *z = zone_new();
	struct zone_member *db = container(z, 1, "db", "six", 2, "");
	struct zone_member *web = container(z, 2, "web", "six", 3, "=DB:Store =gone:lost");

	(void)state;
	assert_string_equal(ask(z, web, "store", DNS_A), "115.2");
	assert_string_equal(ask(z, web, "db", DNS_A), "115.2");
	assert_string_equal(ask(z, web, "lost", DNS_A), "unknown");
	assert_string_equal(ask(z, db, "store", DNS_A), "outside");
	zone_remove(z, db);
	assert_string_equal(ask(z, web, "store", DNS_A), "unknown");
	zone_remove(z, web);
	zone_free(z);
}

static void test_names(void **state)
{
	struct zone *z = zone_new();
	struct zone_member *web = container(z, 1, "Web", "six", 2, "www web");
	struct zone_member *db = container(z, 2, "db", "six", 3, "a.b");
	struct zone_member *other = container(z, 3, "other", "a", 2, "");
	struct zone_member *plain = container(z, 4, "plain", "-six", 4, "");

	(void)state;
	assert_string_equal(ask(z, db, "web", DNS_A), "115.2");
	assert_string_equal(ask(z, db, "WEB.six", DNS_A), "115.2");
	assert_string_equal(ask(z, db, "www", DNS_AAAA), "115.2v6");
	assert_string_equal(ask(z, db, "www.six", DNS_ANY), "115.2 115.2v6");
	assert_string_equal(ask(z, web, "a.b", DNS_A), "115.3");
	assert_string_equal(ask(z, web, "a.b.six", DNS_A), "115.3");
	assert_string_equal(ask(z, web, "0000000c0002", DNS_A), "115.3");
	assert_string_equal(ask(z, web, "web", DNS_A), "115.2");
	/* It exists: an empty answer to any other type. */
	assert_string_equal(ask(z, web, "db", DNS_MX), "");
	assert_string_equal(ask(z, web, "db", 65), "");
	/* Addresses have names: of those seen, and nobody outside is asked for others. */
	assert_string_equal(ask(z, web, "3.0.115.10.in-addr.arpa", DNS_PTR), "db");
	assert_string_equal(ask(z, web, "3.0.115.10.in-addr.arpa", DNS_A), "");
	assert_string_equal(ask(z, web, "9.0.115.10.in-addr.arpa", DNS_PTR), "unknown");
	assert_string_equal(ask(z, web, "9.0.116.10.in-addr.arpa", DNS_PTR), "outside");
	/* Another network: not seen, and not told outside. */
	assert_string_equal(ask(z, other, "web", DNS_A), "unknown");
	assert_string_equal(ask(z, other, "other", DNS_AAAA), "");
	assert_string_equal(ask(z, other, "a.b", DNS_A), "outside");
	assert_string_equal(ask(z, other, "web.six", DNS_A), "outside");
	assert_string_equal(ask(z, other, "nobody", DNS_A), "outside");
	assert_string_equal(ask(z, other, "example.com", DNS_A), "outside");
	/* The default network has no names. */
	assert_string_equal(ask(z, web, "plain", DNS_A), "outside");
	assert_string_equal(ask(z, plain, "web", DNS_A), "unknown");
	/* Gone is gone. */
	zone_remove(z, web);
	assert_string_equal(ask(z, db, "web", DNS_A), "outside");
	assert_string_equal(ask(z, db, "2.0.115.10.in-addr.arpa", DNS_PTR), "unknown");
	zone_remove(z, db);
	zone_remove(z, other);
	zone_remove(z, plain);
	zone_free(z);
}

/* One alias of several: all of them, and each comes first as often as the others. */
static void test_rotation(void **state)
{
	struct zone *z = zone_new();
	struct zone_member *m[3];
	int first[4] = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "db%u", i);
		m[i] = container(z, i, name, "net", 1 + i, "db");
	}
	for (int i = 0; i < 30; i++) {
		const char *text = ask(z, m[0], "db", DNS_A);

		assert_int_equal(strlen(text), strlen("110.1 110.2 110.3"));
		assert_true(strstr(text, "110.1") && strstr(text, "110.2") &&
			    strstr(text, "110.3"));
		first[text[4] - '0']++;
	}
	assert_int_equal(first[1], 10);
	assert_int_equal(first[2], 10);
	assert_int_equal(first[3], 10);
	for (unsigned i = 0; i < 3; i++)
		zone_remove(z, m[i]);
	zone_free(z);
}

/* In several networks: the names of each, the first network's answer where both have one. */
static void test_several_networks(void **state)
{
	struct zone *z = zone_new();
	struct zone_member *both = container(z, 1, "both", "a b", 2, "");
	struct zone_member *in_a = container(z, 2, "x", "a", 3, "");
	struct zone_member *in_b = container(z, 3, "x", "b", 4, "only");
	struct zone_member *inside = container(z, 4, "y", "!c", 5, "");
	struct zone_member *half = container(z, 5, "z", "!c a", 6, "");

	(void)state;
	assert_string_equal(ask(z, both, "x", DNS_A), "97.3");
	assert_string_equal(ask(z, both, "x.b", DNS_A), "98.4");
	assert_string_equal(ask(z, both, "only", DNS_A), "98.4");
	assert_string_equal(ask(z, in_a, "only", DNS_A), "unknown");
	assert_string_equal(ask(z, in_a, "both", DNS_A), "97.2");
	assert_string_equal(ask(z, in_b, "both", DNS_A), "98.2");
	assert_true(zone_member_may_leave(both));
	assert_false(zone_member_may_leave(inside));
	assert_true(zone_member_may_leave(half));
	zone_remove(z, both);
	zone_remove(z, in_a);
	zone_remove(z, in_b);
	zone_remove(z, inside);
	zone_remove(z, half);
	zone_free(z);
}

/* Many come and go: what is found is who is there. */
static void test_many(void **state)
{
	struct zone *z = zone_new();
	struct zone_member *m[1000] = {NULL};
	unsigned random = 1;
	char name[16];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		random = random * 1103515245u + 12345u;
		unsigned k = (random >> 8) % 1000;

		snprintf(name, sizeof(name), "c%u", k);
		if (m[k]) {
			zone_remove(z, m[k]);
			m[k] = NULL;
		} else {
			m[k] = container(z, k, name, "net", k % 250, "all");
		}
		for (unsigned probe = k; m[k] && probe < k + 3 && probe < 1000; probe++) {
			char expected[16];

			snprintf(name, sizeof(name), "c%u", probe);
			snprintf(expected, sizeof(expected), "110.%u", probe % 250);
			assert_string_equal(ask(z, m[k], name, DNS_A),
					    m[probe] ? expected : "outside");
		}
	}
	for (unsigned k = 0; k < 1000; k++)
		zone_remove(z, m[k]);
	zone_free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_links),
		cmocka_unit_test(test_rotation), cmocka_unit_test(test_several_networks),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

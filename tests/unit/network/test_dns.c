/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "network/names/dns.h"

/* Messages are put together byte by byte, so that nothing of what is tested makes them. */
struct bytes {
	uint8_t at[8192];
	size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, p, n);
	b->n += n;
}

static void add16(struct bytes *b, unsigned v)
{
	uint8_t p[] = {(uint8_t)(v >> 8), (uint8_t)v};

	add(b, p, 2);
}

static void add_header(struct bytes *b, unsigned flags, unsigned answers, unsigned extras)
{
	add16(b, 0x1234);
	add16(b, flags);
	add16(b, 1);
	add16(b, answers);
	add16(b, 0);
	add16(b, extras);
}

static void add_name(struct bytes *b, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		uint8_t length = (uint8_t)n;

		add(b, &length, 1);
		add(b, name, n);
		name += n + (name[n] == '.');
	}
	add(b, "", 1);
}

static void add_question(struct bytes *b, const char *name, unsigned type)
{
	add_name(b, name);
	add16(b, type);
	add16(b, DNS_CLASS_IN);
}

/* An address of the name asked. */
static void add_answer(struct bytes *b, unsigned last)
{
	uint8_t data[] = {10, 0, 0, (uint8_t)last};

	add16(b, 0xc00c);
	add16(b, DNS_A);
	add16(b, DNS_CLASS_IN);
	add16(b, 0);
	add16(b, 60);
	add16(b, 4);
	add(b, data, 4);
}

static void add_opt(struct bytes *b, unsigned size, unsigned version, unsigned flags)
{
	add(b, "", 1);
	add16(b, DNS_OPT);
	add16(b, size);
	add16(b, version);
	add16(b, flags);
	add16(b, 0);
}

static void query_of(struct bytes *b, const char *name, unsigned type, unsigned opt_size)
{
	b->n = 0;
	add_header(b, 0x0100, 0, opt_size != 0);
	add_question(b, name, type);
	if (opt_size)
		add_opt(b, opt_size, 0, 0x8000);
}

static void test_query(void **state)
{
	struct dns_query q;
	struct bytes b;

	(void)state;
	query_of(&b, "Web.Example", DNS_AAAA, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	assert_string_equal(q.name, "web.example");
	assert_true(q.plain);
	assert_false(q.edns);
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.type, DNS_AAAA);
	assert_int_equal(q.bytes, b.n);
	assert_int_equal(dns_udp_limit(&q), 512);
	query_of(&b, "a", DNS_A, 100);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	assert_true(q.edns && q.dnssec_ok);
	assert_int_equal(dns_udp_limit(&q), 512);
	query_of(&b, "a", DNS_A, 65535);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	assert_int_equal(dns_udp_limit(&q), DNS_UDP_MAX);
	/* A dot inside a label is no separator. */
	b.n = 0;
	add_header(&b, 0x0100, 0, 0);
	add(&b, "\003a.b\0\0\1\0\1", 9);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	assert_false(q.plain);
}

static void test_query_refused(void **state)
{
	char longest[256];
	struct dns_query q;
	struct bytes b;

	(void)state;
	/* Every shorter beginning of a good one. */
	query_of(&b, "web.example", DNS_A, 4096);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(dns_read_query(b.at, n, &q), n < 12 ? -EBADMSG : DNS_FORMAT_ERROR);
	b.at[2] = 0x81;
	assert_int_equal(dns_read_query(b.at, b.n, &q), -EBADMSG);
	b.at[2] = 0x29;
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_NOT_IMPLEMENTED);
	/* A pointer in a question; two questions; two OPTs; another version of EDNS. */
	b.n = 0;
	add_header(&b, 0x0100, 0, 0);
	add(&b, "\xc0\x0c\0\1\0\1", 6);
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_FORMAT_ERROR);
	query_of(&b, "a", DNS_A, 0);
	b.at[5] = 2;
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_FORMAT_ERROR);
	query_of(&b, "a", DNS_A, 512);
	add_opt(&b, 512, 0, 0);
	b.at[11] = 2;
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_FORMAT_ERROR);
	b.n = 0;
	add_header(&b, 0x0100, 0, 1);
	add_question(&b, "a", DNS_A);
	add_opt(&b, 512, 1, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_BAD_VERSION);
	/* 253 characters are a name, 255 are none. */
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < 253; i += 64)
		longest[i] = '.';
	longest[253] = '\0';
	query_of(&b, longest, DNS_A, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	assert_string_equal(q.name, longest);
	memcpy(longest + 253, "a", 2);
	query_of(&b, longest, DNS_A, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), DNS_FORMAT_ERROR);
}

static void test_reply(void **state)
{
	struct dns_reply r;
	struct dns_query q;
	struct bytes asked, b = {.n = 0};

	(void)state;
	query_of(&asked, "WEB.example", DNS_A, 0);
	assert_int_equal(dns_read_query(asked.at, asked.n, &q), 0);
	add_header(&b, 0x8183, 2, 0);
	add_question(&b, "web.EXAMPLE", DNS_A);
	add_answer(&b, 1);
	add_answer(&b, 2);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(dns_read_reply(b.at, n, &q, 0x1234, &r), -EBADMSG);
	add(&b, "behind", 6);
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1234, &r), 0);
	assert_int_equal(r.bytes, b.n - 6);
	assert_int_equal(r.code, DNS_NO_NAME);
	assert_false(r.truncated);
	dns_adopt_reply(b.at, asked.at, &q);
	assert_memory_equal(b.at + 12, asked.at + 12, q.bytes - 12);
	/* Another id, a query, another name, another type. */
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1235, &r), -EBADMSG);
	b.at[2] = 1;
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1234, &r), -EBADMSG);
	b.at[2] = 0x81;
	b.at[14] ^= 1;
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1234, &r), -EBADMSG);
	b.at[14] ^= 1;
	b.at[q.bytes - 3] = DNS_AAAA;
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1234, &r), -EBADMSG);
}

static void test_hostile_reply(void **state)
{
	static const struct {
		const char *what, *name, *data;
		size_t name_bytes, data_bytes;
		unsigned type;
	} records[] = {
		/* the question of "web" is 9 bytes from 12, the record begins at 21 */
		{"a name that points at itself", "\xc0\x15", "", 2, 0, 99},
		{"a name that points forwards", "\xc0\x30", "", 2, 0, 99},
		{"a name that points into the header", "\xc0\x02", "", 2, 0, 99},
		{"an unknown kind of label", "\x40", "", 1, 0, 99},
		{"data that points at itself", "\xc0\x0c", "\xc0\x21", 2, 2, DNS_CNAME},
		{"a name longer than its data", "\xc0\x0c", "\x05web", 2, 4, DNS_NS},
		{"bytes behind the name", "\xc0\x0c", "\xc0\x0cxx", 2, 4, DNS_PTR},
		{"a short address", "\xc0\x0c", "\1\2\3", 2, 3, DNS_A},
		{"a short address of IPv6", "\xc0\x0c", "\1\2\3\4", 2, 4, DNS_AAAA},
		{"half a SOA", "\xc0\x0c", "\xc0\x0c\xc0\x0c", 2, 4, DNS_SOA},
		{"an empty MX", "\xc0\x0c", "", 2, 0, DNS_MX},
		/* from the question's last byte on: labels of 1 and 20 bytes, which end behind the data */
		{"a name that goes on where it was pointed from", "\xc0\x14", "\1\2\3\4", 2, 4, 99},
	};
	struct dns_reply r;
	struct dns_query q;
	struct bytes b;

	(void)state;
	query_of(&b, "web", DNS_A, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		b.n = 0;
		add_header(&b, 0x8180, 1, 0);
		add_question(&b, "web", DNS_A);
		assert_int_equal(b.n, 21);
		add(&b, records[i].name, records[i].name_bytes);
		add16(&b, records[i].type);
		add(&b, "\0\1\0\0\0\0", 6);
		add16(&b, (unsigned)records[i].data_bytes);
		add(&b, records[i].data, records[i].data_bytes);
		/* What it would read if it went too far. */
		add(&b, "\3com\0\0\0\0\0\0\0\0\0\0\0\0\0", 17);
		if (dns_read_reply(b.at, b.n, &q, 0x1234, &r) != -EBADMSG)
			fail_msg("taken: %s", records[i].what);
	}
	/* Each pointer leads back to another one: as many as there is room for. */
	b.n = 0;
	add_header(&b, 0x8180, 1, 0);
	add_question(&b, "web", DNS_A);
	add16(&b, 0xc00c);
	add16(&b, 99);
	add(&b, "\0\1\0\0\0\0", 6);
	add16(&b, 4000);
	for (unsigned at = 33; at < 4033; at += 2)
		add16(&b, 0xc000 | (at == 33 ? 12 : at - 2));
	b.at[7] = 2;
	add16(&b, 0xc000 | 4031);
	add16(&b, 99);
	add(&b, "\0\1\0\0\0\0\0\0", 8);
	assert_int_equal(dns_read_reply(b.at, b.n, &q, 0x1234, &r), 0);
}

static void test_truncate(void **state)
{
	struct dns_reply r;
	struct dns_query q;
	struct bytes b = {.n = 0};
	size_t n;

	(void)state;
	query_of(&b, "web", DNS_A, 4096);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	b.n = 0;
	add_header(&b, 0x8180, 100, 1);
	add_question(&b, "web", DNS_A);
	for (unsigned i = 0; i < 100; i++)
		add_answer(&b, i);
	add_opt(&b, 4096, 0, 0);
	assert_int_equal(dns_truncate(b.at, b.n, b.n), b.n);
	n = dns_truncate(b.at, b.n, 512);
	/* 21 + 11 of OPT + 30 times 16 are 512 */
	assert_int_equal(n, 512);
	assert_int_equal(b.at[7], 30);
	assert_int_equal(b.at[11], 1);
	assert_int_equal(dns_read_reply(b.at, n, &q, 0x1234, &r), 0);
	assert_true(r.truncated);
	/* Of what a server had cut nothing is used. */
	assert_int_equal(r.bytes, q.bytes);
}

static void test_answer(void **state)
{
	const struct ip_address four = {AF_INET, {10, 1, 2, 3}};
	const struct ip_address six = {AF_INET6, {0xfd, 1}};
	uint8_t out[DNS_UDP_MAX];
	struct dns_answer a;
	struct dns_reply r;
	struct dns_query q;
	struct bytes b;
	size_t n;

	(void)state;
	query_of(&b, "WEB", DNS_A, 1400);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	dns_answer_begin(&a, out, sizeof(out), dns_udp_limit(&q), b.at, &q);
	dns_answer_address(&a, &four);
	dns_answer_address(&a, &six);
	dns_answer_pointer(&a, "db.net");
	n = dns_answer_end(&a, DNS_NO_ERROR);
	assert_int_equal(n, 21 + 16 + 28 + 12 + 8 + 11);
	assert_int_equal(dns_read_reply(out, n, &q, 0x1234, &r), 0);
	assert_int_equal(r.bytes, n);
	assert_memory_equal(out + 12, "\3WEB\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\1\2\3", 25);
	assert_memory_equal(out + 21 + 16 + 28 + 12, "\2db\3net", 8);
	/* As many as fit, in 512 bytes and in less than one more. */
	query_of(&b, "web", DNS_A, 0);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	dns_answer_begin(&a, out, sizeof(out), dns_udp_limit(&q), b.at, &q);
	for (int i = 0; i < 40; i++)
		dns_answer_address(&a, &four);
	n = dns_answer_end(&a, DNS_NO_ERROR);
	assert_int_equal(n, 21 + 30 * 16);
	assert_int_equal(out[2] & 2, 2);
	assert_int_equal(out[7], 30);
}

/* What is sent outside says nothing but the question. */
static void test_forwarded(void **state)
{
	uint8_t out[DNS_QUERY_MAX];
	struct dns_query q, again;
	struct bytes b;
	size_t n;

	(void)state;
	b.n = 0;
	add_header(&b, 0x0110, 0, 1);
	add_question(&b, "Web.Example", DNS_A);
	/* An option: a cookie. */
	add(&b, "\0\0\x29\x10\0\0\0\0\0\0\x0c\0\x0a\0\x08secrets!", 23);
	assert_int_equal(dns_read_query(b.at, b.n, &q), 0);
	n = dns_write_question(out, b.at, &q, 0xbeef);
	assert_int_equal(n, q.bytes + 11);
	assert_null(memmem(out, n, "secret", 6));
	assert_memory_equal(out, "\xbe\xef\x01\x10\0\1\0\0\0\0\0\1", 12);
	assert_int_equal(dns_read_query(out, n, &again), 0);
	assert_true(again.edns);
	assert_int_equal(again.udp_bytes, DNS_UDP_ASKED);
}

static void test_reverse(void **state)
{
	static const char *const bad[] = {"1.0.0.10.in-addr.arp",    "256.0.0.10.in-addr.arpa",
					  "01.0.0.10.in-addr.arpa",  "0.0.10.in-addr.arpa",
					  "x.1.0.0.10.in-addr.arpa", "1.0.0.10.in-addr.arpa.x",
					  ".in-addr.arpa",           "ip6.arpa"};
	struct ip_address a = {AF_INET6, {0xfd, 0x12, [15] = 0xab}}, out;
	char name[DNS_TEXT_MAX];

	(void)state;
	dns_reverse_name(&a, name);
	assert_string_equal(
		name, "b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.d.f.ip6.arpa");
	assert_int_equal(dns_reverse_parse(name, &out), 0);
	assert_memory_equal(&a, &out, sizeof(a));
	name[0] = 'g';
	assert_int_equal(dns_reverse_parse(name, &out), -EINVAL);
	a = (struct ip_address){AF_INET, {10, 0, 0, 1}};
	dns_reverse_name(&a, name);
	assert_string_equal(name, "1.0.0.10.in-addr.arpa");
	assert_int_equal(dns_reverse_parse(name, &out), 0);
	assert_memory_equal(&a, &out, sizeof(a));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dns_reverse_parse(bad[i], &out), -EINVAL);
}

static void test_valid_names(void **state)
{
	char label[66];

	(void)state;
	assert_true(dns_name_is_valid("a"));
	assert_true(dns_name_is_valid("a_b.c-d"));
	assert_false(dns_name_is_valid(""));
	assert_false(dns_name_is_valid(".a"));
	assert_false(dns_name_is_valid("a."));
	assert_false(dns_name_is_valid("a..b"));
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_false(dns_name_is_valid(label));
	label[63] = '\0';
	assert_true(dns_name_is_valid(label));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),       cmocka_unit_test(test_query_refused),
		cmocka_unit_test(test_reply),       cmocka_unit_test(test_hostile_reply),
		cmocka_unit_test(test_truncate),    cmocka_unit_test(test_answer),
		cmocka_unit_test(test_forwarded),   cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_valid_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

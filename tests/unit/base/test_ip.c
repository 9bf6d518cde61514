/* SPDX-License-Identifier: Apache-2.0 */
/* base/ip: text both ways, and arithmetic at the edges. */
#include "base/ip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct ip_address address(const char *text)
{
	struct ip_address a;

	if (ip_parse(text, &a) < 0)
		fail_msg("%s is refused", text);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	if (ip_prefix_parse(text, &p) < 0)
		fail_msg("%s is refused", text);
	return p;
}

static void assert_address(const struct ip_address *a, const char *expected)
{
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	assert_string_equal(text, expected);
}

static void text_is_the_shortest_form(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"1::", "1::"},
		{"FD00:0:0:1::2", "fd00:0:0:1::2"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"0:0:2:0:0:3:4:5", "::2:0:0:3:4:5"},
		{"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
		{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
		{"::ffff:10.1.2.3", "::ffff:10.1.2.3"},
		{"fe80:0000::00ab", "fe80::ab"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_address a = address(cases[i].in), again;

		assert_address(&a, cases[i].out);
		again = address(cases[i].out);
		assert_true(ip_equal(&a, &again));
	}
}

static void malformed_text_is_refused(void **state)
{
	static const char *const addresses[] = {
		"",         "1",        "1.2.3",    "1.2.3.4.5",    "256.0.0.1",
		"01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "fe80::1%eth0", "1::2::3",
		":::",      "12345::",  "1.2.3.4/8"};
	static const char *const prefixes[] = {"10.0.0.0",    "10.0.0.0/",   "10.0.0.0/33",
					       "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8 ",
					       "/8",          "fd00::/129",  "10.0.0.0/8/8"};
	struct ip_address a;
	struct ip_prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (ip_parse(addresses[i], &a) != -EINVAL)
			fail_msg("\"%s\" is taken for an address", addresses[i]);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (ip_prefix_parse(prefixes[i], &p) != -EINVAL)
			fail_msg("\"%s\" is taken for a prefix", prefixes[i]);
}

static void prefixes_have_ends(void **state)
{
	static const struct {
		const char *prefix, *first, *last;
	} cases[] = {
		{"10.1.2.3/8", "10.0.0.0", "10.255.255.255"},
		{"10.1.2.3/0", "0.0.0.0", "255.255.255.255"},
		{"10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
		{"192.168.100.129/25", "192.168.100.128", "192.168.100.255"},
		{"fd00:1:2:3::4/64", "fd00:1:2:3::", "fd00:1:2:3:ffff:ffff:ffff:ffff"},
		{"fd00::4/127", "fd00::4", "fd00::5"},
	};
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_prefix p = prefix(cases[i].prefix);
		struct ip_address first = ip_prefix_first(&p), last = ip_prefix_last(&p), beyond;

		ip_prefix_format(&p, text);
		assert_string_equal(text, cases[i].prefix);
		assert_address(&first, cases[i].first);
		assert_address(&last, cases[i].last);
		assert_true(ip_prefix_contains(&p, &first));
		assert_true(ip_prefix_contains(&p, &last));
		beyond = ip_add(&last, 1);
		assert_int_equal(ip_prefix_contains(&p, &beyond), p.length == 0);
	}
}

static void overlap_is_symmetric(void **state)
{
	struct ip_prefix wide = prefix("172.16.0.0/12"), inside = prefix("172.31.0.0/16"),
			 beside = prefix("172.32.0.0/16"), other = prefix("ac10::/12"),
			 all = prefix("0.0.0.0/0"), none = {0};

	(void)state;
	assert_true(ip_prefix_overlaps(&wide, &inside));
	assert_true(ip_prefix_overlaps(&inside, &wide));
	assert_false(ip_prefix_overlaps(&wide, &beside));
	assert_false(ip_prefix_overlaps(&beside, &wide));
	assert_false(ip_prefix_overlaps(&wide, &other));
	assert_false(ip_prefix_overlaps(&other, &wide));
	assert_true(ip_prefix_overlaps(&all, &beside));
	assert_false(ip_prefix_overlaps(&none, &beside));
	assert_false(ip_prefix_overlaps(&beside, &none));
}

static void addition_and_distance_agree(void **state)
{
	static const struct {
		const char *from;
		uint64_t n;
		const char *to;
	} cases[] = {
		{"10.0.0.255", 1, "10.0.1.0"},
		{"10.0.0.1", 0, "10.0.0.1"},
		{"0.0.0.0", 0xffffffff, "255.255.255.255"},
		{"fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::"},
		{"fd00::", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff"},
	};
	struct ip_address low = address("fd00::"), high = address("fd01::"),
			  last = address("255.255.255.255");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_address from = address(cases[i].from), to = ip_add(&from, cases[i].n);

		assert_address(&to, cases[i].to);
		assert_int_equal(ip_distance(&from, &to), cases[i].n);
	}
	assert_int_equal(ip_distance(&low, &high), UINT64_MAX);
	last = ip_add(&last, 2);
	assert_address(&last, "0.0.0.1");
}

static void kinds_are_told_apart(void **state)
{
	struct ip_address none = {0}, any4 = address("0.0.0.0"), any6 = address("::"),
			  loop4 = address("127.9.9.9"), loop6 = address("::1"),
			  host = address("10.0.0.1");

	(void)state;
	assert_true(ip_is_unspecified(&none));
	assert_true(ip_is_unspecified(&any4));
	assert_true(ip_is_unspecified(&any6));
	assert_false(ip_is_unspecified(&loop6));
	assert_false(ip_is_unspecified(&host));
	assert_true(ip_is_loopback(&loop4));
	assert_true(ip_is_loopback(&loop6));
	assert_false(ip_is_loopback(&any6));
	assert_false(ip_is_loopback(&host));
	assert_false(ip_is_loopback(&none));
	assert_true(ip_compare(&host, &loop4) < 0);
	assert_true(ip_compare(&loop4, &any6) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_the_shortest_form),
		cmocka_unit_test(malformed_text_is_refused),
		cmocka_unit_test(prefixes_have_ends),
		cmocka_unit_test(overlap_is_symmetric),
		cmocka_unit_test(addition_and_distance_agree),
		cmocka_unit_test(kinds_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

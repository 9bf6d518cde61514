/* SPDX-License-Identifier: Apache-2.0 */
/* A container's resolv.conf from the host's and from what was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/resolv_conf.h"

static const struct strv none;

static void expect(enum resolv_kind kind, const char *host, const struct strv *dns,
		   const struct strv *search, const struct strv *options, const char *wanted)
{
	auto_strbuf struct strbuf out = {0};

	resolv_conf_build(kind, host, dns, search, options, &out);
	assert_string_equal(strbuf_str(&out), wanted);
}

static void test_host(void **state)
{
	static const char host[] = "# mine\nnameserver 127.0.0.53\nsearch a b\n";

	(void)state;
	expect(RESOLV_HOST, host, &none, &none, &none, host);
}

static void test_own(void **state)
{
	(void)state;
	expect(RESOLV_OWN, "# mine\nnameserver 10.0.0.1\nnameserver 127.0.0.1\nsearch a b", &none,
	       &none, &none, "# mine\nnameserver 10.0.0.1\nsearch a b\n");
	/* None is left: public ones. */
	expect(RESOLV_OWN, "nameserver 127.0.0.53\nnameserver ::1\noptions edns0\n", &none, &none,
	       &none, "options edns0\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	expect(RESOLV_OWN, "", &none, &none, &none, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}

static void test_given(void **state)
{
	static const char host[] =
		"nameserver 10.0.0.1\nsearch a b\nsearch c\noptions edns0 trust-ad\n";
	struct strv dns = {0}, search = {0}, options = {0}, dot = {0};

	(void)state;
	strv_add(&dns, "1.1.1.1");
	strv_add(&dns, "::2");
	strv_add(&search, "x.y");
	strv_add(&options, "ndots:3");
	strv_add(&dot, ".");
	expect(RESOLV_OWN, host, &dns, &none, &none,
	       "search c\nnameserver 1.1.1.1\nnameserver ::2\noptions edns0 trust-ad\n");
	expect(RESOLV_OWN, host, &none, &search, &options,
	       "search x.y\nnameserver 10.0.0.1\noptions ndots:3\n");
	expect(RESOLV_HOST, host, &none, &dot, &none,
	       "nameserver 10.0.0.1\noptions edns0 trust-ad\n");
	/* The name service asks the given ones. */
	expect(RESOLV_SERVICE, host, &dns, &none, &none,
	       "search c\nnameserver 127.0.0.11\noptions edns0 trust-ad ndots:0\n");
	expect(RESOLV_SERVICE, "", &none, &search, &options,
	       "search x.y\nnameserver 127.0.0.11\noptions ndots:3\n");
	strv_free(&dns);
	strv_free(&search);
	strv_free(&options);
	strv_free(&dot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"

static void formats_like_go(void **state)
{
	char out[CLOCK_RFC3339_MAX];

	(void)state;
	clock_format_rfc3339(0, out);
	assert_string_equal(out, "0001-01-01T00:00:00Z");
	clock_format_rfc3339(1767115173248085650ULL, out);
	assert_string_equal(out, "2025-12-30T17:19:33.24808565Z");
	clock_format_rfc3339(951782400ULL * 1000000000, out);
	assert_string_equal(out, "2000-02-29T00:00:00Z");
}

static void parses_what_it_formats(void **state)
{
	uint64_t ns;

	(void)state;
	assert_int_equal(clock_parse_rfc3339("2025-12-30T17:19:33.24808565Z", &ns), 0);
	assert_int_equal(ns, 1767115173248085650ULL);
	assert_int_equal(clock_parse_rfc3339("2000-02-29T02:00:00+02:00", &ns), 0);
	assert_int_equal(ns, 951782400ULL * 1000000000);
	assert_int_equal(clock_parse_rfc3339("0001-01-01T00:00:00Z", &ns), 0);
	assert_int_equal(ns, 0);
	assert_true(clock_parse_rfc3339("2025-13-30T17:19:33Z", &ns) < 0);
	assert_true(clock_parse_rfc3339("2025-12-30T17:19:33", &ns) < 0);
	assert_true(clock_parse_rfc3339("2025-12-30T17:19:33.Z", &ns) < 0);
	assert_true(clock_parse_rfc3339("yesterday", &ns) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_like_go),
		cmocka_unit_test(parses_what_it_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as users type them. Expected values were computed with date(1), error texts seen
 * with Docker's client 28.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/timestamp.h"

#define NOW_NS 1795330000123456789ULL /* 2026-11-22T06:46:40.123456789Z */
#define S 1000000000ULL

static void set_zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void test_values(void **state)
{
	static const struct {
		const char *zone, *text;
		uint64_t ns;
	} rows[] = {
		{"UTC0", "10m", (1795330000ULL - 600) * S},
		{"UTC0", "1h30m", (1795330000ULL - 5400) * S},
		{"UTC0", "-5s", 1795330005ULL * S},
		{"UTC0", "0", 0},
		{"UTC0", "1795330000", 1795330000ULL * S},
		{"UTC0", "1795330000.5", 1795330000500000000ULL},
		{"UTC0", "1795330000.000000001", 1795330000000000001ULL},
		{"UTC0", "2026-11-22", 1795305600ULL * S},
		{"UTC0", "2026-11-22T06", 1795327200ULL * S},
		{"UTC0", "2026-11-22T06:46", 1795329960ULL * S},
		{"UTC0", "2026-11-22T06:46:40", 1795330000ULL * S},
		{"UTC0", "2026-11-22T06:46:40.25", 1795330000250000000ULL},
		{"UTC0", "2026-11-22T06:46:40Z", 1795330000ULL * S},
		{"UTC0", "2026-11-22T06:46:40.123456789Z", 1795330000123456789ULL},
		{"UTC0", "2026-11-22T07:46:40+01:00", 1795330000ULL * S},
		{"UTC0", "2026-11-22T05:46:40-01:00", 1795330000ULL * S},
		{"UTC0", "2026-11-22Z", 1795305600ULL * S},
		{"XYZ-5:30", "2026-11-22T12:16:40", 1795330000ULL * S},
		{"XYZ-5:30", "2026-11-22T06:46:40Z", 1795330000ULL * S},
		{"UTC0", "2024-02-29", 1709164800ULL * S},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t ns = 1;

		set_zone(rows[i].zone);
		if (timestamp_parse(rows[i].text, NOW_NS, &ns, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		if (ns != rows[i].ns)
			fail_msg("%s: expected %llu, got %llu", rows[i].text,
				 (unsigned long long)rows[i].ns, (unsigned long long)ns);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"bogus", "failed to parse value as time or duration: \"bogus\""},
		{"12x", "failed to parse value as time or duration: \"12x\""},
		{"2026-13-45", "parsing time \"2026-13-45\": month out of range"},
		{"2026-02-29", "parsing time \"2026-02-29\": day out of range"},
		{"2026-11-22T24:00", "parsing time \"2026-11-22T24:00\": hour out of range"},
		{"2026-1-1",
		 "parsing time \"2026-1-1\" as \"2006-01-02\": cannot parse \"1-1\" as \"01\""},
		{"2026-11-22x", "parsing time \"2026-11-22x\": extra text: \"x\""},
		{"a-b", "parsing time \"a-b\" as \"2006-01-02\": cannot parse \"a-b\" as \"2006\""},
	};

	(void)state;
	set_zone("UTC0");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t ns;

		assert_int_not_equal(timestamp_parse(rows[i].text, NOW_NS, &ns, &err), 0);
		assert_string_equal(err.msg, rows[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

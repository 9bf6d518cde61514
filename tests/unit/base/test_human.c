/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's words for durations and sizes, at every step from one unit to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/human.h"

#define S UINT64_C(1000000000)
#define MIN (60 * S)
#define H (60 * MIN)
#define D (24 * H)

static void test_durations(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {{0, "Less than a second"},
		    {S - 1, "Less than a second"},
		    {S, "1 second"},
		    {2 * S, "2 seconds"},
		    {59 * S, "59 seconds"},
		    {60 * S, "About a minute"},
		    {119 * S, "About a minute"},
		    {2 * MIN, "2 minutes"},
		    {59 * MIN, "59 minutes"},
		    {60 * MIN, "About an hour"},
		    {89 * MIN, "About an hour"},
		    {90 * MIN, "2 hours"},
		    {47 * H, "47 hours"},
		    {48 * H, "2 days"},
		    {13 * D, "13 days"},
		    {14 * D, "2 weeks"},
		    {59 * D, "8 weeks"},
		    {60 * D, "2 months"},
		    {729 * D, "24 months"},
		    {730 * D, "2 years"},
		    {3650 * D, "10 years"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[HUMAN_MAX];

		human_duration(rows[i].ns, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_sizes(void **state)
{
	char text[HUMAN_MAX];

	(void)state;
	human_size(646, 3, text);
	assert_string_equal(text, "646B");
	human_size(1980000, 3, text);
	assert_string_equal(text, "1.98MB");
	human_size(1234567, 4, text);
	assert_string_equal(text, "1.235MB");
	human_bytes(704 * 1024, text);
	assert_string_equal(text, "704KiB");
	human_bytes(25277988864, text);
	assert_string_equal(text, "23.54GiB");
	human_bytes(0, text);
	assert_string_equal(text, "0B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_durations),
					   cmocka_unit_test(test_sizes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

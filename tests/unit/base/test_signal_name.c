/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>

#include "base/signal_name.h"

static void reads_signals(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = {
		{"SIGTERM", 15},  {"term", 15},     {"15", 15},          {"sigKILL", 9},
		{"64", 64},       {"IOT", 6},       {"SIGRTMIN", 34},    {"rtmin+15", 49},
		{"RTMAX-14", 50}, {"SIGRTMAX", 64}, {"WINCH", SIGWINCH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		int number = 0;

		assert_int_equal(signal_parse(cases[i].text, &number, &err), 0);
		assert_int_equal(number, cases[i].number);
	}
}

static void refuses_what_is_no_signal(void **state)
{
	static const char *const bad[] = {"FOO", "",    "0",          "65",
					  "-9",  "SIG", "SIGSIGTERM", "RTMIN+16"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err;
		char wanted[64];
		int number = 0;

		assert_true(signal_parse(bad[i], &number, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
		snprintf(wanted, sizeof(wanted), "Invalid signal: %s", bad[i]);
		assert_string_equal(err.msg, wanted);
	}
}

/* Every name shown can be read again; 32 and 33 are libc's own. */
static void shows_what_it_reads(void **state)
{
	(void)state;
	for (int n = 1; n <= 64; n++) {
		const char *name = signal_name(n);
		struct err err;
		int number = 0;

		if (n == 32 || n == 33) {
			assert_null(name);
			continue;
		}
		assert_non_null(name);
		assert_int_equal(signal_parse(name, &number, &err), 0);
		assert_int_equal(number, n);
	}
	assert_null(signal_name(0));
	assert_null(signal_name(65));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_signals),
		cmocka_unit_test(refuses_what_is_no_signal),
		cmocka_unit_test(shows_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

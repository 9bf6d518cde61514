/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as dockerd 20.10 takes them for --log-opt max-size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/log_options.h"

static int parse(const char *option, uint64_t *bytes, uint32_t *files, struct err *err)
{
	auto_strv struct strv options = {0};

	strv_add(&options, option);
	return log_options_parse(&options, bytes, files, err);
}

static void reads_sizes(void **state)
{
	static const struct {
		const char *option;
		uint64_t bytes;
	} table[] = {
		{"max-size=500", 500},       {"max-size=10k", 10000},
		{"max-size=10m", 10000000},  {"max-size=1.5MB", 1500000},
		{"max-size=1g", 1000000000}, {"max-size=2 kb", 2000},
		{"max-size=-1", 0},          {"labels=a,b", 7},
	};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t bytes = 7;
		uint32_t files = 4;

		assert_int_equal(parse(table[i].option, &bytes, &files, &err), 0);
		assert_int_equal(bytes, table[i].bytes);
		assert_int_equal(files, 4);
	}
}

static void reads_counts(void **state)
{
	struct err err = ERR_INIT;
	uint64_t bytes = 7;
	uint32_t files = 4;

	(void)state;
	assert_int_equal(parse("max-file=1", &bytes, &files, &err), 0);
	assert_int_equal(files, 1);
	assert_int_equal(bytes, 7);
}

static void refuses(void **state)
{
	static const char *const bad[] = {"max-size=",  "max-size=ten", "max-size=10x",
					  "max-size=0", "max-size=-5",  "max-file=0",
					  "max-file=x", "max-size=1 0"};
	uint64_t bytes = 7;
	uint32_t files = 4;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		if (parse(bad[i], &bytes, &files, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(reads_counts),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

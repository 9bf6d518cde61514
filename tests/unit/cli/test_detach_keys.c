/* SPDX-License-Identifier: Apache-2.0 */
/* Detach keys, across any cutting of the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/detach_keys.h"

static void test_parse(void **state)
{
	static const char *const bad[] = {"foo", "ctrl-", "ctrl-A", "a,", "ctrl-p,,q", "ctrl-1"};
	struct detach_keys k;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(detach_keys_parse("ctrl-p,ctrl-q", &k, &err), 0);
	assert_int_equal(k.count, 2);
	assert_int_equal(k.bytes[0], 16);
	assert_int_equal(k.bytes[1], 17);
	assert_int_equal(detach_keys_parse("ctrl-@,ctrl-[,x", &k, &err), 0);
	assert_int_equal(k.bytes[0], 0);
	assert_int_equal(k.bytes[1], 27);
	assert_int_equal(k.bytes[2], 'x');
	assert_int_equal(detach_keys_parse("", &k, &err), 0);
	assert_int_equal(k.count, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(detach_keys_parse(bad[i], &k, &err), 0);
}

/* Feeds text in pieces of `step` bytes; what passed goes to out. */
static bool feed(const char *text, size_t step, char *out)
{
	size_t total = 0, len = strlen(text);
	struct err err = ERR_INIT;
	struct detach_keys k;
	bool detached = false;

	assert_int_equal(detach_keys_parse("a,a,b", &k, &err), 0);
	for (size_t i = 0; i < len && !detached; i += step) {
		unsigned char piece[64];
		size_t sent;

		detached = detach_keys_filter(&k, (const unsigned char *)text + i,
					      len - i < step ? len - i : step, piece, &sent);
		memcpy(out + total, piece, sent);
		total += sent;
	}
	out[total] = '\0';
	return detached;
}

static void test_filter(void **state)
{
	static const struct {
		const char *in, *out;
		bool detached;
	} cases[] = {{"xyz", "xyz", false},   {"xaab!", "x", true}, {"axaby", "axaby", false},
		     {"aaxaab", "aax", true}, {"xa", "x", false},   {"ababaab", "abab", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 1; step < 8; step++) {
			char out[64];

			assert_int_equal(feed(cases[i].in, step, out), cases[i].detached);
			assert_string_equal(out, cases[i].out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse),
					   cmocka_unit_test(test_filter)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

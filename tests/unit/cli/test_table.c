/* SPDX-License-Identifier: Apache-2.0 */
/* Column widths: three blanks at least, ten columns at least, code points and not bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/table.h"

static void check(const char *in, const char *expected)
{
	auto_strbuf struct strbuf out = {0};

	table_align(in, &out);
	assert_string_equal(strbuf_str(&out), expected);
}

static void test_tables(void **state)
{
	(void)state;
	check("", "");
	check("ID\tNAME\n", "ID        NAME\n");
	check("ID\tNAME\tX\naaaaaaaaaaaa\tb\tc\n", "ID             NAME      X\n"
						   "aaaaaaaaaaaa   b         c\n");
	check("A\tB\n\"sleep 1000000000000…\"\tx\n", "A                        B\n"
						     "\"sleep 1000000000000…\"   x\n");
	check("one\ntwo\n", "one\ntwo\n");
	check("a\t\tb\n", "a                   b\n");
	check("no newline", "no newline");
	/* A line without the column ends its block. */
	check("aaaaaaaaaaaaaaa\tx\n-\nb\ty\n", "aaaaaaaaaaaaaaa   x\n-\nb         y\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

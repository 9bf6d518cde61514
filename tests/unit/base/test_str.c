/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>

#include "base/id.h"
#include "base/str.h"
#include "base/strv.h"

static void durations(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(str_to_duration("1h2m3.5s", &ns), 0);
	assert_int_equal(ns, 3723500000000LL);
	assert_int_equal(str_to_duration("300ms", &ns), 0);
	assert_int_equal(ns, 300000000LL);
	assert_int_equal(str_to_duration("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(str_to_duration("5", &ns), -EINVAL);
	assert_int_equal(str_to_duration("", &ns), -EINVAL);
	assert_int_equal(str_to_duration("5parsecs", &ns), -EINVAL);
}

static void numbers_are_strict(void **state)
{
	uint64_t u;
	int64_t i;

	(void)state;
	assert_int_equal(str_to_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_to_u64("-1", &u), -EINVAL);
	assert_int_equal(str_to_u64(" 1", &u), -EINVAL);
	assert_int_equal(str_to_u64("1 ", &u), -EINVAL);
	assert_int_equal(str_to_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(str_to_i64("-5", &i), 0);
	assert_int_equal(i, -5);
	assert_int_equal(str_to_i64("--5", &i), -EINVAL);
}

static void environment_lists(void **state)
{
	auto_strv struct strv v = {0};

	(void)state;
	strv_set_env(&v, "PATH=/bin");
	strv_set_env(&v, "PATHS=x");
	strv_set_env(&v, "PATH=/usr/bin");
	assert_int_equal(v.count, 2);
	assert_string_equal(strv_get_env(&v, "PATH"), "/usr/bin");
	assert_null(strv_get_env(&v, "PAT"));
	for (int i = 0; i < 1000; i++)
		strv_add(&v, "x");
	assert_int_equal(v.count, 1002);
	assert_null(v.items[1002]);
}

static void ids(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];

	(void)state;
	assert_int_equal(id_generate(a), 0);
	assert_int_equal(id_generate(b), 0);
	assert_true(id_is_hex(a, ID_LEN));
	assert_string_not_equal(a, b);
	assert_false(id_is_hex("abc", 4));
	assert_false(id_is_hex("ABCD", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(environment_lists),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

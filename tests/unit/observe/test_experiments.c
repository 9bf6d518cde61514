/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "observe/experiment/experiment.h"

/* The report shows tests in the order of their rows, and users know them by number. */
static void rows_stand_in_the_order_of_their_numbers(void **state)
{
	(void)state;
	assert_true(experiments_count > 0);
	for (size_t i = 0; i < experiments_count; i++) {
		assert_true(experiments[i]->number > (i ? experiments[i - 1]->number : 0));
		assert_non_null(experiments[i]->run);
		assert_true(*experiments[i]->key != '\0');
		assert_true(strlen(experiments[i]->title) <= 60);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_stand_in_the_order_of_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

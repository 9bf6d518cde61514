/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "observe/experiment/experiment.h"
#include "observe/report/report.h"

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

/* The name of a subject may be a path, as in cloche:/usr/bin/crun. */
static void a_file_that_is_kept_lies_in_its_directory(void **state)
{
	char dir[] = "/tmp/cloche-keep-XXXXXX";
	auto_report struct report r = {.kind = NULL};
	struct experiment_context x = {.keep = mkdtemp(dir)};

	(void)state;
	assert_non_null(x.keep);
	x.test = report_add_test(&r, 1, "one", "One");
	experiment_keep(&x, "x-cloche:/bin/y.tsv", "text", 4);
	assert_int_equal(x.test->raw.count, 1);
	assert_string_equal(x.test->raw.items[0], "x-cloche:_bin_y.tsv");
	assert_int_equal(x.test->notes.count, 0);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_stand_in_the_order_of_their_numbers),
		cmocka_unit_test(a_file_that_is_kept_lies_in_its_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

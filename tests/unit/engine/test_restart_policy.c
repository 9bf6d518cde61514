/* SPDX-License-Identifier: Apache-2.0 */
/* Against Docker's documentation of --restart and its restart manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/monitor/restart_policy.h"

#define MS 1000000ull

static void decides_by_policy(void **state)
{
	static const struct {
		enum plan_restart policy;
		uint32_t max, restarts;
		int exit_code;
		bool wanted;
	} table[] = {
		{PLAN_RESTART_NO, 0, 0, 1, false},
		{PLAN_RESTART_ALWAYS, 0, 0, 0, true},
		{PLAN_RESTART_ALWAYS, 2, 9, 1, true},
		{PLAN_RESTART_UNLESS_STOPPED, 0, 5, 0, true},
		{PLAN_RESTART_ON_FAILURE, 0, 0, 0, false},
		{PLAN_RESTART_ON_FAILURE, 0, 1000, 1, true},
		{PLAN_RESTART_ON_FAILURE, 3, 2, 137, true},
		{PLAN_RESTART_ON_FAILURE, 3, 3, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool wanted = restart_is_wanted(table[i].policy, table[i].max, table[i].restarts,
						table[i].exit_code);

		if (wanted != table[i].wanted)
			fail_msg("row %zu: %s", i, wanted ? "wanted" : "not wanted");
	}
}

static void doubles_up_to_a_minute(void **state)
{
	static const uint64_t expected_ms[] = {100,   200,   400,   800,   1600,  3200, 6400,
					       12800, 25600, 51200, 60000, 60000, 60000};
	uint64_t delay = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++) {
		delay = restart_delay(delay, 5 * MS);
		assert_int_equal(delay, expected_ms[i] * MS);
	}
}

static void begins_anew_after_a_healthy_run(void **state)
{
	(void)state;
	assert_int_equal(restart_delay(60000 * MS, 10000 * MS), 100 * MS);
	assert_int_equal(restart_delay(400 * MS, 9999 * MS), 800 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_policy),
		cmocka_unit_test(doubles_up_to_a_minute),
		cmocka_unit_test(begins_anew_after_a_healthy_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

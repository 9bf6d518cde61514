/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of health checks, as Docker's documentation of HEALTHCHECK has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "engine/health_state.h"

#define MS 1000000ull

static const struct plan_health config = {.enabled = 1,
					  .retries = 3,
					  .interval_ns = 1000 * MS,
					  .timeout_ns = 500 * MS,
					  .start_period_ns = 10000 * MS,
					  .start_interval_ns = 100 * MS};

static int setup(void **state)
{
	struct health_state *s = calloc(1, sizeof(*s));

	health_state_begin(s);
	*state = s;
	return s ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool add(struct health_state *s, uint64_t since_start_ms, int exit_code, const char *output)
{
	struct health_result r = {.start_wall_ns = 1600000000000000000u,
				  .end_wall_ns = 1600000000500000000u,
				  .exit_code = exit_code,
				  .output_len = strlen(output)};

	memcpy(r.output, output, r.output_len);
	return health_state_add(s, &config, since_start_ms * MS, &r);
}

static void test_begins_as_starting(void **state)
{
	struct health_state *s = *state;

	assert_int_equal(s->status, HEALTH_STARTING);
	assert_int_equal(health_state_wait_ns(s, &config, 0), 100 * MS);
	assert_int_equal(health_state_wait_ns(s, &config, 9999 * MS), 100 * MS);
	assert_int_equal(health_state_wait_ns(s, &config, 10000 * MS), 1000 * MS);
}

static void test_one_success_is_healthy(void **state)
{
	struct health_state *s = *state;

	assert_true(add(s, 100, 0, ""));
	assert_int_equal(s->status, HEALTH_HEALTHY);
	/* The start period is over with the first success. */
	assert_int_equal(health_state_wait_ns(s, &config, 200 * MS), 1000 * MS);
	assert_false(add(s, 200, 0, ""));
}

static void test_failures_do_not_count_in_the_start_period(void **state)
{
	struct health_state *s = *state;

	for (int i = 0; i < 10; i++)
		assert_false(add(s, 100, 1, ""));
	assert_int_equal(s->failing_streak, 0);
	assert_int_equal(s->status, HEALTH_STARTING);
	/* After a success they do, within that period as well. */
	assert_true(add(s, 100, 0, ""));
	assert_false(add(s, 100, 1, ""));
	assert_int_equal(s->failing_streak, 1);
}

static void test_retries_failures_in_a_row_are_unhealthy(void **state)
{
	struct health_state *s = *state;

	assert_false(add(s, 20000, 1, ""));
	assert_false(add(s, 20000, 1, ""));
	assert_int_equal(s->status, HEALTH_STARTING);
	assert_true(add(s, 20000, -1, ""));
	assert_int_equal(s->status, HEALTH_UNHEALTHY);
	assert_int_equal(s->failing_streak, 3);
	assert_false(add(s, 20000, 1, ""));
	assert_int_equal(s->failing_streak, 4);
	assert_true(add(s, 20000, 0, ""));
	assert_int_equal(s->status, HEALTH_HEALTHY);
	assert_int_equal(s->failing_streak, 0);
	/* A success between them begins the row anew. */
	assert_false(add(s, 20000, 1, ""));
	assert_false(add(s, 20000, 1, ""));
	assert_false(add(s, 20000, 0, ""));
	assert_false(add(s, 20000, 1, ""));
	assert_int_equal(s->status, HEALTH_HEALTHY);
}

static struct json_object *parse(const struct health_state *s)
{
	char *text = malloc(HEALTH_JSON_MAX);
	struct json_object *o = NULL;
	struct err err = ERR_INIT;
	size_t n = health_state_format(s, text);

	assert_int_equal(n, strlen(text));
	if (json_parse(text, n, "the file", &o, &err) < 0)
		fail_msg("%s in %s", err.msg, text);
	free(text);
	return o;
}

static void test_the_file_holds_the_last_five(void **state)
{
	struct health_state *s = *state;
	auto_json struct json_object *o = NULL;
	struct json_object *log, *entry;
	const char *text;
	int64_t code;

	for (int i = 0; i < 7; i++)
		add(s, 20000, i, "said \"x\"\n\x01\xff\xc3\xa4\\");
	o = parse(s);
	assert_int_equal(json_get_string(o, "Status", &text), 0);
	assert_string_equal(text, "unhealthy");
	assert_int_equal(json_get_array(o, "Log", &log), 0);
	assert_int_equal(json_object_array_length(log), 5);
	for (int i = 0; i < 5; i++) {
		entry = json_object_array_get_idx(log, (size_t)i);
		assert_int_equal(json_get_i64(entry, "ExitCode", &code), 0);
		assert_int_equal(code, i + 2);
	}
	assert_int_equal(json_get_string(entry, "Output", &text), 0);
	assert_string_equal(text, "said \"x\"\n\x01\xef\xbf\xbd\xc3\xa4\\");
	assert_int_equal(json_get_string(entry, "Start", &text), 0);
	assert_string_equal(text, "2020-09-13T12:26:40Z");
	assert_int_equal(json_get_string(entry, "End", &text), 0);
	assert_string_equal(text, "2020-09-13T12:26:40.5Z");
}

static void test_the_worst_output_fits(void **state)
{
	struct health_state *s = *state;
	auto_json struct json_object *o = NULL;
	struct health_result r = {.exit_code = 1};

	memset(r.output, 1, sizeof(r.output));
	r.output_len = sizeof(r.output);
	for (int i = 0; i < HEALTH_LOG_MAX; i++)
		health_state_add(s, &config, 0, &r);
	o = parse(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_begins_as_starting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_success_is_healthy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures_do_not_count_in_the_start_period,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_retries_failures_in_a_row_are_unhealthy, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_file_holds_the_last_five, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_worst_output_fits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>

#include "base/str.h"
#include "observe/experiment/moments.h"

/* What ran, in order: the key's first letter, small while another test is in the middle. */
struct seen {
	char text[200];
	size_t len;
	bool inside;
	unsigned released;
};

static void note(const struct experiment_context *x)
{
	struct seen *seen = x->opaque;
	char letter = x->test->key[0];

	seen->text[seen->len++] = seen->inside ? letter : (char)(letter - 'a' + 'A');
	seen->text[seen->len] = '\0';
}

/* Each sample is the number of the moment that it was taken at. */
static int take_samples(struct experiment_context *x, struct err *err)
{
	struct report_figure *f = report_figure(x->test, "", "f", "f", "1", REPORT_NEITHER);

	(void)err;
	x->state = x->opaque;
	note(x);
	for (size_t i = 0; i < x->runs; i++)
		report_sample(f, (double)x->moment);
	return 0;
}

static int pause_twice(struct experiment_context *x, struct err *err)
{
	struct seen *seen = x->opaque;
	int rc = 0;

	note(x);
	seen->inside = true;
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = experiment_pause(x, err);
	seen->inside = false;
	return rc;
}

static int fail_later(struct experiment_context *x, struct err *err)
{
	note(x);
	return x->moment == 1 ? err_set(err, ERR_SYSTEM, EIO, "it broke") : 0;
}

static int look_once(struct experiment_context *x, struct err *err)
{
	(void)err;
	note(x);
	return 0;
}

static void count_release(void *state)
{
	((struct seen *)state)->released++;
}

static const struct experiment quick = {
	.number = 1,
	.key = "quick",
	.title = "q",
	.run = take_samples,
	.spread = true,
	.release = count_release,
};
static const struct experiment long_one = {
	.number = 2, .key = "long", .title = "l", .run = pause_twice, .pauses = true};
static const struct experiment once = {.number = 3, .key = "once", .title = "o", .run = look_once};
static const struct experiment broken = {
	.number = 4, .key = "broken", .title = "b", .run = fail_later, .spread = true};

static void tell(void *opaque, struct report_test *t)
{
	strbuf_printf(opaque, "%s ", t->key);
}

static struct seen run_all(struct report *r, size_t runs, const struct experiment *const *all,
			   size_t n, struct strbuf *told)
{
	struct seen seen = {0};
	struct moments m = {.done = tell, .opaque = told};
	const struct experiment_context x = {.report = r, .runs = runs, .opaque = &seen};

	for (size_t i = 0; i < n; i++)
		moments_plan(&m, all[i], &x);
	moments_run(&m);
	moments_free(&m);
	return seen;
}

static const struct experiment *const three[] = {&quick, &long_one, &once};

/* A tenth of the samples at each of ten moments, in pauses and between tests, and every tenth is a block
 * of the statistics. */
static void samples_are_spread_over_the_run(void **state)
{
	auto_strbuf struct strbuf told = {0};
	auto_report struct report r = {0};
	const struct report_figure *f;
	struct seen seen;

	(void)state;
	seen = run_all(&r, 30, three, 3, &told);
	assert_string_equal(seen.text, "QLqqQOQQQQQQ");
	f = report_find_figure(r.tests[0], "", "f");
	assert_int_equal(f->count, 30);
	assert_int_equal(statistics_blocks(f->count), 10);
	for (size_t i = 0; i < f->count; i++)
		assert_true(f->samples[i] == (double)(i / 3));
	assert_string_equal(strbuf_str(&told), "quick long once ");
	assert_int_equal(seen.released, 1);
}

/* Where samples do not come out even, no moment has two more than another, and none is lost. */
static void every_run_is_taken(void **state)
{
	(void)state;
	for (size_t runs = 1; runs < 70; runs++) {
		auto_strbuf struct strbuf told = {0};
		auto_report struct report r = {0};
		struct seen seen;

		seen = run_all(&r, runs, three, 1, &told);
		assert_int_equal(r.tests[0]->figures[0]->count, runs);
		assert_int_equal(seen.len, runs < 18 ? 1 : runs < 30 ? runs / 3 : 10);
	}
}

/* Few runs have no moments to be spread over: each test in its turn. */
static void few_runs_are_taken_at_once(void **state)
{
	auto_strbuf struct strbuf told = {0};
	auto_report struct report r = {0};

	(void)state;
	assert_string_equal(run_all(&r, 5, three, 3, &told).text, "QLO");
}

static void a_test_that_fails_is_not_gone_on_with(void **state)
{
	static const struct experiment *const two[] = {&broken, &once};
	auto_strbuf struct strbuf told = {0};
	auto_report struct report r = {0};

	(void)state;
	assert_string_equal(run_all(&r, 30, two, 2, &told).text, "BOB");
	assert_int_equal(r.tests[0]->status, REPORT_FAILED);
	assert_string_equal(r.tests[0]->reason, "it broke");
	assert_int_equal(r.tests[1]->status, REPORT_DONE);
	assert_string_equal(strbuf_str(&told), "broken once ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_spread_over_the_run),
		cmocka_unit_test(every_run_is_taken),
		cmocka_unit_test(few_runs_are_taken_at_once),
		cmocka_unit_test(a_test_that_fails_is_not_gone_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

#include "base/json.h"
#include "observe/report/report_render.h"
#include "observe/report/text.h"
#include "observe/report/unit.h"

#define assert_close(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void sample(struct report_test *t, const char *subject, const char *key, double first,
		   double step, int n)
{
	struct report_figure *f =
		report_figure(t, subject, key, "until the program runs", "ms", REPORT_LOWER);

	for (int i = 0; i < n; i++)
		report_sample(f, first + step * (i * 7 % n));
}

static struct report two_subjects(void)
{
	struct report r = {.kind = xstrdup("analyze"), .title = xstrdup("cloche analyze")};

	strv_add(&r.subjects, "cloche");
	strv_add(&r.subjects, "docker");
	report_add_test(&r, 1, "startup", "Startup latency");
	return r;
}

static void assert_has(const struct strbuf *out, const char *text)
{
	if (!strstr(strbuf_str(out), text)) {
		print_message("%s\n", strbuf_str(out));
		fail_msg("no \"%s\" in the text above", text);
	}
}

/* ---- report_finish ---- */

static void a_summary_leaves_the_order_of_samples(void **state)
{
	auto_report struct report r = two_subjects();
	struct report_figure *f;

	(void)state;
	sample(r.tests[0], "cloche", "startup.to_exec", 10, 1, 5);
	f = r.tests[0]->figures[0];
	report_finish(&r);
	assert_int_equal(f->summary.n, 5);
	assert_close(f->summary.median, 12);
	assert_close(f->samples[0], 10);
	assert_close(f->samples[1], 12);
	assert_close(f->samples[2], 14);
}

static void what_is_no_number_is_a_failed_run(void **state)
{
	auto_report struct report r = two_subjects();
	struct report_figure *f = report_figure(r.tests[0], "", "k", "l", "ms", REPORT_LOWER);

	(void)state;
	report_sample(f, 3);
	report_sample(f, NAN);
	report_sample(f, INFINITY);
	report_finish(&r);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->failed, 2);
	assert_close(f->summary.mean, 3);
}

static void a_wide_interval_is_noise(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "cloche", "quiet", 100, 0.1, 30);
	sample(r.tests[0], "cloche", "loud", 10, 3, 30);
	report_finish(&r);
	assert_false(r.tests[0]->figures[0]->noisy);
	assert_true(r.tests[0]->figures[1]->noisy);
}

static void a_clear_difference_is_shown(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "docker", "startup.to_exec", 300, 1, 30);
	sample(r.tests[0], "cloche", "startup.to_exec", 10, 0.1, 30);
	report_finish(&r);
	assert_int_equal(r.comparison_count, 1);
	assert_string_equal(r.comparisons[0].base->subject, "cloche");
	assert_string_equal(r.comparisons[0].other->subject, "docker");
	assert_true(r.comparisons[0].ratio.value > 25 && r.comparisons[0].ratio.value < 30);
	assert_close(r.comparisons[0].cliff_delta, 1);
	assert_true(r.comparisons[0].p_holm < 1e-10);
	assert_true(r.comparisons[0].shown);
	report_finish(&r);
	assert_int_equal(r.comparison_count, 1);
}

static void the_same_twice_is_no_difference(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "cloche", "startup.to_exec", 10, 0.1, 30);
	sample(r.tests[0], "docker", "startup.to_exec", 10.01, 0.1, 30);
	report_finish(&r);
	assert_false(r.comparisons[0].shown);
	assert_false(r.comparisons[0].too_few);
}

static void three_runs_show_nothing(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "cloche", "startup.to_exec", 10, 0.1, 3);
	sample(r.tests[0], "docker", "startup.to_exec", 300, 0.1, 3);
	report_finish(&r);
	assert_false(r.comparisons[0].shown);
	assert_true(r.comparisons[0].too_few);
}

/* One comparison at p = 0.03 may be shown; among twenty it may not. */
static void many_comparisons_are_corrected_together(void **state)
{
	auto_report struct report r = two_subjects();
	struct report_test *t = r.tests[0];

	(void)state;
	sample(t, "cloche", "first", 10, 1, 5);
	sample(t, "docker", "first", 14.5, 1, 5);
	report_finish(&r);
	assert_true(r.comparisons[0].p < 0.05 && r.comparisons[0].shown);
	for (int i = 0; i < 19; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "other%d", i);
		sample(t, "cloche", key, 10, 1, 5);
		sample(t, "docker", key, 10.5, 1, 5);
	}
	report_finish(&r);
	assert_int_equal(r.comparison_count, 20);
	assert_true(r.comparisons[0].p < 0.05);
	assert_false(r.comparisons[0].shown);
	assert_true(r.comparisons[0].p_holm > 0.05);
}

/* What was read once costs the tested ones none of their significance. */
static void single_values_are_compared_but_not_tested(void **state)
{
	auto_report struct report r = two_subjects();
	struct report_test *t = r.tests[0];

	(void)state;
	sample(t, "cloche", "first", 10, 1, 5);
	sample(t, "docker", "first", 14.5, 1, 5);
	for (int i = 0; i < 19; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "other%d", i);
		sample(t, "cloche", key, 10, 1, 1);
		sample(t, "docker", key, 20, 1, 1);
	}
	report_finish(&r);
	assert_int_equal(r.comparison_count, 20);
	assert_true(r.comparisons[0].shown);
	assert_close(r.comparisons[0].p_holm, r.comparisons[0].p);
	assert_true(isnan(r.comparisons[1].p));
	assert_false(r.comparisons[1].shown);
	assert_close(r.comparisons[1].ratio.value, 2);
}

static void findings_of_several_subjects_share_their_lines(void **state)
{
	static const struct report_text_options plain;
	auto_report struct report r = two_subjects();
	auto_strbuf struct strbuf out = {0};

	(void)state;
	report_reason(report_finding(&r, REPORT_LOW, 0, "security", "cloche", "same"), "why");
	report_reason(report_finding(&r, REPORT_LOW, 0, "security", "docker", "same"), "why");
	report_reason(report_finding(&r, REPORT_LOW, 0, "security", "docker", "same"), "other");
	report_finish(&r);
	report_text(&r, &plain, &out);
	assert_has(&out, " 1  LOW       same [security, cloche, docker]\n");
	assert_has(&out, " 2  LOW       same [security, docker]\n");
	assert_null(strstr(strbuf_str(&out), " 3  LOW"));
}

static void a_stranger_is_not_compared(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "cloche", "startup.to_exec", 10, 1, 5);
	sample(r.tests[0], "host", "startup.to_exec", 1, 1, 5);
	sample(r.tests[0], "docker", "startup.create", 1, 1, 5);
	report_finish(&r);
	assert_int_equal(r.comparison_count, 0);
}

static void a_ratio_to_nothing_is_none(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	sample(r.tests[0], "cloche", "errors", 0, 0, 30);
	sample(r.tests[0], "docker", "errors", 5, 0, 30);
	report_finish(&r);
	assert_true(isnan(r.comparisons[0].ratio.value));
	assert_true(r.comparisons[0].shown);
}

static void checks_know_their_bounds(void **state)
{
	auto_report struct report r = two_subjects();
	struct report_test *t = r.tests[0];

	(void)state;
	report_check(t, "", "a", "w", "ms", "x", 104, "y", 100, 5, 0);
	report_check(t, "", "b", "w", "ms", "x", 106, "y", 100, 5, 0);
	report_check(t, "", "c", "w", "ms", "x", 0.3, "y", 0.1, 5, 0.5);
	report_check(t, "", "d", "w", "ms", "x", 1, "y", 0, 5, 0);
	report_check(t, "", "e", "w", "ms", "x", 0, "y", 0, 5, 0);
	report_check(t, "", "f", "w", "ms", "x", NAN, "y", 3, 5, 10);
	report_finish(&r);
	assert_true(t->checks[0]->agrees);
	assert_close(t->checks[0]->off_percent, 4);
	assert_false(t->checks[1]->agrees);
	assert_true(t->checks[2]->agrees);
	assert_false(t->checks[3]->agrees);
	assert_true(t->checks[4]->agrees);
	assert_false(t->checks[5]->agrees);
}

static void advice_of_two_tests_is_given_once(void **state)
{
	auto_report struct report r = {0};

	(void)state;
	report_recommend(report_finding(&r, REPORT_LOW, 0, "security", "a", "no limit"),
			 "--memory 1g", "set one");
	report_recommend(report_finding(&r, REPORT_MEDIUM, 0, "limits", "a", "no limit seen"),
			 "--memory", "set one");
	report_recommend(report_finding(&r, REPORT_LOW, 0, "security", "b", "no limit"),
			 "--memory 1g", "set one");
	report_recommend(report_finding(&r, REPORT_LOW, 0, "security", "a", "no swap limit"),
			 "--memory-swap 1g", "set one");
	report_finish(&r);
	assert_int_equal(r.finding_count, 3);
	assert_string_equal(r.findings[0]->title, "no limit seen");
	assert_string_equal(r.findings[1]->subject, "b");
	assert_string_equal(r.findings[2]->title, "no swap limit");
}

static void findings_are_ranked(void **state)
{
	auto_report struct report r = two_subjects();

	(void)state;
	report_finding(&r, REPORT_LOW, 0.9, "t", "", "low");
	report_finding(&r, REPORT_HIGH, 0.1, "t", "", "high, cheap");
	report_finding(&r, REPORT_HIGH, 0.4, "t", "", "high, first");
	report_finding(&r, REPORT_HIGH, 0.4, "t", "", "high, second");
	report_finding(&r, REPORT_CRITICAL, 0, "t", "", "critical");
	report_finish(&r);
	assert_string_equal(r.findings[0]->title, "critical");
	assert_string_equal(r.findings[1]->title, "high, first");
	assert_string_equal(r.findings[2]->title, "high, second");
	assert_string_equal(r.findings[3]->title, "high, cheap");
	assert_string_equal(r.findings[4]->title, "low");
}

/* ---- JSON ---- */

static struct json_object *at(struct json_object *o, const char *list, size_t i)
{
	struct json_object *a = NULL;

	assert_true(json_object_object_get_ex(o, list, &a));
	a = json_object_array_get_idx(a, i);
	assert_non_null(a);
	return a;
}

static double number(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, key, &v));
	assert_true(json_object_is_type(v, json_type_double) ||
		    json_object_is_type(v, json_type_int));
	return json_object_get_double(v);
}

static bool is_null(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) && !v;
}

static void json_keeps_numbers_exact(void **state)
{
	static const double hard[] = {0.1, 1.0 / 3, 1e-300, 9007199254740993.0, 5e-324, -0.25};
	auto_report struct report r = two_subjects();
	struct report_figure *f =
		report_figure(r.tests[0], "cloche", "k", "l", "ms", REPORT_NEITHER);
	auto_strbuf struct strbuf out = {0};
	auto_json struct json_object *json = NULL;
	struct json_object *figure;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(hard) / sizeof(*hard); i++)
		report_sample(f, hard[i]);
	report_finish(&r);
	report_json(&r, &out);
	assert_int_equal(json_parse(out.data, out.len, "report", &json, &err), 0);
	figure = at(at(json, "tests", 0), "figures", 0);
	for (size_t i = 0; i < sizeof(hard) / sizeof(*hard); i++)
		assert_true(json_object_get_double(at(figure, "samples", i)) == hard[i]);
	assert_true(is_null(figure, "floor"));
	assert_true(is_null(figure, "better"));
	assert_true(number(figure, "n") == 6);
	assert_true(number(json, "schema_version") == REPORT_SCHEMA_VERSION);
}

/* In a column of numbers what is one becomes one, and nothing else does. */
static void json_types_the_cells_of_tables(void **state)
{
	static const char *const columns[] = {"name", ">size", NULL};
	static const struct {
		const char *cell;
		bool number;
	} cells[] = {{"12", true},   {"-0.5", true},  {"0", true},    {"1 MiB", false},
		     {"", false},    {"-", false},    {"012", false}, {"1.", false},
		     {".5", false},  {"1e5", false},  {"+1", false},  {"0x10", false},
		     {"nan", false}, {"1.2.3", false}};
	auto_report struct report r = two_subjects();
	struct report_table *t = report_table(r.tests[0], "k", "title", columns);
	auto_strbuf struct strbuf out = {0};
	auto_json struct json_object *json = NULL;
	struct json_object *table;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++)
		report_row(t, (const char *[]){"7", cells[i].cell});
	report_json(&r, &out);
	assert_int_equal(json_parse(out.data, out.len, "report", &json, &err), 0);
	table = at(at(json, "tests", 0), "tables", 0);
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		struct json_object *row = at(table, "rows", i);

		assert_true(
			json_object_is_type(json_object_array_get_idx(row, 0), json_type_string));
		assert_int_equal(
			json_object_is_type(json_object_array_get_idx(row, 1), json_type_string),
			!cells[i].number);
	}
}

/* ---- text ---- */

static void assert_value(const char *unit, double value, const char *expected)
{
	auto_strbuf struct strbuf out = {0};

	unit_value(unit, value, &out);
	assert_string_equal(strbuf_str(&out), expected);
}

static void units_are_for_people(void **state)
{
	(void)state;
	assert_value("ms", 12.345, "12.3 ms");
	assert_value("ms", 0.0421, "42.1 us");
	assert_value("ms", 38211, "38.2 s");
	assert_value("ns", 950, "950 ns");
	assert_value("ns", 1500, "1.50 us");
	assert_value("B", 646, "646 B");
	assert_value("B", 67108864, "64.0 MiB");
	assert_value("KiB", 96, "96.0 KiB");
	assert_value("B/s", 2147483648.0, "2.00 GiB/s");
	assert_value("MiB/s", 0.5, "512 KiB/s");
	assert_value("%", 37.02, "37.0 %");
	assert_value("1", 12345, "12345");
	assert_value("ms", 0, "0 ms");
	assert_value("ms", NAN, "-");
	assert_value("1/s", 17, "17 /s");
}

static void text_says_what_was_shown_and_what_not(void **state)
{
	static const struct report_text_options plain;
	auto_report struct report r = two_subjects();
	struct report_test *t = r.tests[0];
	auto_strbuf struct strbuf out = {0};

	(void)state;
	sample(t, "cloche", "slow", 10, 0.1, 30);
	sample(t, "docker", "slow", 380, 1, 30);
	sample(t, "cloche", "same", 10, 0.1, 30);
	sample(t, "docker", "same", 10, 0.1, 30);
	report_find_figure(t, "cloche", "same")->headline = true;
	report_floor(t->figures[0], 5, "bare system calls");
	report_status(t, REPORT_PARTIAL, "no tracefs here");
	report_finish(&r);
	report_text(&r, &plain, &out);
	assert_has(&out, "1  Startup latency");
	assert_has(&out, "34 x slower");
	assert_has(&out, "no difference shown");
	assert_has(&out, "30 runs each");
	assert_has(&out, "2.29");
	assert_has(&out, "floor 5.00 ms: bare system calls (until the program runs)");
	assert_has(&out, "PARTLY MEASURED: no tracefs here");
	assert_has(&out, "! startup, partial: no tracefs here");
}

static void long_lists_are_shortened_and_say_so(void **state)
{
	static const char *const columns[] = {"name", ">n", NULL};
	static const struct report_text_options plain, all = {.details = true};
	auto_report struct report r = two_subjects();
	struct report_table *table = report_table(r.tests[0], "k", "rows of it", columns);
	auto_strbuf struct strbuf brief = {0}, whole = {0};

	(void)state;
	for (int i = 0; i < 40; i++) {
		auto_free char *name = xasprintf("row%d", i);

		report_row(table, (const char *[]){name, "1"});
	}
	report_text_test(r.tests[0], &r, &plain, &brief);
	report_text_test(r.tests[0], &r, &all, &whole);
	assert_has(&brief, "row13 ");
	assert_null(strstr(strbuf_str(&brief), "row14"));
	assert_has(&brief, "... 26 more rows; --details shows all");
	assert_has(&whole, "row39");
	assert_null(strstr(strbuf_str(&whole), "--details"));
}

static void colour_is_only_there_when_asked_for(void **state)
{
	static const struct report_text_options plain, colour = {.colour = true};
	auto_report struct report r = two_subjects();
	auto_strbuf struct strbuf without = {0}, with = {0};

	(void)state;
	report_claim(r.tests[0], "cloche", "k", REPORT_BROKEN, "the limit holds");
	report_text(&r, &plain, &without);
	report_text(&r, &colour, &with);
	assert_null(strchr(strbuf_str(&without), '\033'));
	assert_has(&without, "BROKEN   the limit holds");
	assert_has(&with, "\033[31mBROKEN   \033[0m");
}

static void assert_clean(const char *in, const char *expected)
{
	auto_free char *out = text_clean(in);

	assert_string_equal(out, expected);
}

static void what_a_terminal_would_obey_is_removed(void **state)
{
	(void)state;
	assert_clean("a\033[31mb", "a?[31mb");
	assert_clean("a\nb\tc\x7f", "a b c?");
	assert_clean("\xc2\x9b"
		     "2J",
		     "?2J");
	assert_clean("\xe2\x80\xae"
		     "abc",
		     "?abc");
	assert_clean("\xff\xc3|\xed\xa0\x80", "??|???");
	assert_clean("na\xc3\xafve \xe2\x9c\x93", "na\xc3\xafve \xe2\x9c\x93");
	assert_clean(NULL, "");
}

static void wide_characters_take_two_columns(void **state)
{
	auto_strv struct strv lines = {0};

	(void)state;
	assert_int_equal(text_width("ab\xc3\xa4"), 3);
	assert_int_equal(text_width("\xe6\xbc\xa2\xe5\xad\x97"), 4);
	text_break("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 5, 0, &lines);
	assert_int_equal(lines.count, 2);
	assert_string_equal(lines.items[0], "\xe6\xbc\xa2\xe5\xad\x97");
}

static void lines_break_at_blanks(void **state)
{
	auto_strv struct strv lines = {0}, cut = {0};

	(void)state;
	text_break("the quick  brown fox jumps over", 10, 0, &lines);
	assert_int_equal(lines.count, 3);
	assert_string_equal(lines.items[0], "the quick");
	assert_string_equal(lines.items[1], "brown fox");
	assert_string_equal(lines.items[2], "jumps over");
	/* What fits no line is broken where it stands. */
	text_break("below /var/lib/cloche it", 10, 0, &lines);
	assert_int_equal(lines.count, 6);
	assert_string_equal(lines.items[3], "below /var");
	assert_string_equal(lines.items[4], "/lib/cloch");
	assert_string_equal(lines.items[5], "e it");
	text_break("the quick brown fox", 10, 1, &cut);
	assert_int_equal(cut.count, 1);
	assert_string_equal(cut.items[0], "the qui...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_summary_leaves_the_order_of_samples),
		cmocka_unit_test(what_is_no_number_is_a_failed_run),
		cmocka_unit_test(a_wide_interval_is_noise),
		cmocka_unit_test(a_clear_difference_is_shown),
		cmocka_unit_test(the_same_twice_is_no_difference),
		cmocka_unit_test(three_runs_show_nothing),
		cmocka_unit_test(many_comparisons_are_corrected_together),
		cmocka_unit_test(single_values_are_compared_but_not_tested),
		cmocka_unit_test(findings_of_several_subjects_share_their_lines),
		cmocka_unit_test(a_stranger_is_not_compared),
		cmocka_unit_test(a_ratio_to_nothing_is_none),
		cmocka_unit_test(checks_know_their_bounds),
		cmocka_unit_test(advice_of_two_tests_is_given_once),
		cmocka_unit_test(findings_are_ranked),
		cmocka_unit_test(json_keeps_numbers_exact),
		cmocka_unit_test(json_types_the_cells_of_tables),
		cmocka_unit_test(units_are_for_people),
		cmocka_unit_test(text_says_what_was_shown_and_what_not),
		cmocka_unit_test(long_lists_are_shortened_and_say_so),
		cmocka_unit_test(colour_is_only_there_when_asked_for),
		cmocka_unit_test(what_a_terminal_would_obey_is_removed),
		cmocka_unit_test(wide_characters_take_two_columns),
		cmocka_unit_test(lines_break_at_blanks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

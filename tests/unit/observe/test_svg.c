/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a picture are harmless whatever they hold; its axis is true on both sides of a cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/report/svg.h"

static void assert_escaped(const char *text, const char *wanted)
{
	auto_strbuf struct strbuf out = {0};

	svg_escape(text, &out);
	assert_string_equal(strbuf_str(&out), wanted);
}

static void test_escape(void **state)
{
	(void)state;
	assert_escaped("", "");
	assert_escaped("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&#39;");
	assert_escaped("]]><script>", "]]&gt;&lt;script&gt;");
	assert_escaped("tab\tline\nbell\a", "tab?line?bell?");
	assert_escaped("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	assert_escaped("cut\xc3", "cut?");
	assert_escaped("\xc0\xaf\xff", "???");   /* overlong, never valid */
	assert_escaped("\xed\xa0\x80", "?");     /* a surrogate */
	assert_escaped("x\xe2\x80\xaey", "x?y"); /* right to left from here */
	assert_escaped("\xef\xbf\xbe\xf0\x9f\x94\xa5", "?\xf0\x9f\x94\xa5");
}

static void test_cut_text_is_whole_in_the_tip(void **state)
{
	const struct svg_font font = {.size = 10};
	auto_svg struct svg s = {.body = {0}};

	(void)state;
	svg_text_cut(&s, 0, 0, 1000, &font, "short");
	assert_null(strstr(strbuf_str(&s.body), "<title>"));
	svg_text_cut(&s, 0, 0, 40, &font, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc<");
	assert_non_null(strstr(strbuf_str(&s.body), "\xc3\xbc\xe2\x80\xa6<title>\xc3\xbc"));
	assert_non_null(strstr(strbuf_str(&s.body), "&lt;</title>"));
	assert_null(strchr(strbuf_str(&s.body), '?'));
	svg_text_cut(&s, 0, 0, 0, &font, "nothing fits");
	assert_non_null(strstr(strbuf_str(&s.body), ">\xe2\x80\xa6<title>nothing fits<"));
}

static void test_axis(void **state)
{
	const struct svg_axis plain = {.x = 100, .width = 500, .to_ns = 1000};
	const struct svg_axis cut = {
		.x = 100, .width = 500, .to_ns = 1000000, .cut_from_ns = 1000, .cut_to_ns = 999000};
	double last = 0;

	(void)state;
	assert_true(svg_axis_x(&plain, 0) == 100);
	assert_true(svg_axis_x(&plain, 500) == 350);
	assert_true(svg_axis_x(&plain, 1000) == 600);
	assert_true(svg_axis_x(&plain, 5000) == 600);
	for (uint64_t ns = 0; ns <= 1000000; ns += 500) {
		double x = svg_axis_x(&cut, ns);

		assert_true(x >= last && x >= 100 && x <= 600.001);
		last = x;
	}
	/* 2000 ns are to scale, half of them on each side */
	assert_true(svg_axis_x(&cut, 1000) - 100 > 200);
	assert_true(600 - svg_axis_x(&cut, 999000) > 200);
	assert_true(svg_axis_x(&cut, 999000) - svg_axis_x(&cut, 1000) < SVG_CUT_WIDTH + 0.001);
}

static void test_empty_axis(void **state)
{
	const struct svg_axis none = {.x = 10, .width = 100};
	auto_svg struct svg s = {.body = {0}};

	(void)state;
	assert_true(svg_axis_x(&none, 5) == 10);
	svg_axis_grid(&s, &none, 0, 10);
	svg_axis_bar(&s, &none, 0, 10, 0, 5, "#000000", true, "tip");
	assert_non_null(strstr(strbuf_str(&s.body), "tip"));
	assert_null(strstr(strbuf_str(&s.body), "nan"));
	assert_null(strstr(strbuf_str(&s.body), "inf"));
}

static void assert_time(uint64_t ns, const char *wanted)
{
	char text[32];

	svg_format_ns(ns, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void test_times(void **state)
{
	(void)state;
	assert_time(0, "0.000 ms");
	assert_time(42000, "0.042 ms");
	assert_time(1234567, "1.23 ms");
	assert_time(12345678, "12.3 ms");
	assert_time(12345678901, "12.35 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape), cmocka_unit_test(test_cut_text_is_whole_in_the_tip),
		cmocka_unit_test(test_axis),   cmocka_unit_test(test_empty_axis),
		cmocka_unit_test(test_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

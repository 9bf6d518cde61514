/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any model, however hostile its strings, becomes JSON that parses and text that a terminal can show.
 * Models are made at random from constant seeds. With REPORT_RANDOM_DUMP=FILE in the environment their
 * JSON is also written there, one report a line: tests/integration/report.bats holds it against the
 * schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "observe/report/report_render.h"
#include "observe/report/text.h"

#define MODELS 120

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

static size_t below(uint64_t *state, size_t n)
{
	return next_random(state) % n;
}

/* Words, bytes at random, escapes, marks of direction, wide characters, cut sequences, very long. */
static char *hostile(uint64_t *state)
{
	static const char *const pieces[] = {
		"word",
		"a somewhat longer row of words ",
		"\033[2J",
		"\033]0;title\a",
		"\r\n\t",
		"\xe2\x80\xae",
		"\xe6\xbc\xa2",
		"\xf0\x9f\x90\xb3",
		"\xc3",
		"\xff\xfe",
		"\xc2\x9b",
		"\"\\/\b",
		"\xed\xa0\x80",
		"%s%n",
		"/a/very/long/path/without/any/blank/in/it/at/all/",
		" ",
		"0123456789",
		"-",
		"<script>&amp;",
		"\xcc\x81",
	};
	auto_strbuf struct strbuf out = {0};
	size_t n = below(state, 10) == 0 ? below(state, 400) : below(state, 6);

	for (size_t i = 0; i < n; i++) {
		if (below(state, 5) == 0)
			strbuf_putc(&out, (char)(1 + below(state, 255)));
		else
			strbuf_puts(&out, pieces[below(state, sizeof(pieces) / sizeof(*pieces))]);
	}
	return strbuf_take(&out);
}

static double any_number(uint64_t *state)
{
	static const double special[] = {0,   -1,       1e-12,  1e12, 1e300, -1e300,
					 NAN, INFINITY, 5e-324, 0.1,  1e15,  999.9999};

	if (below(state, 6) == 0)
		return special[below(state, sizeof(special) / sizeof(*special))];
	return (double)next_random(state) / (double)(1 + below(state, 1000000));
}

static void add_figures(struct report_test *t, const struct report *r, uint64_t *state)
{
	static const char *const units[] = {"ms",  "us",    "ns", "s", "B",
					    "MiB", "MiB/s", "1",  "%", "x y"};
	size_t figures = below(state, 7);

	for (size_t i = 0; i < figures; i++) {
		auto_free char *key = hostile(state), *label = hostile(state);
		const char *subject = r->subjects.items[below(state, r->subjects.count)];
		struct report_figure *f = report_figure(t, subject, key, label,
							units[below(state, 10)],
							(enum report_better)below(state, 3));
		size_t n = below(state, 4) ? below(state, 12) : below(state, 2);

		for (size_t k = 0; k < n; k++)
			report_sample(f, any_number(state));
		f->failed += below(state, 3);
		f->headline = below(state, 2);
		if (below(state, 2))
			report_floor(f, any_number(state), label);
		if (below(state, 5) == 0)
			f->reference = f->reference ? f->reference : hostile(state);
	}
}

/* The figures of the second half are the same keys for every subject. */
static void add_shared_figures(struct report_test *t, const struct report *r, uint64_t *state)
{
	for (size_t i = 0; i < r->subjects.count; i++) {
		struct report_figure *f = report_figure(t, r->subjects.items[i], "shared", "shared",
							"ms", REPORT_LOWER);

		for (size_t k = 0; k < 8; k++)
			report_sample(f, (double)(1 + below(state, 1000)) * (double)(i + 1));
	}
}

static void add_claims(struct report_test *t, uint64_t *state)
{
	size_t claims = below(state, 4);

	for (size_t i = 0; i < claims; i++) {
		auto_free char *a = hostile(state), *b = hostile(state), *c = hostile(state);
		size_t lines = below(state, 10);
		struct report_claim *claim =
			report_claim(t, a, b, (enum report_verdict)below(state, 3), "%s", c);

		for (size_t k = 0; k < lines; k++) {
			auto_free char *line = hostile(state);

			report_evidence(claim, "%s", line);
		}
		if (below(state, 2))
			report_consequence(claim, "%s", a);
	}
}

static void add_table(struct report_test *t, uint64_t *state)
{
	size_t columns = below(state, 12) == 0 ? 20 + below(state, 20) : 1 + below(state, 8);
	size_t rows = below(state, 30);
	const char *heads[41] = {NULL};
	char *cells[41];
	struct report_table *table;

	for (size_t i = 0; i < columns; i++)
		heads[i] = below(state, 2) ? ">n" : "a heading";
	table = report_table(t, "table", "a table", heads);
	for (size_t i = 0; i < rows; i++) {
		for (size_t k = 0; k < columns; k++)
			cells[k] = below(state, 3) ? xasprintf("%zu", below(state, 100000))
						   : hostile(state);
		report_row(table, (const char *const *)cells);
		for (size_t k = 0; k < columns; k++)
			free(cells[k]);
	}
}

static void add_test(struct report *r, uint64_t *state)
{
	auto_free char *key = hostile(state), *title = hostile(state), *text = hostile(state);
	struct report_test *t = report_add_test(r, (unsigned)below(state, 12), key, title);

	t->took_s = any_number(state);
	report_status(t, (enum report_status)below(state, 5), "%s", text);
	add_figures(t, r, state);
	if (below(state, 2))
		add_shared_figures(t, r, state);
	add_claims(t, state);
	if (below(state, 2))
		add_table(t, state);
	if (below(state, 2))
		report_check(t, text, key, title, "ms", text, any_number(state), key,
			     any_number(state), 5, any_number(state));
	if (below(state, 2))
		report_note(t, "%s", text);
	if (below(state, 2))
		strv_add(&t->raw, text);
}

static void add_ends(struct report *r, uint64_t *state)
{
	static const char *const sections[] = {"environment", "prerequisite", "subject"};

	for (size_t i = below(state, 8); i > 0; i--) {
		auto_free char *key = hostile(state), *value = hostile(state);

		report_fact(r, sections[below(state, 3)], key, "%s", value);
		report_prerequisite(r, key, below(state, 2), below(state, 2) ? value : NULL);
	}
	for (size_t i = below(state, 20); i > 0; i--) {
		auto_free char *a = hostile(state), *b = hostile(state);
		struct report_finding *f = report_finding(r, (enum report_severity)below(state, 5),
							  any_number(state), a, b, "%s", b);

		if (below(state, 2))
			report_reason(f, "%s", a);
		if (below(state, 2))
			report_recommend(f, below(state, 2) ? a : NULL, "%s", b);
	}
}

static struct report random_report(uint64_t seed)
{
	uint64_t state = seed;
	struct report r = {.kind = xstrdup("analyze"), .title = hostile(&state)};

	r.started = hostile(&state);
	r.took_s = any_number(&state);
	r.interrupted = below(&state, 2);
	r.steadiness = (struct report_steadiness){
		.looks = below(&state, 3), .median_us = 300, .low_us = 200, .high_us = 250.5};
	strv_add(&r.subjects, "cloche");
	for (size_t i = below(&state, 3); i > 0; i--)
		strv_add_taken(&r.subjects, hostile(&state));
	for (size_t i = below(&state, 5); i > 0; i--)
		add_test(&r, &state);
	add_ends(&r, &state);
	return r;
}

/* Bytes of the character at s as RFC 3629 has it, 0 if it is none: not the renderer's own decoder. */
static size_t valid_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;

	if (s[0] >= 0x80 && (s[0] < 0xc2 || s[0] > 0xf4))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void check_line(const char *line, size_t len, uint64_t seed)
{
	auto_free char *copy = xstrndup(line, len);
	size_t width = text_width(copy);

	if (width > TEXT_COLUMNS)
		fail_msg("seed %llu: %zu columns: %.200s", (unsigned long long)seed, width, copy);
	for (size_t i = 0, n; i < len; i += n) {
		n = valid_length((const unsigned char *)copy + i);
		if (n == 0 || (unsigned char)copy[i] < 0x20 || copy[i] == 0x7f ||
		    (n == 2 && (unsigned char)copy[i] == 0xc2 &&
		     (unsigned char)copy[i + 1] < 0xa0) ||
		    strncmp(copy + i, "\xe2\x80\xae", 3) == 0)
			fail_msg("seed %llu: byte %02x in: %.200s", (unsigned long long)seed,
				 (unsigned char)copy[i], copy);
	}
}

static void check_text(const struct report *r, bool details, bool brief, uint64_t seed)
{
	struct report_text_options o = {.details = details, .brief = brief};
	auto_strbuf struct strbuf out = {0};

	report_text(r, &o, &out);
	assert_true(out.len > 0 && out.data[out.len - 1] == '\n');
	for (const char *line = out.data, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		check_line(line, (size_t)(end - line), seed);
	}
}

static void check_json(const struct report *r, FILE *dump)
{
	auto_strbuf struct strbuf out = {0};
	auto_json struct json_object *json = NULL;
	struct err err = ERR_INIT;

	report_json(r, &out);
	if (json_parse(out.data, out.len, "report", &json, &err) < 0)
		fail_msg("%s", err.msg);
	assert_ptr_equal(strchr(out.data, '\n'), out.data + out.len - 1);
	if (dump)
		fputs(out.data, dump);
}

static void any_model_can_be_shown(void **state)
{
	const char *path = getenv("REPORT_RANDOM_DUMP");
	FILE *dump = path ? fopen(path, "w") : NULL;

	(void)state;
	assert_true(!path || dump);
	for (uint64_t seed = 1; seed <= MODELS; seed++) {
		auto_report struct report r = random_report(seed);

		report_finish(&r);
		check_text(&r, false, false, seed);
		check_text(&r, true, false, seed);
		check_text(&r, false, true, seed);
		check_json(&r, dump);
	}
	if (dump)
		assert_int_equal(fclose(dump), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_model_can_be_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

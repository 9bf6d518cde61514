/* SPDX-License-Identifier: Apache-2.0 */
/* The flag grammar and the values of general kinds, with the words Docker's client has for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/options.h"

struct fields {
	bool all, quiet;
	const char *format;
	char *owned;
	struct strv list, filters;
	int64_t last, bytes, cpus;
};
#define FIELD(field) offsetof(struct fields, field)

static const struct option more_rows[] = {
	{"cpus", 0, &option_cpus, FIELD(cpus), "Number of CPUs", NULL},
};
static const struct option_table more = {OPTION_ROWS(more_rows)};
static const struct option rows[] = {
	{"all", 'a', &option_bool, FIELD(all), "All", NULL},
	{"filter", 'f', &option_filter, FIELD(filters), "Filter", NULL},
	{"format", 0, &option_text, FIELD(format), "Format", NULL},
	{"label", 'l', &option_list, FIELD(list), "Label", NULL},
	{"last", 'n', &option_int, FIELD(last), "Last", "-1"},
	{"memory", 'm', &option_bytes, FIELD(bytes), "Memory", NULL},
	{"owned", 0, &option_string, FIELD(owned), NULL, NULL},
	{"publish", 'p', &option_later, 0, NULL, NULL},
	{"quiet", 'q', &option_bool, FIELD(quiet), "Quiet", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows), .also = &more};
static const struct option_table stopping = {OPTION_ROWS(rows), .also = &more,
					     .stop_at_positional = true};

struct run {
	struct fields fields;
	struct strv args;
	bool help;
	struct err err;
	int rc;
	char text[512];
};

/* Splits the line at blanks; "''" is the empty word. */
static void parse(struct run *r, const struct option_table *t, const char *line)
{
	char *argv[32], *rest = r->text;
	int argc = 0;

	*r = (struct run){.err = ERR_INIT};
	snprintf(r->text, sizeof(r->text), "%s", line);
	while (rest && *rest) {
		argv[argc] = strsep(&rest, " ");
		if (str_eq(argv[argc], "''"))
			argv[argc] += 2;
		argc++;
	}
	r->rc = options_parse(t, &r->fields, argc, argv, &r->args, &r->help, &r->err);
}

static void end(struct run *r)
{
	strv_free(&r->args);
	strv_free(&r->fields.list);
	strv_free(&r->fields.filters);
	free(r->fields.owned);
}

static void test_grammar(void **state)
{
	struct run r;

	(void)state;
	parse(&r, &table, "-aq -n3 one --format x --label=a -l b two -l=c -- -z");
	assert_int_equal(r.rc, 0);
	assert_true(r.fields.all && r.fields.quiet);
	assert_int_equal(r.fields.last, 3);
	assert_string_equal(r.fields.format, "x");
	assert_int_equal(r.fields.list.count, 3);
	assert_string_equal(r.fields.list.items[2], "c");
	assert_int_equal(r.args.count, 3);
	assert_string_equal(r.args.items[2], "-z");
	end(&r);

	parse(&r, &table, "-aqn 7 --all=false --cpus 1.5 -");
	assert_int_equal(r.rc, 0);
	assert_false(r.fields.all);
	assert_int_equal(r.fields.last, 7);
	assert_true(r.fields.cpus == 1500000000);
	assert_string_equal(r.args.items[0], "-");
	end(&r);

	parse(&r, &table, "-f STATUS=Up --filter= -f '' --filter=name=a=B");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.fields.filters.count, 2);
	assert_string_equal(r.fields.filters.items[0], "status=Up");
	assert_string_equal(r.fields.filters.items[1], "name=a=B");
	end(&r);

	parse(&r, &stopping, "-a image -q --nosuch");
	assert_int_equal(r.rc, 0);
	assert_false(r.fields.quiet);
	assert_int_equal(r.args.count, 3);
	end(&r);

	parse(&r, &stopping, "-- --x");
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.args.items[0], "--x");
	end(&r);

	parse(&r, &table, "one --help");
	assert_int_equal(r.rc, 0);
	assert_true(r.help);
	end(&r);
}

static const char *const refusals[][2] = {
	{"--nosuch", "unknown flag: --nosuch"},
	{"--nosuch=3", "unknown flag: --nosuch"},
	{"-qaz", "unknown shorthand flag: 'z' in -z"},
	{"-zq", "unknown shorthand flag: 'z' in -zq"},
	{"--format", "flag needs an argument: --format"},
	{"-n", "flag needs an argument: 'n' in -n"},
	{"-qn", "flag needs an argument: 'n' in -n"},
	{"--=x", "bad flag syntax: --=x"},
	{"---x", "bad flag syntax: ---x"},
	{"--all=maybe",
	 "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing "
	 "\"maybe\": invalid syntax"},
	{"--all=", "invalid argument \"\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"\": "
		   "invalid syntax"},
	{"-n x", "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": "
		 "invalid syntax"},
	{"-n 99999999999999999999",
	 "invalid argument \"99999999999999999999\" for \"-n, --last\" flag: strconv.ParseInt: parsing "
	 "\"99999999999999999999\": value out of range"},
	{"-n ''", "invalid argument \"\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"\": "
		  "invalid syntax"},
	{"-f foo",
	 "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected "
	 "name=value)"},
	{"-m x", "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'"},
	{"-m 5x", "invalid argument \"5x\" for \"-m, --memory\" flag: invalid suffix: 'x'"},
	{"-m -1", "invalid argument \"-1\" for \"-m, --memory\" flag: invalid size: '-1'"},
	{"-m 0x10",
	 "invalid argument \"0x10\" for \"-m, --memory\" flag: strconv.ParseFloat: parsing "
	 "\"0x10\": invalid syntax"},
	{"--cpus abc",
	 "invalid argument \"abc\" for \"--cpus\" flag: failed to parse abc as a rational number"},
	{"--cpus 1/3", "invalid argument \"1/3\" for \"--cpus\" flag: value is too precise"},
	{"--cpus 0.0000000001",
	 "invalid argument \"0.0000000001\" for \"--cpus\" flag: value is too precise"},
	{"--cpus 1/0",
	 "invalid argument \"1/0\" for \"--cpus\" flag: failed to parse 1/0 as a rational number"},
	{"--help=x",
	 "invalid argument \"x\" for \"--help\" flag: strconv.ParseBool: parsing \"x\": "
	 "invalid syntax"},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct run r;

		parse(&r, &table, refusals[i][0]);
		assert_int_not_equal(r.rc, 0);
		assert_string_equal(r.err.msg, refusals[i][1]);
		end(&r);
	}
}

static void test_not_supported(void **state)
{
	struct run r;

	(void)state;
	parse(&r, &table, "-p 80:80");
	assert_int_not_equal(r.rc, 0);
	assert_int_equal(r.err.kind, ERR_UNSUPPORTED);
	assert_string_equal(r.err.msg, "--publish is not supported yet");
	end(&r);
}

struct value_row {
	const char *text;
	int64_t value;
};

static void check_values(const struct option_type *type, const struct value_row *cases,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err err = ERR_INIT;
		int64_t value = -7;

		assert_int_equal(type->set(&value, cases[i].text, NULL, &err), 0);
		if (value != cases[i].value)
			fail_msg("%s: %lld", cases[i].text, (long long)value);
	}
}

static void test_values(void **state)
{
	static const struct value_row sizes[] = {
		{"512", 512}, {"64m", 64 << 20}, {"1.5g", 1610612736},
		{"1K", 1024}, {"2kb", 2048},     {"10KiB", 10240},
		{"7b", 7},    {"1e3", 1000},     {"0", 0}};
	static const struct value_row cpus[] = {{"0.5", 500000000},  {"2", 2000000000},
						{"1/4", 250000000},  {"15e-1", 1500000000},
						{"-1", -1000000000}, {".25", 250000000}};
	static const struct value_row numbers[] = {{"0x1f", 31}, {"-5", -5}, {"+5", 5},
						   {"017", 15},  {"0", 0},   {"0b11", 3}};
	struct err err = ERR_INIT;
	int64_t value;

	(void)state;
	check_values(&option_bytes, sizes, sizeof(sizes) / sizeof(sizes[0]));
	check_values(&option_cpus, cpus, sizeof(cpus) / sizeof(cpus[0]));
	check_values(&option_int, numbers, sizeof(numbers) / sizeof(numbers[0]));
	assert_int_not_equal(option_parse_int("0x0x5", &value, &err), 0);
	assert_int_not_equal(option_parse_int("08", &value, &err), 0);
	assert_int_not_equal(option_parse_bytes("1e300", &value, &err), 0);
	assert_int_not_equal(option_parse_bytes("", &value, &err), 0);
	assert_int_not_equal(option_parse_bytes("nan1", &value, &err), 0);
}

static void test_help(void **state)
{
	auto_strbuf struct strbuf out = {0};

	(void)state;
	options_describe(&table, 79, &out);
	assert_string_equal(strbuf_str(&out), "  -a, --all             All\n"
					      "      --cpus decimal    Number of CPUs\n"
					      "  -f, --filter filter   Filter\n"
					      "      --format string   Format\n"
					      "  -l, --label list      Label\n"
					      "  -n, --last int        Last (default -1)\n"
					      "  -m, --memory bytes    Memory\n"
					      "  -q, --quiet           Quiet\n");
}

static void test_help_wraps(void **state)
{
	static const struct option wide[] = {
		{"cgroupns", 0, &option_text, 0, "Cgroup namespace to use\n'host': the host's",
		 NULL},
		{"volume", 'v', &option_list, 0,
		 "Bind mount a volume that has a long explanation, longer than a line", NULL},
	};
	static const struct option_table t = {OPTION_ROWS(wide)};
	auto_strbuf struct strbuf out = {0};

	(void)state;
	options_describe(&t, 60, &out);
	assert_string_equal(strbuf_str(&out),
			    "      --cgroupns string   Cgroup namespace to use\n"
			    "                          'host': the host's\n"
			    "  -v, --volume list       Bind mount a volume that has\n"
			    "                          a long explanation, longer\n"
			    "                          than a line\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),       cmocka_unit_test(test_errors),
		cmocka_unit_test(test_not_supported), cmocka_unit_test(test_values),
		cmocka_unit_test(test_help),          cmocka_unit_test(test_help_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names parse and show as Docker's do, and what Docker refuses is refused with its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "image/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_good_names_show_in_familiar_form(void **state)
{
	static const char *const cases[][2] = {
		{"bb", "bb:latest"},
		{"library/bb", "bb:latest"},
		{"docker.io/library/bb", "bb:latest"},
		{"docker.io/bb", "bb:latest"},
		{"index.docker.io/library/bb:1", "bb:1"},
		{"cloche/busybox", "cloche/busybox:latest"},
		{"docker.io/cloche/busybox:latest", "cloche/busybox:latest"},
		/* without its domain each would be another repository's name */
		{"docker.io/localhost/bb", "docker.io/localhost/bb:latest"},
		{"index.docker.io/index.docker.io/l", "docker.io/index.docker.io/l:latest"},
		{"docker.io/docker.io/l:1", "docker.io/docker.io/l:1"},
		{"library/a/b", "library/a/b:latest"},
		{"localhost/x", "localhost/x:latest"},
		{"localhost:5000/x/y:2", "localhost:5000/x/y:2"},
		{"Example.COM/x", "Example.COM/x:latest"},
		{"127.0.0.1:5055/t/bb:v1.0_a-B", "127.0.0.1:5055/t/bb:v1.0_a-B"},
		{"a__b/c--d/e.f/g_h", "a__b/c--d/e.f/g_h:latest"},
		{"bb@sha256:" HEX, "bb@sha256:" HEX},
		{"bb:1@sha256:" HEX, "bb:1@sha256:" HEX},
		{"bb:_1", "bb:_1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[REFERENCE_TEXT_MAX];
		struct err err = ERR_INIT;
		struct reference r;
		int rc = reference_parse(cases[i][0], &r, &err);

		if (rc < 0)
			print_error("%s: %s\n", cases[i][0], err.msg);
		assert_int_equal(rc, 0);
		reference_default_tag(&r);
		reference_format(&r, text);
		assert_string_equal(text, cases[i][1]);
	}
}

static void test_bad_names_are_refused_with_dockers_words(void **state)
{
	static const char invalid[] = "invalid reference format";
	static const char *const cases[][2] = {
		{"", invalid},
		{":", invalid},
		{"a:", invalid},
		{"/a", invalid},
		{"a/", invalid},
		{"a//b", invalid},
		{"-a", invalid},
		{"a-", invalid},
		{"a___b", invalid},
		{"a..b", invalid},
		{"a/../b", invalid},
		{"../../etc", invalid},
		{"a b", invalid},
		{"a:b:c", invalid},
		{"a:.b", invalid},
		{"a:-b", invalid},
		{"a@sha256:12", invalid},
		{"a@md5:" HEX, invalid},
		{"a:x/y", invalid},
		{"host:port/x", invalid},
		{"host:/x", invalid},
		{"-host.x/a", invalid},
		{"a\n", invalid},
		{"\xc3\xa4", invalid},
		{"A", "invalid reference format: repository name (library/A) must be lowercase"},
		{"UPPER/Case:1",
		 "invalid reference format: repository name (UPPER/Case) must be lowercase"},
		{"localhost/UP",
		 "invalid reference format: repository name (UP) must be lowercase"},
		{HEX,
		 "invalid repository name (" HEX "), cannot specify 64-byte hexadecimal strings"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct reference r;

		if (reference_parse(cases[i][0], &r, &err) == 0)
			print_error("accepted: \"%s\"\n", cases[i][0]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.msg, cases[i][1]);
	}
}

static void test_lengths(void **state)
{
	char tag[160] = "a:", name[400];
	struct err err = ERR_INIT;
	struct reference r;

	(void)state;
	memset(tag + 2, 't', REFERENCE_TAG_MAX);
	assert_int_equal(reference_parse(tag, &r, &err), 0);
	tag[2 + REFERENCE_TAG_MAX] = 't';
	assert_int_not_equal(reference_parse(tag, &r, &err), 0);
	assert_string_equal(err.msg, "invalid reference format");
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_not_equal(reference_parse(name, &r, &err), 0);
	assert_string_equal(err.msg, "repository name must not be more than 255 characters");
}

static void test_digest(void **state)
{
	(void)state;
	assert_true(digest_valid("sha256:" HEX));
	assert_false(digest_valid(HEX));
	assert_false(digest_valid("sha256:" HEX "0"));
	assert_false(digest_valid("sha512:" HEX));
	assert_false(digest_valid(
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_false(digest_valid("sha256:../../../../../../../../etc/passwd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_names_show_in_familiar_form),
		cmocka_unit_test(test_bad_names_are_refused_with_dockers_words),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

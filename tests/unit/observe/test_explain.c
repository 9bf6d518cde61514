/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "observe/explain/explain.h"
#include "observe/explain/inside.h"
#include "observe/explain/lab_image.h"

static void assert_os(const char *text, const char *expected)
{
	char *name = inside_os_name(text);

	assert_string_equal(name, expected);
	free(name);
}

static void takes_the_name_of_an_os(void **state)
{
	(void)state;
	assert_os("NAME=\"A\"\nPRETTY_NAME=\"A 2\"\n", "A 2");
	assert_os("PRETTY_NAME='B'\n", "B");
	assert_os("\n\nNAME=plain\nX=1", "plain");
	assert_os("MY_NAME=no\nVERSION_NAME=no\n", "");
	assert_os("PRETTY_NAME=\"torn", "torn");
	assert_os("", "");
}

/* The first block's checksum, as tar(5) has it, counted anew. */
static void makes_a_tar(void **state)
{
	struct strbuf tar = {0};
	unsigned sum = 0;

	(void)state;
	lab_image(&tar);
	assert_int_equal(tar.len % 512, 0);
	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)tar.data[i];
	assert_int_equal(strtoul(tar.data + 148, NULL, 8), sum);
	assert_memory_equal(tar.data + 257, "ustar", 6);
	assert_string_equal(tar.data + 512, "etc/os-release");
	assert_string_equal(tar.data + tar.len - 1, "");
	strbuf_free(&tar);
}

/* This process is its own container: what is read inside is what is here. */
static void looks_inside(void **state)
{
	struct inside_file f = {.text = NULL};
	char node[65], release[65];

	(void)state;
	assert_int_equal(inside_read_proc(getpid(), "/proc/sys/kernel/ostype", &f), 0);
	assert_string_equal(f.text, "Linux\n");
	inside_file_free(&f);
	assert_int_equal(inside_read_proc(getpid(), "/etc/passwd", &f), -EXDEV);
	assert_int_equal(inside_read(getpid(), "/etc", &f), -EINVAL);
	assert_int_equal(inside_read(getpid(), "/nothing/here", &f), -ENOENT);
	assert_int_equal(inside_read(getpid(), "/dev/zero", &f), -EINVAL);
	assert_true(inside_count_processes(getpid()) > 0);
	if (geteuid() == 0) { /* setns(2) */
		assert_int_equal(inside_uname(getpid(), node, release), 0);
		assert_true(*release);
	}
}

static void refuses_topics_that_are_none(void **state)
{
	struct report r = {.kind = NULL};
	struct target t = {.pid = getpid()};
	struct explain x = {.report = &r, .target = &t, .name = "me"};
	struct strv keys = {0};
	struct err err = ERR_INIT;

	(void)state;
	strv_add(&keys, "kernel");
	strv_add(&keys, "nosuch");
	assert_true(explain_container(&x, &keys, &err) < 0);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err.msg, "sharing"));
	assert_int_equal(r.test_count, 0);
	strv_free(&keys);
	report_free(&r);
}

static void writes_hostile_text_tamely(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct report r = {.kind = xstrdup("explain"), .title = xstrdup("t")};
	struct report_test *t = report_add_test(&r, 1, "kernel", "One");
	struct report_claim *c = report_claim(t, "a", "k.a", REPORT_BROKEN, "%0200d", 7);
	struct strbuf out = {0};
	size_t column = 0;

	(void)state;
	report_evidence(c, "\033[31m\x80\xff\n/x/%s/y %sf", id, id);
	report_finish(&r);
	explain_text(&r, false, true, &out);
	assert_non_null(strstr(out.data, "/x/0123456789ab.../y"));
	assert_non_null(strstr(out.data, id));
	for (size_t i = 0; i < out.len; i++) {
		column = out.data[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 100);
		assert_true(out.data[i] == '\n' || (out.data[i] >= ' ' && out.data[i] < 0x7F));
	}
	strbuf_free(&out);
	report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_name_of_an_os),
		cmocka_unit_test(makes_a_tar),
		cmocka_unit_test(looks_inside),
		cmocka_unit_test(refuses_topics_that_are_none),
		cmocka_unit_test(writes_hostile_text_tamely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

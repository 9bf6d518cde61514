/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of layers looks as overlayfs would show it, and nothing outside of it is ever seen. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "image/merged.h"

#define LAYERS 3

struct fixture {
	char dir[64];
	int fds[LAYERS]; /* topmost first */
	struct merged m;
};

static void put(int dir, const char *path, const char *text)
{
	assert_int_equal(file_replace_at(dir, path, text, strlen(text), 0644, FILE_VOLATILE), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/cloche-merged-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	for (int i = 0; i < LAYERS; i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%d", f->dir, i);
		assert_int_equal(mkdir(path, 0755), 0);
		f->fds[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(f->fds[i] >= 0);
		assert_int_equal(mkdirat(f->fds[i], "etc", 0755), 0);
	}
	f->m = (struct merged){.layers = f->fds, .count = LAYERS};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	for (int i = 0; i < LAYERS; i++)
		close(f->fds[i]);
	rc = remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return rc;
}

static void assert_reads(struct fixture *f, const char *path, const char *expected)
{
	auto_free char *text = NULL;
	size_t len;
	int rc = merged_read(&f->m, path, 4096, &text, &len);

	if (rc < 0)
		print_error("%s: %s\n", path, err_errno_text(-rc));
	assert_int_equal(rc, 0);
	assert_string_equal(text, expected);
}

static void assert_missing(struct fixture *f, const char *path)
{
	auto_free char *text = NULL;
	size_t len;

	assert_int_equal(merged_read(&f->m, path, 4096, &text, &len), -ENOENT);
}

static void whiteout(int dir, const char *path)
{
	assert_int_equal(mknodat(dir, path, S_IFCHR, makedev(0, 0)), 0);
}

static void test_topmost_wins_and_lower_shows_through(void **state)
{
	struct fixture *f = *state;

	put(f->fds[2], "etc/low", "low");
	put(f->fds[2], "etc/both", "old");
	put(f->fds[0], "etc/both", "new");
	assert_reads(f, "/etc/low", "low");
	assert_reads(f, "etc//./both", "new");
	assert_missing(f, "etc/none");
	assert_missing(f, "etc");
}

static void test_whiteouts_hide(void **state)
{
	struct fixture *f = *state;

	put(f->fds[2], "etc/gone", "x");
	whiteout(f->fds[1], "etc/gone");
	assert_missing(f, "etc/gone");
	put(f->fds[0], "etc/gone", "back");
	assert_reads(f, "etc/gone", "back");
	assert_int_equal(mkdirat(f->fds[2], "d", 0755), 0);
	put(f->fds[2], "d/x", "x");
	whiteout(f->fds[1], "d");
	assert_missing(f, "d/x");
	/* a new directory over a whiteout does not bring the old one back */
	assert_int_equal(mkdirat(f->fds[0], "d", 0755), 0);
	assert_missing(f, "d/x");
	/* a file where a lower layer has a directory */
	assert_int_equal(mkdirat(f->fds[2], "e", 0755), 0);
	put(f->fds[2], "e/x", "x");
	put(f->fds[1], "e", "file");
	assert_int_equal(mkdirat(f->fds[0], "e", 0755), 0);
	assert_missing(f, "e/x");
}

static void test_opaque_directories_hide(void **state)
{
	struct fixture *f = *state;

	put(f->fds[2], "etc/low", "low");
	put(f->fds[1], "etc/mid", "mid");
	if (fsetxattr(f->fds[1], OVERLAY_OPAQUE, "n", 1, 0) < 0 && errno != 0) {
		print_message("skipped: trusted attributes need privilege\n");
		skip();
	}
	{
		auto_close int etc = openat(f->fds[1], "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(fsetxattr(etc, OVERLAY_OPAQUE, "y", 1, 0), 0);
	}
	assert_missing(f, "etc/low");
	assert_reads(f, "etc/mid", "mid");
}

static void test_symlinks_stay_inside(void **state)
{
	struct fixture *f = *state;
	struct merged_entry e;

	put(f->fds[2], "etc/passwd", "inside");
	assert_int_equal(mkdirat(f->fds[1], "a", 0755), 0);
	assert_int_equal(symlinkat("../../../../../../etc", f->fds[1], "a/up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->fds[0], "abs"), 0);
	assert_int_equal(symlinkat("loop", f->fds[0], "loop"), 0);
	assert_reads(f, "a/up/passwd", "inside");
	assert_reads(f, "abs", "inside");
	assert_reads(f, "a/../../../etc/passwd", "inside");
	assert_int_equal(merged_find(&f->m, "loop", true, &e), -ELOOP);
	/* not followed: the link itself, and where it is */
	assert_int_equal(merged_find(&f->m, "a/up", false, &e), 0);
	assert_true(S_ISLNK(e.st.st_mode));
	assert_string_equal(e.path, "a/up");
	close(e.dir);
	assert_int_equal(merged_find(&f->m, "a/up/passwd", false, &e), 0);
	assert_string_equal(e.path, "etc/passwd");
	close(e.dir);
	assert_int_equal(merged_find(&f->m, "abs/x", false, &e), -ENOTDIR);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	const struct merged none = {.layers = NULL, .count = 0};
	auto_free char *text = NULL;
	struct merged_entry e;
	size_t len;
	int before, after;

	put(f->fds[0], "big", "12345678");
	assert_int_equal(merged_read(&f->m, "big", 7, &text, &len), -EFBIG);
	assert_int_equal(merged_find(&none, "x", false, &e), -ENOENT);
	assert_int_equal(merged_find(&f->m, "", false, &e), 0);
	assert_string_equal(e.leaf, ".");
	close(e.dir);
	/* no look-up leaves a file open */
	before = dup(0);
	close(before);
	assert_missing(f, "etc/a/b/c");
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_topmost_wins_and_lower_shows_through, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_whiteouts_hide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opaque_directories_hide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symlinks_stay_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/undo.h"

static int make_dir(void **state)
{
	char template[] = "/tmp/cloche-test-XXXXXX";
	int *fd = malloc(sizeof(*fd));

	if (!mkdtemp(template))
		return -1;
	*fd = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fd;
	return 0;
}

static int drop_dir(void **state)
{
	int *fd = *state;
	char link[64], path[256];
	ssize_t n;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	n = readlink(link, path, sizeof(path) - 1);
	close(*fd);
	free(fd);
	path[n] = '\0';
	rc = remove_tree_at(AT_FDCWD, path);
	return rc == 0 && access(path, F_OK) < 0 ? 0 : -1;
}

static void replaces_whole_files(void **state)
{
	int dir = *(int *)*state;
	auto_free char *text = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(file_replace_at(dir, "a", "one", 3, 0640, FILE_DURABLE), 0);
	assert_int_equal(file_replace_at(dir, "a", "three", 5, 0600, FILE_VOLATILE), 0);
	assert_int_equal(file_read_at(dir, "a", 5, &text, &len), 0);
	assert_string_equal(text, "three");
	assert_int_equal(len, 5);
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read_at(dir, "a", 4, &text, &len), -EFBIG);
	assert_int_equal(file_replace_at(dir, "no/where", "x", 1, 0600, FILE_VOLATILE), -ENOENT);
}

static void removes_deep_trees_without_following_links(void **state)
{
	int dir = *(int *)*state;

	assert_int_equal(file_mkdir_all_at(dir, "keep", 0755), 0);
	assert_int_equal(file_replace_at(dir, "keep/me", "x", 1, 0600, FILE_VOLATILE), 0);
	assert_int_equal(file_mkdir_all_at(dir, "tree/x/y", 0755), 0);
	assert_int_equal(symlinkat("../keep", dir, "tree/link"), 0);
	assert_int_equal(symlinkat("../../../keep", dir, "tree/x/y/link"), 0);
	{
		auto_close int at = openat(dir, "tree", O_RDONLY | O_DIRECTORY);

		/* Deeper than PATH_MAX could ever name. */
		for (int i = 0; i < 3000; i++) {
			int next;

			assert_int_equal(mkdirat(at, "dir", 0755), 0);
			next = openat(at, "dir", O_RDONLY | O_DIRECTORY);
			assert_true(next >= 0);
			close(at);
			at = next;
		}
	}
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_int_equal(faccessat(dir, "tree", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "keep/me", F_OK, 0), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
}

static void unwinds_in_reverse(void **state)
{
	int dir = *(int *)*state;
	struct undo_stack *u = calloc(1, sizeof(*u));

	assert_int_equal(mkdirat(dir, "outer", 0755), 0);
	assert_int_equal(undo_push(u, undo_rmdir, dir, "outer"), 0);
	assert_int_equal(mkdirat(dir, "outer/inner", 0755), 0);
	assert_int_equal(undo_push(u, undo_rmdir, dir, "outer/inner"), 0);
	undo_unwind(u);
	assert_int_equal(faccessat(dir, "outer", F_OK, 0), -1);
	for (int i = 0; i < UNDO_MAX; i++)
		assert_int_equal(undo_push(u, undo_rmdir, dir, "none"), 0);
	assert_int_equal(undo_push(u, undo_rmdir, dir, "none"), -ENOSPC);
	undo_disarm(u);
	assert_int_equal(u->count, 0);
	free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replaces_whole_files, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(removes_deep_trees_without_following_links,
						make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(unwinds_in_reverse, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

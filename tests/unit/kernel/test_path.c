/* SPDX-License-Identifier: Apache-2.0 */
/* The door stays in its root whatever the symlinks inside say, and makes what is missing. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/path.h"

struct fixture {
	char dir[64];
	int top;
	int root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/cloche-path-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->top = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->top, "root", 0755), 0);
	assert_int_equal(mkdirat(f->top, "outside", 0755), 0);
	f->root = openat(f->top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	close(f->root);
	close(f->top);
	ret = remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return ret;
}

static void test_absolute_symlink_means_root(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	auto_close int fd = -1;

	assert_int_equal(symlinkat("/../../outside", f->root, "etc"), 0);
	assert_int_equal(path_open(f->root, "etc/.", O_RDONLY, 0), -ENOENT);
	fd = path_mkdir_all(f->root, "/etc/conf", 0750, 7, 8);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(f->root, "outside/conf", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(f->root, "etc", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fstatat(f->top, "outside/conf", &st, 0), -1);
}

static void test_mkdir_follows_dangling_link_inside(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	auto_close int fd = -1;

	assert_int_equal(mkdirat(f->root, "var", 0755), 0);
	assert_int_equal(symlinkat("../../../run", f->root, "var/run"), 0);
	fd = path_mkdir_all(f->root, "var/run/lock//x/", 0700, 5, 6);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(f->root, "run/lock/x", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	assert_int_equal(fstatat(f->root, "var", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstatat(f->top, "run", &st, 0), -1);
}

/* What is no regular file is not opened at all: a pipe that nobody writes to would be waited for. */
static void test_regular_files_only(void **state)
{
	struct fixture *f = *state;
	auto_close int made = openat(f->root, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	auto_close int fd = -1;
	char byte = 0;

	assert_int_equal(write(made, "x", 1), 1);
	assert_int_equal(mkfifoat(f->root, "pipe", 0600), 0);
	assert_int_equal(symlinkat("/file", f->root, "link"), 0);
	assert_int_equal(path_open_regular(f->root, "pipe", true), -EINVAL);
	assert_int_equal(path_open_regular(f->root, ".", true), -EINVAL);
	assert_int_equal(path_open_regular(f->root, "nothing", true), -ENOENT);
	assert_int_equal(path_open_regular(f->root, "link", false), -ELOOP);
	fd = path_open_regular(f->root, "link", true);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void test_make_file(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	auto_close int fd = path_make_file(f->root, "/a/b/file", 0640, 3, PATH_KEEP_OWNER);
	int again;

	assert_true(fd >= 0);
	assert_int_equal(fstatat(f->root, "a/b/file", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 3);
	again = path_make_file(f->root, "a/b", 0640, 3, 3);
	assert_true(again >= 0);
	close(again);
	assert_int_equal(symlinkat("/outside/new", f->root, "link"), 0);
	again = path_make_file(f->root, "link", 0600, 0, 0);
	assert_true(again >= 0);
	close(again);
	assert_int_equal(fstatat(f->root, "outside/new", &st, 0), 0);
	assert_int_equal(fstatat(f->top, "outside/new", &st, 0), -1);
	assert_int_equal(symlinkat("loop", f->root, "loop"), 0);
	assert_int_equal(path_make_file(f->root, "loop", 0600, 0, 0), -ELOOP);
	assert_int_equal(path_make_file(f->root, "a/b/file/x", 0600, 0, 0), -ENOTDIR);
}

static void test_parent(void **state)
{
	struct fixture *f = *state;
	char leaf[PATH_LEAF_SIZE];
	int fd = path_open_parent(f->root, "/top//", leaf);

	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(leaf, "top");
	assert_int_equal(path_open_parent(f->root, "a/..", leaf), -EINVAL);
	assert_int_equal(path_open_parent(f->root, "/", leaf), -EINVAL);
	assert_int_equal(path_open_parent(f->root, "", leaf), -EINVAL);
	assert_int_equal(path_open_parent(f->root, "missing/x", leaf), -ENOENT);
}

static void test_magic_links_refused(void **state)
{
	struct fixture *f = *state;
	auto_close int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(proc >= 0);
	assert_int_equal(path_open(proc, "root", O_PATH | O_DIRECTORY, 0), -ELOOP);
	assert_int_equal(symlinkat("x", f->root, "s"), 0);
	assert_int_equal(path_open_nosymlink(f->root, "s", O_RDONLY, 0), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_absolute_symlink_means_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir_follows_dangling_link_inside, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_make_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_regular_files_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_magic_links_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

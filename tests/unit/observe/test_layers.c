/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that stand for layers need neither a mount nor a container; whiteouts need root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "observe/probe/layers.h"

static void reads_the_topmost_root(void **state)
{
	static const char text[] =
		"20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
		"21 20 0:5 / /proc rw shared:3 - proc proc rw\n"
		"30 20 0:50 / / rw,nosuid master:7 - overlay overlay "
		"rw,lowerdir=l/A\\134:B:/b\\040c::/data,upperdir=/x\\054y/diff,workdir=/x/work,"
		"redirect_dir=on,index=off,metacopy=on,xino=auto,fsync=volatile\n";
	struct layers_mount m;
	struct err err;

	(void)state;
	assert_int_equal(layers_parse(text, &m, &err), 0);
	assert_true(m.overlay);
	assert_int_equal(m.lower.count, 3);
	assert_string_equal(m.lower.items[0], "l/A:B");
	assert_string_equal(m.lower.items[1], "/b c");
	assert_string_equal(m.lower.items[2], "/data");
	assert_string_equal(m.upper, "/x,y/diff");
	assert_string_equal(m.work, "/x/work");
	assert_string_equal(m.mount_options, "rw,nosuid");
	assert_true(m.features.redirect_dir);
	assert_true(m.features.metacopy);
	assert_false(m.features.index);
	assert_true(m.features.is_volatile);
	assert_string_equal(m.features.xino, "auto");
	layers_mount_free(&m);
}

static void reads_layers_given_one_by_one_and_older_words(void **state)
{
	static const char text[] =
		"30 20 0:50 / / ro - overlay none ro,lowerdir+=/a,lowerdir+=/b:c,"
		"datadir+=/d,volatile\n";
	struct layers_mount m;
	struct err err;

	(void)state;
	assert_int_equal(layers_parse(text, &m, &err), 0);
	assert_int_equal(m.lower.count, 3);
	assert_string_equal(m.lower.items[1], "/b:c");
	assert_null(m.upper);
	assert_true(m.read_only);
	assert_true(m.features.is_volatile);
	layers_mount_free(&m);
}

static void says_what_is_no_overlay(void **state)
{
	struct layers_mount m;
	struct layers_stack s;
	struct err err;

	(void)state;
	assert_int_equal(layers_parse("1 0 8:1 /sub / rw - ext4 /dev/sda rw\n", &m, &err), 0);
	assert_false(m.overlay);
	assert_string_equal(m.root, "/sub");
	assert_true(layers_walk(&m, &s, &err) < 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	layers_mount_free(&m);
	assert_true(layers_parse("1 0 8:1 / /mnt rw - ext4 /dev/sda rw\n", &m, &err) < 0);
}

/* ---- walking ---- */

static void put(const char *dir, const char *name, size_t size)
{
	char path[512], *bytes = calloc(1, size + 1);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	free(bytes);
}

static void put_directory(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* lower: etc/{passwd,group,deep/{a,b}}, bin/x, opt/{one,two}; middle hides etc/group and replaces
 * bin/x, and hides all of opt but what it brings; upper replaces etc/passwd and hides etc/deep. */
static void fill(const char *lower, const char *middle, const char *upper)
{
	char path[512];

	put_directory(lower, "etc");
	put_directory(lower, "etc/deep");
	put_directory(lower, "bin");
	put_directory(lower, "opt");
	put(lower, "etc/passwd", 1000);
	put(lower, "etc/group", 200);
	put(lower, "etc/deep/a", 30);
	put(lower, "etc/deep/b", 4);
	put(lower, "bin/x", 50000);
	put(lower, "opt/one", 10);
	put(lower, "opt/two", 20);
	put_directory(middle, "etc");
	put_directory(middle, "bin");
	put_directory(middle, "opt");
	put(middle, "bin/x", 7);
	put(middle, "opt/new", 8);
	snprintf(path, sizeof(path), "%s/etc/group", middle);
	assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
	snprintf(path, sizeof(path), "%s/opt", middle);
	assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
	put_directory(upper, "etc");
	put(upper, "etc/passwd", 1001);
	snprintf(path, sizeof(path), "%s/etc/deep", upper);
	assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
	snprintf(path, sizeof(path), "%s/etc/passwd", upper);
	assert_int_equal(setxattr(path, "trusted.overlay.origin", "x", 1, 0), 0);
}

static void counts_what_nobody_can_see(void **state)
{
	char base[] = "/var/tmp/layers.XXXXXX", lower[64], middle[64], upper[64];
	struct layers_mount m = {.overlay = true};
	struct layers_stack s;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(base));
	snprintf(lower, sizeof(lower), "%s/lower", base);
	snprintf(middle, sizeof(middle), "%s/middle", base);
	snprintf(upper, sizeof(upper), "%s/upper", base);
	put_directory(base, "lower");
	put_directory(base, "middle");
	put_directory(base, "upper");
	fill(lower, middle, upper);
	strv_add(&m.lower, middle);
	strv_add(&m.lower, lower);
	m.upper = strdup(upper);
	assert_int_equal(layers_walk(&m, &s, &err), 0);
	assert_int_equal(s.count, 3);

	assert_true(s.directories[0].upper);
	assert_int_equal(s.directories[0].changed, 1);
	assert_int_equal(s.directories[0].removed, 1);
	assert_int_equal(s.directories[0].added, 0);
	assert_int_equal(s.directories[0].copied_up, 1);
	assert_int_equal(s.directories[0].bytes, 1001);

	assert_int_equal(s.directories[1].whiteouts, 1);
	assert_int_equal(s.directories[1].opaque, 1);
	assert_int_equal(s.directories[1].files, 2);
	assert_int_equal(s.directories[1].hidden_files, 0);

	/* passwd and x are replaced; group, deep/a, deep/b, one, two are hidden by marks */
	assert_int_equal(s.directories[2].files, 7);
	assert_int_equal(s.directories[2].hidden_files, 7);
	assert_int_equal(s.directories[2].hidden_by_whiteout, 5);
	assert_int_equal(s.directories[2].hidden_bytes, 1000 + 50000 + 200 + 30 + 4 + 10 + 20);
	layers_stack_free(&s);
	layers_mount_free(&m);
	assert_int_equal(remove_tree_at(AT_FDCWD, base), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_topmost_root),
		cmocka_unit_test(reads_layers_given_one_by_one_and_older_words),
		cmocka_unit_test(says_what_is_no_overlay),
		cmocka_unit_test(counts_what_nobody_can_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

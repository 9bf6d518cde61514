/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "engine/volume.h"
#include "engine_fixture.h"

static void make_file(struct fixture *f, const char *path, const char *text, mode_t mode)
{
	assert_int_equal(
		file_replace_at(f->e.root_fd, path, text, strlen(text), mode, FILE_VOLATILE), 0);
}

/* overlay2/l/{LOW,TOP}: /data exists in both, /data/gone is whited out, /data/evil leaves the root. */
static void make_image(struct fixture *f)
{
	const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 2000000, .tv_nsec = 7}};
	int root = f->e.root_fd, fd;

	assert_int_equal(file_mkdir_all_at(root, "overlay2/l/LOW/data/sub", 0755), 0);
	assert_int_equal(file_mkdir_all_at(root, "overlay2/l/TOP/data", 0755), 0);
	make_file(f, "overlay2/l/LOW/data/gone", "x", 0644);
	make_file(f, "overlay2/l/LOW/data/low", "low", 0644);
	make_file(f, "overlay2/l/TOP/data/top", "top", 04751);
	assert_int_equal(mknodat(root, "overlay2/l/TOP/data/gone", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(
		linkat(root, "overlay2/l/TOP/data/top", root, "overlay2/l/TOP/data/hard", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", root, "overlay2/l/TOP/data/evil"), 0);
	assert_int_equal(mknodat(root, "overlay2/l/TOP/data/null", S_IFCHR | 0622, makedev(1, 3)),
			 0);
	assert_int_equal(mkfifoat(root, "overlay2/l/TOP/data/fifo", 0600), 0);
	assert_int_equal(fchownat(root, "overlay2/l/TOP/data", 12, 34, 0), 0);
	assert_int_equal(fchmodat(root, "overlay2/l/TOP/data", 01777, 0), 0);
	assert_int_equal(symlinkat("data", root, "overlay2/l/TOP/alias"), 0);
	fd = openat(root, "overlay2/l/TOP/data/top", O_RDWR);
	assert_int_equal(fsetxattr(fd, "trusted.mark", "m", 1, 0), 0);
	assert_int_equal(lseek(fd, 1 << 20, SEEK_SET), 1 << 20);
	assert_int_equal(write(fd, "end", 3), 3);
	assert_int_equal(fchmod(fd, 04751), 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void make_volume(struct container *c, const char *source, const char *target)
{
	struct mount_request *m = container_config_add_mount(&c->config);

	m->kind = MOUNT_KIND_VOLUME;
	m->source = source ? xstrdup(source) : NULL;
	m->target = xstrdup(target);
}

static int open_volume(const struct container *c, size_t i)
{
	return open(c->volume_paths.items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void check_copy(int fd)
{
	struct stat st, other;
	char text[8] = "";

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(fstatat(fd, "top", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 04751);
	assert_int_equal(st.st_mtim.tv_sec, 2000000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	assert_int_equal(st.st_size, (1 << 20) + 3);
	assert_true(st.st_blocks * 512 < 1 << 19);
	assert_int_equal(fstatat(fd, "hard", &other, 0), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	assert_int_equal(fstatat(fd, "null", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(fstatat(fd, "fifo", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(fstatat(fd, "evil", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fchdir(fd), 0);
	assert_int_equal(getxattr("top", "trusted.mark", text, sizeof(text)), 1);
	assert_int_equal(chdir("/"), 0);
}

static int entry_count(int fd, const char *path)
{
	int dir_fd = openat(fd, path, O_RDONLY | O_DIRECTORY), n = 0;
	DIR *dir = fdopendir(dir_fd);

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void fills_fresh_volumes(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct undo_stack undo = {0};
	auto_close int merged = -1, single = -1, fresh = -1;

	make_image(f);
	container_init(&c);
	fixture_id(c.id, "1");
	c.lower = xstrdup("l/TOP:l/LOW");
	make_volume(&c, NULL, "/data");
	make_volume(&c, "named", "/alias"); /* through a link inside the image */
	make_volume(&c, NULL, "/nothing/here");
	if (container_volumes_make(&f->e, &c, &undo, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c.volume_paths.count, 3);
	merged = open_volume(&c, 0);
	check_copy(merged);
	assert_int_equal(faccessat(merged, "low", F_OK, 0), 0);
	assert_int_equal(faccessat(merged, "sub", F_OK, 0), 0);
	assert_int_equal(faccessat(merged, "gone", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	single = open_volume(&c, 1);
	check_copy(single);
	fresh = open_volume(&c, 2);
	assert_true(fresh >= 0);
	assert_int_equal(entry_count(fresh, "."), 0);
	assert_int_equal(entry_count(f->e.root_fd, "volumes/named"), 1);
	/* failure of a later step takes the anonymous ones away again, not the named one */
	undo_unwind(&undo);
	assert_int_equal(entry_count(f->e.root_fd, "volumes"), 1);
}

static void leaves_full_volumes_alone(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;

	make_image(f);
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "volumes/kept/_data", 0700), 0);
	make_file(f, "volumes/kept/_data/mine", "x", 0600);
	container_init(&c);
	fixture_id(c.id, "1");
	c.lower = xstrdup("l/TOP");
	make_volume(&c, "kept", "/data");
	make_volume(&c, "bare", "/data");
	c.config.mounts[1].no_copy = true;
	assert_int_equal(container_volumes_make(&f->e, &c, NULL, NULL, &err), 0);
	assert_int_equal(entry_count(f->e.root_fd, "volumes/kept/_data"), 1);
	assert_int_equal(entry_count(f->e.root_fd, "volumes/bare/_data"), 0);
}

static void sweeps_a_killed_copy(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;

	make_image(f);
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "volumes/v1/_data", 0755), 0);
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "volumes/v1/_data.tmp/half", 0755), 0);
	container_init(&c);
	c.lower = xstrdup("l/TOP");
	make_volume(&c, "v1", "/data");
	assert_int_equal(container_volumes_make(&f->e, &c, NULL, NULL, &err), 0);
	assert_int_equal(entry_count(f->e.root_fd, "volumes/v1"), 1);
	assert_int_equal(faccessat(f->e.root_fd, "volumes/v1/_data/top", F_OK, 0), 0);
}

static void refuses_bad_names(void **state)
{
	static const char *const bad[] = {"", "a", "../x", ".x", "a/b", "a b"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_container struct container c;
		struct err err = ERR_INIT;

		container_init(&c);
		make_volume(&c, bad[i], "/data");
		assert_true(container_volumes_make(&f->e, &c, NULL, NULL, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

/* 1 when the volume says that it belongs to c, 0 when it says nothing. */
static int owner_of(const struct container *c, size_t i)
{
	auto_free char *path = xasprintf("%s/..", c->volume_paths.items[i]);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY);
	char id[ID_LEN + 1];
	int rc = volume_read_owner(fd, id);

	if (rc == 0)
		assert_string_equal(id, c->id);
	else
		assert_int_equal(rc, -ENOENT);
	return rc == 0;
}

static void save(struct fixture *f, struct container *c, const char *head)
{
	auto_close int dir = -1;
	struct err err;
	char path[128];

	fixture_id(c->id, head);
	c->name = xstrdup(head);
	strv_add(&c->argv, "x");
	snprintf(path, sizeof(path), "containers/%s", c->id);
	mkdirat(f->e.root_fd, path, 0700);
	dir = openat(f->e.root_fd, path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(container_record_write(c, dir, false, &err), 0);
}

static void removes_anonymous_volumes_nobody_else_has(void **state)
{
	struct fixture *f = *state;
	auto_container struct container a, b;
	struct err err = ERR_INIT;

	container_init(&a);
	container_init(&b);
	fixture_id(a.id, "aa");
	make_volume(&a, NULL, "/one");
	make_volume(&a, "named", "/two");
	make_volume(&a, NULL, "/three");
	assert_int_equal(container_volumes_make(&f->e, &a, NULL, NULL, &err), 0);
	/* b shares the third */
	make_volume(&b, NULL, "/three");
	strv_add(&b.volume_paths, a.volume_paths.items[2]);
	save(f, &a, "aa");
	save(f, &b, "bb");
	assert_int_equal(owner_of(&a, 0), 1);
	assert_int_equal(owner_of(&a, 1), 0);
	assert_int_equal(container_volumes_remove(&f->e, &a, &err), 0);
	assert_int_equal(access(a.volume_paths.items[0], F_OK), -1);
	assert_int_equal(access(a.volume_paths.items[1], F_OK), 0);
	assert_int_equal(access(a.volume_paths.items[2], F_OK), 0);
	/* rm without -v lets them outlive it */
	assert_int_equal(owner_of(&a, 2), 1);
	assert_int_equal(container_volumes_disown(&f->e, &b, &err), 0);
	assert_int_equal(owner_of(&a, 2), 0);
	/* a record cannot name a directory of somebody else */
	free(b.volume_paths.items[0]);
	b.volume_paths.items[0] = xasprintf("%s/volumes/../containers/_data", f->e.root);
	assert_int_equal(container_volumes_remove(&f->e, &b, &err), 0);
	assert_int_equal(faccessat(f->e.root_fd, "containers", F_OK, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fills_fresh_volumes, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(leaves_full_volumes_alone, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(sweeps_a_killed_copy, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_names, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(removes_anonymous_volumes_nobody_else_has,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

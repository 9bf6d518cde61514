/* SPDX-License-Identifier: Apache-2.0 */
/* The sums of `system df`, the size of trees, and which values filters take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#include "engine/filter_values.h"
#include "engine/usage.h"
#include "engine_fixture.h"

static void sums(void **state)
{
	struct image_usage images[] = {
		{.image = {.size_bytes = 100}, .shared_bytes = 60, .containers = 2},
		{.image = {.size_bytes = 90}, .shared_bytes = 60},
		{.image = {.size_bytes = 0}, .containers = 1},
	};
	struct container list[2] = {{.state.status = CONTAINER_RUNNING},
				    {.state.status = CONTAINER_EXITED}};
	struct container_usage containers[] = {{&list[0], {10, 110}}, {&list[1], {7, 107}}};
	struct volume_usage volumes[] = {{.bytes = 5, .users = 1}, {.bytes = 3}, {.bytes = 0}};
	const struct engine_usage u = {.layers_bytes = 130,
				       .images = images,
				       .image_count = 3,
				       .containers = containers,
				       .container_count = 2,
				       .volumes = volumes,
				       .volume_count = 3};
	struct usage_total t = usage_of_images(&u);

	(void)state;
	/* All layers but the 40 bytes that only a used image has. */
	assert_int_equal(t.total, 3);
	assert_int_equal(t.active, 2);
	assert_int_equal(t.bytes, 130);
	assert_int_equal(t.reclaimable_bytes, 90);
	t = usage_of_containers(&u);
	assert_int_equal(t.active, 1);
	assert_int_equal(t.bytes, 17);
	assert_int_equal(t.reclaimable_bytes, 7);
	t = usage_of_volumes(&u);
	assert_int_equal(t.total, 3);
	assert_int_equal(t.active, 1);
	assert_int_equal(t.bytes, 8);
	assert_int_equal(t.reclaimable_bytes, 3);
}

static void make_file(int dir, const char *path, size_t bytes)
{
	auto_free char *text = calloc(1, bytes + 1);

	assert_int_equal(file_replace_at(dir, path, text, bytes, 0600, FILE_VOLATILE), 0);
}

static void measures_trees(void **state)
{
	struct fixture *f = *state;
	int root = f->e.root_fd;
	uint64_t bytes;

	assert_int_equal(tree_size_at(root, "tree", &bytes), -ENOENT);
	assert_int_equal(file_mkdir_all_at(root, "tree/a/b/c", 0700), 0);
	assert_int_equal(file_mkdir_all_at(root, "outside", 0700), 0);
	make_file(root, "outside/big", 5000);
	assert_int_equal(tree_size_at(root, "tree", &bytes), 0);
	assert_int_equal(bytes, 0);
	make_file(root, "tree/a/b/c/file", 100);
	make_file(root, "tree/one", 20);
	assert_int_equal(linkat(root, "tree/one", root, "tree/a/two", 0), 0);
	assert_int_equal(linkat(root, "tree/one", root, "tree/a/three", 0), 0);
	/* The link counts with its own length and leads nowhere. */
	assert_int_equal(symlinkat("../outside", root, "tree/link"), 0);
	assert_int_equal(mkfifoat(root, "tree/fifo", 0600), 0);
	assert_int_equal(tree_size_at(root, "tree", &bytes), 0);
	assert_int_equal(bytes, 100 + 20 + 10);
}

static void measures_deep_trees(void **state)
{
	struct fixture *f = *state;
	auto_strbuf struct strbuf path = {0};
	uint64_t bytes;

	strbuf_puts(&path, "tree");
	for (int i = 0; i < 1500; i++)
		strbuf_puts(&path, "/d");
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, strbuf_str(&path), 0700), 0);
	strbuf_puts(&path, "/file");
	make_file(f->e.root_fd, strbuf_str(&path), 7);
	assert_int_equal(tree_size_at(f->e.root_fd, "tree", &bytes), 0);
	assert_int_equal(bytes, 7);
}

#define S UINT64_C(1000000000)

static void knows_points_in_time(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"100", 100 * S},
		{"100.5", 100 * S + S / 2},
		{"1.000000001", S + 1},
		{"10m", 5000 * S - 600 * S},
		{"1970-01-01T00:01:00Z", 60 * S},
	};
	static const char *const bad[] = {"", "x", "1.", "1.0000000001", "1.x", "yesterday"};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(filter_until(good[i].text, 5000 * S, &ns), 0);
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(filter_until(bad[i], 5000 * S, &ns) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(knows_points_in_time),
		cmocka_unit_test_setup_teardown(measures_trees, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(measures_deep_trees, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

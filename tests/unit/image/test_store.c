/* SPDX-License-Identifier: Apache-2.0 */
/* The store from the outside: resolving, naming, listing, removing, and finding leftovers. The store
 * is put together by hand here, so that these tests need neither privilege nor an archive. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "image/image.h"

struct fixture {
	char dir[64];
	int root;
	struct image_store store;
};

/* An id that repeats one digit, with a first digit of its own. */
static const char *id_of(char first)
{
	static char ids[256][DIGEST_LEN + 1];
	char *id = ids[(unsigned char)first];

	snprintf(id, DIGEST_LEN + 1, "sha256:%c%063d", first, 0);
	return id;
}

static void put(struct fixture *f, const char *text, const char *format, ...)
{
	char path[512];
	va_list ap;
	char *slash;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(file_mkdir_all_at(f->root, path, 0755), 0);
	*slash = '/';
	assert_int_equal(file_replace_at(f->root, path, text, strlen(text), 0644, FILE_VOLATILE),
			 0);
}

static bool exists(struct fixture *f, const char *format, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	return faccessat(f->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define IMAGE "image/overlay2/"

/* A layer with chain id and cache id of `digit`. */
static void put_layer(struct fixture *f, char digit, char parent, const char *size)
{
	const char *id = id_of(digit), *hex = id + 7;
	char link[32];

	put(f, hex, IMAGE "layerdb/sha256/%s/cache-id", hex);
	put(f, id, IMAGE "layerdb/sha256/%s/diff", hex);
	put(f, size, IMAGE "layerdb/sha256/%s/size", hex);
	if (parent)
		put(f, id_of(parent), IMAGE "layerdb/sha256/%s/parent", hex);
	snprintf(link, sizeof(link), "%026d", digit);
	put(f, link, "overlay2/%s/link", hex);
	put(f, "x", "overlay2/%s/diff/file", hex);
	put(f, "", "overlay2/l/%s", link);
}

static void put_image(struct fixture *f, char digit, char chain, const char *created)
{
	const char *hex = id_of(digit) + 7;
	char config[512];

	snprintf(
		config, sizeof(config),
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"%s\",\"config\":{\"Labels\":"
		"{\"k\":\"%c\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		created, digit, id_of(chain));
	put(f, config, IMAGE "imagedb/content/sha256/%s", hex);
	put(f, "l/A:l/B", IMAGE "imagedb/metadata/sha256/%s/lower", hex);
	put(f, id_of(chain), IMAGE "imagedb/metadata/sha256/%s/chain", hex);
	put(f, "root:x:0:0::/:/bin/sh\n", IMAGE "imagedb/metadata/sha256/%s/passwd", hex);
}

/* Images a (layers 1, 2) and b (layers 1, 3), older; names a:1, a:2, b:latest. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;
	char names[1024];

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/cloche-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->root = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root >= 0);
	put_layer(f, '1', 0, "100");
	put_layer(f, '2', '1', "20");
	put_layer(f, '3', '1', "3");
	put_image(f, 'a', '2', "2024-01-01T00:00:00Z");
	put_image(f, 'b', '3', "2020-01-01T00:00:00Z");
	snprintf(
		names, sizeof(names),
		"{\"Repositories\":{\"a\":{\"a:1\":\"%s\",\"a:2\":\"%s\"},\"b\":{\"b:latest\":\"%s\"}}}",
		id_of('a'), id_of('a'), id_of('b'));
	put(f, names, IMAGE "repositories.json");
	assert_int_equal(image_store_open(&f->store, f->root, f->dir, IMAGE_STORE_WRITE, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	image_store_close(&f->store);
	close(f->root);
	rc = remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return rc;
}

static void assert_resolves(struct fixture *f, const char *reference, const char *id,
			    const char *name)
{
	auto_image struct image image = {0};
	struct err err = ERR_INIT;
	int rc = image_resolve(&f->store, reference, &image, &err);

	if (rc < 0)
		print_error("%s: %s\n", reference, err.msg);
	assert_int_equal(rc, 0);
	assert_string_equal(image.id, id);
	if (name)
		assert_string_equal(image.name, name);
	else
		assert_null(image.name);
}

static void assert_refused(struct fixture *f, const char *reference, enum err_kind kind,
			   const char *message)
{
	struct image image;
	struct err err = ERR_INIT;

	assert_int_not_equal(image_resolve(&f->store, reference, &image, &err), 0);
	assert_int_equal(err.kind, kind);
	assert_string_equal(err.msg, message);
}

static void test_resolving(void **state)
{
	struct fixture *f = *state;
	auto_image struct image image = {0};
	struct err err = ERR_INIT;

	assert_resolves(f, "a:1", id_of('a'), "a:1");
	assert_resolves(f, "docker.io/library/b", id_of('b'), "b:latest");
	assert_resolves(f, id_of('a'), id_of('a'), NULL);
	assert_resolves(f, id_of('a') + 7, id_of('a'), NULL);
	assert_resolves(f, "a000", id_of('a'), NULL);
	assert_resolves(f, "sha256:b0", id_of('b'), NULL);
	/* a name wins over a prefix */
	assert_resolves(f, "b", id_of('b'), "b:latest");
	assert_refused(f, "a:3", ERR_NOT_FOUND, "No such image: a:3");
	assert_refused(f, "c0", ERR_NOT_FOUND, "No such image: c0:latest");
	assert_refused(f, "A", ERR_INVALID,
		       "invalid reference format: repository name (library/A) must be lowercase");
	assert_refused(f, "", ERR_INVALID, "invalid reference format");
	assert_refused(f, "../../etc/passwd", ERR_INVALID, "invalid reference format");
	assert_int_equal(image_resolve(&f->store, "a:1", &image, &err), 0);
	assert_string_equal(image.lower, "l/A:l/B");
	assert_string_equal(image.passwd, "root:x:0:0::/:/bin/sh\n");
	assert_null(image.group);
	assert_string_equal(image.config.architecture, "amd64");
}

static void test_ambiguous_prefix_is_none(void **state)
{
	struct fixture *f = *state;
	char other[DIGEST_LEN + 1];

	memcpy(other, id_of('a'), sizeof(other));
	other[DIGEST_LEN - 1] = 'f';
	put(f, "{}", IMAGE "imagedb/content/sha256/%s", other + 7);
	assert_refused(f, "a00", ERR_NOT_FOUND, "No such image: a00:latest");
}

static void test_empty_store(void **state)
{
	struct image_store store;
	struct image_summary *list;
	struct err err = ERR_INIT;
	struct image image;
	char dir[] = "/tmp/cloche-empty-XXXXXX";
	size_t count;
	int lock;

	(void)state;
	assert_non_null(mkdtemp(dir));
	{
		auto_close int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(image_store_open(&store, root, dir, IMAGE_STORE_READ, &err), 0);
		assert_int_equal(image_list(&store, &list, &count, &err), 0);
		assert_int_equal(count, 0);
		assert_int_not_equal(image_resolve(&store, "x", &image, &err), 0);
		assert_string_equal(err.msg, "No such image: x:latest");
		assert_int_equal(image_store_lock(&store, IMAGE_LOCK_SHARED, &lock, &err), 0);
		assert_int_equal(lock, -1);
		image_store_close(&store);
	}
	/* reading made nothing */
	assert_int_equal(rmdir(dir), 0);
}

static void test_listing(void **state)
{
	struct fixture *f = *state;
	struct image_summary *list = NULL;
	struct err err = ERR_INIT;
	size_t count = 0;

	assert_int_equal(image_list(&f->store, &list, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].id, id_of('a'));
	assert_int_equal(list[0].size_bytes, 120);
	assert_int_equal(list[0].tags.count, 2);
	assert_string_equal(list[0].tags.items[0], "a:1");
	assert_string_equal(list[1].id, id_of('b'));
	assert_int_equal(list[1].size_bytes, 103);
	image_list_free(list, count);
}

static size_t filtered(struct fixture *f, const char *a, const char *b, struct err *err)
{
	struct image_summary *list = NULL;
	auto_strv struct strv filters = {0};
	size_t count = 0;
	int rc;

	*err = ERR_INIT;
	strv_add(&filters, a);
	if (b)
		strv_add(&filters, b);
	assert_int_equal(image_list(&f->store, &list, &count, err), 0);
	rc = image_filter(&f->store, &filters, list, &count, err);
	image_list_free(list, count);
	return rc < 0 ? SIZE_MAX : count;
}

static void test_filters(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_int_equal(filtered(f, "reference=a", NULL, &err), 1);
	assert_int_equal(filtered(f, "reference=*:*", NULL, &err), 2);
	assert_int_equal(filtered(f, "reference=nothing", NULL, &err), 0);
	assert_int_equal(filtered(f, "dangling=true", NULL, &err), 0);
	assert_int_equal(filtered(f, "dangling=false", NULL, &err), 2);
	assert_int_equal(filtered(f, "label=k", NULL, &err), 2);
	assert_int_equal(filtered(f, "label=k=a", NULL, &err), 1);
	assert_int_equal(filtered(f, "label=k=a", "label=k=b", &err), 0);
	assert_int_equal(filtered(f, "reference=a", "reference=b", &err), 2);
	assert_int_equal(filtered(f, "before=a:1", NULL, &err), 1);
	assert_int_equal(filtered(f, "since=b", NULL, &err), 1);
	assert_int_equal(filtered(f, "until=2022-01-01T00:00:00Z", NULL, &err), 1);
	assert_int_equal(filtered(f, "reference=[^b]", NULL, &err), 1);
	assert_int_equal(filtered(f, "reference=\\a:[0-9]", NULL, &err), 1);
	assert_true(filtered(f, "reference=[a", NULL, &err) == SIZE_MAX);
	assert_string_equal(err.msg, "syntax error in pattern");
	assert_true(filtered(f, "reference=a\\", NULL, &err) == SIZE_MAX);
	assert_true(filtered(f, "reference=[]a]", NULL, &err) == SIZE_MAX);
	assert_true(filtered(f, "foo=bar", NULL, &err) == SIZE_MAX);
	assert_string_equal(err.msg, "invalid filter 'foo'");
	assert_true(filtered(f, "dangling=perhaps", NULL, &err) == SIZE_MAX);
	assert_string_equal(err.msg, "invalid filter 'dangling=[perhaps]'");
	assert_true(filtered(f, "since=none", NULL, &err) == SIZE_MAX);
	assert_string_equal(err.msg, "No such image: none:latest");
}

static void test_tagging(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char digest[DIGEST_LEN + 8];

	assert_int_equal(image_tag(&f->store, "a:1", "docker.io/library/new:x", &err), 0);
	assert_resolves(f, "new:x", id_of('a'), "new:x");
	/* a name that exists moves */
	assert_int_equal(image_tag(&f->store, "a:1", "b", &err), 0);
	assert_resolves(f, "b", id_of('a'), "b:latest");
	assert_int_not_equal(image_tag(&f->store, "nothing", "x", &err), 0);
	assert_string_equal(err.msg, "No such image: nothing:latest");
	snprintf(digest, sizeof(digest), "x@%s", id_of('a'));
	assert_int_not_equal(image_tag(&f->store, "a:1", digest, &err), 0);
	assert_string_equal(err.msg, "refusing to create a tag with a digest reference");
}

/* Stands for the engine: says the image is used by a container. */
struct users {
	const char *id;
	bool running;
};

static int find_user(void *context, const char *id, char container[65], bool *running,
		     struct err *err)
{
	const struct users *u = context;

	(void)err;
	if (!u->id || !str_eq(u->id, id))
		return 0;
	snprintf(container, 65, "c0ffee%058d", 0);
	*running = u->running;
	return 1;
}

/* Removes and compares what was said; lines joined by '|', or the error. */
static void assert_remove(struct fixture *f, const char *reference, bool force, struct users *users,
			  const char *expected)
{
	struct image_removal out = {0};
	auto_strbuf struct strbuf said = {0};
	struct err err = ERR_INIT;
	int rc = image_remove(&f->store, reference, force, find_user, users, &out, &err);

	for (size_t i = 0; i < out.lines.count; i++)
		strbuf_printf(&said, "%s%.22s", i ? "|" : "", out.lines.items[i]);
	strv_free(&out.lines);
	assert_string_equal(rc < 0 ? err.msg : strbuf_str(&said), expected);
}

static void test_removing(void **state)
{
	struct fixture *f = *state;
	struct users none = {0};

	assert_remove(
		f, "a0", false, &none,
		"conflict: unable to delete a00000000000 (must be forced) - image is referenced in "
		"multiple repositories");
	assert_remove(f, "a:1", false, &none, "Untagged: a:1");
	assert_resolves(f, "a:2", id_of('a'), "a:2");
	/* the last name takes the image and its own layer, not the one that b has too */
	assert_remove(f, "a:2", false, &none,
		      "Untagged: a:2|Deleted: sha256:a00000|Deleted: sha256:200000");
	assert_false(exists(f, IMAGE "layerdb/sha256/%s", id_of('2') + 7));
	assert_false(exists(f, "overlay2/%s", id_of('2') + 7));
	assert_false(exists(f, "overlay2/l/%026d", '2'));
	assert_true(exists(f, IMAGE "layerdb/sha256/%s", id_of('1') + 7));
	assert_resolves(f, "b", id_of('b'), "b:latest");
	assert_remove(f, "b0", false, &none,
		      "Untagged: b:latest|Deleted: sha256:b00000|Deleted: sha256:300000|"
		      "Deleted: sha256:100000");
	assert_remove(f, "b", false, &none, "No such image: b:latest");
	assert_false(exists(f, "overlay2/%s", id_of('1') + 7));
}

static void test_used_images_stay(void **state)
{
	struct fixture *f = *state;
	struct users stopped = {.id = id_of('b')}, running = {.id = id_of('b'), .running = true};

	assert_remove(
		f, "b", false, &stopped,
		"conflict: unable to remove repository reference \"b\" (must force) - container "
		"c0ffee000000 is using its referenced image b00000000000");
	assert_remove(
		f, "b0", false, &stopped,
		"conflict: unable to delete b00000000000 (must be forced) - image is being used by "
		"stopped container c0ffee000000");
	assert_remove(
		f, "b0", true, &running,
		"conflict: unable to delete b00000000000 (cannot be forced) - image is being used by "
		"running container c0ffee000000");
	assert_resolves(f, "b", id_of('b'), "b:latest");
	/* forced, the name goes and the container keeps its root */
	assert_remove(f, "b", true, &stopped, "Untagged: b:latest");
	assert_resolves(f, "b0", id_of('b'), NULL);
	assert_true(exists(f, "overlay2/%s/diff/file", id_of('3') + 7));
}

/* ---- leftovers ---- */

static void note(void *context, const char *path, const char *why)
{
	struct strv *found = context;

	(void)why;
	strv_add(found, path);
}

static size_t check(struct fixture *f, bool repair, const char *expected)
{
	auto_strv struct strv found = {0};
	struct err err = ERR_INIT;

	assert_int_equal(image_store_check(&f->store, repair, note, &found, &err), 0);
	if (expected && !strv_contains(&found, expected)) {
		print_error("not found: %s\n", expected);
		for (size_t i = 0; i < found.count; i++)
			print_error("  found: %s\n", found.items[i]);
	}
	if (expected)
		assert_true(strv_contains(&found, expected));
	return found.count;
}

static void test_clean_store_has_no_leftovers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, true, NULL), 0);
	assert_resolves(f, "a:1", id_of('a'), "a:1");
}

static void test_each_leftover_is_found_and_swept(void **state)
{
	struct fixture *f = *state;
	char path[300];

	/* a container's own directory is none of the store's business */
	put(f, "x", "overlay2/%s/diff/x", id_of('f') + 7);
	put(f, "x", "overlay2/tmp-0123456789abcdef/spool");
	assert_int_equal(check(f, false, "overlay2/tmp-0123456789abcdef"), 1);
	put_layer(f, '9', 0, "1");
	snprintf(path, sizeof(path), "overlay2/%s", id_of('9') + 7);
	check(f, false, path);
	snprintf(path, sizeof(path), IMAGE "layerdb/sha256/%s", id_of('9') + 7);
	check(f, false, path);
	put(f, "{}", IMAGE "imagedb/content/sha256/%s", id_of('c') + 7);
	snprintf(path, sizeof(path), IMAGE "imagedb/content/sha256/%s", id_of('c') + 7);
	check(f, false, path);
	put(f, "x", IMAGE "imagedb/metadata/sha256/%s/lower", id_of('d') + 7);
	put(f, "x", IMAGE "content/sha256/%s", id_of('e') + 7);
	assert_int_equal(symlinkat("../nothing/diff", f->root, "overlay2/l/DANGLING"), 0);
	check(f, false, "overlay2/l/DANGLING");
	check(f, true, NULL);
	/* everything went at once, and nothing else did */
	assert_true(check(f, true, NULL) <= 1); /* the link of layer 9 is a file here */
	assert_false(exists(f, "overlay2/tmp-0123456789abcdef"));
	assert_false(exists(f, IMAGE "layerdb/sha256/%s", id_of('9') + 7));
	assert_true(exists(f, "overlay2/%s/diff/x", id_of('f') + 7));
	assert_resolves(f, "a:1", id_of('a'), "a:1");
	assert_resolves(f, "b", id_of('b'), "b:latest");
}

static void test_killed_load_is_told_from_dangling_image(void **state)
{
	struct fixture *f = *state;
	struct users none = {0};

	put_image(f, 'c', '2', "2021-01-01T00:00:00Z");
	/* without a name but whole: someone's dangling image */
	assert_int_equal(check(f, true, NULL), 0);
	assert_resolves(f, "c0", id_of('c'), NULL);
	put(f, "", IMAGE "imagedb/metadata/sha256/%s/loading", id_of('c') + 7);
	assert_true(check(f, true, NULL) > 0);
	assert_false(exists(f, IMAGE "imagedb/content/sha256/%s", id_of('c') + 7));
	assert_true(exists(f, IMAGE "layerdb/sha256/%s", id_of('2') + 7));
	(void)none;
}

static void test_live_load_is_no_leftover(void **state)
{
	struct fixture *f = *state;

	put(f, "x", "overlay2/tmp-aaaaaaaaaaaaaaaa/spool");
	{
		auto_close int fd = openat(f->root, "overlay2/tmp-aaaaaaaaaaaaaaaa",
					   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(flock(fd, LOCK_EX), 0);
		assert_int_equal(check(f, false, NULL), 0);
	}
	assert_int_equal(check(f, false, NULL), 1);
}

static void test_name_of_gone_image(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct image image;
	char path[300];

	snprintf(path, sizeof(path), IMAGE "imagedb/content/sha256/%s", id_of('b') + 7);
	assert_int_equal(unlinkat(f->root, path, 0), 0);
	check(f, true, IMAGE "repositories.json: b:latest");
	assert_int_not_equal(image_resolve(&f->store, "b", &image, &err), 0);
	assert_string_equal(err.msg, "No such image: b:latest");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_resolving),
		T(test_ambiguous_prefix_is_none),
		T(test_empty_store),
		T(test_listing),
		T(test_filters),
		T(test_tagging),
		T(test_removing),
		T(test_used_images_stay),
		T(test_clean_store_has_no_leftovers),
		T(test_each_leftover_is_found_and_swept),
		T(test_killed_load_is_told_from_dangling_image),
		T(test_live_load_is_no_leftover),
		T(test_name_of_gone_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

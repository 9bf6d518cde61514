/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/str.h"
#include "engine/merge.h"

/* Lists are written as words with one blank between them; NULL is "not given". */
struct command_case {
	const char *image_entrypoint, *image_cmd, *entrypoint, *cmd;
	const char *argv; /* NULL: refused */
};

static const struct command_case command_cases[] = {
	{NULL, "sh", NULL, NULL, "sh"},
	{NULL, "sh", NULL, "ls -l", "ls -l"},
	{"/entry", "one two", NULL, NULL, "/entry one two"},
	{"/entry", "one", NULL, "two", "/entry two"},
	{"/entry", "one", "/mine", NULL, "/mine"}, /* the image's command is dropped */
	{"/entry", "one", "/mine", "two", "/mine two"},
	{"/entry", "one", "", "two", "two"}, /* --entrypoint "" resets */
	{"/entry", "one", "", NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL},
	{NULL, NULL, NULL, "true", "true"},
};

static void add_words(struct strv *v, const char *words)
{
	while (words && *words) {
		size_t n = strcspn(words, " ");

		strv_add_taken(v, xstrndup(words, n));
		words += n + (words[n] == ' ');
	}
}

static char *join(const struct strv *v)
{
	auto_strbuf struct strbuf out = {0};

	for (size_t i = 0; i < v->count; i++)
		strbuf_printf(&out, "%s%s", i ? " " : "", v->items[i]);
	return strbuf_take(&out);
}

static void begin(struct container *c, struct image *image)
{
	container_init(c);
	memset(c->id, 'a', ID_LEN);
	*image = (struct image){0};
	strcpy(image->id, "sha256:1");
}

static void end(struct image *image)
{
	struct oci_image_config *c = &image->config;
	struct strv *lists[] = {&c->env,     &c->entrypoint, &c->cmd,
				&c->volumes, &c->labels,     &c->exposed_ports};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_free(lists[i]);
}

static void merges_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(command_cases) / sizeof(command_cases[0]); i++) {
		const struct command_case *t = &command_cases[i];
		auto_container struct container c;
		struct image image;
		struct err err = ERR_INIT;
		int rc;

		begin(&c, &image);
		add_words(&image.config.entrypoint, t->image_entrypoint);
		add_words(&image.config.cmd, t->image_cmd);
		c.config.entrypoint_set = t->entrypoint != NULL;
		add_words(&c.config.entrypoint, t->entrypoint);
		add_words(&c.config.cmd, t->cmd);
		rc = container_merge(&c, &image, &err);
		if (t->argv) {
			auto_free char *got = join(&c.argv);

			assert_int_equal(rc, 0);
			assert_string_equal(got, t->argv);
		} else {
			assert_true(rc < 0);
			assert_int_equal(err.kind, ERR_INVALID);
			assert_string_equal(err.msg, "No command specified");
		}
		end(&image);
	}
}

static void merges_environment(void **state)
{
	auto_container struct container c;
	auto_free char *env = NULL, *shown = NULL;
	struct image image;
	struct err err = ERR_INIT;

	(void)state;
	begin(&c, &image);
	add_words(&c.config.cmd, "true");
	add_words(&c.config.env, "A=mine C=1 GONE C=2");
	add_words(&image.config.env, "A=image B=image GONE=image");
	assert_int_equal(container_merge(&c, &image, &err), 0);
	shown = join(&c.config.env);
	assert_string_equal(shown, "A=mine C=2 GONE B=image");
	env = join(&c.env);
	assert_string_equal(env, "PATH=" CONTAINER_DEFAULT_PATH " A=mine C=2 B=image");
	end(&image);
}

static void keeps_the_images_path(void **state)
{
	auto_container struct container c;
	auto_free char *env = NULL;
	struct image image;
	struct err err = ERR_INIT;

	(void)state;
	begin(&c, &image);
	add_words(&c.config.cmd, "true");
	add_words(&image.config.env, "PATH=/bin");
	assert_int_equal(container_merge(&c, &image, &err), 0);
	env = join(&c.env);
	assert_string_equal(env, "PATH=/bin");
	end(&image);
}

static void takes_what_is_not_given_from_the_image(void **state)
{
	auto_container struct container c;
	struct image image;
	struct err err = ERR_INIT;
	char user[] = "app", dir[] = "/srv", sig[] = "SIGQUIT", lower[] = "l/A";

	(void)state;
	begin(&c, &image);
	image.lower = lower;
	image.config.user = user;
	image.config.working_dir = dir;
	image.config.stop_signal = sig;
	add_words(&image.config.cmd, "true");
	add_words(&image.config.labels, "a=image b=image");
	add_words(&image.config.exposed_ports, "80/tcp");
	c.config.working_dir = xstrdup("/mine");
	add_words(&c.config.labels, "a=mine");
	assert_int_equal(container_merge(&c, &image, &err), 0);
	assert_string_equal(c.user, "app");
	assert_string_equal(c.working_dir, "/mine");
	assert_string_equal(c.stop_signal, "SIGQUIT");
	assert_string_equal(c.lower, "l/A");
	assert_string_equal(c.image_id, "sha256:1");
	assert_string_equal(strv_get_env(&c.config.labels, "a"), "mine");
	assert_string_equal(strv_get_env(&c.config.labels, "b"), "image");
	assert_string_equal(c.config.exposed_ports.items[0], "80/tcp");
	assert_string_equal(c.config.hostname, "aaaaaaaaaaaa");
	assert_string_equal(c.config.restart_policy, "no");
	assert_string_equal(c.config.cgroupns_mode, "private");
	end(&image);
}

static void adds_the_images_volumes(void **state)
{
	auto_container struct container c;
	struct mount_request *m;
	struct image image;
	struct err err = ERR_INIT;

	(void)state;
	begin(&c, &image);
	add_words(&image.config.cmd, "true");
	add_words(&image.config.volumes, "/data/ /covered //two/./three");
	m = container_config_add_mount(&c.config);
	m->target = xstrdup("/covered");
	assert_int_equal(container_merge(&c, &image, &err), 0);
	assert_int_equal(c.config.mount_count, 3);
	assert_string_equal(c.config.mounts[1].target, "/data");
	assert_string_equal(c.config.mounts[2].target, "/two/three");
	assert_int_equal(c.config.mounts[1].kind, MOUNT_KIND_VOLUME);
	assert_true(c.config.mounts[1].from_image);
	assert_null(c.config.mounts[1].source);
	end(&image);
}

static void refuses_volumes_that_climb(void **state)
{
	static const char *const bad[] = {"/../etc", "relative", "/"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_container struct container c;
		struct image image;
		struct err err = ERR_INIT;

		begin(&c, &image);
		add_words(&image.config.cmd, "true");
		strv_add(&image.config.volumes, bad[i]);
		assert_true(container_merge(&c, &image, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
		end(&image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_commands),
		cmocka_unit_test(merges_environment),
		cmocka_unit_test(keeps_the_images_path),
		cmocka_unit_test(takes_what_is_not_given_from_the_image),
		cmocka_unit_test(adds_the_images_volumes),
		cmocka_unit_test(refuses_volumes_that_climb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

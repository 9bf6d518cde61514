/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "engine_fixture.h"

static void expect_found(struct fixture *f, const char *reference, const char *head)
{
	auto_container struct container c;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	fixture_id(id, head);
	container_init(&c);
	if (container_find(&f->e, reference, &c, &err) < 0)
		fail_msg("%s: %s", reference, err.msg);
	assert_string_equal(c.id, id);
}

static void expect_refused(struct fixture *f, const char *reference, enum err_kind kind,
			   const char *message)
{
	auto_container struct container c;
	struct err err = ERR_INIT;

	container_init(&c);
	assert_true(container_find(&f->e, reference, &c, &err) < 0);
	assert_string_equal(err.msg, message);
	assert_int_equal(err.kind, kind);
}

static void finds_by_id_then_name_then_prefix(void **state)
{
	struct fixture *f = *state;
	char id[ID_LEN + 1];

	fixture_container(f, "abc1", "web", 1, true);
	fixture_container(f, "abc2", "ffff", 2, false);
	fixture_container(f, "ffff", "db.1", 3, true);
	fixture_id(id, "abc1");
	expect_found(f, id, "abc1");
	expect_found(f, "web", "abc1");
	expect_found(f, "/web", "abc1");
	expect_found(f, "abc1", "abc1");
	expect_found(f, "abc2", "abc2");
	expect_found(f, "ffff", "abc2"); /* a name wins over a prefix */
	expect_found(f, "fff", "ffff");
	expect_found(f, "db.1", "ffff");
	expect_refused(f, "abc", ERR_INVALID, "multiple IDs found with provided prefix: abc");
	expect_refused(f, "nope", ERR_NOT_FOUND, "No such container: nope");
	expect_refused(f, "../../etc", ERR_NOT_FOUND, "No such container: ../../etc");
	expect_refused(f, "", ERR_INVALID, "invalid container name or ID: value is empty");
}

static void lists_newest_first_and_once(void **state)
{
	struct fixture *f = *state;
	struct container *list;
	struct err err = ERR_INIT;
	size_t count;

	fixture_container(f, "1", "first", 10, true);
	fixture_container(f, "2", "third", 30, true);
	fixture_container(f, "3", "second", 20, false);
	/* a running persistent one has a directory in both roots */
	fixture_state(f, "1", "{\"Status\":\"created\"}");
	assert_int_equal(container_list(&f->e, &list, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(list[0].name, "third");
	assert_string_equal(list[1].name, "second");
	assert_string_equal(list[2].name, "first");
	container_list_free(list, count);
}

struct setting_case {
	const char *file;     /* text of the configuration file, NULL: none */
	const char *env_root; /* CLOCHE_ROOT */
	const char *argument;
	const char *root;    /* what must come out, NULL: refused */
	const char *message; /* part of the refusal */
};

static const struct setting_case setting_cases[] = {
	{"{\"data-root\":\"@/file\"}", NULL, NULL, "@/file", NULL},
	{"{\"data-root\":\"@/file\",\"debug\":true,\"dns\":[]}", "@/env", NULL, "@/env", NULL},
	{"{\"data-root\":\"@/file\"}", "@/env", "@/arg//", "@/arg", NULL},
	{"{\"data-root\":7}", NULL, NULL, NULL, "data-root must be a string"},
	{"{\"nonsense\":7}", NULL, NULL, NULL,
	 "the following directives don't match any configuration option: nonsense"},
	{"[]", NULL, NULL, NULL, "not a JSON object"},
	{"{", NULL, NULL, NULL, "invalid JSON"},
	{"{\"cgroup-parent\":\"/../x\"}", "@/env", NULL, NULL, "cgroup-parent"},
	{NULL, NULL, NULL, NULL, "No such file"},
	{"{}", NULL, "@/a,b", NULL, "must not contain comma"},
};

static char *expand(const char *text, const char *dir)
{
	auto_strbuf struct strbuf out = {0};

	for (; *text; text++) {
		if (*text == '@')
			strbuf_puts(&out, dir);
		else
			strbuf_putc(&out, *text);
	}
	return strbuf_take(&out);
}

static void check_setting(const struct setting_case *c, const char *dir)
{
	auto_free char *config = xasprintf("%s/daemon.json", dir);
	auto_free char *run = xasprintf("%s/run2", dir);
	auto_free char *file = c->file ? expand(c->file, dir) : NULL;
	auto_free char *argument = c->argument ? expand(c->argument, dir) : NULL;
	auto_free char *env = c->env_root ? expand(c->env_root, dir) : NULL;
	struct err err = ERR_INIT;
	struct engine e;
	int rc;

	unlink(config);
	if (file)
		assert_int_equal(
			file_replace_at(AT_FDCWD, config, file, strlen(file), 0600, FILE_VOLATILE),
			0);
	setenv("CLOCHE_CONFIG", config, 1);
	if (env)
		setenv("CLOCHE_ROOT", env, 1);
	rc = engine_open(&e, argument, run, &err);
	unsetenv("CLOCHE_ROOT");
	unsetenv("CLOCHE_CONFIG");
	if (c->root) {
		auto_free char *wanted = expand(c->root, dir);

		if (rc < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(e.root, wanted);
		assert_string_equal(e.cgroup_parent, "/cloche");
	} else {
		assert_true(rc < 0);
		if (!strstr(err.msg, c->message))
			fail_msg("expected ...%s..., got %s", c->message, err.msg);
	}
	engine_close(&e);
}

static void takes_the_strongest_setting(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(setting_cases) / sizeof(setting_cases[0]); i++)
		check_setting(&setting_cases[i], f->dir);
}

static void makes_private_directories(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(fstat(f->e.root_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(fstat(f->e.run_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(f->e.root_fd, "overlay2/l", &st, 0), 0);
	assert_int_equal(fstatat(f->e.root_fd, "names", &st, 0), 0);
	assert_int_equal(fstatat(f->e.root_fd, "volumes", &st, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_by_id_then_name_then_prefix, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(lists_newest_first_and_once, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(takes_the_strongest_setting, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(makes_private_directories, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/names_words.h"
#include "engine_fixture.h"

static void refuses_bad_names(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"",    "a",   "-ab",   ".ab",      "_ab",
					  "a b", "a/b", "../ab", "\xc3\xa9t"};
	char id[ID_LEN + 1];

	fixture_id(id, "1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;
		char wanted[256];

		assert_true(name_reserve(&f->e, bad[i], id, &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
		snprintf(wanted, sizeof(wanted),
			 "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			 bad[i]);
		assert_string_equal(err.msg, wanted);
	}
}

static void refuses_a_name_in_use(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char owner[ID_LEN + 1], other[ID_LEN + 1], wanted[512];

	fixture_container(f, "1", "web", 1, true);
	fixture_id(owner, "1");
	fixture_id(other, "2");
	assert_true(name_reserve(&f->e, "web", other, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	snprintf(
		wanted, sizeof(wanted),
		"Conflict. The container name \"/web\" is already in use by container \"%s\". You have "
		"to remove (or rename) that container to be able to reuse that name.",
		owner);
	assert_string_equal(err.msg, wanted);
	/* only the owner can give it back */
	name_release(&f->e, "web", other);
	assert_true(name_reserve(&f->e, "web", other, &err) < 0);
	name_release(&f->e, "web", owner);
	assert_int_equal(name_reserve(&f->e, "web", other, &err), 0);
}

static void sweeps_stale_names_only(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char dead[ID_LEN + 1], fresh[ID_LEN + 1];
	int lock;

	fixture_id(dead, "d");
	fixture_id(fresh, "f");
	/* being made: the lock is held, no record yet */
	assert_int_equal(container_lock(&f->e, dead, true, &lock), 0);
	assert_int_equal(name_reserve(&f->e, "web", dead, &err), 0);
	assert_true(name_reserve(&f->e, "web", fresh, &err) < 0);
	/* its maker died */
	close(lock);
	assert_int_equal(name_reserve(&f->e, "web", fresh, &err), 0);
}

/* Many at once, for the same stale name: one wins. */
static void gives_a_name_to_one_only(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];
	int wins = 0, gate[2];
	enum { RACERS = 8 };

	fixture_id(id, "dead");
	assert_int_equal(name_reserve(&f->e, "race", id, &err), 0);
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < RACERS; i++) {
		if (fork() == 0) {
			char head[2] = {(char)('1' + i), 0}, byte;
			int lock, rc;

			fixture_id(id, head);
			close(gate[1]);
			(void)!read(gate[0], &byte, 1);
			if (container_lock(&f->e, id, true, &lock) < 0)
				_exit(2);
			rc = name_reserve(&f->e, "race", id, &err);
			/* keep the lock until all have tried, else the winner looks stale */
			if (rc == 0)
				fixture_container(f, head, "race-record", 1, true);
			_exit(rc < 0);
		}
	}
	close(gate[1]);
	close(gate[0]);
	for (int i = 0; i < RACERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		wins += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(wins, 1);
}

static void makes_names_of_two_words(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	assert_true(name_adjectives.count >= 100);
	assert_true(name_surnames.count >= 100);
	fixture_id(id, "1");
	for (int i = 0; i < 50; i++) {
		auto_free char *name = NULL;
		const char *bar;

		assert_int_equal(name_reserve_random(&f->e, id, &name, &err), 0);
		bar = strchr(name, '_');
		assert_non_null(bar);
		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz") == (size_t)(bar - name));
		assert_true(bar[1] >= 'a' && bar[1] <= 'z');
	}
}

static void sorts_its_words(void **state)
{
	const struct name_words *lists[] = {&name_adjectives, &name_surnames};

	(void)state;
	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < lists[l]->count; i++) {
			const char *word = lists[l]->words[i];

			assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz"), strlen(word));
			if (i)
				assert_true(strcmp(lists[l]->words[i - 1], word) < 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refuses_bad_names, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(refuses_a_name_in_use, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(sweeps_stale_names_only, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(gives_a_name_to_one_only, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(makes_names_of_two_words, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(sorts_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

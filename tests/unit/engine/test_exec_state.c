/* SPDX-License-Identifier: Apache-2.0 */
/* The states of execs: what is written is read, the lock says what runs, a supervisor writes the head. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "engine/exec_internal.h"
#include "engine/monitor/exec.h"
#include "engine_fixture.h"

#define CONTAINER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EXEC "00000000000000000000000000000000000000000000000000000000000000ff"
#define UNKNOWN "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* A container's run directory with one exec that has not begun; returns its lock. */
static int make(struct engine *e)
{
	struct exec_state s = {.container_id = CONTAINER, .id = EXEC};
	struct err err = ERR_INIT;
	int lock;

	assert_int_equal(mkdirat(e->run_fd, "containers/" CONTAINER, 0700), 0);
	if (exec_state_make(e, CONTAINER, EXEC, "path", &lock, &err) < 0)
		fail_msg("%s", err.msg);
	strv_add(&s.options.argv, "sh");
	strv_add(&s.options.argv, "a \"b\"\n");
	strv_add(&s.options.env, "A=1");
	s.options.user = xstrdup("1:2");
	s.options.tty = true;
	if (exec_state_write(lock, &s, &err) < 0)
		fail_msg("%s", err.msg);
	exec_state_free(&s);
	return lock;
}

/* What a supervisor does. */
static void write_head(int lock, const char *status, int pid, int exit_code)
{
	const struct exec_head head = {
		.status = status, .pid = pid, .exit_code = exit_code, .started_ns = 5};
	char text[EXEC_HEAD_SIZE];
	int n = exec_head_format(&head, text);
	auto_close int fd = openat(lock, EXEC_STATE_FILE, O_WRONLY);

	assert_int_equal(pwrite(fd, text, (size_t)n, 0), n);
}

static void find(struct engine *e, struct exec_state *s)
{
	struct err err = ERR_INIT;

	exec_state_free(s);
	if (exec_find(e, EXEC, s, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_what_is_written_is_read(void **state)
{
	struct engine *e = &((struct fixture *)*state)->e;
	auto_exec_state struct exec_state s = {.pid = 0};
	auto_close int lock = make(e);

	assert_true(lock >= 0);
	find(e, &s);
	assert_string_equal(s.id, EXEC);
	assert_string_equal(s.container_id, CONTAINER);
	assert_int_equal(s.options.argv.count, 2);
	assert_string_equal(s.options.argv.items[1], "a \"b\"\n");
	assert_string_equal(s.options.env.items[0], "A=1");
	assert_string_equal(s.options.user, "1:2");
	assert_null(s.options.working_dir);
	assert_true(s.options.tty);
	assert_false(s.options.privileged);
	assert_false(s.begun || s.running || s.finished);
}

static void test_lock_and_head_say_how_it_stands(void **state)
{
	struct engine *e = &((struct fixture *)*state)->e;
	auto_exec_state struct exec_state s = {.pid = 0};
	auto_strv struct strv ids = {0};
	struct err err = ERR_INIT;
	int lock = make(e), copy;

	write_head(lock, "running", 4321, 0);
	find(e, &s);
	assert_true(s.running && !s.finished);
	assert_int_equal(s.pid, 4321);
	assert_int_equal(exec_list(e, CONTAINER, &ids, &err), 0);
	assert_int_equal(ids.count, 1);
	assert_string_equal(ids.items[0], EXEC);
	assert_int_equal(exec_state_take(e, EXEC, &s, &copy, &err), -EBUSY);
	/* The end is true once the lock is free. */
	write_head(lock, "exited", 0, 7);
	close(lock);
	find(e, &s);
	assert_true(s.finished && !s.running);
	assert_int_equal(s.exit_code, 7);
	assert_int_equal(s.started_ns, 5);
	strv_free(&ids);
	ids = (struct strv){0};
	assert_int_equal(exec_list(e, CONTAINER, &ids, &err), 0);
	assert_int_equal(ids.count, 0);
	exec_state_free(&s);
	assert_int_equal(exec_state_take(e, EXEC, &s, &copy, &err), -EEXIST);
	assert_string_equal(err.msg, "Exec command " EXEC " has already run");
}

static void test_a_lost_supervisor_took_its_process_along(void **state)
{
	struct engine *e = &((struct fixture *)*state)->e;
	auto_exec_state struct exec_state s = {.pid = 0};
	int lock = make(e);

	write_head(lock, "running", 4321, 0);
	close(lock);
	find(e, &s);
	assert_true(s.finished && !s.running);
	assert_int_equal(s.exit_code, 137);
	assert_int_equal(s.pid, 0);
}

static void test_one_that_was_made_is_taken_once(void **state)
{
	struct engine *e = &((struct fixture *)*state)->e;
	auto_exec_state struct exec_state s = {.pid = 0}, again = {.pid = 0};
	struct err err = ERR_INIT;
	int lock = make(e), taken, second;

	close(lock);
	assert_int_equal(exec_state_take(e, EXEC, &s, &taken, &err), 0);
	assert_string_equal(s.options.argv.items[0], "sh");
	assert_int_equal(exec_state_take(e, EXEC, &again, &second, &err), -EBUSY);
	close(taken);
}

static void test_unknown_ids(void **state)
{
	struct engine *e = &((struct fixture *)*state)->e;
	static const char *const ids[] = {"x", "", "../../etc", UNKNOWN};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct exec_state s = {.pid = 0};
		struct err err = ERR_INIT;

		assert_int_equal(exec_find(e, ids[i], &s, &err), -ENOENT);
		assert_int_equal(err.kind, ERR_NOT_FOUND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_written_is_read, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_lock_and_head_say_how_it_stands, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_a_lost_supervisor_took_its_process_along,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_one_that_was_made_is_taken_once, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unknown_ids, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

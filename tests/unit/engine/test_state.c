/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/internal.h"
#include "engine_fixture.h"

static const char running[] =
	"{\"SchemaVersion\":1,\"Status\":\"running\",\"Pid\":42,\"MonitorPid\":41,"
	"\"StartedNs\":7,\"FinishedNs\":0,\"ExitCode\":0,\"ExitSignal\":0,"
	"\"OomKilled\":false,\"OomKills\":0}\n";
static const char exited[] =
	"{\"SchemaVersion\":1,\"Status\":\"exited\",\"Pid\":0,\"MonitorPid\":41,"
	"\"StartedNs\":7,\"FinishedNs\":9,\"ExitCode\":137,\"ExitSignal\":9,"
	"\"OomKilled\":true,\"OomKills\":2,\"PeakMemoryBytes\":4096,"
	"\"CpuUsageNs\":5,\"ThrottledPeriods\":3,\"ThrottledNs\":4}\n";

static void read_one(struct fixture *f, const char *head, struct container *c)
{
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	fixture_id(id, head);
	container_init(c);
	if (container_record_read(&f->e, id, c, &err) < 0)
		fail_msg("%s", err.msg);
}

static void believes_a_living_monitor(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	char id[ID_LEN + 1];
	int lock;

	fixture_container(f, "1", "web", 1, true);
	fixture_state(f, "1", running);
	fixture_id(id, "1");
	assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_RUNNING);
	assert_int_equal(c.state.pid, 42);
	assert_int_equal(c.state.monitor_pid, 41);
	assert_false(c.state.monitor_lost);
	close(lock);
}

static void says_when_the_monitor_is_lost(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;

	fixture_container(f, "1", "web", 1, true);
	fixture_state(f, "1", running);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_EXITED);
	assert_true(c.state.monitor_lost);
	assert_int_equal(c.state.exit_code, 137);
	assert_int_equal(c.state.pid, 0);
	assert_string_equal(c.state.error, "monitor lost");
	assert_int_equal(c.state.started_ns, 7);
	assert_true(c.state.finished_ns > 0);
}

static void reads_the_death_record(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;

	fixture_container(f, "1", "web", 1, false);
	fixture_state(f, "1", exited);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_EXITED);
	assert_int_equal(c.state.exit_code, 137);
	assert_int_equal(c.state.exit_signal, 9);
	assert_true(c.state.oom_killed);
	assert_int_equal(c.state.oom_kills, 2);
	assert_int_equal(c.state.peak_memory_bytes, 4096);
	assert_int_equal(c.state.throttled_periods, 3);
	assert_int_equal(c.state.throttled_ns, 4);
	assert_int_equal(c.state.cpu_usage_ns, 5);
	assert_int_equal(c.state.finished_ns, 9);
	assert_null(c.state.error);
}

/* After a reboot the run root is empty: the copy beside the record speaks. */
static void falls_back_to_the_copy(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	char path[160], id[ID_LEN + 1];

	fixture_container(f, "1", "web", 1, true);
	fixture_id(id, "1");
	snprintf(path, sizeof(path), "containers/%s/state.json", id);
	assert_int_equal(
		file_replace_at(f->e.root_fd, path, exited, strlen(exited), 0600, FILE_VOLATILE),
		0);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_EXITED);
	assert_int_equal(c.state.exit_code, 137);
}

static void reads_evidence_and_restarts(void **state)
{
	static const char text[] =
		"{\"SchemaVersion\":1,\"Status\":\"restarting\",\"Pid\":0,\"MonitorPid\":41,"
		"\"StartedNs\":7,\"FinishedNs\":9,\"ExitCode\":137,\"ExitSignal\":9,"
		"\"SignalSender\":\"kernel-oom\",\"PidsMaxHits\":6,\"PressureUs\":8,"
		"\"RestartCount\":3,\"NextStartNs\":11,\"BootId\":\"a-b\"}\n";
	struct fixture *f = *state;
	auto_container struct container c;
	char id[ID_LEN + 1];
	int lock;

	fixture_container(f, "1", "web", 1, true);
	fixture_state(f, "1", text);
	fixture_id(id, "1");
	assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_RESTARTING);
	assert_string_equal(c.state.signal_sender, "kernel-oom");
	assert_int_equal(c.state.pids_max_hits, 6);
	assert_int_equal(c.state.pressure_us, 8);
	assert_int_equal(c.state.restart_count, 3);
	assert_int_equal(c.restart_count, 3);
	assert_int_equal(c.state.next_start_ns, 11);
	assert_string_equal(c.state.boot_id, "a-b");
	close(lock);
}

static void knows_an_earlier_boot(void **state)
{
	static const char text[] = "{\"SchemaVersion\":1,\"Status\":\"running\",\"Pid\":42,"
				   "\"MonitorPid\":41,\"StartedNs\":7,\"RestartCount\":2,"
				   "\"BootId\":\"00000000-0000-0000-0000-000000000000\"}\n";
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;

	fixture_container(f, "1", "web", 1, true);
	fixture_state(f, "1", text);
	read_one(f, "1", &c);
	assert_int_equal(c.state.status, CONTAINER_EXITED);
	assert_true(c.state.host_restarted);
	assert_false(c.state.monitor_lost);
	assert_int_equal(c.state.exit_code, 255);
	assert_int_equal(c.state.exit_signal, 0);
	assert_string_equal(c.state.error, "host was restarted");
	/* The same once it has been written down. */
	assert_int_equal(container_state_write_lost(&f->e, &c, &err), 0);
	container_free(&c);
	read_one(f, "1", &c);
	assert_true(c.state.host_restarted);
	assert_int_equal(c.state.exit_code, 255);
	assert_int_equal(c.state.restart_count, 2);
}

static void names_a_damaged_state(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	fixture_container(f, "1", "web", 1, true);
	fixture_state(f, "1", "{\"Status\":\"stopped\"}");
	fixture_id(id, "1");
	container_init(&c);
	assert_true(container_record_read(&f->e, id, &c, &err) < 0);
	assert_int_equal(err.kind, ERR_CORRUPT);
}

/* The files of a launch without a word from a monitor: whoever launched it was killed, unless it is
 * still at it. */
static void says_when_a_launch_was_cut(void **state)
{
	struct fixture *f = *state;
	char path[160], id[ID_LEN + 1];
	int lock;

	fixture_container(f, "1", "web", 1, true);
	fixture_id(id, "1");
	assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
	snprintf(path, sizeof(path), "containers/%s/hostname", id);
	assert_int_equal(file_replace_at(f->e.run_fd, path, "h", 1, 0644, FILE_VOLATILE), 0);
	for (int held = 1; held >= 0; held--) {
		auto_container struct container c;

		read_one(f, "1", &c);
		assert_int_equal(c.state.monitor_lost, !held);
		assert_int_equal(c.state.status, held ? CONTAINER_CREATED : CONTAINER_EXITED);
		if (held)
			close(lock);
	}
}

/* Looking never makes a start fail, holding does. */
static void lookers_do_not_disturb_starters(void **state)
{
	struct fixture *f = *state;
	char id[ID_LEN + 1];
	pid_t looker;
	int lock, again, status;

	fixture_id(id, "1");
	assert_int_equal(container_lock(&f->e, id, false, &lock), -ENOENT);
	assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
	assert_int_equal(container_lock(&f->e, id, true, &again), -EBUSY);
	close(lock);
	looker = fork();
	if (looker == 0) {
		/* A test that is ended by its time limit must not leave this behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)container_lock_is_held(&f->e, id);
	}
	for (int i = 0; i < 500; i++) {
		assert_int_equal(container_lock(&f->e, id, true, &lock), 0);
		close(lock);
	}
	kill(looker, SIGKILL);
	assert_int_equal(waitpid(looker, &status, 0), looker);
}

/* A lock on a file that was removed meanwhile is worth nothing. */
static void makes_a_fresh_lock_after_removal(void **state)
{
	struct fixture *f = *state;
	char id[ID_LEN + 1], path[128];
	int old, fresh;

	fixture_id(id, "1");
	snprintf(path, sizeof(path), "containers/%s", id);
	assert_int_equal(container_lock(&f->e, id, true, &old), 0);
	assert_int_equal(remove_tree_at(f->e.run_fd, path), 0);
	assert_int_equal(container_lock(&f->e, id, true, &fresh), 0);
	assert_true(container_lock_is_held(&f->e, id));
	close(old);
	assert_true(container_lock_is_held(&f->e, id));
	close(fresh);
	assert_false(container_lock_is_held(&f->e, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(believes_a_living_monitor, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(says_when_the_monitor_is_lost, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_the_death_record, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(falls_back_to_the_copy, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_evidence_and_restarts, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(knows_an_earlier_boot, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(names_a_damaged_state, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(says_when_a_launch_was_cut, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(lookers_do_not_disturb_starters, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(makes_a_fresh_lock_after_removal, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

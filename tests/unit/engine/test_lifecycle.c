/* SPDX-License-Identifier: Apache-2.0 */
/* Kill, stop, wait and remove against a small stand-in for the monitor: it holds the lock, has one
 * child as "PID 1", writes the state and answers on attach.sock as the real one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "engine/monitor/protocol.h"
#include "engine_fixture.h"

enum monitor_kind {
	MONITOR_ANSWERS,
	MONITOR_DEAF,    /* closes every client, as a full one does */
	MONITOR_REMOVES, /* --rm: the record is gone before it answers */
};

static void write_state(struct fixture *f, const char *head, const char *status, int pid, int code)
{
	char json[512];

	snprintf(
		json, sizeof(json),
		"{\"SchemaVersion\":1,\"Status\":\"%s\",\"Pid\":%d,\"MonitorPid\":%d,\"StartedNs\":1,"
		"\"FinishedNs\":%d,\"ExitCode\":%d,\"ExitSignal\":%d}\n",
		status, pid, getpid(), code ? 2 : 0, code, code > 128 ? code - 128 : 0);
	fixture_state(f, head, json);
}

static int listen_at(struct fixture *f, const char *id)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "attach.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[256];

	snprintf(path, sizeof(path), "%s/containers/%s", f->e.run_root, id);
	if (chdir(path) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		_exit(90);
	return fd;
}

static void answer(int listener, int code)
{
	struct {
		struct frame_header header;
		struct frame_exit frame;
	} out = {.frame = {.code = code, .signal = code > 128 ? code - 128 : 0}};
	int client;

	frame_header_set(&out.header, FRAME_EXIT, sizeof(out.frame));
	/* all that have come so far */
	fcntl(listener, F_SETFL, O_NONBLOCK);
	while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (fd_write_all(client, &out, sizeof(out)) < 0)
			_exit(91);
		close(client);
	}
}

static _Noreturn void be_monitor(struct fixture *f, const char *head, enum monitor_kind kind,
				 bool stubborn, int ready)
{
	char id[ID_LEN + 1], path[160];
	int lock, listener, status, code;
	pid_t child;

	fixture_id(id, head);
	if (container_lock(&f->e, id, true, &lock) < 0)
		_exit(92);
	child = fork();
	if (child == 0) {
		close(lock);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (stubborn)
			signal(SIGTERM, SIG_IGN);
		(void)!write(ready, "c", 1);
		for (;;)
			pause();
	}
	listener = kind == MONITOR_DEAF ? -1 : listen_at(f, id);
	write_state(f, head, "running", child, 0);
	(void)!write(ready, "m", 1);
	close(ready);
	if (waitpid(child, &status, 0) != child)
		_exit(93);
	code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (kind == MONITOR_REMOVES) {
		snprintf(path, sizeof(path), "containers/%s/config.v2.json", id);
		unlinkat(f->e.run_fd, path, 0);
	} else {
		write_state(f, head, "exited", 0, code);
	}
	if (listener >= 0)
		answer(listener, code);
	if (kind == MONITOR_REMOVES) {
		snprintf(path, sizeof(path), "containers/%s", id);
		(void)!remove_tree_at(f->e.run_fd, path);
	}
	_exit(0);
}

/* Starts one and returns its pid once PID 1 is ready for signals. */
static pid_t start_monitor(struct fixture *f, const char *head, enum monitor_kind kind,
			   bool stubborn)
{
	char bytes[2];
	int ends[2];
	pid_t pid;

	fixture_container(f, head, "web", 1, kind != MONITOR_REMOVES);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		be_monitor(f, head, kind, stubborn, ends[1]);
	}
	close(ends[1]);
	assert_int_equal(fd_read_full(ends[0], bytes, 2), 2);
	close(ends[0]);
	return pid;
}

static void end_monitor(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void find(struct fixture *f, struct container *c)
{
	struct err err = ERR_INIT;

	container_init(c);
	if (container_find(&f->e, "web", c, &err) < 0)
		fail_msg("%s", err.msg);
}

static void kills_and_waits(void **state)
{
	static const enum monitor_kind kinds[] = {MONITOR_ANSWERS, MONITOR_DEAF};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		auto_container struct container c;
		struct err err = ERR_INIT;
		char head[2] = {(char)('1' + i), 0};
		int code = -1;
		pid_t monitor = start_monitor(f, head, kinds[i], false);

		find(f, &c);
		assert_int_equal(c.state.status, CONTAINER_RUNNING);
		assert_int_equal(container_kill(&f->e, &c, SIGUSR1, &err), 0);
		assert_int_equal(container_wait(&f->e, &c, &code, &err), 0);
		assert_int_equal(code, 128 + SIGUSR1);
		end_monitor(monitor);
		/* once more: it is over */
		assert_int_equal(container_wait(&f->e, &c, &code, &err), 0);
		assert_int_equal(code, 128 + SIGUSR1);
		assert_true(container_kill(&f->e, &c, SIGTERM, &err) < 0);
		assert_int_equal(err.kind, ERR_CONFLICT);
		assert_non_null(strstr(err.msg, " is not running"));
		assert_int_equal(container_remove(&f->e, &c, false, false, &err), 0);
	}
}

/* The exit code of a container that vanishes comes with the answer. */
static void waits_for_what_vanishes(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	int code = -1, ends[2];
	pid_t monitor = start_monitor(f, "1", MONITOR_REMOVES, false), waiter;
	struct {
		int rc, code;
	} result;

	find(f, &c);
	assert_int_equal(pipe(ends), 0);
	waiter = fork();
	if (waiter == 0) {
		result.rc = container_wait(&f->e, &c, &result.code, &err);
		(void)!write(ends[1], &result, sizeof(result));
		_exit(0);
	}
	/* the waiter sleeps in recv(2) on the socket: its connection stands */
	for (;;) {
		char path[64], text[512] = "";

		snprintf(path, sizeof(path), "/proc/%d/wchan", waiter);
		if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) > 0 &&
		    strstr(text, "unix_stream"))
			break;
	}
	assert_int_equal(container_kill(&f->e, &c, SIGKILL, &err), 0);
	assert_int_equal(fd_read_full(ends[0], &result, sizeof(result)), sizeof(result));
	assert_int_equal(result.rc, 0);
	assert_int_equal(result.code, 137);
	close(ends[0]);
	close(ends[1]);
	waitpid(waiter, NULL, 0);
	end_monitor(monitor);
	assert_true(container_wait(&f->e, &c, &code, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void stops_gently_then_not(void **state)
{
	struct fixture *f = *state;

	for (int stubborn = 0; stubborn < 2; stubborn++) {
		auto_container struct container c;
		struct err err = ERR_INIT;
		pid_t monitor = start_monitor(f, stubborn ? "2" : "1", MONITOR_ANSWERS, stubborn);

		find(f, &c);
		if (container_stop(&f->e, &c, 1, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(container_state_read(&f->e, &c, &err), 0);
		assert_int_equal(c.state.status, CONTAINER_EXITED);
		assert_int_equal(c.state.exit_code, stubborn ? 137 : 143);
		end_monitor(monitor);
		assert_int_equal(container_stop(&f->e, &c, 1, &err), 0);
		assert_int_equal(container_remove(&f->e, &c, false, false, &err), 0);
	}
}

static int count_entries(int fd, const char *path)
{
	auto_close int dir_fd = openat(fd, path, O_RDONLY | O_DIRECTORY);
	auto_closedir DIR *dir = fdopendir(dir_fd);
	int n = 0;

	dir_fd = -1;
	while (dir && readdir(dir))
		n++;
	return n - 2;
}

static void removes_everything(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	char path[160], wanted[256];
	pid_t monitor = start_monitor(f, "1", MONITOR_ANSWERS, true);

	find(f, &c);
	snprintf(path, sizeof(path), "overlay2/%s/diff/deep", c.id);
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, path, 0700), 0);
	assert_true(container_remove(&f->e, &c, false, false, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	snprintf(
		wanted, sizeof(wanted),
		"You cannot remove a running container %s. Stop the container before attempting removal "
		"or force remove",
		c.id);
	assert_string_equal(err.msg, wanted);
	if (container_remove(&f->e, &c, true, false, &err) < 0)
		fail_msg("%s", err.msg);
	end_monitor(monitor);
	assert_int_equal(count_entries(f->e.root_fd, "containers"), 0);
	assert_int_equal(count_entries(f->e.run_fd, "containers"), 0);
	assert_int_equal(count_entries(f->e.root_fd, "names"), 0);
	assert_int_equal(count_entries(f->e.root_fd, "overlay2"), 1); /* l */
	assert_true(container_remove(&f->e, &c, false, false, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void removes_what_its_monitor_removes(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	pid_t monitor = start_monitor(f, "1", MONITOR_REMOVES, false);

	find(f, &c);
	if (container_remove(&f->e, &c, true, false, &err) < 0)
		fail_msg("%s", err.msg);
	end_monitor(monitor);
	assert_int_equal(count_entries(f->e.run_fd, "containers"), 0);
}

/* Its PID 1 dies with it; the record says so, and it can be removed. */
static void survives_a_lost_monitor(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	int code = 0;
	pid_t monitor = start_monitor(f, "1", MONITOR_ANSWERS, true);

	kill(monitor, SIGKILL);
	waitpid(monitor, NULL, 0);
	find(f, &c);
	assert_true(c.state.monitor_lost);
	assert_int_equal(container_wait(&f->e, &c, &code, &err), 0);
	assert_int_equal(code, 137);
	assert_true(container_kill(&f->e, &c, SIGTERM, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(container_remove(&f->e, &c, false, false, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_and_waits, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(waits_for_what_vanishes, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(stops_gently_then_not, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(removes_everything, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(removes_what_its_monitor_removes, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(survives_a_lost_monitor, fixture_setup,
						fixture_teardown),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

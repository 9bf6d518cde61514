/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kill, stop, wait. Never signals a process that is not PID 1 of a container whose monitor lives at
 * that moment, and never learns of an end by asking again and again: it waits for the monitor's
 * answer on attach.sock, or for its death.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/signal_name.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/keeper_notify.h"
#include "engine/marker.h"
#include "engine/revive.h"
#include "engine/monitor/protocol.h"
#include "kernel/pidfd.h"

#define STARTING_TIMEOUT_MS 5000
#define KILL_TIMEOUT_MS 10000
#define THAW_AGAIN_MS 200
#define NS_PER_MS 1000000

bool container_is_alive(const struct container *c)
{
	return c->state.status == CONTAINER_RUNNING || c->state.status == CONTAINER_PAUSED ||
	       c->state.status == CONTAINER_RESTARTING;
}

static int refuse_not_running(const struct container *c, struct err *err)
{
	return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
}

int container_read_settled(struct engine *e, struct container *c, struct err *err)
{
	const struct timespec nap = {.tv_nsec = NS_PER_MS};

	for (int waited_ms = 0;; waited_ms++) {
		bool held = container_lock_is_held(e, c->id);
		int rc = container_state_read(e, c, err);

		if (rc < 0 || !held || container_is_alive(c) || waited_ms >= STARTING_TIMEOUT_MS)
			return rc;
		nanosleep(&nap, NULL);
	}
}

/* A pidfd of PID 1 that is certain to be PID 1: the number was read again, under a living monitor,
 * after the descriptor was opened. -ESRCH when it is not running. */
int container_open_init(struct engine *e, struct container *c, struct err *err)
{
	auto_close int fd = -1;
	int rc = container_read_settled(e, c, err), pid;

	if (rc < 0)
		return rc;
	pid = c->state.pid;
	if (!container_is_alive(c) || pid <= 0)
		return refuse_not_running(c, err);
	fd = process_fd_open(pid);
	if (fd < 0 && errno == ESRCH)
		return refuse_not_running(c, err);
	if (fd < 0)
		return err_sys(err, "open process %d of container %.12s", pid, c->id);
	rc = container_state_read(e, c, err);
	if (rc < 0)
		return rc;
	if (!container_is_alive(c) || c->state.pid != pid)
		return refuse_not_running(c, err);
	return take_fd(&fd);
}

static int send_signal(const struct container *c, int pidfd, int signal, struct err *err)
{
	if (process_fd_signal(pidfd, signal) == 0)
		return 0;
	if (errno == ESRCH)
		return refuse_not_running(c, err);
	return err_sys(err, "send signal %d to container %.12s", signal, c->id);
}

static int stop_signal_of(const struct container *c, int *signal, struct err *err)
{
	int rc = signal_parse(c->stop_signal ? c->stop_signal : "SIGTERM", signal, err);

	return rc < 0 ? err_wrap(err, "stop signal of %.12s", c->id) : 0;
}

/* A signal that asks for the end is the user's word against every restart policy; with Docker any other
 * is too, where the container has not said which one it ends by, and always for unless-stopped. */
static int mark_signal(struct engine *e, struct container *c, bool ends, struct err *err)
{
	bool unless_stopped = container_restart_policy(c) == PLAN_RESTART_UNLESS_STOPPED;

	if (ends)
		return marker_set(e, c, MARKER_STOPPED, err);
	return !c->config.stop_signal || unless_stopped ? marker_set(e, c, MARKER_SIGNALLED, err)
							: 0;
}

/* Frozen processes take no signal but SIGKILL (on version 1 not even that), so one that asks for the end
 * thaws. */
static int signal_for_user(struct engine *e, struct container *c, int pidfd, int signal,
			   struct err *err)
{
	int stop_signal, rc = stop_signal_of(c, &stop_signal, err);
	bool ends = signal == SIGKILL || signal == stop_signal;

	if (rc < 0)
		return rc;
	rc = mark_signal(e, c, ends, err);
	if (rc < 0)
		return rc;
	/* Its end must not be told before its cause. */
	rc = send_signal(c, pidfd, 0, err);
	if (rc == 0)
		event_kill(e, c, signal);
	if (rc == 0)
		rc = send_signal(c, pidfd, signal, err);
	if (rc == 0 && (ends || !c->config.stop_signal))
		rc = container_thaw(e, c, err);
	return rc;
}

/* Its monitor ends the waiting, unless the next run has just begun. Reads the state again until it is
 * one or the other. */
static int await_restarting(struct engine *e, struct container *c, struct err *err)
{
	const struct timespec nap = {.tv_nsec = NS_PER_MS};

	for (int i = 0; i < KILL_TIMEOUT_MS; i++) {
		int rc = container_state_read(e, c, err);

		if (rc < 0 || c->state.status != CONTAINER_RESTARTING)
			return rc;
		nanosleep(&nap, NULL);
	}
	return err_set(err, ERR_SYSTEM, ETIMEDOUT,
		       "the monitor of container %.12s does not stop restarting it", c->id);
}

/* Reads the state once it has settled. Between two runs, whoever is to begin the next (its monitor; or
 * without one the keeper), the user's word is that there will be none: 1, it has ended. 0: it runs (what
 * had begun can only be ended as any other run), or has ended before. */
static int settle_between_runs(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_read_settled(e, c, err);
	bool lost = rc == 0 && revive_is_wanted(e, c);

	if (rc < 0 || (!lost && c->state.status != CONTAINER_RESTARTING))
		return rc;
	rc = marker_set(e, c, MARKER_STOPPED, err);
	if (rc < 0)
		return rc;
	if (lost)
		keeper_notify_stopped(e, c->id);
	/* Who starts a lost one looks for the marker under the lock, which we wait for. */
	rc = lost ? container_read_settled(e, c, err) : await_restarting(e, c, err);
	return rc < 0 ? rc : !container_is_alive(c);
}

/* *pidfd: PID 1 of the run that is to be ended or told; -1 and 1: there was none, between two runs. */
static int open_run(struct engine *e, struct container *c, int *pidfd, struct err *err)
{
	bool between = true;

	for (*pidfd = -1; between;) {
		int rc = settle_between_runs(e, c, err);

		if (rc)
			return rc;
		*pidfd = container_open_init(e, c, err);
		/* It may have ended since. */
		between = *pidfd < 0 && err->kind == ERR_CONFLICT &&
			  (c->state.status == CONTAINER_RESTARTING || revive_is_wanted(e, c));
	}
	return *pidfd < 0 ? *pidfd : 0;
}

int container_kill(struct engine *e, struct container *c, int signal, struct err *err)
{
	auto_close int pidfd = -1;
	int rc = open_run(e, c, &pidfd, err);

	if (rc)
		return rc < 0 ? rc : 0;
	return signal_for_user(e, c, pidfd, signal, err);
}

/* Waits until fd is readable. 0, -ETIMEDOUT or -errno; timeout_ms -1 is for ever. */
static int wait_readable(int fd, int64_t timeout_ms)
{
	uint64_t end = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_now_ns();
		int64_t left = timeout_ms < 0 ? -1
			       : now >= end   ? 0
					      : (int64_t)(end - now) / NS_PER_MS + 1;
		int rc = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);

		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc == 0 && timeout_ms >= 0 && clock_now_ns() >= end)
			return -ETIMEDOUT;
	}
}

static int skip_bytes(int fd, uint32_t n)
{
	char bytes[4096];

	while (n) {
		ssize_t got = fd_read_full(fd, bytes, n < sizeof(bytes) ? n : sizeof(bytes));

		if (got <= 0)
			return got < 0 ? (int)got : -EPIPE;
		n -= (uint32_t)got;
	}
	return 0;
}

/* Reads frames until EXIT. 0, or -errno when the connection ended without one. */
static int read_exit(int fd, struct frame_exit *out)
{
	for (;;) {
		struct frame_header header;
		ssize_t got = fd_read_full(fd, &header, sizeof(header));
		uint32_t length;

		if (got != (ssize_t)sizeof(header))
			return got < 0 ? (int)got : -EPIPE;
		length = frame_length(&header);
		if (length > FRAME_PAYLOAD_MAX)
			return -EPROTO;
		if (header.type == FRAME_EXIT && length == sizeof(*out)) {
			got = fd_read_full(fd, out, sizeof(*out));
			return got == (ssize_t)sizeof(*out) ? 0 : -EPIPE;
		}
		if (skip_bytes(fd, length) < 0)
			return -EPIPE;
	}
}

/* Whether c, as it was read, is alive in a run that began at another time. 0: any run will do. */
static bool is_other_run(const struct container *c, uint64_t began_ns)
{
	return began_ns && container_is_alive(c) && c->state.started_ns != began_ns;
}

/* Blocks until the monitor says how it ended. 0, -ESTALE for another run than that of began_ns, or
 * -errno when it did not say. */
static int wait_answer(struct engine *e, struct container *c, uint64_t began_ns,
		       struct frame_exit *out)
{
	auto_close int fd = monitor_connect(e, c->id);
	int rc = fd < 0 ? fd : monitor_send_attach(fd, false, false);
	struct err ignored;

	/* A monitor listens once its state stands: behind the old one is nobody new. */
	if (rc == 0 && began_ns && container_state_read(e, c, &ignored) == 0 &&
	    is_other_run(c, began_ns))
		return -ESTALE;
	/* EPIPE (no signal, which would kill the caller): the monitor has ended, but its answer may
	 * stand in our socket. */
	return rc < 0 && rc != -EPIPE ? rc : read_exit(fd, out);
}

/* Blocks until the monitor is gone (all of its sweeping done), if it is the one of c->state. */
static int wait_monitor(struct engine *e, struct container *c, int64_t timeout_ms, struct err *err)
{
	int pid = c->state.monitor_pid, rc;
	auto_close int fd = pid > 0 ? process_fd_open(pid) : -1;

	if (fd < 0)
		return 0;
	rc = container_state_read(e, c, err);
	if (rc < 0)
		return rc;
	if (c->state.monitor_pid != pid || !container_lock_is_held(e, c->id))
		return 0;
	rc = wait_readable(fd, timeout_ms);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "wait for the monitor of %.12s: %s", c->id,
				err_errno_text(-rc))
		      : 0;
}

int container_wait_lock(struct engine *e, struct container *c, int timeout_ms, int *lock_fd)
{
	uint64_t end = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	const struct timespec nap = {.tv_nsec = NS_PER_MS};

	for (;;) {
		int rc = container_lock(e, c->id, c->persistent, lock_fd);
		struct err ignored;

		if (rc != -EBUSY || clock_now_ns() >= end)
			return rc;
		/* It lives: nothing to wait for. (What is gone keeps its last state for a moment.) */
		if (container_state_read(e, c, &ignored) == 0 && container_is_alive(c) &&
		    !container_is_gone(e, c->id))
			return -EBUSY;
		/* Mostly its monitor, which ends soon; else a starter or remover without a state. */
		if (c->state.monitor_pid <= 0 || wait_monitor(e, c, timeout_ms, &ignored) < 0)
			nanosleep(&nap, NULL);
	}
}

bool container_is_gone(const struct engine *e, const char *id)
{
	bool persistent;
	auto_close int fd = container_record_dir(e, id, &persistent);

	return fd == -ENOENT;
}

/* began_ns: of the run to wait for, whose exit code is not known when another has begun; 0: any. */
static int wait_run(struct engine *e, struct container *c, uint64_t began_ns, int *exit_code,
		    struct err *err)
{
	bool ever_alive = container_is_alive(c);

	for (;;) {
		struct frame_exit end;
		int rc;

		if (container_is_gone(e, c->id))
			break;
		rc = container_read_settled(e, c, err);
		if (rc < 0)
			return rc;
		if (!container_is_alive(c)) {
			/* Removed between the two looks: what was read then is not its end. */
			if (ever_alive && c->state.status == CONTAINER_CREATED &&
			    container_is_gone(e, c->id))
				break;
			*exit_code = c->state.exit_code;
			return 0;
		}
		ever_alive = true;
		rc = is_other_run(c, began_ns) ? -ESTALE : wait_answer(e, c, began_ns, &end);
		if (rc == 0 || rc == -ESTALE) {
			*exit_code = rc == 0 ? end.code : -1;
			return 0;
		}
		/* It serves no more clients, or died: its end is the next news. */
		rc = wait_monitor(e, c, -1, err);
		if (rc < 0)
			return rc;
	}
	return err_set(err, ERR_NOT_FOUND, ENOENT,
		       "container %s was removed before its exit code could be read", c->id);
}

int container_wait(struct engine *e, struct container *c, int *exit_code, struct err *err)
{
	return wait_run(e, c, 0, exit_code, err);
}

/* PID 1 has ended, or will: until the state says so too. Removal counts as an end, and so does another
 * run: somebody may have started it again by then. */
static int wait_end(struct engine *e, struct container *c, uint64_t began_ns, struct err *err)
{
	int exit_code, rc = wait_run(e, c, began_ns, &exit_code, err);

	return rc < 0 && err->kind == ERR_NOT_FOUND ? 0 : rc;
}

/* Another front end may freeze it once more before it is gone. */
static int wait_killed(struct engine *e, struct container *c, int pidfd, struct err *err)
{
	int rc = -ETIMEDOUT;

	for (int i = 0; rc == -ETIMEDOUT && i < KILL_TIMEOUT_MS / THAW_AGAIN_MS; i++) {
		rc = wait_readable(pidfd, THAW_AGAIN_MS);
		if (rc == -ETIMEDOUT && container_thaw(e, c, err) < 0)
			return -err->sys_errno;
	}
	return rc;
}

/* 1: it was not running. */
static int end_it(struct engine *e, struct container *c, int signal, int64_t timeout_s,
		  struct err *err)
{
	auto_close int pidfd = -1;
	int rc = open_run(e, c, &pidfd, err);
	uint64_t began_ns = c->state.started_ns;

	if (rc)
		return rc < 0 && err->kind == ERR_CONFLICT ? 1 : rc;
	rc = signal_for_user(e, c, pidfd, signal, err);
	if (rc == 0 && signal == SIGKILL)
		rc = wait_killed(e, c, pidfd, err);
	else if (rc == 0)
		rc = wait_readable(pidfd, timeout_s < 0 ? -1 : timeout_s * 1000);
	if (rc == -ETIMEDOUT) {
		rc = signal_for_user(e, c, pidfd, SIGKILL, err);
		if (rc == 0)
			rc = wait_killed(e, c, pidfd, err);
		if (rc == -ETIMEDOUT)
			return err_set(err, ERR_SYSTEM, ETIMEDOUT,
				       "container %.12s did not end within 10 s of SIGKILL", c->id);
	}
	return rc < 0 && rc != -ESRCH ? rc : wait_end(e, c, began_ns, err);
}

int container_stop(struct engine *e, struct container *c, int64_t timeout_s, struct err *err)
{
	int signal, rc = stop_signal_of(c, &signal, err);

	if (rc == 0)
		rc = end_it(e, c, signal, timeout_s, err);
	if (rc == 0)
		event_container(e, c, "stop", NULL, NULL);
	return rc < 0 ? rc : 0;
}

int container_kill_and_wait(struct engine *e, struct container *c, struct err *err)
{
	int rc = end_it(e, c, SIGKILL, KILL_TIMEOUT_MS / 1000, err);

	return rc < 0 ? rc : 0;
}

static int start_again(struct engine *e, struct container *c, const struct start_options *options,
		       struct err *err)
{
	struct start_handle handle;
	int rc = container_state_read(e, c, err);

	if (rc == 0)
		rc = container_start(e, c, options, &handle, err);
	if (rc < 0)
		return rc;
	rc = container_await_started(&handle, err);
	if (handle.client_fd >= 0)
		close(handle.client_fd);
	if (handle.plan_fd >= 0)
		close(handle.plan_fd);
	return rc;
}

int container_restart(struct engine *e, struct container *c, int64_t timeout_s,
		      const struct start_options *options, struct err *err)
{
	int rc = container_read_settled(e, c, err);

	if (rc == 0 && container_is_alive(c) && c->config.auto_remove)
		rc = marker_set(e, c, MARKER_KEEP, err);
	if (rc == 0)
		rc = container_stop(e, c, timeout_s, err);
	if (rc == 0)
		rc = start_again(e, c, options, err);
	if (rc < 0)
		return err_wrap(err, "Cannot restart container %s", c->name);
	event_container(e, c, "restart", NULL, NULL);
	return 0;
}

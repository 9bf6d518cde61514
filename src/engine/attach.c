/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to a container's monitor for front ends: to hear whether a start succeeded, and to
 * attach to what runs. Relays nothing itself.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/monitor/protocol.h"

#define CONNECT_TIMEOUT_MS 5000
#define NS_PER_MS 1000000

int container_await_started(struct start_handle *handle, struct err *err)
{
	int fd = handle->client_fd;
	struct frame_header header;
	struct frame_started started;
	struct err reason;

	/* It ran already. */
	if (fd < 0)
		return 0;
	if (fd_read_full(fd, &header, sizeof(header)) == (ssize_t)sizeof(header)) {
		uint32_t length = frame_length(&header);

		if (header.type == FRAME_STARTED && length == sizeof(started) &&
		    fd_read_full(fd, &started, sizeof(started)) == (ssize_t)sizeof(started)) {
			handle->pid = started.pid;
			return 0;
		}
		if (header.type == FRAME_ERROR && length == sizeof(reason) &&
		    fd_read_full(fd, &reason, sizeof(reason)) == (ssize_t)sizeof(reason)) {
			reason.msg[sizeof(reason.msg) - 1] = '\0';
			*err = reason;
			return err_code(err);
		}
	}
	return err_set(err, ERR_SYSTEM, EPIPE, "monitor lost while the container was started");
}

int monitor_connect(const struct engine *e, const char *id)
{
	auto_close int dir = container_run_dir(e, id);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (dir < 0 || fd < 0)
		return dir < 0 ? dir : -errno;
	/* The whole path may be longer than an address holds. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" ATTACH_SOCKET,
		 dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

int monitor_send_attach(int fd, bool input, bool output)
{
	struct {
		struct frame_header header;
		struct frame_attach attach;
	} hello = {.attach = {.want_stdin = input, .want_output = output}};

	frame_header_set(&hello.header, FRAME_ATTACH, sizeof(hello.attach));
	return fd_send(fd, &hello, sizeof(hello), NULL, 0);
}

static int refuse_state(const struct container *c, struct err *err)
{
	const char *why = c->state.status == CONTAINER_PAUSED ? "paused container, unpause it first"
			  : c->state.status == CONTAINER_RESTARTING
				  ? "restarting container, wait until it is running"
				  : "stopped container, start it first";

	return err_set(err, ERR_CONFLICT, ESRCH, "You cannot attach to a %s", why);
}

/* The monitor says "running" a moment before it listens. */
static int connect_patiently(struct engine *e, struct container *c, struct err *err)
{
	const struct timespec nap = {.tv_nsec = NS_PER_MS};

	for (int waited_ms = 0;; waited_ms++) {
		int fd = monitor_connect(e, c->id), rc;

		if (fd >= 0 || waited_ms >= CONNECT_TIMEOUT_MS)
			return fd;
		rc = container_state_read(e, c, err);
		if (rc < 0 || c->state.status != CONTAINER_RUNNING)
			return fd;
		nanosleep(&nap, NULL);
	}
}

int container_attach(struct engine *e, struct container *c, bool input, struct start_handle *handle,
		     struct err *err)
{
	auto_close int fd = -1;
	int rc = container_read_settled(e, c, err);

	*handle = (struct start_handle){.client_fd = -1, .plan_fd = -1};
	if (rc < 0)
		return rc;
	if (c->state.status != CONTAINER_RUNNING)
		return refuse_state(c, err);
	fd = connect_patiently(e, c, err);
	if (fd < 0 && c->state.status != CONTAINER_RUNNING)
		return refuse_state(c, err);
	rc = fd < 0 ? fd : monitor_send_attach(fd, input, true);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "attach to %.12s: %s", c->id,
			       err_errno_text(-rc));
	handle->client_fd = take_fd(&fd);
	handle->pid = c->state.pid;
	event_container(e, c, "attach", NULL, NULL);
	return 0;
}

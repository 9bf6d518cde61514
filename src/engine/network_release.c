/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends FRAME_NETWORK. Sockets that the monitor is to serve are told from those that only keep a port by
 * what they are: the ones listen (TCP), or take IPv6 datagrams, which may come for the loopback address
 * that cannot be translated.
 */
#include "engine/network_release.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "engine/monitor/protocol.h"
#include "runtime/stamp.h"

static int option_of(int fd, int name)
{
	int value = 0;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -1 : value;
}

static enum frame_socket kind_of(int fd)
{
	bool serves = option_of(fd, SO_TYPE) == SOCK_DGRAM ? option_of(fd, SO_DOMAIN) == AF_INET6
							   : option_of(fd, SO_ACCEPTCONN) > 0;

	return serves ? FRAME_SOCKET_FORWARD : FRAME_SOCKET_HELD;
}

static int send_frame(int fd, enum frame_socket kind, const int *fds, size_t count, bool last,
		      struct err *err)
{
	struct {
		struct frame_header header;
		struct frame_network network;
	} frame = {.network = {.kind = (uint8_t)kind, .last = last, .count = (uint16_t)count}};
	int rc;

	frame_header_set(&frame.header, FRAME_NETWORK, sizeof(frame.network));
	rc = fd_send(fd, &frame, sizeof(frame), fds, count);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "hand the ports to the monitor: %s",
				err_errno_text(-rc))
		      : 0;
}

/* Those of one kind. */
static int send_kind(int fd, enum frame_socket kind, const struct sandbox_sockets *sockets,
		     struct err *err)
{
	int batch[FD_PASS_MAX], rc = 0;
	size_t count = 0;

	for (size_t i = 0; rc == 0 && i < sockets->count; i++) {
		if (kind_of(sockets->fds[i]) == kind)
			batch[count++] = sockets->fds[i];
		if (count < FD_PASS_MAX)
			continue;
		rc = send_frame(fd, kind, batch, count, false, err);
		count = 0;
	}
	return rc == 0 && count ? send_frame(fd, kind, batch, count, false, err) : rc;
}

static int send_ports(int fd, const struct sandbox_sockets *sockets, struct err *err)
{
	int rc = send_kind(fd, FRAME_SOCKET_HELD, sockets, err);

	return rc == 0 ? send_kind(fd, FRAME_SOCKET_FORWARD, sockets, err) : rc;
}

int network_release(struct plan *p, int control_fd, const struct sandbox_sockets *sockets,
		    struct err *err)
{
	int rc = send_ports(control_fd, sockets, err);

	if (rc == 0)
		rc = send_frame(control_fd, FRAME_SOCKET_HELD, NULL, 0, true, err);
	stamp(p, POINT_CLI_NETWORK);
	return rc;
}

int network_add_sockets(int attach_fd, const int *fds, size_t count, bool names, struct err *err)
{
	const struct sandbox_sockets sockets = {.fds = (int *)(uintptr_t)fds, .count = count};
	const struct frame_attach quiet = {0};
	struct {
		struct frame_header header;
		struct frame_attach attach;
	} hello = {.attach = quiet};
	int rc;

	frame_header_set(&hello.header, FRAME_ATTACH, sizeof(hello.attach));
	rc = fd_write_all(attach_fd, &hello, sizeof(hello));
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "speak to the monitor: %s",
			       err_errno_text(-rc));
	return names ? send_frame(attach_fd, FRAME_SOCKET_NAMES, fds, count, false, err)
		     : send_ports(attach_fd, &sockets, err);
}

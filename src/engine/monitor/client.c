/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of attached clients. Sockets are non-blocking; a frame that breaks the protocol ends that
 * connection and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/monitor/monitor.h"

void client_init_all(struct monitor *m)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++)
		m->clients[i].fd = -1;
}

struct client *client_add(struct monitor *m, int fd, bool launcher)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];

		if (c->fd >= 0)
			continue;
		*c = (struct client){.fd = fd, .launcher = launcher, .ready = launcher};
		/* A frame under way was begun without this client. */
		c->sent = sizeof(m->frame) + m->frame_len;
		c->wants_output = launcher;
		if (fd_set_nonblocking(fd, 1) == 0)
			return c;
		c->fd = -1;
		return NULL;
	}
	return NULL;
}

void client_accept(struct monitor *m)
{
	int fd = m->listen_fd < 0 ? -1
				  : accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	while (fd >= 0) {
		if (!client_add(m, fd, false))
			close(fd);
		fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
}

bool client_frame_pending(const struct monitor *m)
{
	for (int i = 0; m->frame_len && i < MONITOR_CLIENTS_MAX; i++) {
		const struct client *c = &m->clients[i];

		if (c->fd >= 0 && c->wants_output && c->sent < sizeof(m->frame) + m->frame_len)
			return true;
	}
	return false;
}

void client_drop(struct monitor *m, struct client *c)
{
	close(c->fd);
	c->fd = -1;
	/* Whoever started it in the foreground was its standard input. A terminal stays open: its user
	 * may only have detached. */
	if (c->launcher && !m->plan->early.terminal) {
		m->input_end = true;
		relay_input(m);
	}
}

void client_push(struct monitor *m, struct client *c)
{
	size_t header = sizeof(m->frame), total = header + m->frame_len;

	while (m->frame_len && c->sent < total) {
		size_t skip = c->sent > header ? c->sent - header : 0;
		struct iovec iov[2] = {
			{(char *)&m->frame + (c->sent < header ? c->sent : header),
			 c->sent < header ? header - c->sent : 0},
			{m->frame_bytes + skip, m->frame_len - skip},
		};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			client_drop(m, c);
			return;
		}
		c->sent += (size_t)n;
	}
}

void client_send(struct monitor *m, struct client *c, enum frame_type type, const void *payload,
		 size_t n)
{
	struct frame_header header;
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, n}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (c->fd < 0)
		return;
	frame_header_set(&header, type, (uint32_t)n);
	/* Only sent while no output frame is half-way out; small enough for any socket buffer that is
	 * not full, and a client with a full one is not listening. */
	if (fd_set_nonblocking(c->fd, 0) < 0 ||
	    sendmsg(c->fd, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(header) + n))
		client_drop(m, c);
	else if (fd_set_nonblocking(c->fd, 1) < 0)
		client_drop(m, c);
}

void client_send_all(struct monitor *m, enum frame_type type, const void *payload, size_t n)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++)
		client_send(m, &m->clients[i], type, payload, n);
}

static void send_signal(const struct monitor *m, int number)
{
	if (m->started && !m->exited && number > 0 && number <= 64)
		syscall(SYS_pidfd_send_signal, m->pidfd, number, NULL, 0);
}

static void on_control(struct monitor *m, struct client *c)
{
	union {
		struct frame_resize resize;
		struct frame_signal signal;
		struct frame_attach attach;
	} u;

	memset(&u, 0, sizeof(u));
	memcpy(&u, c->control, c->control_got < sizeof(u) ? c->control_got : sizeof(u));
	switch (c->header.type) {
	case FRAME_STDIN_END:
		m->input_end = true;
		relay_input(m);
		return;
	case FRAME_RESIZE:
		if (m->plan->early.terminal && m->input >= 0) {
			struct winsize size = {.ws_row = u.resize.rows, .ws_col = u.resize.columns};

			ioctl(m->input, TIOCSWINSZ, &size);
		}
		return;
	case FRAME_SIGNAL:
		send_signal(m, u.signal.number);
		return;
	case FRAME_ATTACH:
		c->ready = true;
		c->wants_output = u.attach.want_output;
		return;
	default:
		return;
	}
}

/* Bytes of a STDIN frame go straight into the input buffer, which is empty when this is called. */
static void receive_input(struct monitor *m, struct client *c)
{
	size_t want = c->payload_left < sizeof(m->input_bytes) ? c->payload_left
							       : sizeof(m->input_bytes);
	ssize_t n = recv(c->fd, m->input_bytes, want, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(m, c);
		return;
	}
	c->payload_left -= (uint32_t)n;
	if (!c->payload_left)
		c->header_got = 0;
	if (m->input < 0 || m->input_end)
		return;
	m->input_len = (size_t)n;
	m->input_sent = 0;
	relay_input(m);
}

static bool header_is_valid(const struct client *c)
{
	uint32_t length = frame_length(&c->header);

	if (c->header.type == FRAME_STDIN)
		return c->ready && length <= FRAME_PAYLOAD_MAX;
	if (!c->ready && c->header.type != FRAME_ATTACH)
		return false;
	return c->header.type >= FRAME_STDIN_END && c->header.type <= FRAME_ATTACH &&
	       length <= MONITOR_CONTROL_MAX;
}

static void receive_header(struct monitor *m, struct client *c)
{
	ssize_t n = recv(c->fd, (char *)&c->header + c->header_got,
			 sizeof(c->header) - c->header_got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(m, c);
		return;
	}
	c->header_got += (size_t)n;
	if (c->header_got < sizeof(c->header))
		return;
	if (!header_is_valid(c)) {
		client_drop(m, c);
		return;
	}
	c->payload_left = frame_length(&c->header);
	c->control_got = 0;
	if (!c->payload_left) {
		c->header_got = 0;
		if (c->header.type != FRAME_STDIN)
			on_control(m, c);
	}
}

static void receive_control(struct monitor *m, struct client *c)
{
	ssize_t n = recv(c->fd, c->control + c->control_got, c->payload_left, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(m, c);
		return;
	}
	c->control_got += (size_t)n;
	c->payload_left -= (uint32_t)n;
	if (!c->payload_left) {
		c->header_got = 0;
		on_control(m, c);
	}
}

void client_receive(struct monitor *m, struct client *c)
{
	if (!c->payload_left)
		receive_header(m, c);
	else if (c->header.type != FRAME_STDIN)
		receive_control(m, c);
	else if (m->input_len == m->input_sent)
		receive_input(m, c);
}

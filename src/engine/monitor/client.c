/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of attached clients. Sockets are non-blocking; a frame that breaks the protocol ends that
 * connection and nothing else.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/monitor/event.h"
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

bool client_listens(const struct monitor *m)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		if (m->clients[i].fd >= 0 && m->clients[i].wants_output)
			return true;
	}
	return false;
}

/* A client's input is over. With StdinOnce that is the end of the container's, but never of a
 * terminal: its user may only have detached. */
static void end_input(struct monitor *m)
{
	if (!m->plan->monitor.stdin_once || m->plan->early.terminal)
		return;
	m->input_end = true;
	relay_input(m);
}

void client_drop(struct monitor *m, struct client *c)
{
	close(c->fd);
	c->fd = -1;
	if (m->input_owner == c)
		m->input_owner = NULL;
	if (c->launcher)
		network_launcher_left(m);
	if (c->wants_stdin && !c->answer_len)
		end_input(m);
}

static void push_answer(struct monitor *m, struct client *c)
{
	while (c->answer_sent < c->answer_len) {
		struct iovec iov = {c->answer + c->answer_sent, c->answer_len - c->answer_sent};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		/* The call that STARTED went by: who is refused it is refused before the container runs. */
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		c->answer_sent += (size_t)n;
	}
	client_drop(m, c);
}

void client_push(struct monitor *m, struct client *c)
{
	size_t header = sizeof(m->frame), total = header + m->frame_len;

	if (c->answer_len) {
		push_answer(m, c);
		return;
	}
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
	if (sendmsg(c->fd, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(header) + n))
		client_drop(m, c);
}

void client_answer_all(struct monitor *m)
{
	const struct frame_exit end = {.code = m->exit_code,
				       .signal = m->exit_signal,
				       .oom_killed = m->stats.oom_kills > 0,
				       .finished_wall_ns = m->finished_wall_ns};
	struct frame_header header;

	frame_header_set(&header, FRAME_EXIT, sizeof(end));
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];

		if (c->fd < 0 || c->answer_len)
			continue;
		memcpy(c->answer, &header, sizeof(header));
		memcpy(c->answer + sizeof(header), &end, sizeof(end));
		c->answer_len = sizeof(c->answer);
		c->wants_output = false;
		push_answer(m, c);
	}
}

void client_linger(struct monitor *m)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		if (m->clients[i].fd >= 0 && !m->clients[i].answer_len)
			client_drop(m, &m->clients[i]);
	}
	for (;;) {
		struct pollfd p[MONITOR_CLIENTS_MAX];
		bool any = false;

		for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
			p[i] = (struct pollfd){.fd = m->clients[i].fd, .events = POLLOUT};
			any = any || p[i].fd >= 0;
		}
		if (!any || (poll(p, MONITOR_CLIENTS_MAX, -1) < 0 && errno != EINTR))
			return;
		for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
			if (p[i].revents)
				push_answer(m, &m->clients[i]);
		}
	}
}

void client_send_all(struct monitor *m, enum frame_type type, const void *payload, size_t n)
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++)
		client_send(m, &m->clients[i], type, payload, n);
}

static void send_signal(struct monitor *m, int number)
{
	if (!m->started || m->exited || number <= 0 || number > 64)
		return;
	m->client_signal = number;
	if (syscall(SYS_pidfd_send_signal, m->pidfd, number, NULL, 0) == 0)
		event_signal(m, number);
}

static void on_control(struct monitor *m, struct client *c)
{
	union {
		struct frame_resize resize;
		struct frame_signal signal;
		struct frame_attach attach;
		struct frame_restart restart;
		struct frame_network network;
	} u;

	memset(&u, 0, sizeof(u));
	memcpy(&u, c->control, c->control_got < sizeof(u) ? c->control_got : sizeof(u));
	switch (c->header.type) {
	case FRAME_STDIN_END:
		if (c->wants_stdin)
			end_input(m);
		return;
	case FRAME_RESIZE:
		if (m->plan->early.terminal && m->input >= 0) {
			struct winsize size = {.ws_row = u.resize.rows, .ws_col = u.resize.columns};

			if (ioctl(m->input, TIOCSWINSZ, &size) == 0)
				event_resize(m, size.ws_row, size.ws_col);
		}
		return;
	case FRAME_SIGNAL:
		send_signal(m, u.signal.number);
		return;
	case FRAME_ATTACH:
		c->ready = true;
		c->wants_stdin = u.attach.want_stdin;
		c->wants_output = u.attach.want_output;
		/* Output from now on: the frame under way was read before. */
		c->sent = sizeof(m->frame) + m->frame_len;
		return;
	case FRAME_RESTART:
		m->restart.policy = (enum plan_restart)u.restart.policy;
		m->restart.max = u.restart.max;
		if (m->restart.policy == PLAN_RESTART_NO && !m->plan->early.network)
			keeper_leave(m);
		else
			keeper_tell(m);
		return;
	case FRAME_NETWORK:
		if (!network_take(m, &u.network, c->launcher))
			client_drop(m, c);
		return;
	case FRAME_EXEC:
		supervise_begin(m, c->fd);
		client_drop(m, c);
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
	/* Two clients' frames do not mix. */
	m->input_owner = c->payload_left ? c : NULL;
	if (!c->payload_left)
		c->header_got = 0;
	if (!relay_awaits_terminal(m) && (m->input < 0 || m->input_end))
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
	if (c->header.type == FRAME_EXEC)
		return length == 0;
	if (!c->ready && c->header.type != FRAME_ATTACH)
		return false;
	return c->header.type >= FRAME_STDIN_END && c->header.type <= FRAME_NETWORK &&
	       length <= MONITOR_CONTROL_MAX;
}

static void receive_control(struct monitor *m, struct client *c);

/* Sockets come with the first byte; such a frame is sent whole, or not at all. */
static void receive_header(struct monitor *m, struct client *c)
{
	struct monitor_network *network = &m->network;
	ssize_t n = fd_receive(c->fd, (char *)&c->header + c->header_got,
			       sizeof(c->header) - c->header_got, network->pending, FD_PASS_MAX,
			       &network->pending_count);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		c->header_got += (size_t)n;
	if (n > 0 && c->header_got < sizeof(c->header)) {
		network_drop_pending(m);
		return;
	}
	if (n <= 0 || !header_is_valid(c)) {
		network_drop_pending(m);
		client_drop(m, c);
		return;
	}
	c->payload_left = frame_length(&c->header);
	c->control_got = 0;
	if (c->header.type == FRAME_NETWORK && c->payload_left)
		receive_control(m, c);
	else if (!c->payload_left)
		c->header_got = 0;
	if (!c->payload_left && c->header.type != FRAME_STDIN && c->header.type != FRAME_NETWORK)
		on_control(m, c);
	network_drop_pending(m);
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
	else if (m->input_len == m->input_sent && (!m->input_owner || m->input_owner == c))
		receive_input(m, c);
}

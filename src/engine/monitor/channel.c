/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forwarded TCP connection: two sockets, and bytes that the kernel moves from one to the other
 * through a pipe, without our seeing them. A pipe is only held while something is in it. When one side
 * has said all, the other is told so and may go on; when one side breaks, the other is broken, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/monitor/forward.h"
#include "engine/monitor/monitor.h"

#define AT_ONCE 65536
#define ROUNDS_MAX 8 /* then others have their turn */
#define ACCEPTED_AT_ONCE 16

/* ---- pipes ---- */

static int take_pipe(struct forwarding *f, int out[2])
{
	if (!f->pipe_count)
		return pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
	f->pipe_count--;
	memcpy(out, f->pipes[f->pipe_count], sizeof(f->pipes[0]));
	return 0;
}

static void give_pipe(struct forwarding *f, struct channel_half *h)
{
	if (h->pipe[0] < 0)
		return;
	if (!h->held && f->pipe_count < FORWARD_PIPES_KEPT) {
		memcpy(f->pipes[f->pipe_count++], h->pipe, sizeof(h->pipe));
	} else {
		close(h->pipe[0]);
		close(h->pipe[1]);
	}
	h->pipe[0] = h->pipe[1] = -1;
}

/* ---- ends ---- */

static uint32_t index_of(const struct monitor *m, const struct channel *c)
{
	return (uint32_t)(c - m->forwarding.channels);
}

static int wait_for(struct monitor *m, struct channel *c, enum channel_side side, uint32_t wanted)
{
	return forward_wait_for(m, side == CHANNEL_CLIENT ? FORWARD_CLIENT : FORWARD_CONTAINER,
				index_of(m, c), c->fds[side], &c->events[side], wanted);
}

/* broken: both sides are told that it did not end well. */
static void end_channel(struct monitor *m, struct channel *c, bool broken)
{
	const struct linger now = {.l_onoff = 1};
	struct forwarding *f = &m->forwarding;

	for (int side = 0; side < 2; side++) {
		give_pipe(f, &c->from[side]);
		/* Without it what was not taken yet would still be sent, and an orderly end after it. */
		if (broken)
			setsockopt(c->fds[side], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		/* A child that was just cloned may have copies: closing is not enough. */
		if (wait_for(m, c, (enum channel_side)side, 0) < 0)
			c->events[side] = 0;
		close(c->fds[side]);
		c->fds[side] = -1;
	}
	f->channel_count--;
	c->next = f->channel_ended;
	f->channel_ended = index_of(m, c) + 1;
	forward_resume(m);
}

void channels_recycle(struct monitor *m)
{
	struct forwarding *f = &m->forwarding;

	while (f->channel_ended) {
		struct channel *c = &f->channels[f->channel_ended - 1];
		uint32_t index = f->channel_ended;

		f->channel_ended = c->next;
		c->next = f->channel_free;
		f->channel_free = index;
	}
}

/* ---- moving ---- */

/* 1: something was moved; 0: not now; or -errno. */
static int pull(struct forwarding *f, struct channel_half *h, int from)
{
	ssize_t n;
	int rc = h->pipe[0] < 0 ? take_pipe(f, h->pipe) : 0;

	if (rc < 0)
		return rc;
	n = splice(from, NULL, h->pipe[1], NULL, AT_ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	h->held += (uint32_t)n;
	h->end = n == 0;
	return 1;
}

static int push(struct channel_half *h, int to)
{
	ssize_t n = splice(h->pipe[0], NULL, to, NULL, h->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	h->held -= (uint32_t)n;
	return n > 0;
}

/* Moves what can be moved now. 0 or -errno. */
static int move(struct forwarding *f, struct channel_half *h, int from, int to)
{
	int rc = 1;

	for (int i = 0; rc > 0 && i < ROUNDS_MAX; i++) {
		if (h->held)
			rc = push(h, to);
		else if (!h->end)
			rc = pull(f, h, from);
		else
			rc = 0;
	}
	if (!h->held)
		give_pipe(f, h);
	if (rc >= 0 && h->end && !h->held && !h->told) {
		h->told = true;
		if (shutdown(to, SHUT_WR) < 0 && errno != ENOTCONN)
			rc = -errno;
	}
	return rc < 0 ? rc : 0;
}

static uint32_t interest(const struct channel_half *from, const struct channel_half *to)
{
	return (!from->end && !from->held ? EPOLLIN : 0u) | (to->held ? EPOLLOUT : 0u);
}

/* 1: both have said all; 0: more may come; or -errno. */
static int move_both(struct monitor *m, struct channel *c)
{
	struct channel_half *in = &c->from[CHANNEL_CLIENT], *out = &c->from[CHANNEL_CONTAINER];
	int client = c->fds[CHANNEL_CLIENT], container = c->fds[CHANNEL_CONTAINER];
	int rc = in->told ? 0 : move(&m->forwarding, in, client, container);

	if (rc == 0)
		rc = move(&m->forwarding, out, container, client);
	if (rc < 0)
		return rc;
	if (in->told && out->told)
		return 1;
	rc = wait_for(m, c, CHANNEL_CLIENT, interest(in, out));
	return rc < 0 ? rc : wait_for(m, c, CHANNEL_CONTAINER, interest(out, in));
}

static void work(struct monitor *m, struct channel *c)
{
	int rc = move_both(m, c);

	if (rc == -EMFILE || rc == -ENFILE)
		forward_complain(m, c->fds[CHANNEL_CLIENT],
				 "out of file descriptors: a connection is ended");
	if (rc != 0)
		end_channel(m, c, rc < 0);
}

/* The container has ended: nobody is left who could take what the client says. */
static void stop_listening(struct forwarding *f, struct channel_half *in)
{
	if (in->held) {
		in->held = 0;
		close(in->pipe[0]);
		close(in->pipe[1]);
		in->pipe[0] = in->pipe[1] = -1;
	}
	give_pipe(f, in);
	in->end = in->told = true;
}

void channel_ready(struct monitor *m, uint32_t index, enum channel_side side)
{
	struct channel *c = &m->forwarding.channels[index];
	int error = 0;
	socklen_t n = sizeof(error);

	if (c->fds[side] < 0) /* ended by what came before */
		return;
	if (!c->connected &&
	    (getsockopt(c->fds[CHANNEL_CONTAINER], SOL_SOCKET, SO_ERROR, &error, &n) < 0 ||
	     error != 0)) {
		end_channel(m, c, true);
		return;
	}
	c->connected = true;
	work(m, c);
}

void channels_end(struct monitor *m, bool at_once)
{
	struct forwarding *f = &m->forwarding;

	for (uint32_t i = 0; i < f->channel_used; i++) {
		struct channel *c = &f->channels[i];

		if (c->fds[CHANNEL_CLIENT] < 0)
			continue;
		if (at_once || !c->connected) {
			end_channel(m, c, true);
			continue;
		}
		stop_listening(f, &c->from[CHANNEL_CLIENT]);
		work(m, c);
	}
	channels_recycle(m);
}

/* ---- beginnings ---- */

/* Only when there is one. */
static struct channel *take_free(struct forwarding *f)
{
	struct channel *c;

	if (f->channel_free) {
		c = &f->channels[f->channel_free - 1];
		f->channel_free = c->next;
	} else {
		c = &f->channels[f->channel_used++];
	}
	f->channel_count++;
	return c;
}

/* 0, or why there is no way to the container: the client has been sent away. */
static int begin(struct monitor *m, int port_fd, int client)
{
	const int yes = 1;
	int container = forward_connect(m, port_fd, SOCK_STREAM);
	struct channel *c;

	if (container < 0) {
		close(client);
		return container;
	}
	/* One whose other end has vanished does not stay for ever. */
	setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	c = take_free(&m->forwarding);
	*c = (struct channel){.fds = {client, container},
			      .from = {{.pipe = {-1, -1}}, {.pipe = {-1, -1}}}};
	/* Nothing is read from the client before there is somebody to have it. */
	if (wait_for(m, c, CHANNEL_CONTAINER, EPOLLOUT) < 0)
		end_channel(m, c, true);
	return 0;
}

void channel_accept(struct monitor *m, uint32_t port)
{
	struct forwarding *f = &m->forwarding;
	int port_fd = m->network.sockets[port].fd;

	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int fd, rc;

		if (f->channel_count >= f->channel_max) {
			forward_pause(m, port, "too many forwarded connections: others wait");
			return;
		}
		/* Those that have just ended can be used again a moment later. */
		if (!f->channel_free && f->channel_used == FORWARD_CHANNELS_MAX)
			return;
		fd = accept4(port_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS))
			forward_pause(m, port, "out of file descriptors: connections wait");
		if (fd < 0)
			return;
		rc = begin(m, port_fd, fd);
		if (rc == -EMFILE || rc == -ENFILE)
			forward_pause(m, port, "out of file descriptors: connections wait");
	}
}

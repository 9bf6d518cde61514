/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forwarded TCP connection: two sockets, and bytes that the kernel moves from one to the other
 * through a pipe, without our seeing them. A pipe is only held while something is in it. When one side
 * has said all, the other is told so and may go on; when one side breaks, the other is broken, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/keeper/forward.h"

#define AT_ONCE 65536
#define ROUNDS_MAX 16 /* then others have their turn */
#define ACCEPTED_AT_ONCE 64

/* One direction. */
struct half {
	int pipe[2]; /* -1: nothing under way */
	size_t held; /* bytes in it */
	bool end;    /* its source has said all */
	bool told;   /* and its destination knows */
};

struct channel {
	struct forward *forward;
	struct channel *previous, *next;
	struct source client, container;
	unsigned released; /* of the two */
	bool connected;
	struct half in, out; /* to the container, from it */
};

static struct loop *loop_of(const struct channel *c)
{
	return &c->forward->keeper->loop;
}

/* ---- pipes ---- */

static int take_pipe(struct forwarding *all, int out[2])
{
	if (!all->pipe_count)
		return pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
	all->pipe_count--;
	memcpy(out, all->pipes[all->pipe_count], sizeof(all->pipes[0]));
	return 0;
}

static void give_pipe(struct forwarding *all, struct half *h)
{
	if (h->pipe[0] < 0)
		return;
	if (!h->held && all->pipe_count < PIPES_KEPT) {
		memcpy(all->pipes[all->pipe_count++], h->pipe, sizeof(h->pipe));
	} else {
		close(h->pipe[0]);
		close(h->pipe[1]);
	}
	h->pipe[0] = h->pipe[1] = -1;
}

/* ---- ends ---- */

static void release(struct channel *c)
{
	if (++c->released == 2)
		free(c);
}

static void release_client(struct source *s)
{
	release(container_of(s, struct channel, client));
}

static void release_container(struct source *s)
{
	release(container_of(s, struct channel, container));
}

/* broken: both sides are told that it did not end well. */
static void end_channel(struct channel *c, bool broken)
{
	const struct linger now = {.l_onoff = 1};
	struct forwarding *all = c->forward->keeper->forwarding;

	give_pipe(all, &c->in);
	give_pipe(all, &c->out);
	if (c->previous)
		c->previous->next = c->next;
	else
		c->forward->channels = c->next;
	if (c->next)
		c->next->previous = c->previous;
	all->channel_count--;
	/* Without it what was not taken yet would still be sent, and an orderly end after it. */
	if (broken) {
		setsockopt(c->client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		setsockopt(c->container.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	loop_end(loop_of(c), &c->client);
	loop_end(loop_of(c), &c->container);
	forward_resume(all);
}

void channels_end(struct forward *f)
{
	while (f->channels)
		end_channel(f->channels, true);
}

/* ---- moving ---- */

/* 1: something was moved; 0: not now; or -errno. */
static int pull(struct forwarding *all, struct half *h, int from)
{
	ssize_t n;
	int rc = h->pipe[0] < 0 ? take_pipe(all, h->pipe) : 0;

	if (rc < 0)
		return rc;
	n = splice(from, NULL, h->pipe[1], NULL, AT_ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	h->held += (size_t)n;
	h->end = n == 0;
	return 1;
}

static int push(struct half *h, int to)
{
	ssize_t n = splice(h->pipe[0], NULL, to, NULL, h->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	h->held -= (size_t)n;
	return n > 0;
}

/* Moves what can be moved now. 0 or -errno. */
static int move(struct forwarding *all, struct half *h, int from, int to)
{
	int rc = 1;

	for (int i = 0; rc > 0 && i < ROUNDS_MAX; i++) {
		if (h->held)
			rc = push(h, to);
		else if (!h->end)
			rc = pull(all, h, from);
		else
			rc = 0;
	}
	if (!h->held)
		give_pipe(all, h);
	if (rc >= 0 && h->end && !h->held && !h->told) {
		h->told = true;
		if (shutdown(to, SHUT_WR) < 0 && errno != ENOTCONN)
			rc = -errno;
	}
	return rc < 0 ? rc : 0;
}

static uint32_t interest(const struct half *from, const struct half *to)
{
	return (!from->end && !from->held ? EPOLLIN : 0u) | (to->held ? EPOLLOUT : 0u);
}

static void work(struct channel *c)
{
	struct forwarding *all = c->forward->keeper->forwarding;
	int rc = move(all, &c->in, c->client.fd, c->container.fd);

	if (rc == 0)
		rc = move(all, &c->out, c->container.fd, c->client.fd);
	if (rc < 0 || (c->in.told && c->out.told)) {
		if (rc == -EMFILE || rc == -ENFILE)
			forward_complain(c->forward,
					 "out of file descriptors: a connection is ended");
		end_channel(c, rc < 0);
		return;
	}
	loop_wait_for(loop_of(c), &c->client, interest(&c->in, &c->out));
	loop_wait_for(loop_of(c), &c->container, interest(&c->out, &c->in));
}

static void on_client(struct source *s, uint32_t events)
{
	(void)events;
	work(container_of(s, struct channel, client));
}

static void on_container(struct source *s, uint32_t events)
{
	struct channel *c = container_of(s, struct channel, container);
	int error = 0;
	socklen_t n = sizeof(error);

	(void)events;
	if (!c->connected &&
	    (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error != 0)) {
		end_channel(c, true);
		return;
	}
	c->connected = true;
	work(c);
}

/* ---- beginnings ---- */

static int begin(struct forward *f, int client)
{
	struct channel *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		close(client);
		return -ENOMEM;
	}
	*c = (struct channel){
		.forward = f,
		.client = {.fd = client, .ready = on_client, .release = release_client},
		.container = {.fd = -1, .ready = on_container, .release = release_container},
		.in = {.pipe = {-1, -1}},
		.out = {.pipe = {-1, -1}},
	};
	c->container.fd =
		socket(f->target.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = c->container.fd < 0 ? -errno : 0;
	if (rc == 0 &&
	    connect(c->container.fd, (const struct sockaddr *)&f->target, f->target_bytes) < 0 &&
	    errno != EINPROGRESS) {
		rc = -errno;
		close(c->container.fd);
	}
	if (rc == 0)
		rc = loop_add(&f->keeper->loop, &c->container, EPOLLOUT);
	/* Nothing is read from the client before there is somebody to have it. */
	if (rc == 0)
		rc = loop_add(&f->keeper->loop, &c->client, 0);
	if (rc < 0) {
		close(client);
		free(c);
		return rc;
	}
	c->next = f->channels;
	if (c->next)
		c->next->previous = c;
	f->channels = c;
	f->keeper->forwarding->channel_count++;
	return 0;
}

void channel_accept(struct forward *f)
{
	struct forwarding *all = f->keeper->forwarding;
	const int yes = 1;

	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int fd, rc;

		if (all->channel_count >= all->channel_max) {
			forward_pause(f, "too many forwarded connections: others wait");
			return;
		}
		fd = accept4(f->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS))
			forward_pause(f, "out of file descriptors: connections wait");
		if (fd < 0)
			return;
		/* One whose other end has vanished does not stay for ever. */
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
		if (!f->target.sin6_family) {
			close(fd);
			continue;
		}
		rc = begin(f, fd);
		if (rc == -EMFILE || rc == -ENFILE)
			forward_pause(f, "out of file descriptors: connections wait");
	}
}

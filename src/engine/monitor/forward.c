/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of forwarded ports. Where a port leads is read from the container's script for each
 * connection: `network connect` and `disconnect` may have changed it, and need not say so.
 */
#include "engine/monitor/forward.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/monitor/monitor.h"
#include "network/script.h"

#define NS_PER_MS 1000000ull
#define RESUME_NS (1000 * NS_PER_MS)
#define COMPLAIN_NS (60 * 1000 * NS_PER_MS)
/* At the end: how long a client may take nothing of what the container has said, and how long all of
 * them together may take. */
#define LINGER_MS 500
#define LINGER_ALL_NS (5000 * NS_PER_MS)
/* Few, so that the container's streams have their turn. */
#define EVENTS_MAX 16
/* A connection has two sockets and, while something is under way, up to two pipes. The other half of
 * the descriptors is for everything else. */
#define FILES_PER_CHANNEL 6

/* ---- the loop ---- */

int forward_wait_for(struct monitor *m, enum forward_source source, uint32_t index, int fd,
		     uint32_t *events, uint32_t wanted)
{
	struct epoll_event e = {.events = wanted, .data.u64 = (uint64_t)source << 32 | index};
	int operation = !wanted ? EPOLL_CTL_DEL : !*events ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (*events == wanted)
		return 0;
	/* Out when it waits for nothing: errors and hang-ups would be reported unasked, for ever. */
	if (epoll_ctl(m->forwarding.epoll_fd, operation, fd, &e) < 0)
		return -errno;
	*events = wanted;
	return 0;
}

static void hear_one(struct monitor *m, const struct epoll_event *e)
{
	uint32_t index = (uint32_t)e->data.u64;

	switch ((enum forward_source)(e->data.u64 >> 32)) {
	case FORWARD_PORT:
		if (m->network.sockets[index].stream)
			channel_accept(m, index);
		else
			flow_receive(m, index);
		return;
	case FORWARD_CLIENT:
		channel_ready(m, index, CHANNEL_CLIENT);
		return;
	case FORWARD_CONTAINER:
		channel_ready(m, index, CHANNEL_CONTAINER);
		return;
	case FORWARD_FLOW:
		flow_ready(m, index);
		return;
	}
}

static int hear(struct monitor *m, int patience_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(m->forwarding.epoll_fd, events, EVENTS_MAX, patience_ms);

	for (int i = 0; i < n; i++)
		hear_one(m, &events[i]);
	channels_recycle(m);
	return n;
}

void forward_hear(struct monitor *m)
{
	if (hear(m, 0) < 0)
		return;
}

/* ---- waiting for descriptors ---- */

void forward_complain(struct monitor *m, int port_fd, const char *why)
{
	struct forwarding *f = &m->forwarding;
	struct sockaddr_in6 local = {.sin6_port = 0};
	socklen_t n = sizeof(local);
	uint64_t now = clock_now_ns();

	if (now < f->complain_ns || getsockname(port_fd, (struct sockaddr *)&local, &n) < 0)
		return;
	f->complain_ns = now + COMPLAIN_NS;
	tell_forward(m, ntohs(local.sin6_port), why);
}

void forward_pause(struct monitor *m, uint32_t port, const char *why)
{
	struct network_socket *s = &m->network.sockets[port];

	forward_complain(m, s->fd, why);
	if (s->waiting || forward_wait_for(m, FORWARD_PORT, port, s->fd, &(uint32_t){EPOLLIN}, 0))
		return;
	s->waiting = true;
	m->forwarding.resume_ns = clock_now_ns() + RESUME_NS;
}

void forward_resume(struct monitor *m)
{
	struct monitor_network *n = &m->network;

	if (!m->forwarding.resume_ns)
		return;
	m->forwarding.resume_ns = 0;
	for (size_t i = 0; i < m->forwarding.watched; i++) {
		if (!n->sockets[i].waiting)
			continue;
		n->sockets[i].waiting = forward_wait_for(m, FORWARD_PORT, (uint32_t)i,
							 n->sockets[i].fd, &(uint32_t){0},
							 EPOLLIN) < 0;
		if (n->sockets[i].waiting)
			m->forwarding.resume_ns = clock_now_ns() + RESUME_NS;
	}
}

int forward_timeout_ms(const struct monitor *m)
{
	const struct forwarding *f = &m->forwarding;
	uint64_t due = flows_due_ns(m), now;

	if (f->epoll_fd < 0)
		return -1;
	if (f->resume_ns && (!due || f->resume_ns < due))
		due = f->resume_ns;
	if (!due)
		return -1;
	now = clock_now_ns();
	return now >= due ? 0 : (int)((due - now) / NS_PER_MS) + 1;
}

void forward_tick(struct monitor *m)
{
	const struct forwarding *f = &m->forwarding;
	uint64_t now;

	if (f->epoll_fd < 0 || (!f->resume_ns && !f->flow_oldest))
		return;
	now = clock_now_ns();
	if (f->resume_ns && now >= f->resume_ns)
		forward_resume(m);
	flows_expire(m, now);
}

/* ---- where a port leads ---- */

static int find_target(struct monitor *m, int port_fd, int type, struct script_forward *out)
{
	struct sockaddr_in6 local;
	socklen_t n = sizeof(local);
	struct script_port port = {.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP};

	if (getsockname(port_fd, (struct sockaddr *)&local, &n) < 0)
		return -errno;
	port.port = local.sin6_port;
	memcpy(port.address, &local.sin6_addr, sizeof(port.address));
	return script_forward_find(m->run_dir, &port, out);
}

int forward_connect(struct monitor *m, int port_fd, int type)
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} a = {.six = {.sin6_port = 0}};
	struct script_forward target;
	auto_close int fd = -1;
	socklen_t n = sizeof(a.four);
	int rc = find_target(m, port_fd, type, &target);

	if (rc < 0)
		return rc;
	fd = socket(target.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	a.any.sa_family = target.family;
	if (target.family == AF_INET6) {
		a.six.sin6_port = target.port;
		memcpy(&a.six.sin6_addr, target.address, sizeof(a.six.sin6_addr));
		n = sizeof(a.six);
	} else {
		a.four.sin_port = target.port;
		memcpy(&a.four.sin_addr, target.address, sizeof(a.four.sin_addr));
	}
	if (connect(fd, &a.any, n) < 0 && errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

/* ---- beginning and end ---- */

static int open_loop(struct forwarding *f)
{
	struct rlimit files = {.rlim_cur = 1024};

	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		files.rlim_cur = 1024;
	f->channel_max = FORWARD_CHANNELS_MAX;
	if (files.rlim_cur / 2 / FILES_PER_CHANNEL < f->channel_max)
		f->channel_max = (uint32_t)(files.rlim_cur / 2 / FILES_PER_CHANNEL);
	return 0;
}

static void listen_to(struct monitor *m, uint32_t index)
{
	struct network_socket *s = &m->network.sockets[index];
	int type = 0, yes = 1;
	socklen_t n = sizeof(type);

	if (getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return;
	s->stream = type == SOCK_STREAM;
	/* An answer comes from the address that was asked. */
	if (!s->stream && setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes)) < 0)
		return;
	s->waiting = forward_wait_for(m, FORWARD_PORT, index, s->fd, &(uint32_t){0}, EPOLLIN) < 0;
	if (s->waiting)
		m->forwarding.resume_ns = clock_now_ns() + RESUME_NS;
}

void forward_begin(struct monitor *m)
{
	struct forwarding *f = &m->forwarding;

	for (; f->watched < m->network.socket_count; f->watched++) {
		if (m->network.sockets[f->watched].kind != FRAME_SOCKET_FORWARD)
			continue;
		if (f->epoll_fd < 0 && open_loop(f) < 0)
			return;
		listen_to(m, (uint32_t)f->watched);
	}
}

void forward_end(struct monitor *m)
{
	struct forwarding *f = &m->forwarding;

	if (f->epoll_fd < 0)
		return;
	/* A child of ours that has not executed its program yet may have copies: closing is not enough. */
	for (size_t i = 0; i < f->watched; i++) {
		const struct network_socket *s = &m->network.sockets[i];
		uint32_t events = EPOLLIN;

		if (s->kind == FRAME_SOCKET_FORWARD && !s->waiting &&
		    forward_wait_for(m, FORWARD_PORT, (uint32_t)i, s->fd, &events, 0) < 0)
			continue;
	}
	f->watched = 0;
	f->resume_ns = 0;
	flows_end(m);
	channels_end(m, false);
}

void forward_linger(struct monitor *m)
{
	const uint64_t end = clock_now_ns() + LINGER_ALL_NS;

	if (m->forwarding.epoll_fd < 0)
		return;
	while (m->forwarding.channel_count && clock_now_ns() < end && hear(m, LINGER_MS) > 0)
		;
	channels_end(m, true);
}

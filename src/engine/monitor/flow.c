/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwarded UDP: each client has a socket of its own towards the container, so that answers find back,
 * as long as something comes and goes. There are only so many; then the one that was silent longest
 * makes room.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/monitor/forward.h"
#include "engine/monitor/monitor.h"

#define SILENCE_NS 60000000000ull
#define AT_ONCE 32

union packet_info {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* ---- the list, by when something was heard ---- */

static struct flow *at(struct forwarding *f, uint32_t number)
{
	return number ? &f->flows[number - 1] : NULL;
}

static uint32_t number_of(const struct forwarding *f, const struct flow *w)
{
	return (uint32_t)(w - f->flows) + 1;
}

static void unlink_flow(struct forwarding *f, struct flow *w)
{
	*(w->newer ? &at(f, w->newer)->older : &f->flow_newest) = w->older;
	*(w->older ? &at(f, w->older)->newer : &f->flow_oldest) = w->newer;
}

/* To the front: who speaks once mostly does so again. */
static void link_newest(struct forwarding *f, struct flow *w)
{
	w->newer = 0;
	w->older = f->flow_newest;
	*(w->older ? &at(f, w->older)->newer : &f->flow_oldest) = number_of(f, w);
	f->flow_newest = number_of(f, w);
	w->heard_ns = clock_now_ns();
}

static void touch(struct forwarding *f, struct flow *w)
{
	unlink_flow(f, w);
	link_newest(f, w);
}

/* ---- ends ---- */

static void end_flow(struct monitor *m, struct flow *w)
{
	struct forwarding *f = &m->forwarding;
	uint32_t events = EPOLLIN;

	unlink_flow(f, w);
	/* A child that was just cloned may have a copy: closing is not enough. Out it is, or never was in. */
	if (forward_wait_for(m, FORWARD_FLOW, number_of(f, w) - 1, w->fd, &events, 0) < 0)
		events = 0;
	close(w->fd);
	w->fd = -1;
	w->older = f->flow_free;
	f->flow_free = number_of(f, w);
}

void flows_end(struct monitor *m)
{
	while (m->forwarding.flow_oldest)
		end_flow(m, at(&m->forwarding, m->forwarding.flow_oldest));
}

uint64_t flows_due_ns(const struct monitor *m)
{
	const struct forwarding *f = &m->forwarding;

	return f->flow_oldest ? f->flows[f->flow_oldest - 1].heard_ns + SILENCE_NS : 0;
}

void flows_expire(struct monitor *m, uint64_t now)
{
	struct forwarding *f = &m->forwarding;

	while (f->flow_oldest && now >= flows_due_ns(m))
		end_flow(m, at(f, f->flow_oldest));
}

/* ---- from the container ---- */

/* Back to the client, from the address that it has sent to. */
static void send_back(struct monitor *m, struct flow *w, size_t n)
{
	union packet_info control = {.bytes = {0}};
	struct iovec v = {m->forwarding.datagram, n};
	struct msghdr h = {.msg_name = &w->client,
			   .msg_namelen = sizeof(w->client),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(w->asked));
	memcpy(CMSG_DATA(c), &w->asked, sizeof(w->asked));
	/* As any network may, we lose what cannot be sent. */
	if (sendmsg(m->network.sockets[w->port].fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

void flow_ready(struct monitor *m, uint32_t index)
{
	struct forwarding *f = &m->forwarding;
	struct flow *w = &f->flows[index];

	for (int i = 0; w->fd >= 0 && i < AT_ONCE; i++) {
		ssize_t n = recv(w->fd, f->datagram, sizeof(f->datagram), MSG_DONTWAIT);

		/* Refused: the client hears nothing, as from a host that has no such port. */
		if (n < 0)
			return;
		send_back(m, w, (size_t)n);
		touch(f, w);
	}
}

/* ---- from clients ---- */

static struct flow *take_free(struct monitor *m, int port_fd)
{
	struct forwarding *f = &m->forwarding;
	struct flow *w;

	if (!f->flow_free && f->flow_used == FORWARD_FLOWS_MAX) {
		forward_complain(m, port_fd, "too many UDP clients: the oldest is forgotten");
		end_flow(m, at(f, f->flow_oldest));
	}
	if (!f->flow_free)
		return &f->flows[f->flow_used++];
	w = at(f, f->flow_free);
	f->flow_free = w->older;
	return w;
}

static struct flow *begin(struct monitor *m, uint32_t port, const struct sockaddr_in6 *client,
			  const struct in6_pktinfo *asked)
{
	struct forwarding *f = &m->forwarding;
	int port_fd = m->network.sockets[port].fd;
	int fd = forward_connect(m, port_fd, SOCK_DGRAM);
	uint32_t events = 0;
	struct flow *w;

	if (fd == -EMFILE || fd == -ENFILE)
		forward_complain(m, port_fd, "out of file descriptors: packets are lost");
	if (fd < 0)
		return NULL;
	w = take_free(m, port_fd);
	*w = (struct flow){.fd = fd, .port = port, .client = *client, .asked = *asked};
	link_newest(f, w);
	if (forward_wait_for(m, FORWARD_FLOW, number_of(f, w) - 1, fd, &events, EPOLLIN) == 0)
		return w;
	end_flow(m, w);
	return NULL;
}

static struct flow *find(struct monitor *m, uint32_t port, const struct sockaddr_in6 *client,
			 const struct in6_pktinfo *asked)
{
	struct forwarding *f = &m->forwarding;

	for (struct flow *w = at(f, f->flow_newest); w; w = at(f, w->older)) {
		if (w->port == port && w->client.sin6_port == client->sin6_port &&
		    memcmp(&w->client.sin6_addr, &client->sin6_addr, 16) == 0 &&
		    memcmp(&w->asked.ipi6_addr, &asked->ipi6_addr, 16) == 0) {
			touch(f, w);
			return w;
		}
	}
	return begin(m, port, client, asked);
}

/* Bytes of f->datagram, or -errno. */
static ssize_t receive(struct monitor *m, int port_fd, struct sockaddr_in6 *client,
		       struct in6_pktinfo *asked)
{
	struct forwarding *f = &m->forwarding;
	union packet_info control;
	struct iovec v = {f->datagram, sizeof(f->datagram)};
	struct msghdr h = {.msg_name = client,
			   .msg_namelen = sizeof(*client),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(port_fd, &h, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	memset(asked, 0, sizeof(*asked));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(asked, CMSG_DATA(c), sizeof(*asked));
	}
	return n;
}

void flow_receive(struct monitor *m, uint32_t port)
{
	struct forwarding *f = &m->forwarding;

	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in6 client;
		struct in6_pktinfo asked;
		ssize_t n = receive(m, m->network.sockets[port].fd, &client, &asked);
		struct flow *w;

		if (n < 0)
			return;
		w = find(m, port, &client, &asked);
		/* Refused: that was said of the packet before. */
		for (int try = 0; w && try < 2; try++) {
			if (send(w->fd, f->datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
			    errno != ECONNREFUSED)
				break;
		}
	}
}

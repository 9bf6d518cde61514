/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwarded UDP: each client has a socket of its own towards the container, so that answers find back,
 * as long as something comes and goes. There are only so many; then the one that was silent longest
 * makes room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/keeper/forward.h"

#define SILENCE_NS (60 * NS_PER_S)
#define DATAGRAM_MAX 65536
#define AT_ONCE 32

struct flow {
	struct source source; /* towards the container */
	struct forward *forward;
	struct flow *previous, *next;
	struct timer silence;
	struct sockaddr_in6 client;
	struct in6_pktinfo asked; /* the address that the client knows */
};

static void release_flow(struct source *s)
{
	free(container_of(s, struct flow, source));
}

static void unlink_flow(struct flow *w)
{
	if (w->previous)
		w->previous->next = w->next;
	else
		w->forward->flows = w->next;
	if (w->next)
		w->next->previous = w->previous;
	w->previous = w->next = NULL;
}

/* To the front: who speaks once mostly does so again. */
static void link_flow(struct flow *w)
{
	w->next = w->forward->flows;
	if (w->next)
		w->next->previous = w;
	w->forward->flows = w;
}

static void end_flow(struct flow *w)
{
	struct forwarding *all = w->forward->keeper->forwarding;

	unlink_flow(w);
	timer_set(&all->idle_flows, &w->silence, 0);
	all->flow_count--;
	loop_end(&w->forward->keeper->loop, &w->source);
}

void flows_end(struct forward *f)
{
	while (f->flows)
		end_flow(f->flows);
}

static void on_silence(struct timer *t)
{
	end_flow(container_of(t, struct flow, silence));
}

static void touch(struct flow *w)
{
	timer_set(&w->forward->keeper->forwarding->idle_flows, &w->silence,
		  clock_now_ns() + SILENCE_NS);
}

/* Back to the client, from the address that it has sent to. */
static void send_back(const struct flow *w, void *bytes, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct sockaddr_in6 to = w->client;
	struct iovec v = {bytes, n};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(w->asked));
	memcpy(CMSG_DATA(c), &w->asked, sizeof(w->asked));
	/* As any network may, we lose what cannot be sent. */
	if (sendmsg(w->forward->source.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void on_flow(struct source *s, uint32_t events)
{
	struct flow *w = container_of(s, struct flow, source);
	static char bytes[DATAGRAM_MAX];

	(void)events;
	for (int i = 0; i < AT_ONCE; i++) {
		ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		/* Refused: the client hears nothing, as from a host that has no such port. */
		if (n < 0)
			return;
		send_back(w, bytes, (size_t)n);
		touch(w);
	}
}

static struct flow *begin(struct forward *f, const struct sockaddr_in6 *client,
			  const struct in6_pktinfo *asked)
{
	struct forwarding *all = f->keeper->forwarding;
	struct flow *w = f->target.sin6_family ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	if (all->flow_count >= all->flow_max) {
		forward_complain(f, "too many UDP clients: the oldest is forgotten");
		end_flow(container_of(all->idle_flows.first, struct flow, silence));
	}
	w->source = (struct source){
		.fd = socket(f->target.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		.ready = on_flow,
		.release = release_flow};
	w->forward = f;
	w->silence.fire = on_silence;
	w->client = *client;
	w->asked = *asked;
	if (w->source.fd < 0) {
		forward_complain(f, "out of file descriptors: packets are lost");
		free(w);
		return NULL;
	}
	if (connect(w->source.fd, (const struct sockaddr *)&f->target, f->target_bytes) < 0) {
		close(w->source.fd);
		free(w);
		return NULL;
	}
	if (loop_add(&f->keeper->loop, &w->source, EPOLLIN) < 0) {
		free(w);
		return NULL;
	}
	all->flow_count++;
	link_flow(w);
	return w;
}

static struct flow *find(struct forward *f, const struct sockaddr_in6 *client,
			 const struct in6_pktinfo *asked)
{
	for (struct flow *w = f->flows; w; w = w->next) {
		if (w->client.sin6_port != client->sin6_port ||
		    memcmp(&w->client.sin6_addr, &client->sin6_addr, 16) != 0 ||
		    memcmp(&w->asked.ipi6_addr, &asked->ipi6_addr, 16) != 0)
			continue;
		unlink_flow(w);
		link_flow(w);
		return w;
	}
	return begin(f, client, asked);
}

/* False when nothing more has come. */
static bool receive_one(struct forward *f)
{
	static char bytes[DATAGRAM_MAX];
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control;
	struct sockaddr_in6 client;
	struct in6_pktinfo asked = {.ipi6_ifindex = 0};
	struct iovec v = {bytes, sizeof(bytes)};
	struct msghdr m = {.msg_name = &client,
			   .msg_namelen = sizeof(client),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(f->source.fd, &m, MSG_DONTWAIT);
	struct flow *w;

	if (n < 0)
		return errno == EINTR;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(&asked, CMSG_DATA(c), sizeof(asked));
	}
	w = find(f, &client, &asked);
	if (!w)
		return true;
	touch(w);
	if (send(w->source.fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno == ECONNREFUSED) {
		/* That was said of the packet before. */
		n = send(w->source.fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return true;
}

void flow_receive(struct forward *f)
{
	for (int i = 0; i < AT_ONCE; i++) {
		if (!receive_one(f))
			return;
	}
}

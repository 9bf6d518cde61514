/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that cannot be translated: what comes to [::1], and to [::] for a container without IPv6, is
 * carried to the container's port. Everything else of published ports is the packet filter's work.
 */
#include "engine/keeper/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

/* A connection has two sockets and, while something is under way, up to two pipes. */
#define FILES_PER_CHANNEL 6
#define CHANNELS_MAX 50000
#define FLOWS_MAX 8192
#define AGAIN_NS NS_PER_S
#define COMPLAIN_NS (60 * NS_PER_S)

void forward_complain(struct forward *f, const char *why)
{
	struct forwarding *all = f->keeper->forwarding;
	uint64_t now = clock_now_ns();

	if (all->complained_ns && now - all->complained_ns < COMPLAIN_NS)
		return;
	all->complained_ns = now;
	program_log(&f->keeper->log, LOG_LEVEL_WARN, f->id, "port %u: %s",
		    ntohs(f->local.sin6_port), why);
}

void forward_pause(struct forward *f, const char *why)
{
	struct forwarding *all = f->keeper->forwarding;

	forward_complain(f, why);
	if (f->is_waiting)
		return;
	loop_wait_for(&f->keeper->loop, &f->source, 0);
	f->is_waiting = true;
	f->waiting = all->waiting;
	all->waiting = f;
	timer_set(&f->keeper->pauses, &all->again, clock_now_ns() + AGAIN_NS);
}

void forward_resume(struct forwarding *all)
{
	struct forward *f;

	while ((f = all->waiting)) {
		all->waiting = f->waiting;
		f->is_waiting = false;
		loop_wait_for(&f->keeper->loop, &f->source, EPOLLIN);
	}
}

static void on_again(struct timer *t)
{
	forward_resume(container_of(t, struct forwarding, again));
}

void forwarding_close(struct keeper *k)
{
	free(k->forwarding);
}

int forwarding_open(struct keeper *k)
{
	struct forwarding *all = calloc(1, sizeof(*all));
	struct rlimit files = {.rlim_cur = 1024};

	if (!all)
		return -ENOMEM;
	k->forwarding = all;
	all->keeper = k;
	all->again.fire = on_again;
	loop_add_queue(&k->loop, &all->idle_flows);
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* The other half is for names and monitors. */
	all->channel_max = files.rlim_cur / 2 / FILES_PER_CHANNEL;
	if (all->channel_max > CHANNELS_MAX)
		all->channel_max = CHANNELS_MAX;
	all->flow_max = files.rlim_cur / 8 < FLOWS_MAX ? files.rlim_cur / 8 : FLOWS_MAX;
	return 0;
}

/* ---- one socket ---- */

static void on_forward(struct source *s, uint32_t events)
{
	struct forward *f = container_of(s, struct forward, source);

	(void)events;
	if (f->stream)
		channel_accept(f);
	else
		flow_receive(f);
}

static void release_forward(struct source *s)
{
	free(container_of(s, struct forward, source));
}

static int look_at(struct forward *f)
{
	int type, yes = 1;
	socklen_t n = sizeof(type), bytes = sizeof(f->local);

	if (getsockopt(f->source.fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 ||
	    getsockname(f->source.fd, (struct sockaddr *)&f->local, &bytes) < 0)
		return -errno;
	if (f->local.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	f->stream = type == SOCK_STREAM;
	/* An answer comes from the address that was asked. */
	if (!f->stream &&
	    setsockopt(f->source.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes)) < 0)
		return -errno;
	return 0;
}

struct forward *forward_add(struct keeper *k, const char *id, int fd, struct forward *next)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (!f) {
		close(fd);
		return next;
	}
	*f = (struct forward){.source = {.fd = fd, .ready = on_forward, .release = release_forward},
			      .keeper = k,
			      .next = next};
	if (str_format(f->id, sizeof(f->id), "%s", id) < 0 || look_at(f) < 0) {
		close(fd);
		free(f);
		return next;
	}
	if (loop_add(&k->loop, &f->source, EPOLLIN) < 0) {
		free(f);
		return next;
	}
	return f;
}

void forward_remove(struct forward *list)
{
	struct forward *next;

	for (struct forward *f = list; f; f = next) {
		struct forwarding *all = f->keeper->forwarding;

		next = f->next;
		for (struct forward **at = &all->waiting; *at; at = &(*at)->waiting) {
			if (*at == f) {
				*at = f->waiting;
				break;
			}
		}
		channels_end(f);
		flows_end(f);
		loop_end(&f->keeper->loop, &f->source);
	}
}

/* ---- where it leads ---- */

static bool is_binding_of(const struct forward *f, const struct port_binding *p)
{
	return p->protocol == (f->stream ? IPPROTO_TCP : IPPROTO_UDP) &&
	       p->host_port == ntohs(f->local.sin6_port) && p->host_address.family == AF_INET6 &&
	       memcmp(p->host_address.bytes, &f->local.sin6_addr, 16) == 0;
}

static void set_target(struct forward *f, const struct endpoint *e, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)&f->target;

	memset(&f->target, 0, sizeof(f->target));
	if (e->ipv6.address.family) {
		f->target.sin6_family = AF_INET6;
		f->target.sin6_port = htons(port);
		memcpy(&f->target.sin6_addr, e->ipv6.address.bytes, 16);
		f->target_bytes = sizeof(f->target);
	} else if (e->ipv4.address.family) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, e->ipv4.address.bytes, 4);
		f->target_bytes = sizeof(*four);
	}
}

void forward_aim(struct forward *list, const struct sandbox *s)
{
	for (struct forward *f = list; f; f = f->next) {
		memset(&f->target, 0, sizeof(f->target));
		for (size_t i = 0; i < s->port_count; i++) {
			const struct port_binding *p = &s->ports[i];

			if (is_binding_of(f, p) && p->network < s->endpoint_count)
				set_target(f, &s->endpoints[p->network], p->container_port);
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that rules cannot translate: what comes to [::1], and to [::] for a container without IPv6, is
 * carried by the container's own monitor, so that no other program's end can cut it. forward.c has the
 * sockets of the host's side, channel.c TCP, flow.c UDP. Nothing here waits or allocates; without such
 * ports no memory is touched.
 */
#ifndef CLOCHE_ENGINE_MONITOR_FORWARD_H
#define CLOCHE_ENGINE_MONITOR_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FORWARD_CHANNELS_MAX 4096
#define FORWARD_FLOWS_MAX 1024
#define FORWARD_PIPES_KEPT 16
#define FORWARD_DATAGRAM_MAX 65536

struct monitor;

/* What an event of the loop belongs to: this in its upper half, an index in its lower. */
enum forward_source {
	FORWARD_PORT,      /* of monitor_network.sockets */
	FORWARD_CLIENT,    /* of channels */
	FORWARD_CONTAINER, /* of channels */
	FORWARD_FLOW,
};

enum channel_side { CHANNEL_CLIENT, CHANNEL_CONTAINER };

/* One direction of a connection, named by where it comes from. */
struct channel_half {
	int pipe[2];   /* -1: nothing under way */
	uint32_t held; /* bytes in it */
	bool end;      /* its source has said all */
	bool told;     /* and its destination knows */
};

/* A TCP connection. Indices to others are one too high, so that 0 is none. */
struct channel {
	int fds[2];         /* by side; -1: not in use */
	uint32_t events[2]; /* that are waited for; 0: none */
	bool connected;
	struct channel_half from[2];
	uint32_t next; /* that is free, or has just ended */
};

/* A UDP client. */
struct flow {
	int fd;            /* towards the container; -1: not in use */
	uint32_t port;     /* index of the socket it came to */
	uint64_t heard_ns; /* when something last came or went */
	uint32_t newer, older;
	struct sockaddr_in6 client;
	struct in6_pktinfo asked; /* the address that the client knows */
};

struct forwarding {
	int epoll_fd;         /* -1: no such ports */
	size_t watched;       /* of monitor_network.sockets, those that were looked at */
	uint64_t resume_ns;   /* when ports that wait for descriptors listen again; 0: none do */
	uint64_t complain_ns; /* not before this */
	int pipes[FORWARD_PIPES_KEPT][2];
	size_t pipe_count;
	uint32_t channel_count, channel_max;
	uint32_t channel_used; /* all beyond were never in use */
	uint32_t channel_free, channel_ended;
	uint32_t flow_newest, flow_oldest;
	uint32_t flow_used, flow_free; /* as of channels */
	struct channel channels[FORWARD_CHANNELS_MAX];
	struct flow flows[FORWARD_FLOWS_MAX];
	unsigned char datagram[FORWARD_DATAGRAM_MAX];
};

/* The container runs, or has more ports: listens to those that are new. */
void forward_begin(struct monitor *m);
/* The loop's descriptor has something. */
void forward_hear(struct monitor *m);
/* How long poll may wait, -1: for ever; and what to do after it. */
int forward_timeout_ms(const struct monitor *m);
void forward_tick(struct monitor *m);
/* The container has ended: its ports are free after this; connections end once the client has what the
 * container has said. */
void forward_end(struct monitor *m);
/* Returns when they have, or nothing has moved for a while. */
void forward_linger(struct monitor *m);

/* ---- between the files ---- */

int must_check forward_wait_for(struct monitor *m, enum forward_source source, uint32_t index,
				int fd, uint32_t *events, uint32_t wanted);
/* A socket towards what the port of this socket leads to, connected or connecting; or -errno. */
int must_check forward_connect(struct monitor *m, int port_fd, int type);
/* Accepts no more at this port until a connection has ended, or a second has passed. */
void forward_pause(struct monitor *m, uint32_t port, const char *why);
void forward_resume(struct monitor *m);
void forward_complain(struct monitor *m, int port_fd, const char *why);

void channel_accept(struct monitor *m, uint32_t port);
void channel_ready(struct monitor *m, uint32_t index, enum channel_side side);
/* Those that have ended may be used again: no event for them is left. */
void channels_recycle(struct monitor *m);
void channels_end(struct monitor *m, bool at_once);

void flow_receive(struct monitor *m, uint32_t port);
void flow_ready(struct monitor *m, uint32_t index);
void flows_expire(struct monitor *m, uint64_t now);
uint64_t flows_due_ns(const struct monitor *m); /* 0: never */
void flows_end(struct monitor *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of forwarding share: forward.c (sockets of the host's side and where they lead),
 * channel.c (TCP), flow.c (UDP).
 */
#ifndef CLOCHE_ENGINE_KEEPER_FORWARD_H
#define CLOCHE_ENGINE_KEEPER_FORWARD_H

#include <netinet/in.h>

#include "engine/keeper/keeper.h"

#define PIPES_KEPT 64

struct channel;
struct flow;

/* A socket on the host's side. */
struct forward {
	struct source source;
	struct keeper *keeper;
	struct forward *next;    /* of the container */
	struct forward *waiting; /* of those that accept nothing for now */
	bool is_waiting;
	char id[ID_LEN + 1];
	bool stream;
	struct sockaddr_in6 local;  /* what it is bound to */
	struct sockaddr_in6 target; /* or sockaddr_in; family 0: not known */
	socklen_t target_bytes;
	struct channel *channels;
	struct flow *flows;
};

struct forwarding {
	struct keeper *keeper;
	size_t channel_count, channel_max;
	size_t flow_count, flow_max;
	struct forward *waiting;
	struct timer again; /* for those */
	struct timer_queue idle_flows;
	uint64_t complained_ns;
	int pipes[PIPES_KEPT][2];
	size_t pipe_count;
};

/* Accepts no more until some connection has ended, or a second has passed. */
void forward_pause(struct forward *f, const char *why);
void forward_resume(struct forwarding *all);
void forward_complain(struct forward *f, const char *why);

void channel_accept(struct forward *f);
void channels_end(struct forward *f);
void flow_receive(struct forward *f);
void flows_end(struct forward *f);

#endif

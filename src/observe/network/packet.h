/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet as the packet filter sees it, described: what of it is known, and how far. Not a packet of
 * the wire: the headers are made from it when a rule wants to look into them.
 */
#ifndef CLOCHE_OBSERVE_NETWORK_PACKET_H
#define CLOCHE_OBSERVE_NETWORK_PACKET_H

#include "base/ip.h"
#include "kernel/link.h"

/* Whether bits of a number are known: `known` has them set. */
struct known32 {
	uint32_t value, known;
};

enum packet_state { /* of its connection, as `ct state` says it */
		    PACKET_NEW,
		    PACKET_ESTABLISHED,
		    PACKET_RELATED,
		    PACKET_INVALID,
		    PACKET_UNTRACKED,
};

struct packet_tuple {
	struct ip_address source, destination;
	uint16_t source_port, destination_port;
};

struct packet {
	struct packet_tuple now;                    /* as it is at this point of its way */
	uint8_t protocol;                           /* IPPROTO_TCP, IPPROTO_UDP */
	bool any_source_port;                       /* source_port is an example */
	uint16_t any_first, any_last;               /* with that: it is one of these */
	bool later;                                 /* of TCP: after the SYN of its direction */
	const struct link_info *in, *out;           /* NULL: none at this point */
	const struct link_info *port_in, *port_out; /* of a bridge; NULL: none or unknown */
	struct known32 mark;
	/* Its connection. */
	enum packet_state state;
	bool tracked; /* conntrack has seen it: past its place in the hook */
	bool reply;   /* goes against the direction of the first packet */
	struct packet_tuple original, answered; /* of the connection, both directions */
	bool source_done, destination_done;     /* translation was decided */
	bool source_changed, destination_changed;
	struct known32 connection_mark;
};

#endif

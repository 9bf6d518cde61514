/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a connection's first packets through one host: out of the program that sends it, through
 * the packet filter, the routes, bridges and namespaces, to the socket that takes it or the place that
 * drops it; then the answer's way back, and for TCP once more
 * both, since what has no SYN may be judged differently. Follows described packets
 * over what was read (network/view.h); sends none.
 */
#ifndef CLOCHE_OBSERVE_NETWORK_PATH_H
#define CLOCHE_OBSERVE_NETWORK_PATH_H

#include "observe/network/filter.h"

/* A container's (or a stranger's) place on a bridge of the host. */
struct path_port {
	uint32_t bridge;       /* index on the host */
	uint32_t veth;         /* likewise; 0: not known */
	char device[IFNAMSIZ]; /* inside */
	bool isolated;         /* reaches the host alone, no other isolated port */
	bool hairpin;          /* the bridge may send back what came in by it */
	struct ip_prefix ipv4, ipv6;
	struct ip_address gateway4, gateway6; /* family 0: no way out */
};

/* A network namespace. The first of a world is the host's. */
struct path_place {
	const char *name;
	const struct net_view
		*view; /* NULL: one that only might be: it sends and takes everything */
	struct path_port *ports;
	size_t port_count;
};

struct path_world {
	struct path_place *places;
	size_t place_count;
};

struct path_start {
	size_t place; /* that sends */
	uint32_t in;  /* place 0: not sent here, but comes in by this device; 0: sent here */
	struct ip_address source; /* family 0: as the routes have it; wanted with `in` */
	struct ip_address destination;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;
	uint16_t source_port; /* 0: any */
};

enum path_end {
	PATH_REACHED, /* a socket takes it, and the answer comes back */
	PATH_LEFT,    /* goes out to where this host does not see it */
	PATH_NO_LISTENER,
	PATH_DROPPED,
	PATH_REJECTED,
	PATH_UNROUTABLE,
	PATH_UNKNOWN,
};

struct path_result {
	enum path_end end;
	unsigned trip;                      /* 0 there, 1 the answer, 2 and 3 what follows of TCP */
	struct strv hops;                   /* finished lines, in order */
	const struct path_place *place;     /* where it ended */
	const struct net_view *view;        /* whose rules decided */
	const struct nft_dump_chain *chain; /* that decided; NULL: no chain did */
	const struct nft_dump_rule *rule;   /* likewise; NULL with a chain: its policy */
	const struct net_socket *listener;
	struct packet_tuple delivered; /* as the listener's namespace saw it; trip 0 */
	char reason[200];              /* why it ended where it ended */
};
void path_result_free(struct path_result *r);
#define auto_path_result __attribute__((cleanup(path_result_free)))

/* Follows it with every answer to what cannot be known: ends that differ are PATH_UNKNOWN, with the
 * question in reason. */
void path_follow(const struct path_world *w, const struct path_start *start,
		 struct path_result *out);
/* "reachable", "dropped", ...: one word or two, for people and for JSON. */
const char *path_end_text(enum path_end end);

#endif

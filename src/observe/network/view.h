/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network namespace as it was read at one moment: devices, addresses, routes, switches, packet
 * filter, listening sockets. Values alone; who reads them is observe/probe/network.h, and tests make
 * them by hand.
 */
#ifndef CLOCHE_OBSERVE_NETWORK_VIEW_H
#define CLOCHE_OBSERVE_NETWORK_VIEW_H

#include "base/strv.h"
#include "kernel/link.h"
#include "kernel/nftables.h"

struct net_socket {
	uint8_t protocol;          /* IPPROTO_TCP (listening), IPPROTO_UDP (bound) */
	struct ip_address address; /* unspecified: any */
	bool both;                 /* of IPv6, takes IPv4 as well */
	uint16_t port;
	uint64_t inode;
	int pid; /* 0 unknown */
	char program[16];
};

/* Where a packet goes: an answer of the kernel's, or of a table made by hand. */
struct net_route_query {
	struct ip_address to, from; /* from: family 0 when it is to be chosen */
	uint32_t in;                /* device that it comes in by; 0: made here */
	uint32_t mark;
	uint8_t protocol;
	uint16_t source_port, destination_port;
};
struct net_route {
	int error;    /* 0, or errno of the refusal: EXDEV and EINVAL are a martian source */
	uint8_t type; /* RTN_LOCAL, RTN_UNICAST, RTN_BROADCAST, RTN_BLACKHOLE, ... */
	uint32_t out;
	struct ip_address gateway; /* family 0: on the link */
	struct ip_address source;  /* the preferred one; family 0: none said */
};

struct net_view {
	struct link_info *links;
	size_t link_count;
	struct link_address *addresses;
	size_t address_count;
	struct link_route *routes;
	size_t route_count;
	struct nft_ruleset rules;
	bool rules_unreadable; /* no word of the kernel's on its rules: whatever they say is unknown */
	struct strv legacy4, legacy6; /* tables of iptables-legacy in use: "filter" */
	struct net_socket *sockets;
	size_t socket_count;
	bool forward4, forward6;
	bool bridge_calls4, bridge_calls6; /* bridge-nf-call-iptables, -ip6tables */
	uint64_t conntrack_count, conntrack_max;
	/* What programs here get as a port of their own unless they ask for one; last 0: not known. */
	uint16_t port_first, port_last;
	/* Routes a packet; NULL: by the table above. */
	int (*route)(void *context, const struct net_route_query *q, struct net_route *out);
	void *context;
	void (*end)(void *context); /* of route's context; NULL: nothing to end */
};
void net_view_free(struct net_view *v);
#define auto_net_view __attribute__((cleanup(net_view_free)))

/* NULL when there is none. */
const struct link_info *net_view_link(const struct net_view *v, uint32_t index);
const struct link_info *net_view_link_named(const struct net_view *v, const char *name);
bool net_view_is_own(const struct net_view *v, const struct ip_address *a);
/* The first address of the family on a device that is not link-local; NULL none. */
const struct link_address *net_view_address_of(const struct net_view *v, uint32_t index,
					       uint8_t family);
/* RTN_* of an address, as `fib ... type` and iptables' addrtype see it. device 0: of any. */
uint8_t net_view_address_type(const struct net_view *v, const struct ip_address *a,
			      uint32_t device);
void net_view_route(const struct net_view *v, const struct net_route_query *q,
		    struct net_route *out);
/* Who would take a packet to this address and port; NULL: nobody. */
const struct net_socket *net_view_listener(const struct net_view *v, uint8_t protocol,
					   const struct ip_address *to, uint16_t port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices, addresses and routes: messages (link_put_*, appended to a batch, each asking for an
 * answer) and dumps. rtnetlink(7). Those that make things are for the namespace of the socket that
 * they are sent through.
 */
#ifndef CLOCHE_KERNEL_LINK_H
#define CLOCHE_KERNEL_LINK_H

#include <net/if.h>

#include "base/ip.h"
#include "kernel/netlink.h"

struct link_bridge {
	const char *name;
	uint32_t mtu;       /* 0: the kernel's choice */
	const uint8_t *mac; /* 6 bytes, NULL: the kernel's choice */
};
/* A bridge, up, without IPv6 link-local address generation (that takes seconds): with IPv6 the caller
 * gives it fe80::1/64, since the kernel looks for neighbours on behalf of others from a link-local
 * address only. Three messages; two where the kernel's IPv6 is off. */
void link_put_bridge(struct netlink_buffer *b, const struct link_bridge *l);

/* A veth pair: `name` here, up and a port of the bridge; its peer in the namespace of pid, down. Two
 * messages; three for a port that is isolated, or one that sends back what came by it, which it does
 * where br_netfilter is on (the host's state when this is called). The pair is made from the peer's
 * side, since the kernel lets only that side's index be chosen. */
struct link_veth {
	const char *name, *peer; /* shorter than IFNAMSIZ */
	uint32_t bridge_index;
	uint32_t mtu;            /* of both, 0: the kernel's choice */
	uint32_t peer_index;     /* from link_peer_index(); 0: the kernel's choice */
	const uint8_t *peer_mac; /* 6 bytes, NULL: the kernel's choice */
	int32_t pid;             /* patched later, too */
	bool isolated; /* the port speaks with the bridge alone, not with other such ports */
};
/* Offsets into the buffer's bytes, to patch before sending: int32 pid, and the IFNAMSIZ bytes of the
 * name (zero padded) in each message that has it; 0: not there. */
struct link_veth_places {
	size_t pid, name, port_name, isolated_name;
};
void link_put_veth(struct netlink_buffer *b, const struct link_veth *l,
		   struct link_veth_places *places);
/* The index of the n-th device that is made in another namespace, n small: the same as long as the host
 * runs. Kernels before 6.15 refuse one that a device of the maker's own namespace has, so there it is
 * beyond what the host's devices ever reach. */
uint32_t link_peer_index(uint32_t n);
void link_put_delete(struct netlink_buffer *b, const char *name);
void link_put_up(struct netlink_buffer *b, const char *name, bool up);
/* Kernels before 6.2 refuse it while the device is up. */
/* No duplicate address detection for IPv6. */
#define LINK_INDEX_LOOPBACK 1
void link_put_address(struct netlink_buffer *b, uint32_t index, const struct ip_prefix *address);
/* Default route (to == NULL) or one to a prefix, by a gateway and/or a device; in the place of the one to
 * there with this metric. */
void link_put_route(struct netlink_buffer *b, const struct ip_prefix *to,
		    const struct ip_address *gateway, uint32_t index, uint32_t metric);

/* 0 when there is none of that name. */
uint32_t link_index(const char *name);

struct link_info {
	uint32_t index, master, mtu, peer_index; /* master, peer_index: 0 none */
	int32_t peer_netns;            /* nsid of the peer's namespace, -1: ours or unknown */
	uint32_t flags;                /* IFF_* */
	char name[IFNAMSIZ], kind[16]; /* "bridge", "veth", "" */
	uint8_t mac[6];
	bool isolated, hairpin; /* port of a bridge */
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, rx_dropped, tx_dropped, rx_errors,
		tx_errors;
};
struct link_address {
	uint32_t index;
	struct ip_prefix address;
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};
struct link_route {
	struct ip_prefix to; /* length 0: default; family is always set */
	struct ip_address gateway, source;
	uint32_t index, metric, table;
	uint8_t type, scope, protocol; /* RTN_*, RT_SCOPE_*, RTPROT_* */
};
/* All of the socket's namespace; *out is heap-owned by the caller (engine side only: allocates). */
int must_check link_list(int fd, struct link_info **out, size_t *count, struct err *err);
int must_check link_list_addresses(int fd, struct link_address **out, size_t *count,
				   struct err *err);
int must_check link_list_routes(int fd, struct link_route **out, size_t *count, struct err *err);

#endif

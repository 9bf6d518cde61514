/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule may ask of a packet: net/netfilter/nft_meta.c, nft_payload.c, nft_ct.c, nft_fib.c. The
 * headers are made from the description; what a scanner's first packet would have there is known, the
 * rest (lengths, checksums, identification) is not.
 */
#include <arpa/inet.h>
#include <net/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "observe/network/filter_internal.h"

/* ---- meta ---- */

static void set_name(struct evaluation *e, const struct nlattr *reg, const char *text)
{
	char name[IFNAMSIZ] = {0};

	memcpy(name, text, strnlen(text, sizeof(name) - 1));
	register_set(e, reg, name, sizeof(name));
}

static enum says meta_device(struct evaluation *e, uint32_t key, const struct nlattr *reg)
{
	bool in = key == NFT_META_IIF || key == NFT_META_IIFNAME || key == NFT_META_IIFTYPE ||
		  key == NFT_META_IIFKIND;
	const struct link_info *l = in ? e->p->in : e->p->out;
	uint16_t type;
	uint32_t index;

	if (!l && e->base->family == NFPROTO_BRIDGE) {
		/* the port of a container that only might be */
		register_set_unknown(e, reg, 16);
		return SAYS_NEXT;
	}
	switch (key) {
	case NFT_META_IIF:
	case NFT_META_OIF:
		index = l ? l->index : 0;
		register_set(e, reg, &index, sizeof(index));
		return SAYS_NEXT;
	case NFT_META_IIFTYPE:
	case NFT_META_OIFTYPE:
		if (!l)
			return SAYS_BREAK;
		type = l->flags & IFF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
		register_set(e, reg, &type, sizeof(type));
		return SAYS_NEXT;
	case NFT_META_IIFKIND:
	case NFT_META_OIFKIND:
		if (!l || !l->kind[0])
			return SAYS_BREAK;
		set_name(e, reg, l->kind);
		return SAYS_NEXT;
	default:
		set_name(e, reg, l ? l->name : "");
		return SAYS_NEXT;
	}
}

/* Host, broadcast or multicast as the device took it; of what is sent it is never another's. */
static uint8_t packet_type(const struct evaluation *e)
{
	uint8_t type = net_view_address_type(e->view, &e->p->now.destination, 0);

	if (type == RTN_MULTICAST)
		return PACKET_MULTICAST;
	return type == RTN_BROADCAST ? PACKET_BROADCAST : PACKET_HOST;
}

static enum says meta_packet(struct evaluation *e, uint32_t key, const struct nlattr *reg)
{
	uint16_t ethertype = htons(e->family == NFPROTO_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	uint8_t byte = 0;

	switch (key) {
	case NFT_META_PROTOCOL:
		register_set(e, reg, &ethertype, sizeof(ethertype));
		return SAYS_NEXT;
	case NFT_META_NFPROTO:
		byte = e->base->family == NFPROTO_BRIDGE ? NFPROTO_BRIDGE : e->family;
		break;
	case NFT_META_L4PROTO:
		byte = e->p->protocol;
		break;
	case NFT_META_PKTTYPE:
		byte = packet_type(e);
		break;
	case NFT_META_SECPATH:
		break;
	case NFT_META_MARK:
		register_set_known(e, reg, &e->p->mark.value, &e->p->mark.known, 4);
		return SAYS_NEXT;
	case NFT_META_BRI_IIFNAME:
	case NFT_META_BRI_OIFNAME:
	case NFT_META_TIME_NS:
		register_set_unknown(e, reg, 16);
		return SAYS_NEXT;
	default:
		register_set_unknown(e, reg, 4);
		return SAYS_NEXT;
	}
	register_set(e, reg, &byte, sizeof(byte));
	return SAYS_NEXT;
}

static bool is_device_key(uint32_t key)
{
	return key == NFT_META_IIF || key == NFT_META_OIF || key == NFT_META_IIFNAME ||
	       key == NFT_META_OIFNAME || key == NFT_META_IIFTYPE || key == NFT_META_OIFTYPE ||
	       key == NFT_META_IIFKIND || key == NFT_META_OIFKIND;
}

static struct known32 take_number(const struct evaluation *e, const struct nlattr *reg)
{
	struct known32 n = {0};
	int at = register_at(reg, 4);

	if (at >= 0) {
		memcpy(&n.value, e->registers.value + at, 4);
		memcpy(&n.known, e->registers.known + at, 4);
	}
	return n;
}

enum says expression_meta(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_META_MAX + 1];
	uint32_t key;

	expression_attributes(data, a, NFTA_META_MAX);
	key = expression_number(a[NFTA_META_KEY]);
	if (a[NFTA_META_SREG]) {
		if (key == NFT_META_MARK)
			e->p->mark = take_number(e, a[NFTA_META_SREG]);
		return SAYS_NEXT;
	}
	if (is_device_key(key))
		return meta_device(e, key, a[NFTA_META_DREG]);
	return meta_packet(e, key, a[NFTA_META_DREG]);
}

/* ---- payload ---- */

#define HEADER_BYTES 64

struct header {
	uint8_t value[HEADER_BYTES], known[HEADER_BYTES];
	size_t n; /* bytes it surely has */
};

static void put(struct header *h, size_t at, const void *value, size_t n)
{
	memcpy(h->value + at, value, n);
	memset(h->known + at, 0xff, n);
}

static void make_network_header(const struct evaluation *e, struct header *h)
{
	const struct packet_tuple *t = &e->p->now;
	uint8_t version = e->family == NFPROTO_IPV6 ? 0x60 : 0x45;

	memset(h, 0, sizeof(*h));
	h->value[0] = version;
	if (e->family == NFPROTO_IPV6) {
		h->known[0] = 0xf0;
		put(h, 6, &e->p->protocol, 1);
		put(h, 8, t->source.bytes, 16);
		put(h, 24, t->destination.bytes, 16);
		h->n = 40;
		return;
	}
	h->known[0] = 0xff;
	h->known[6] = 0xbf; /* no fragment; whether it may become one is the sender's business */
	h->known[7] = 0xff;
	put(h, 9, &e->p->protocol, 1);
	put(h, 12, t->source.bytes, 4);
	put(h, 16, t->destination.bytes, 4);
	h->n = 20;
}

uint8_t packet_tcp_flags(const struct packet *p)
{
	uint8_t syn = p->later ? 0 : 0x02, ack = p->reply || p->later ? 0x10 : 0;

	return syn | ack;
}

/* Those that are the same in all ports that it might be: one that differs is enough to know that a rule
 * means another. */
static void put_known_bits(const struct packet *p, uint8_t known[static 2])
{
	uint16_t differ = p->any_first ^ p->any_last, bits = UINT16_MAX;

	while (differ & bits)
		bits = (uint16_t)(bits << 1);
	known[0] = (uint8_t)(bits >> 8);
	known[1] = (uint8_t)bits;
}

static void make_transport_header(const struct evaluation *e, struct header *h)
{
	const struct packet *p = e->p;
	uint16_t source = htons(p->now.source_port), destination = htons(p->now.destination_port);
	uint8_t flags = packet_tcp_flags(p);

	memset(h, 0, sizeof(*h));
	put(h, 0, &source, 2);
	put(h, 2, &destination, 2);
	if (p->any_source_port)
		put_known_bits(p, h->known + (p->reply ? 2 : 0));
	h->n = 8;
	if (p->protocol == IPPROTO_TCP) {
		put(h, 13, &flags, 1);
		h->n = 20;
	}
}

enum says expression_payload(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_PAYLOAD_MAX + 1];
	struct header h;
	uint32_t base, offset, n;

	expression_attributes(data, a, NFTA_PAYLOAD_MAX);
	base = expression_number(a[NFTA_PAYLOAD_BASE]);
	offset = expression_number(a[NFTA_PAYLOAD_OFFSET]);
	n = expression_number(a[NFTA_PAYLOAD_LEN]);
	if (a[NFTA_PAYLOAD_SREG]) {
		strcpy(e->unknown, "a rule rewrites the packet's headers");
		return SAYS_VERDICT;
	}
	if (base == NFT_PAYLOAD_NETWORK_HEADER)
		make_network_header(e, &h);
	else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
		make_transport_header(e, &h);
	else
		h.n = 0;
	if (offset < h.n && n <= h.n - offset) {
		register_set_known(e, a[NFTA_PAYLOAD_DREG], h.value + offset, h.known + offset, n);
		return SAYS_NEXT;
	}
	register_set_unknown(e, a[NFTA_PAYLOAD_DREG], n <= VALUE_BYTES_MAX ? n : 0);
	return SAYS_MAYBE;
}

/* ---- ct ---- */

uint32_t packet_state_bits(const struct packet *p)
{
	static const uint32_t bits[] = {
		[PACKET_NEW] = 8,     [PACKET_ESTABLISHED] = 2, [PACKET_RELATED] = 4,
		[PACKET_INVALID] = 1, [PACKET_UNTRACKED] = 64,
	};

	if (!p->tracked && p->state != PACKET_UNTRACKED)
		return bits[PACKET_INVALID];
	return bits[p->state];
}

struct known32 packet_status_bits(const struct packet *p)
{
	struct known32 s = {.known = IPS_EXPECTED | IPS_SEEN_REPLY | IPS_SRC_NAT | IPS_DST_NAT};

	if (p->state == PACKET_ESTABLISHED)
		s.value |= IPS_SEEN_REPLY;
	if (p->source_changed)
		s.value |= IPS_SRC_NAT;
	if (p->destination_changed)
		s.value |= IPS_DST_NAT;
	return s;
}

static enum says ct_address(struct evaluation *e, const struct ip_address *a,
			    const struct nlattr *reg)
{
	register_set(e, reg, a->bytes, ip_bytes(a));
	return SAYS_NEXT;
}

static enum says ct_port(struct evaluation *e, uint16_t port, bool known, const struct nlattr *reg)
{
	uint16_t be = htons(port);
	uint8_t bits[2] = {0xff, 0xff};

	if (!known)
		put_known_bits(e->p, bits);
	register_set_known(e, reg, &be, bits, sizeof(be));
	return SAYS_NEXT;
}

static enum says ct_tuple(struct evaluation *e, uint32_t key, bool answered,
			  const struct nlattr *reg)
{
	const struct packet_tuple *t = answered ? &e->p->answered : &e->p->original;
	bool any = e->p->any_source_port;
	uint8_t wanted = key == NFT_CT_SRC_IP || key == NFT_CT_DST_IP     ? NFPROTO_IPV4
			 : key == NFT_CT_SRC_IP6 || key == NFT_CT_DST_IP6 ? NFPROTO_IPV6
									  : e->family;

	if (wanted != e->family)
		return SAYS_BREAK;
	switch (key) {
	case NFT_CT_SRC:
	case NFT_CT_SRC_IP:
	case NFT_CT_SRC_IP6:
		return ct_address(e, &t->source, reg);
	case NFT_CT_DST:
	case NFT_CT_DST_IP:
	case NFT_CT_DST_IP6:
		return ct_address(e, &t->destination, reg);
	case NFT_CT_PROTO_SRC:
		return ct_port(e, t->source_port, answered || !any, reg);
	default:
		return ct_port(e, t->destination_port, !answered || !any, reg);
	}
}

static bool is_tuple_key(uint32_t key)
{
	return key == NFT_CT_SRC || key == NFT_CT_DST || key == NFT_CT_SRC_IP ||
	       key == NFT_CT_DST_IP || key == NFT_CT_SRC_IP6 || key == NFT_CT_DST_IP6 ||
	       key == NFT_CT_PROTO_SRC || key == NFT_CT_PROTO_DST;
}

/* What is asked of a connection that there is. */
static enum says ct_value(struct evaluation *e, uint32_t key, const struct nlattr *reg)
{
	const struct packet *p = e->p;
	struct known32 n = {.known = UINT32_MAX};
	uint8_t byte = 0;

	switch (key) {
	case NFT_CT_STATUS:
		n = packet_status_bits(p);
		break;
	case NFT_CT_MARK:
		n = p->connection_mark;
		break;
	case NFT_CT_DIRECTION:
		byte = p->reply;
		register_set(e, reg, &byte, 1);
		return SAYS_NEXT;
	case NFT_CT_PROTOCOL:
	case NFT_CT_L3PROTOCOL:
		byte = key == NFT_CT_PROTOCOL ? p->protocol : e->family;
		register_set(e, reg, &byte, 1);
		return SAYS_NEXT;
	default:
		register_set_unknown(e, reg, 16);
		return SAYS_NEXT;
	}
	register_set_known(e, reg, &n.value, &n.known, 4);
	return SAYS_NEXT;
}

enum says expression_ct(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_CT_MAX + 1];
	uint32_t key, bits;
	bool has_connection;

	expression_attributes(data, a, NFTA_CT_MAX);
	key = expression_number(a[NFTA_CT_KEY]);
	has_connection = e->p->tracked && e->p->state != PACKET_INVALID &&
			 e->p->state != PACKET_UNTRACKED;
	if (e->base->family == NFPROTO_BRIDGE) {
		/* whether bridged packets are tracked depends on who asked for it */
		register_set_unknown(e, a[NFTA_CT_DREG], 16);
		return SAYS_NEXT;
	}
	if (a[NFTA_CT_SREG]) {
		if (key == NFT_CT_MARK && has_connection)
			e->p->connection_mark = take_number(e, a[NFTA_CT_SREG]);
		return SAYS_NEXT;
	}
	if (key == NFT_CT_STATE) {
		bits = packet_state_bits(e->p);
		register_set(e, a[NFTA_CT_DREG], &bits, sizeof(bits));
		return SAYS_NEXT;
	}
	if (!has_connection)
		return SAYS_BREAK;
	if (is_tuple_key(key))
		return ct_tuple(e, key,
				a[NFTA_CT_DIRECTION] &&
					*(const uint8_t *)netlink_value(a[NFTA_CT_DIRECTION]) == 1,
				a[NFTA_CT_DREG]);
	return ct_value(e, key, a[NFTA_CT_DREG]);
}

/* ---- fib ---- */

static void fib_device(struct evaluation *e, uint32_t flags, const struct nlattr *reg, bool name,
		       bool present)
{
	const struct packet *p = e->p;
	bool source = flags & NFTA_FIB_F_SADDR;
	struct net_route_query q = {.to = source ? p->now.source : p->now.destination,
				    .mark = flags & NFTA_FIB_F_MARK ? p->mark.value : 0};
	const struct link_info *l, *wanted = flags & NFTA_FIB_F_IIF ? p->in : NULL;
	struct net_route r;
	uint32_t index = 0;

	/* what the loopback device brings is right by definition */
	if (p->in && p->in->flags & IFF_LOOPBACK) {
		index = p->in->index;
	} else {
		net_view_route(e->view, &q, &r);
		if (!r.error && (r.type == RTN_UNICAST || r.type == RTN_LOCAL))
			index = r.out;
	}
	if (wanted && index != wanted->index)
		index = 0;
	l = net_view_link(e->view, index);
	if (present)
		register_set(e, reg, &(uint8_t){l != NULL}, 1);
	else if (name)
		set_name(e, reg, l ? l->name : "");
	else
		register_set(e, reg, &index, sizeof(index));
}

enum says expression_fib(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_FIB_MAX + 1];
	uint32_t flags, result, type;
	const struct link_info *device = NULL;

	expression_attributes(data, a, NFTA_FIB_MAX);
	flags = expression_number(a[NFTA_FIB_FLAGS]);
	result = expression_number(a[NFTA_FIB_RESULT]);
	if (e->base->family == NFPROTO_BRIDGE || e->base->family == NFPROTO_NETDEV) {
		register_set_unknown(e, a[NFTA_FIB_DREG], 16);
		return SAYS_MAYBE;
	}
	if (result != NFT_FIB_RESULT_ADDRTYPE) {
		fib_device(e, flags, a[NFTA_FIB_DREG], result == NFT_FIB_RESULT_OIFNAME,
			   flags & NFTA_FIB_F_PRESENT);
		return SAYS_NEXT;
	}
	if (flags & NFTA_FIB_F_IIF)
		device = e->p->in;
	else if (flags & NFTA_FIB_F_OIF)
		device = e->p->out;
	type = net_view_address_type(
		e->view, flags & NFTA_FIB_F_SADDR ? &e->p->now.source : &e->p->now.destination,
		device ? device->index : 0);
	register_set(e, a[NFTA_FIB_DREG], &type, sizeof(type));
	return SAYS_NEXT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgetting connections: a dump that the kernel filters (by port since 5.8, before that it sends all),
 * and a deletion for each that matches. Kernels before 6.12 cannot delete by such a filter.
 */
#include "kernel/conntrack.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/netlink.h"

/* Of CTA_FILTER_ORIG_FLAGS; the kernel has no header for programs that names them. */
#define FILTER_PROTOCOL (1u << 3)
#define FILTER_DESTINATION_PORT (1u << 5)
/* With more ports one look at all connections of the protocol is cheaper. */
#define SINGLE_LOOKS 8

struct search {
	const struct conntrack_port *ports;
	size_t count;
	int fd; /* for deletions */
	int first;
};

static bool is_to(const struct conntrack_port *p, uint8_t family, const struct nlattr *const *ip,
		  const struct nlattr *const *proto)
{
	static const uint8_t any[16];
	const struct nlattr *to = ip[family == AF_INET6 ? CTA_IP_V6_DST : CTA_IP_V4_DST];
	size_t n = family == AF_INET6 ? 16 : 4;

	if (p->family != family || p->protocol != netlink_value_u8(proto[CTA_PROTO_NUM]) ||
	    p->port != be16toh(netlink_value_u16(proto[CTA_PROTO_DST_PORT])))
		return false;
	return memcmp(p->address, any, n) == 0 || (to && netlink_value_bytes(to) == n &&
						   memcmp(p->address, netlink_value(to), n) == 0);
}

static int delete_one(int fd, uint8_t family, const struct nlattr *const *a)
{
	_Alignas(4) unsigned char bytes[512];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	struct nfgenmsg g = {.nfgen_family = family, .version = NFNETLINK_V0};
	static const uint16_t same[] = {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID};
	int r;

	netlink_begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, &g,
		      sizeof g);
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		if (a[same[i]])
			netlink_put(&b, a[same[i]]->nla_type, netlink_value(a[same[i]]),
				    netlink_value_bytes(a[same[i]]));
	r = netlink_transact(fd, bytes, b.used, NULL);
	return r == -ENOENT ? 0 : r; /* gone meanwhile */
}

static int take_connection(const struct nlmsghdr *h, void *context)
{
	struct search *s = context;
	const struct nfgenmsg *g = (const void *)((const char *)h + NLMSG_HDRLEN);
	const struct nlattr *a[CTA_ZONE + 1], *tuple[CTA_TUPLE_PROTO + 1], *ip[CTA_IP_V6_DST + 1],
		*proto[CTA_PROTO_DST_PORT + 1];
	int r = 0;

	if (netlink_attributes(h, sizeof *g, a, CTA_ZONE) < 0 || !a[CTA_TUPLE_ORIG] ||
	    netlink_nested(a[CTA_TUPLE_ORIG], tuple, CTA_TUPLE_PROTO) < 0 || !tuple[CTA_TUPLE_IP] ||
	    !tuple[CTA_TUPLE_PROTO] || netlink_nested(tuple[CTA_TUPLE_IP], ip, CTA_IP_V6_DST) < 0 ||
	    netlink_nested(tuple[CTA_TUPLE_PROTO], proto, CTA_PROTO_DST_PORT) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < s->count; i++) {
		if (!is_to(&s->ports[i], g->nfgen_family, ip, proto))
			continue;
		r = delete_one(s->fd, g->nfgen_family, a);
		break;
	}
	if (r < 0 && !s->first)
		s->first = r;
	return 0;
}

/* All connections of the first port's family and protocol, of that port alone unless `all`. */
static int look(int fd, struct search *s, bool all)
{
	_Alignas(4) unsigned char bytes[256];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	struct nfgenmsg g = {.nfgen_family = s->ports->family, .version = NFNETLINK_V0};
	uint16_t port = htobe16(s->ports->port);
	size_t nest, inner;

	netlink_begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, &g, sizeof g);
	nest = netlink_nest_begin(&b, CTA_TUPLE_ORIG);
	inner = netlink_nest_begin(&b, CTA_TUPLE_PROTO);
	netlink_put_u8(&b, CTA_PROTO_NUM, s->ports->protocol);
	if (!all)
		netlink_put(&b, CTA_PROTO_DST_PORT, &port, sizeof port);
	netlink_nest_end(&b, inner);
	netlink_nest_end(&b, nest);
	nest = netlink_nest_begin(&b, CTA_FILTER);
	netlink_put_u32(&b, CTA_FILTER_ORIG_FLAGS,
			FILTER_PROTOCOL | (all ? 0 : FILTER_DESTINATION_PORT));
	netlink_put_u32(&b, CTA_FILTER_REPLY_FLAGS, 0);
	netlink_nest_end(&b, nest);
	return netlink_dump(fd, bytes, b.used, take_connection, NULL, s);
}

int conntrack_forget(const struct conntrack_port *ports, size_t count)
{
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	struct search s = {.ports = ports, .count = count, .fd = netlink_open(NETLINK_NETFILTER)};
	auto_close int deletions = s.fd;
	bool all = count > SINGLE_LOOKS;

	if (fd < 0 || deletions < 0)
		return fd < 0 ? fd : deletions;
	for (size_t i = 0; i < count; i++) {
		struct search one = {.ports = &ports[i], .count = all ? count - i : 1, .fd = s.fd};
		bool seen = false;
		int r;

		/* Ports of one family and protocol are looked for at once. */
		for (size_t k = 0; all && k < i; k++)
			seen |= ports[k].family == ports[i].family &&
				ports[k].protocol == ports[i].protocol;
		if (seen)
			continue;
		r = look(fd, &one, all);
		if (!s.first)
			s.first = r < 0 ? r : one.first;
	}
	return s.first;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matches and targets of iptables inside nf_tables rules (net/netfilter/nft_compat.c), as iptables-nft
 * writes them: a name, a revision and the structure of linux/netfilter/xt_*.h. Those that are not read
 * here are a doubt that names them.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "observe/network/filter_internal.h"

struct xt {
	const char *name;
	uint32_t revision;
	const void *info;
	size_t n;
};

/* 0 no, 1 yes, 2 not to be known. */
typedef int match_fn(const struct evaluation *e, const struct xt *x);
typedef enum says target_fn(struct evaluation *e, const struct xt *x);

static void read_xt(const struct nlattr *data, struct xt *x)
{
	const struct nlattr *a[NFTA_MATCH_MAX + 1];

	/* targets have the same three attributes under the same numbers */
	memset(x, 0, sizeof(*x));
	expression_attributes(data, a, NFTA_MATCH_MAX);
	x->name = a[NFTA_MATCH_NAME] ? netlink_value_string(a[NFTA_MATCH_NAME]) : NULL;
	x->revision = expression_number(a[NFTA_MATCH_REV]);
	if (a[NFTA_MATCH_INFO]) {
		x->info = netlink_value(a[NFTA_MATCH_INFO]);
		x->n = netlink_value_bytes(a[NFTA_MATCH_INFO]);
	}
}

/* A copy, since attributes are aligned to four bytes only; false when it is too short. */
static bool take(const struct xt *x, void *out, size_t n)
{
	if (x->n < n)
		return false;
	memcpy(out, x->info, n);
	return true;
}

/* ---- matches ---- */

static int always(const struct evaluation *e, const struct xt *x)
{
	(void)e;
	(void)x;
	return 1;
}

static bool port_known(const struct packet *p, bool source)
{
	return !p->any_source_port || source == p->reply;
}

/* Whether a port is between two, in a match that may be inverted. */
static int in_ports(const struct packet *p, bool source, uint16_t from, uint16_t to, bool invert)
{
	uint16_t port = source ? p->now.source_port : p->now.destination_port;

	if (from == 0 && to == UINT16_MAX)
		return !invert;
	if (!port_known(p, source)) {
		if (to < p->any_first || from > p->any_last)
			return invert;
		return 2;
	}
	return (port >= from && port <= to) != invert;
}

static int both(int a, int b)
{
	if (a == 0 || b == 0)
		return 0;
	return a == 2 || b == 2 ? 2 : 1;
}

static int match_tcp(const struct evaluation *e, const struct xt *x)
{
	struct xt_tcp t;
	uint8_t flags = packet_tcp_flags(e->p);
	int fits;

	if (!take(x, &t, sizeof(t)))
		return 2;
	if (e->p->protocol != IPPROTO_TCP)
		return 0;
	fits = both(in_ports(e->p, true, t.spts[0], t.spts[1], t.invflags & XT_TCP_INV_SRCPT),
		    in_ports(e->p, false, t.dpts[0], t.dpts[1], t.invflags & XT_TCP_INV_DSTPT));
	if (((flags & t.flg_mask) == t.flg_cmp) == !!(t.invflags & XT_TCP_INV_FLAGS))
		return 0;
	return t.option ? both(fits, 2) : fits;
}

static int match_udp(const struct evaluation *e, const struct xt *x)
{
	struct xt_udp u;

	if (!take(x, &u, sizeof(u)))
		return 2;
	if (e->p->protocol != IPPROTO_UDP)
		return 0;
	return both(in_ports(e->p, true, u.spts[0], u.spts[1], u.invflags & XT_UDP_INV_SRCPT),
		    in_ports(e->p, false, u.dpts[0], u.dpts[1], u.invflags & XT_UDP_INV_DSTPT));
}

static int other_protocol(const struct evaluation *e, const struct xt *x)
{
	(void)e;
	(void)x;
	return 0; /* what is described here is TCP or UDP */
}

static int match_multiport(const struct evaluation *e, const struct xt *x)
{
	struct xt_multiport_v1 m;
	bool found = false, unknown = false;

	if (x->revision != 1 || !take(x, &m, sizeof(m)) || m.count > XT_MULTI_PORTS)
		return 2;
	for (uint8_t i = 0; i < m.count; i++) {
		uint16_t from = m.ports[i], to = from;

		if (m.pflags[i] && i + 1 < m.count)
			to = m.ports[++i];
		for (int source = 0; source < 2; source++) {
			int one;

			if (m.flags != XT_MULTIPORT_EITHER &&
			    (m.flags == XT_MULTIPORT_SOURCE) != source)
				continue;
			one = in_ports(e->p, source, from, to, false);
			found = found || one == 1;
			unknown = unknown || one == 2;
		}
	}
	if (!found && unknown)
		return 2;
	return found != m.invert;
}

/* Bits as XT_CONNTRACK_STATE_* has them. */
static uint32_t conntrack_bits(const struct packet *p)
{
	uint32_t bits;

	if (p->state == PACKET_UNTRACKED)
		return XT_CONNTRACK_STATE_UNTRACKED;
	bits = packet_state_bits(p);
	if (p->source_changed)
		bits |= XT_CONNTRACK_STATE_SNAT;
	if (p->destination_changed)
		bits |= XT_CONNTRACK_STATE_DNAT;
	return bits;
}

static bool address_masked(const struct ip_address *a, const union nf_inet_addr *with,
			   const union nf_inet_addr *mask)
{
	const uint8_t *w = (const uint8_t *)with, *m = (const uint8_t *)mask;

	for (size_t i = 0; i < ip_bytes(a); i++) {
		if ((a->bytes[i] ^ w[i]) & m[i])
			return false;
	}
	return true;
}

static bool conntrack_addresses(const struct packet *p, const struct xt_conntrack_mtinfo3 *m)
{
	const struct {
		uint16_t flag;
		const struct ip_address *have;
		const union nf_inet_addr *with, *mask;
	} rows[] = {
		{XT_CONNTRACK_ORIGSRC, &p->original.source, &m->origsrc_addr, &m->origsrc_mask},
		{XT_CONNTRACK_ORIGDST, &p->original.destination, &m->origdst_addr,
		 &m->origdst_mask},
		{XT_CONNTRACK_REPLSRC, &p->answered.source, &m->replsrc_addr, &m->replsrc_mask},
		{XT_CONNTRACK_REPLDST, &p->answered.destination, &m->repldst_addr,
		 &m->repldst_mask},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((m->match_flags & rows[i].flag) &&
		    address_masked(rows[i].have, rows[i].with, rows[i].mask) ==
			    !!(m->invert_flags & rows[i].flag))
			return false;
	}
	return true;
}

static int conntrack_ports(const struct packet *p, const struct xt_conntrack_mtinfo3 *m)
{
	const struct {
		uint16_t flag, have, from, to;
		bool known;
	} rows[] = {
		{XT_CONNTRACK_ORIGSRC_PORT, p->original.source_port, m->origsrc_port,
		 m->origsrc_port_high, !p->any_source_port},
		{XT_CONNTRACK_ORIGDST_PORT, p->original.destination_port, m->origdst_port,
		 m->origdst_port_high, true},
		{XT_CONNTRACK_REPLSRC_PORT, p->answered.source_port, m->replsrc_port,
		 m->replsrc_port_high, true},
		{XT_CONNTRACK_REPLDST_PORT, p->answered.destination_port, m->repldst_port,
		 m->repldst_port_high, !p->any_source_port},
	};
	int fits = 1;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool invert = m->invert_flags & rows[i].flag;

		if (!(m->match_flags & rows[i].flag))
			continue;
		if (!rows[i].known)
			fits = both(fits, 2);
		else if ((rows[i].have >= rows[i].from && rows[i].have <= rows[i].to) == invert)
			return 0;
	}
	return fits;
}

static int match_conntrack(const struct evaluation *e, const struct xt *x)
{
	const uint16_t read = XT_CONNTRACK_STATE | XT_CONNTRACK_PROTO | XT_CONNTRACK_DIRECTION |
			      XT_CONNTRACK_ORIGSRC | XT_CONNTRACK_ORIGDST | XT_CONNTRACK_REPLSRC |
			      XT_CONNTRACK_REPLDST | XT_CONNTRACK_ORIGSRC_PORT |
			      XT_CONNTRACK_ORIGDST_PORT | XT_CONNTRACK_REPLSRC_PORT |
			      XT_CONNTRACK_REPLDST_PORT;
	const struct packet *p = e->p;
	struct xt_conntrack_mtinfo3 m;

	if (x->revision != 3 || !take(x, &m, sizeof(m)))
		return 2;
	if ((m.match_flags & XT_CONNTRACK_STATE) &&
	    !!(conntrack_bits(p) & m.state_mask) == !!(m.invert_flags & XT_CONNTRACK_STATE))
		return 0;
	if (!p->tracked || p->state == PACKET_UNTRACKED || p->state == PACKET_INVALID)
		return m.match_flags & XT_CONNTRACK_STATE ? !(m.match_flags & ~XT_CONNTRACK_STATE)
							  : 0;
	if ((m.match_flags & XT_CONNTRACK_DIRECTION) &&
	    p->reply != !!(m.invert_flags & XT_CONNTRACK_DIRECTION))
		return 0;
	if ((m.match_flags & XT_CONNTRACK_PROTO) &&
	    (m.l4proto == p->protocol) == !!(m.invert_flags & XT_CONNTRACK_PROTO))
		return 0;
	if (!conntrack_addresses(p, &m))
		return 0;
	return both(conntrack_ports(p, &m), m.match_flags & ~read ? 2 : 1);
}

static int match_state(const struct evaluation *e, const struct xt *x)
{
	struct xt_state_info s;

	if (!take(x, &s, sizeof(s)))
		return 2;
	if (e->p->state == PACKET_UNTRACKED)
		return !!(s.statemask & XT_STATE_UNTRACKED);
	return !!(s.statemask & packet_state_bits(e->p));
}

static bool type_fits(const struct evaluation *e, const struct ip_address *a, uint16_t mask,
		      uint32_t device)
{
	return mask & 1u << net_view_address_type(e->view, a, device);
}

static int match_addrtype(const struct evaluation *e, const struct xt *x)
{
	struct xt_addrtype_info_v1 v1;
	struct xt_addrtype_info v0;
	uint32_t device = 0;

	if (x->revision == 0 && take(x, &v0, sizeof(v0))) {
		v1 = (struct xt_addrtype_info_v1){.source = v0.source, .dest = v0.dest};
		v1.flags = (v0.invert_source ? XT_ADDRTYPE_INVERT_SOURCE : 0u) |
			   (v0.invert_dest ? XT_ADDRTYPE_INVERT_DEST : 0u);
	} else if (!take(x, &v1, sizeof(v1))) {
		return 2;
	}
	if (v1.flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		device = e->p->in ? e->p->in->index : 0;
	else if (v1.flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		device = e->p->out ? e->p->out->index : 0;
	if (v1.source && type_fits(e, &e->p->now.source, v1.source, device) ==
				 !!(v1.flags & XT_ADDRTYPE_INVERT_SOURCE))
		return 0;
	if (v1.dest && type_fits(e, &e->p->now.destination, v1.dest, device) ==
			       !!(v1.flags & XT_ADDRTYPE_INVERT_DEST))
		return 0;
	return 1;
}

static int mark_fits(const struct known32 *have, uint32_t mark, uint32_t mask, bool invert)
{
	if ((have->value ^ mark) & mask & have->known)
		return invert;
	if (mask & ~have->known)
		return 2;
	return !invert;
}

static int match_mark(const struct evaluation *e, const struct xt *x)
{
	struct xt_mark_mtinfo1 m;

	if (x->revision != 1 || !take(x, &m, sizeof(m)))
		return 2;
	return mark_fits(&e->p->mark, m.mark, m.mask, m.invert);
}

static int match_connmark(const struct evaluation *e, const struct xt *x)
{
	struct xt_connmark_mtinfo1 m;

	if (x->revision != 1 || !take(x, &m, sizeof(m)))
		return 2;
	if (!e->p->tracked)
		return 0;
	return mark_fits(&e->p->connection_mark, m.mark, m.mask, m.invert);
}

static int match_iprange(const struct evaluation *e, const struct xt *x)
{
	const struct packet_tuple *t = &e->p->now;
	size_t n = ip_bytes(&t->source);
	struct xt_iprange_mtinfo m;

	if (x->revision != 1 || !take(x, &m, sizeof(m)))
		return 2;
	if ((m.flags & IPRANGE_SRC) &&
	    (memcmp(t->source.bytes, &m.src_min, n) >= 0 &&
	     memcmp(t->source.bytes, &m.src_max, n) <= 0) == !!(m.flags & IPRANGE_SRC_INV))
		return 0;
	if ((m.flags & IPRANGE_DST) &&
	    (memcmp(t->destination.bytes, &m.dst_min, n) >= 0 &&
	     memcmp(t->destination.bytes, &m.dst_max, n) <= 0) == !!(m.flags & IPRANGE_DST_INV))
		return 0;
	return 1;
}

/* linux/netfilter/xt_physdev.h, which cannot stand beside net/if.h. */
struct physdev {
	char in[IFNAMSIZ], in_mask[IFNAMSIZ], out[IFNAMSIZ], out_mask[IFNAMSIZ];
	uint8_t invert, asked;
};
#define PHYSDEV_BRIDGED 4u

/* Only packets that stay within a bridge have ports of it. */
static int match_physdev(const struct evaluation *e, const struct xt *x)
{
	struct physdev m;
	bool bridged = e->p->port_in && e->p->in && e->p->in == e->p->out;

	if (!take(x, &m, sizeof(m)) || m.asked != PHYSDEV_BRIDGED)
		return 2;
	return bridged != !!(m.invert & PHYSDEV_BRIDGED);
}

static const struct {
	const char *name;
	match_fn *fn;
} matches[] = {
	{"addrtype", match_addrtype},
	{"comment", always},
	{"connmark", match_connmark},
	{"conntrack", match_conntrack},
	{"dccp", other_protocol},
	{"icmp", other_protocol},
	{"icmp6", other_protocol},
	{"iprange", match_iprange},
	{"limit", always}, /* below its rate, as in filter_expression.c */
	{"mark", match_mark},
	{"multiport", match_multiport},
	{"physdev", match_physdev},
	{"sctp", other_protocol},
	{"state", match_state},
	{"tcp", match_tcp},
	{"udp", match_udp},
};

enum says expression_match(struct evaluation *e, const struct nlattr *data)
{
	struct xt x;

	read_xt(data, &x);
	for (size_t i = 0; x.name && i < sizeof(matches) / sizeof(matches[0]); i++) {
		if (str_eq(matches[i].name, x.name)) {
			int fits = matches[i].fn(e, &x);

			if (fits == 2)
				return SAYS_MAYBE;
			return fits ? SAYS_NEXT : SAYS_BREAK;
		}
	}
	return SAYS_MAYBE;
}

/* ---- targets ---- */

static enum says target_reject(struct evaluation *e, const struct xt *x)
{
	(void)x;
	e->rejected = true;
	e->verdict = NF_DROP;
	return SAYS_VERDICT;
}

static enum says go_on(struct evaluation *e, const struct xt *x)
{
	(void)e;
	(void)x;
	return SAYS_NEXT;
}

static enum says target_mark(struct evaluation *e, const struct xt *x)
{
	struct xt_mark_tginfo2 m;

	if (x->revision != 2 || !take(x, &m, sizeof(m))) {
		e->p->mark.known = 0;
		return SAYS_NEXT;
	}
	e->p->mark.value = (e->p->mark.value & ~m.mask) ^ m.mark;
	e->p->mark.known |= m.mask;
	return SAYS_NEXT;
}

static enum says target_connmark(struct evaluation *e, const struct xt *x)
{
	(void)x;
	e->p->mark.known = 0;
	e->p->connection_mark.known = 0;
	return SAYS_NEXT;
}

/* CT --notrack is all that firewalls use of it: it has nothing but that flag set. */
static enum says target_ct(struct evaluation *e, const struct xt *x)
{
	uint16_t flags = 0;

	if (take(x, &flags, sizeof(flags)) && (flags & 1) && !e->p->tracked)
		e->p->state = PACKET_UNTRACKED;
	return SAYS_NEXT;
}

static enum says target_notrack(struct evaluation *e, const struct xt *x)
{
	(void)x;
	if (!e->p->tracked)
		e->p->state = PACKET_UNTRACKED;
	return SAYS_NEXT;
}

struct translation {
	uint32_t flags;
	struct ip_address from, to;
	uint16_t port, port_to;
};

/* DNAT and SNAT of revision 0 have the old structure for IPv4, the others one for both. */
static bool take_translation(const struct evaluation *e, const struct xt *x,
			     struct translation *out)
{
	struct nf_nat_ipv4_multi_range_compat old;
	struct nf_nat_range r;
	uint8_t family = e->family == NFPROTO_IPV6 ? AF_INET6 : AF_INET;

	*out = (struct translation){.from.family = family, .to.family = family};
	if (x->n < sizeof(r)) {
		if (!take(x, &old, sizeof(old)) || family != AF_INET)
			return false;
		out->flags = old.range[0].flags;
		memcpy(out->from.bytes, &old.range[0].min_ip, 4);
		memcpy(out->to.bytes, &old.range[0].max_ip, 4);
		out->port = ntohs(old.range[0].min.all);
		out->port_to = ntohs(old.range[0].max.all);
		return true;
	}
	memcpy(&r, x->info, sizeof(r));
	out->flags = r.flags;
	memcpy(out->from.bytes, &r.min_addr, 16);
	memcpy(out->to.bytes, &r.max_addr, 16);
	if (family == AF_INET) {
		memset(out->from.bytes + 4, 0, 12);
		memset(out->to.bytes + 4, 0, 12);
	}
	out->port = ntohs(r.min_proto.all);
	out->port_to = ntohs(r.max_proto.all);
	return true;
}

static enum says translate_by(struct evaluation *e, const struct xt *x, bool destination)
{
	struct translation t;
	bool address, port;

	if (!take_translation(e, x, &t) ||
	    (t.flags & (NF_NAT_RANGE_NETMAP | NF_NAT_RANGE_PROTO_OFFSET))) {
		strcpy(e->unknown, "it is translated to what cannot be known");
		return SAYS_VERDICT;
	}
	address = t.flags & NF_NAT_RANGE_MAP_IPS;
	port = t.flags & NF_NAT_RANGE_PROTO_SPECIFIED;
	if (destination &&
	    ((address && !ip_equal(&t.from, &t.to)) || (port && t.port != t.port_to))) {
		strcpy(e->unknown, "it is translated to one of several places");
		return SAYS_VERDICT;
	}
	if (destination)
		nat_destination(e, address ? &t.from : NULL, port ? &t.port : NULL);
	else
		nat_source(e, address ? &t.from : NULL, port ? &t.port : NULL);
	return SAYS_VERDICT;
}

static enum says target_dnat(struct evaluation *e, const struct xt *x)
{
	return translate_by(e, x, true);
}

static enum says target_snat(struct evaluation *e, const struct xt *x)
{
	return translate_by(e, x, false);
}

static enum says target_masquerade(struct evaluation *e, const struct xt *x)
{
	(void)x;
	nat_masquerade(e);
	return SAYS_VERDICT;
}

static enum says target_redirect(struct evaluation *e, const struct xt *x)
{
	struct translation t;

	if (!take_translation(e, x, &t)) {
		strcpy(e->unknown, "it is redirected to what cannot be known");
		return SAYS_VERDICT;
	}
	nat_redirect(e, t.flags & NF_NAT_RANGE_PROTO_SPECIFIED ? &t.port : NULL);
	return SAYS_VERDICT;
}

static const struct {
	const char *name;
	target_fn *fn;
} targets[] = {
	{"AUDIT", go_on},
	{"CHECKSUM", go_on},
	{"CLASSIFY", go_on},
	{"CONNMARK", target_connmark},
	{"CT", target_ct},
	{"DNAT", target_dnat},
	{"LOG", go_on},
	{"MARK", target_mark},
	{"MASQUERADE", target_masquerade},
	{"NFLOG", go_on},
	{"NOTRACK", target_notrack},
	{"REDIRECT", target_redirect},
	{"REJECT", target_reject},
	{"SET", go_on},
	{"SNAT", target_snat},
	{"TCPMSS", go_on},
	{"TRACE", go_on},
};

enum says expression_target(struct evaluation *e, const struct nlattr *data)
{
	struct xt x;

	read_xt(data, &x);
	for (size_t i = 0; x.name && i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (str_eq(targets[i].name, x.name))
			return targets[i].fn(e, &x);
	}
	snprintf(e->unknown, sizeof(e->unknown), "what iptables' %s does is not followed",
		 x.name ? x.name : "target");
	return SAYS_VERDICT;
}

const char *xt_name(const struct nft_dump_expression *x)
{
	struct xt found;

	if (!str_eq(x->name, "match") && !str_eq(x->name, "target"))
		return NULL;
	read_xt(x->data, &found);
	return found.name;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation: net/netfilter/nft_nat.c, nft_masq.c, nft_redir.c. What is decided is kept with the
 * packet's connection, so that answers are translated back.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <string.h>

#include "observe/network/filter_internal.h"

static void settled(struct evaluation *e)
{
	e->translated = true;
	e->verdict = NF_ACCEPT;
}

void nat_destination(struct evaluation *e, const struct ip_address *to, const uint16_t *port)
{
	struct packet *p = e->p;

	if (to)
		p->now.destination = *to;
	if (port)
		p->now.destination_port = *port;
	p->answered.source = p->now.destination;
	p->answered.source_port = p->now.destination_port;
	p->destination_changed = !ip_equal(&p->now.destination, &p->original.destination) ||
				 p->now.destination_port != p->original.destination_port;
	settled(e);
}

void nat_source(struct evaluation *e, const struct ip_address *to, const uint16_t *port)
{
	struct packet *p = e->p;

	if (to)
		p->now.source = *to;
	if (port)
		p->now.source_port = *port;
	p->answered.destination = p->now.source;
	p->answered.destination_port = p->now.source_port;
	p->source_changed = !ip_equal(&p->now.source, &p->original.source) ||
			    p->now.source_port != p->original.source_port;
	settled(e);
}

/* To the address that the host itself would use towards the destination by that device. */
void nat_masquerade(struct evaluation *e)
{
	const struct link_address *a;
	struct net_route_query q = {.to = e->p->now.destination, .mark = e->p->mark.value};
	struct net_route r;

	net_view_route(e->view, &q, &r);
	if (!r.error && r.source.family && e->p->out && r.out == e->p->out->index) {
		nat_source(e, &r.source, NULL);
		return;
	}
	a = e->p->out ? net_view_address_of(e->view, e->p->out->index, e->p->now.destination.family)
		      : NULL;
	if (a) {
		nat_source(e, &a->address.address, NULL);
		return;
	}
	/* no address to hide behind: the kernel drops it */
	e->verdict = NF_DROP;
}

void nat_redirect(struct evaluation *e, const uint16_t *port)
{
	struct ip_address to = {.family = e->p->now.destination.family};
	const struct link_address *a;

	if (e->hook == NF_INET_LOCAL_OUT) {
		to.bytes[0] = to.family == AF_INET ? 127 : 0;
		to.bytes[to.family == AF_INET ? 3 : 15] = 1;
		nat_destination(e, &to, port);
		return;
	}
	a = e->p->in ? net_view_address_of(e->view, e->p->in->index, to.family) : NULL;
	if (a)
		nat_destination(e, &a->address.address, port);
	else
		e->verdict = NF_DROP;
}

/* False when a register that is named holds what cannot be known. */
static bool take_address(const struct evaluation *e, const struct nlattr *reg,
			 struct ip_address *out)
{
	size_t n = e->family == NFPROTO_IPV6 ? 16 : 4;
	int at = register_at(reg, n);

	if (at < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (e->registers.known[(size_t)at + i] != 0xff)
			return false;
	}
	*out = (struct ip_address){.family = e->family == NFPROTO_IPV6 ? AF_INET6 : AF_INET};
	memcpy(out->bytes, e->registers.value + at, n);
	return true;
}

static bool take_port(const struct evaluation *e, const struct nlattr *reg, uint16_t *out)
{
	int at = register_at(reg, 2);
	uint16_t be;

	if (at < 0 || e->registers.known[at] != 0xff || e->registers.known[at + 1] != 0xff)
		return false;
	memcpy(&be, e->registers.value + at, sizeof(be));
	*out = ntohs(be);
	return true;
}

/* A range gives one of several: which one is the kernel's secret, unless it is one. */
static bool is_range(const struct evaluation *e, const struct nlattr *from, const struct nlattr *to,
		     size_t n)
{
	int a, b;

	if (!from || !to)
		return false;
	a = register_at(from, n);
	b = register_at(to, n);
	return a >= 0 && b >= 0 && memcmp(e->registers.value + a, e->registers.value + b, n) != 0;
}

static enum says where_is_unknown(struct evaluation *e)
{
	strcpy(e->unknown, "it is translated to what cannot be known");
	return SAYS_VERDICT;
}

enum says expression_nat(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_NAT_MAX + 1];
	struct ip_address address;
	uint16_t port;
	uint32_t family;

	expression_attributes(data, a, NFTA_NAT_MAX);
	family = expression_number(a[NFTA_NAT_FAMILY]);
	if (family != e->family && family != NFPROTO_INET)
		return SAYS_NEXT;
	if ((a[NFTA_NAT_REG_ADDR_MIN] && !take_address(e, a[NFTA_NAT_REG_ADDR_MIN], &address)) ||
	    (a[NFTA_NAT_REG_PROTO_MIN] && !take_port(e, a[NFTA_NAT_REG_PROTO_MIN], &port)) ||
	    (expression_number(a[NFTA_NAT_FLAGS]) & NF_NAT_RANGE_NETMAP))
		return where_is_unknown(e);
	if (expression_number(a[NFTA_NAT_TYPE]) == NFT_NAT_SNAT) {
		nat_source(e, a[NFTA_NAT_REG_ADDR_MIN] ? &address : NULL,
			   a[NFTA_NAT_REG_PROTO_MIN] ? &port : NULL);
		return SAYS_VERDICT;
	}
	if (is_range(e, a[NFTA_NAT_REG_ADDR_MIN], a[NFTA_NAT_REG_ADDR_MAX],
		     e->family == NFPROTO_IPV6 ? 16 : 4) ||
	    is_range(e, a[NFTA_NAT_REG_PROTO_MIN], a[NFTA_NAT_REG_PROTO_MAX], 2))
		return where_is_unknown(e);
	nat_destination(e, a[NFTA_NAT_REG_ADDR_MIN] ? &address : NULL,
			a[NFTA_NAT_REG_PROTO_MIN] ? &port : NULL);
	return SAYS_VERDICT;
}

enum says expression_masq(struct evaluation *e, const struct nlattr *data)
{
	(void)data;
	nat_masquerade(e);
	return SAYS_VERDICT;
}

enum says expression_redir(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_REDIR_MAX + 1];
	uint16_t port;

	expression_attributes(data, a, NFTA_REDIR_MAX);
	if (a[NFTA_REDIR_REG_PROTO_MIN] && !take_port(e, a[NFTA_REDIR_REG_PROTO_MIN], &port))
		return where_is_unknown(e);
	nat_redirect(e, a[NFTA_REDIR_REG_PROTO_MIN] ? &port : NULL);
	return SAYS_VERDICT;
}

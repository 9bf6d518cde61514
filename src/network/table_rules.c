/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of our table. They never change while Cloche runs: what does are elements of the sets that
 * they look into. One function per chain; each rule with the text that `nft list` shows of it.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

#include "network/table_internal.h"

#define REG(n) (NFT_REG32_00 + (n))
#define IFNAME_WORDS 4

#define IPV4_SOURCE 12
#define IPV4_DESTINATION 16
#define IPV6_SOURCE 8
#define IPV6_DESTINATION 24
#define PORT_DESTINATION 2

struct chain {
	struct netlink_buffer *b;
	const char *table, *name;
	struct nft_rule rule;
};

static void rule(struct chain *c)
{
	c->rule = (struct nft_rule){.family = NFPROTO_INET, .table = c->table, .chain = c->name};
	nft_rule_begin(c->b, &c->rule);
}

static void verdict(struct chain *c, int32_t code, const char *chain)
{
	nft_expr_verdict(c->b, code, chain);
	nft_rule_end(c->b, &c->rule);
}

static void counted_drop(struct chain *c)
{
	nft_expr_counter(c->b);
	verdict(c, NF_DROP, NULL);
}

static void counted_masquerade(struct chain *c)
{
	nft_expr_counter(c->b);
	nft_expr_masquerade(c->b);
	nft_rule_end(c->b, &c->rule);
}

static void family_is(struct chain *c, uint8_t family)
{
	nft_expr_meta(c->b, NFT_META_NFPROTO, REG(0));
	nft_expr_cmp(c->b, REG(0), NFT_CMP_EQ, &family, sizeof family);
}

static void device_in(struct chain *c, uint32_t meta_key, enum table_set set)
{
	nft_expr_meta(c->b, meta_key, REG(0));
	nft_expr_lookup(c->b, REG(0), table_set_name(set), 0, false);
}

/* ct state, ct status: any of these bits. */
static void conntrack_has(struct chain *c, uint32_t key, uint32_t bits)
{
	uint32_t none = 0;

	nft_expr_ct(c->b, key, REG(0));
	nft_expr_bitwise(c->b, REG(0), &bits, sizeof bits);
	nft_expr_cmp(c->b, REG(0), NFT_CMP_NEQ, &none, sizeof none);
}

static void in_loopback_net(struct chain *c, uint32_t offset)
{
	uint8_t net = 127;

	family_is(c, NFPROTO_IPV4);
	nft_expr_payload(c->b, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof net, REG(0));
	nft_expr_cmp(c->b, REG(0), NFT_CMP_EQ, &net, sizeof net);
}

/* ip saddr, or ip6 saddr. Returns how many registers it takes. */
static uint32_t load_source(struct chain *c, uint8_t family)
{
	bool v6 = family == NFPROTO_IPV6;

	family_is(c, family);
	nft_expr_payload(c->b, NFT_PAYLOAD_NETWORK_HEADER, v6 ? IPV6_SOURCE : IPV4_SOURCE,
			 v6 ? 16 : 4, REG(0));
	return v6 ? 4 : 1;
}

/* The source is of the network whose bridge it leaves by. */
static void stays_in_network(struct chain *c, uint8_t family)
{
	uint32_t words = load_source(c, family);

	nft_expr_meta(c->b, NFT_META_OIFNAME, REG(words));
	nft_expr_lookup(c->b, REG(0),
			table_set_name(family == NFPROTO_IPV6 ? TABLE_SUBNETS6 : TABLE_SUBNETS4), 0,
			false);
}

/* Bridges route 127.0.0.0/8, or answers to 127.0.0.1 would never come back. The kernel then takes it
 * for routable in both directions, so nothing from a container may name it: CVE-2020-8558. */
static void put_guard(struct chain *c)
{
	rule(c); /* iifname @bridges ip daddr 127.0.0.0/8 counter drop */
	device_in(c, NFT_META_IIFNAME, TABLE_BRIDGES);
	in_loopback_net(c, IPV4_DESTINATION);
	counted_drop(c);
	rule(c); /* iifname @bridges ip saddr 127.0.0.0/8 counter drop */
	device_in(c, NFT_META_IIFNAME, TABLE_BRIDGES);
	in_loopback_net(c, IPV4_SOURCE);
	counted_drop(c);
}

/* dnat to [daddr .] meta l4proto . th dport map @...: an address's own ports before everybody's. */
static void put_translation(struct chain *c, uint8_t family, enum table_set map, bool by_address)
{
	bool v6 = family == NFPROTO_IPV6;
	uint32_t words = v6 ? 4 : 1, at = 0;

	rule(c);
	family_is(c, family);
	if (by_address) {
		nft_expr_payload(c->b, NFT_PAYLOAD_NETWORK_HEADER,
				 v6 ? IPV6_DESTINATION : IPV4_DESTINATION, 4 * words, REG(0));
		at = words;
	}
	nft_expr_meta(c->b, NFT_META_L4PROTO, REG(at));
	nft_expr_payload(c->b, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, 2, REG(at + 1));
	nft_expr_lookup(c->b, REG(0), table_set_name(map), REG(0), false);
	nft_expr_counter(c->b);
	nft_expr_dnat(c->b, family, REG(0), REG(words));
	nft_rule_end(c->b, &c->rule);
}

static void put_ports(struct chain *c)
{
	put_translation(c, NFPROTO_IPV4, TABLE_ADDRESSES4, true);
	put_translation(c, NFPROTO_IPV4, TABLE_PORTS4, false);
	put_translation(c, NFPROTO_IPV6, TABLE_ADDRESSES6, true);
	put_translation(c, NFPROTO_IPV6, TABLE_PORTS6, false);
}

static void put_to_ports(struct chain *c)
{
	uint32_t local = RTN_LOCAL;

	rule(c); /* fib daddr type local jump ports */
	nft_expr_fib_type(c->b, NFTA_FIB_F_DADDR, REG(0));
	nft_expr_cmp(c->b, REG(0), NFT_CMP_EQ, &local, sizeof local);
	verdict(c, NFT_JUMP, "ports");
}

static void put_output(struct chain *c)
{
	static const uint8_t loopback[16] = {[15] = 1};

	/* IPv6 has no route_localnet: what goes to [::1] would be lost, so the monitor takes it. */
	rule(c); /* ip6 daddr ::1 return */
	family_is(c, NFPROTO_IPV6);
	nft_expr_payload(c->b, NFT_PAYLOAD_NETWORK_HEADER, IPV6_DESTINATION, 16, REG(0));
	nft_expr_cmp(c->b, REG(0), NFT_CMP_EQ, loopback, sizeof loopback);
	verdict(c, NFT_RETURN, NULL);
	put_to_ports(c);
}

static void put_masqueraded(struct chain *c, uint8_t family, enum table_set set)
{
	rule(c); /* ip saddr @masquerade4 counter masquerade */
	load_source(c, family);
	nft_expr_lookup(c->b, REG(0), table_set_name(set), 0, false);
	counted_masquerade(c);
}

static void put_postrouting(struct chain *c)
{
	static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

	/* Through a published port back into its own network: the answer has to come by us. */
	for (size_t i = 0; i < 2; i++) {
		rule(c); /* ct status dnat ip saddr . oifname @subnets4 counter masquerade */
		conntrack_has(c, NFT_CT_STATUS, IPS_DST_NAT);
		stays_in_network(c, families[i]);
		counted_masquerade(c);
	}
	for (size_t i = 0; i < 2; i++) {
		rule(c); /* ip saddr . oifname @subnets4 return */
		stays_in_network(c, families[i]);
		verdict(c, NFT_RETURN, NULL);
	}
	/* From 127.0.0.1 of the host: a container cannot answer to that. */
	rule(c); /* oifname @bridges ip saddr 127.0.0.0/8 counter masquerade */
	device_in(c, NFT_META_OIFNAME, TABLE_BRIDGES);
	in_loopback_net(c, IPV4_SOURCE);
	counted_masquerade(c);
	put_masqueraded(c, NFPROTO_IPV4, TABLE_MASQUERADE4);
	put_masqueraded(c, NFPROTO_IPV6, TABLE_MASQUERADE6);
}

/* With br_netfilter what stays within a bridge comes here, too: the pairs let it pass. */
static void put_forward(struct chain *c)
{
	rule(c); /* ct state established,related accept */
	conntrack_has(c, NFT_CT_STATE,
		      NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	verdict(c, NF_ACCEPT, NULL);
	rule(c); /* iifname . oifname @pairs accept */
	nft_expr_meta(c->b, NFT_META_IIFNAME, REG(0));
	nft_expr_meta(c->b, NFT_META_OIFNAME, REG(IFNAME_WORDS));
	nft_expr_lookup(c->b, REG(0), table_set_name(TABLE_PAIRS), 0, false);
	verdict(c, NF_ACCEPT, NULL);
	rule(c); /* iifname @internal counter drop */
	device_in(c, NFT_META_IIFNAME, TABLE_INTERNAL);
	counted_drop(c);
	rule(c); /* oifname @internal counter drop */
	device_in(c, NFT_META_OIFNAME, TABLE_INTERNAL);
	counted_drop(c);
	rule(c); /* oifname @bridges ct status dnat accept */
	device_in(c, NFT_META_OIFNAME, TABLE_BRIDGES);
	conntrack_has(c, NFT_CT_STATUS, IPS_DST_NAT);
	verdict(c, NF_ACCEPT, NULL);
	rule(c); /* oifname @bridges counter drop */
	device_in(c, NFT_META_OIFNAME, TABLE_BRIDGES);
	counted_drop(c);
}

static const struct {
	const char *name, *type; /* type NULL: not a base chain */
	uint32_t hook;
	int32_t priority;
	void (*put)(struct chain *c);
} chains[] = {
	/* first, since others jump there */
	{"ports", NULL, 0, 0, put_ports},
	{"guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, put_guard},
	{"prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, put_to_ports},
	{"output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, put_output},
	{"postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, put_postrouting},
	{TABLE_CHAIN_FORWARD, "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, put_forward},
};
#define CHAIN_COUNT (sizeof chains / sizeof chains[0])

void table_put_all(struct netlink_buffer *b, const char *table)
{
	nft_put_table(b, NFPROTO_INET, table);
	for (size_t i = 0; i < CHAIN_COUNT; i++)
		nft_put_chain(b, &(struct nft_chain){.family = NFPROTO_INET,
						     .table = table,
						     .name = chains[i].name,
						     .type = chains[i].type,
						     .hook = chains[i].hook,
						     .priority = chains[i].priority});
	for (enum table_set i = 0; i < TABLE_SET_COUNT; i++) {
		struct nft_set set = table_set(table, i);

		nft_put_set(b, &set);
	}
	nft_put_flush(b, NFPROTO_INET, table, NULL);
	for (size_t i = 0; i < CHAIN_COUNT; i++) {
		struct chain c = {.b = b, .table = table, .name = chains[i].name};

		chains[i].put(&c);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of nf_tables: tables, chains, sets, elements, and rules as lists of expressions. Builders
 * only; nothing is sent, nothing allocated. Numbers are in network order, as nf_tables has them.
 */
#include "kernel/nftables.h"

#include <endian.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define COMMENT_MAX 100
/* What nft(8) leaves for itself in user data: type, length, value. libnftnl's numbers. */
#define UDATA_RULE_COMMENT 0
#define UDATA_SET_KEYBYTEORDER 0
#define HOST_ENDIAN 1

static void begin_message(struct netlink_buffer *b, uint16_t type, uint16_t flags, uint8_t family,
			  uint16_t resource)
{
	struct nfgenmsg g = {
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htobe16(resource)};

	netlink_begin(b, type, flags, &g, sizeof g);
}

static void begin(struct netlink_buffer *b, uint16_t type, uint16_t flags, uint8_t family)
{
	begin_message(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, family, 0);
}

void nft_batch_begin(struct netlink_buffer *b)
{
	begin_message(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

void nft_batch_begin_at(struct netlink_buffer *b, uint32_t generation)
{
	nft_batch_begin(b);
	netlink_put_be32(b, NFNL_BATCH_GENID, generation);
}

void nft_batch_end(struct netlink_buffer *b)
{
	/* What the end itself asks for is answered by kernels of 6.10 and newer only. */
	if (!b->overflow) {
		struct nlmsghdr *last = (struct nlmsghdr *)(void *)(b->bytes + b->message);

		last->nlmsg_flags |= NLM_F_ACK;
	}
	begin_message(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

/* ---- tables, chains ---- */

void nft_put_table(struct netlink_buffer *b, uint8_t family, const char *table)
{
	begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, family);
	netlink_put_string(b, NFTA_TABLE_NAME, table);
}

void nft_put_delete_table(struct netlink_buffer *b, uint8_t family, const char *table)
{
	begin(b, NFT_MSG_DELTABLE, 0, family);
	netlink_put_string(b, NFTA_TABLE_NAME, table);
}

void nft_put_chain(struct netlink_buffer *b, const struct nft_chain *c)
{
	size_t hook;

	begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, c->family);
	netlink_put_string(b, NFTA_CHAIN_TABLE, c->table);
	netlink_put_string(b, NFTA_CHAIN_NAME, c->name);
	if (!c->type)
		return;
	hook = netlink_nest_begin(b, NFTA_CHAIN_HOOK);
	netlink_put_be32(b, NFTA_HOOK_HOOKNUM, c->hook);
	netlink_put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
	netlink_nest_end(b, hook);
	netlink_put_string(b, NFTA_CHAIN_TYPE, c->type);
}

void nft_put_flush(struct netlink_buffer *b, uint8_t family, const char *table, const char *chain)
{
	begin(b, NFT_MSG_DELRULE, 0, family);
	netlink_put_string(b, NFTA_RULE_TABLE, table);
	if (chain)
		netlink_put_string(b, NFTA_RULE_CHAIN, chain);
}

/* ---- sets ---- */

static void put_fields(struct netlink_buffer *b, const struct nft_set *s)
{
	size_t desc = netlink_nest_begin(b, NFTA_SET_DESC);
	size_t concat = netlink_nest_begin(b, NFTA_SET_DESC_CONCAT);

	for (uint8_t i = 0; i < s->field_count; i++) {
		size_t field = netlink_nest_begin(b, NFTA_LIST_ELEM);

		netlink_put_be32(b, NFTA_SET_FIELD_LEN, s->fields[i]);
		netlink_nest_end(b, field);
	}
	netlink_nest_end(b, concat);
	netlink_nest_end(b, desc);
}

/* nft takes a string for a number in network order unless it is told. */
static void put_key_byteorder(struct netlink_buffer *b)
{
	unsigned char user_data[2 + sizeof(uint32_t)] = {UDATA_SET_KEYBYTEORDER, sizeof(uint32_t)};
	uint32_t order = HOST_ENDIAN;

	memcpy(user_data + 2, &order, sizeof order);
	netlink_put(b, NFTA_SET_USERDATA, user_data, sizeof user_data);
}

void nft_put_set(struct netlink_buffer *b, const struct nft_set *s)
{
	begin(b, NFT_MSG_NEWSET, NLM_F_CREATE, s->family);
	netlink_put_string(b, NFTA_SET_TABLE, s->table);
	netlink_put_string(b, NFTA_SET_NAME, s->name);
	/* The kernel wants a number that this batch could refer to; we refer by name. */
	netlink_put_be32(b, NFTA_SET_ID, (uint32_t)b->used);
	netlink_put_be32(b, NFTA_SET_FLAGS, s->flags);
	netlink_put_be32(b, NFTA_SET_KEY_TYPE, s->key_type);
	netlink_put_be32(b, NFTA_SET_KEY_LEN, s->key_bytes);
	if (s->data_bytes) {
		netlink_put_be32(b, NFTA_SET_DATA_TYPE, s->data_type);
		netlink_put_be32(b, NFTA_SET_DATA_LEN, s->data_bytes);
	}
	if (s->field_count)
		put_fields(b, s);
	if (s->key_type == NFT_TYPE_IFNAME)
		put_key_byteorder(b);
}

static void put_data(struct netlink_buffer *b, uint16_t attribute, const void *value, size_t n)
{
	size_t nest = netlink_nest_begin(b, attribute);

	netlink_put(b, NFTA_DATA_VALUE, value, n);
	netlink_nest_end(b, nest);
}

static void put_element(struct netlink_buffer *b, const struct nft_set *s,
			const struct nft_element *e)
{
	size_t nest = netlink_nest_begin(b, NFTA_LIST_ELEM);

	put_data(b, NFTA_SET_ELEM_KEY, e->key, s->key_bytes);
	if (e->key_end)
		put_data(b, NFTA_SET_ELEM_KEY_END, e->key_end, s->key_bytes);
	if (e->data)
		put_data(b, NFTA_SET_ELEM_DATA, e->data, s->data_bytes);
	if (e->interval_end)
		netlink_put_be32(b, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	netlink_nest_end(b, nest);
}

void nft_put_elements(struct netlink_buffer *b, const struct nft_set *s,
		      const struct nft_element *elements, size_t count, bool remove)
{
	while (count) {
		size_t some = count < NFT_ELEMENTS_MAX ? count : NFT_ELEMENTS_MAX, list;

		begin(b, remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
		      remove ? 0 : NLM_F_CREATE, s->family);
		netlink_put_string(b, NFTA_SET_ELEM_LIST_TABLE, s->table);
		netlink_put_string(b, NFTA_SET_ELEM_LIST_SET, s->name);
		list = netlink_nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (size_t i = 0; i < some; i++)
			put_element(b, s, &elements[i]);
		netlink_nest_end(b, list);
		elements += some;
		count -= some;
	}
}

/* ---- rules ---- */

static void put_be64(struct netlink_buffer *b, uint16_t attribute, uint64_t v)
{
	uint64_t value = htobe64(v);

	netlink_put(b, attribute, &value, sizeof value);
}

void nft_rule_begin(struct netlink_buffer *b, struct nft_rule *r)
{
	begin(b, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | (r->insert ? 0 : NLM_F_APPEND)),
	      r->family);
	netlink_put_string(b, NFTA_RULE_TABLE, r->table);
	netlink_put_string(b, NFTA_RULE_CHAIN, r->chain);
	if (r->before)
		put_be64(b, NFTA_RULE_POSITION, r->before);
	r->expressions = netlink_nest_begin(b, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct netlink_buffer *b, struct nft_rule *r)
{
	unsigned char user_data[2 + COMMENT_MAX + 1];
	size_t n;

	netlink_nest_end(b, r->expressions);
	if (!r->comment)
		return;
	n = strnlen(r->comment, COMMENT_MAX);
	user_data[0] = UDATA_RULE_COMMENT;
	user_data[1] = (unsigned char)(n + 1);
	memcpy(user_data + 2, r->comment, n);
	user_data[2 + n] = '\0';
	netlink_put(b, NFTA_RULE_USERDATA, user_data, 2 + n + 1);
}

void nft_put_delete_rule(struct netlink_buffer *b, uint8_t family, const char *table,
			 const char *chain, uint64_t handle)
{
	begin(b, NFT_MSG_DELRULE, 0, family);
	netlink_put_string(b, NFTA_RULE_TABLE, table);
	netlink_put_string(b, NFTA_RULE_CHAIN, chain);
	put_be64(b, NFTA_RULE_HANDLE, handle);
}

/* ---- expressions ---- */

struct expression {
	size_t element, data;
};

static struct expression expr_begin(struct netlink_buffer *b, const char *name)
{
	struct expression e;

	e.element = netlink_nest_begin(b, NFTA_LIST_ELEM);
	netlink_put_string(b, NFTA_EXPR_NAME, name);
	e.data = netlink_nest_begin(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct netlink_buffer *b, struct expression e)
{
	netlink_nest_end(b, e.data);
	netlink_nest_end(b, e.element);
}

void nft_expr_meta(struct netlink_buffer *b, uint32_t key, uint32_t reg)
{
	struct expression e = expr_begin(b, "meta");

	netlink_put_be32(b, NFTA_META_KEY, key);
	netlink_put_be32(b, NFTA_META_DREG, reg);
	expr_end(b, e);
}

void nft_expr_payload(struct netlink_buffer *b, uint32_t base, uint32_t offset, uint32_t bytes,
		      uint32_t reg)
{
	struct expression e = expr_begin(b, "payload");

	netlink_put_be32(b, NFTA_PAYLOAD_DREG, reg);
	netlink_put_be32(b, NFTA_PAYLOAD_BASE, base);
	netlink_put_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	netlink_put_be32(b, NFTA_PAYLOAD_LEN, bytes);
	expr_end(b, e);
}

void nft_expr_cmp(struct netlink_buffer *b, uint32_t reg, uint32_t op, const void *value, size_t n)
{
	struct expression e = expr_begin(b, "cmp");

	netlink_put_be32(b, NFTA_CMP_SREG, reg);
	netlink_put_be32(b, NFTA_CMP_OP, op);
	put_data(b, NFTA_CMP_DATA, value, n);
	expr_end(b, e);
}

void nft_expr_bitwise(struct netlink_buffer *b, uint32_t reg, const void *mask, size_t n)
{
	static const unsigned char zeros[16];
	struct expression e = expr_begin(b, "bitwise");

	netlink_put_be32(b, NFTA_BITWISE_SREG, reg);
	netlink_put_be32(b, NFTA_BITWISE_DREG, reg);
	netlink_put_be32(b, NFTA_BITWISE_LEN, (uint32_t)n);
	put_data(b, NFTA_BITWISE_MASK, mask, n);
	put_data(b, NFTA_BITWISE_XOR, zeros, n < sizeof zeros ? n : sizeof zeros);
	expr_end(b, e);
}

void nft_expr_lookup(struct netlink_buffer *b, uint32_t reg, const char *set, uint32_t dreg,
		     bool invert)
{
	struct expression e = expr_begin(b, "lookup");

	netlink_put_string(b, NFTA_LOOKUP_SET, set);
	netlink_put_be32(b, NFTA_LOOKUP_SREG, reg);
	if (dreg)
		netlink_put_be32(b, NFTA_LOOKUP_DREG, dreg);
	if (invert)
		netlink_put_be32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b, e);
}

void nft_expr_ct(struct netlink_buffer *b, uint32_t key, uint32_t reg)
{
	struct expression e = expr_begin(b, "ct");

	netlink_put_be32(b, NFTA_CT_KEY, key);
	netlink_put_be32(b, NFTA_CT_DREG, reg);
	expr_end(b, e);
}

void nft_expr_fib_type(struct netlink_buffer *b, uint32_t flags, uint32_t reg)
{
	struct expression e = expr_begin(b, "fib");

	netlink_put_be32(b, NFTA_FIB_DREG, reg);
	netlink_put_be32(b, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	netlink_put_be32(b, NFTA_FIB_FLAGS, flags);
	expr_end(b, e);
}

void nft_expr_verdict(struct netlink_buffer *b, int32_t verdict, const char *chain)
{
	struct expression e = expr_begin(b, "immediate");
	size_t data, inner;

	netlink_put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = netlink_nest_begin(b, NFTA_IMMEDIATE_DATA);
	inner = netlink_nest_begin(b, NFTA_DATA_VERDICT);
	netlink_put_be32(b, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		netlink_put_string(b, NFTA_VERDICT_CHAIN, chain);
	netlink_nest_end(b, inner);
	netlink_nest_end(b, data);
	expr_end(b, e);
}

void nft_expr_immediate(struct netlink_buffer *b, uint32_t reg, const void *value, size_t n)
{
	struct expression e = expr_begin(b, "immediate");
	size_t data;

	netlink_put_be32(b, NFTA_IMMEDIATE_DREG, reg);
	data = netlink_nest_begin(b, NFTA_IMMEDIATE_DATA);
	netlink_put(b, NFTA_DATA_VALUE, value, n);
	netlink_nest_end(b, data);
	expr_end(b, e);
}

void nft_expr_dnat(struct netlink_buffer *b, uint8_t family, uint32_t address_reg,
		   uint32_t port_reg)
{
	struct expression e = expr_begin(b, "nat");

	netlink_put_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	netlink_put_be32(b, NFTA_NAT_FAMILY, family);
	netlink_put_be32(b, NFTA_NAT_REG_ADDR_MIN, address_reg);
	netlink_put_be32(b, NFTA_NAT_REG_PROTO_MIN, port_reg);
	expr_end(b, e);
}

void nft_expr_masquerade(struct netlink_buffer *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

void nft_expr_counter(struct netlink_buffer *b)
{
	expr_end(b, expr_begin(b, "counter"));
}

void nft_expr_match(struct netlink_buffer *b, const char *name, uint32_t revision, const void *info,
		    size_t n)
{
	struct expression e = expr_begin(b, "match");

	netlink_put_string(b, NFTA_MATCH_NAME, name);
	netlink_put_be32(b, NFTA_MATCH_REV, revision);
	netlink_put(b, NFTA_MATCH_INFO, info, n);
	expr_end(b, e);
}

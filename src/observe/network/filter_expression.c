/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expressions that work on registers (net/netfilter/nft_cmp.c, nft_range.c, nft_bitwise.c,
 * nft_byteorder.c, nft_immediate.c) and the table of all that are read here. Every bit of a register is
 * known or not; what depends on one that is not is a doubt.
 */
#include <endian.h>
#include <linux/netfilter.h>
#include <string.h>

#include "observe/network/filter_internal.h"

void expression_attributes(const struct nlattr *data, const struct nlattr **out, uint16_t max)
{
	if (!data || netlink_nested(data, out, max) < 0)
		memset(out, 0, sizeof(*out) * (max + 1u));
}

uint32_t expression_number(const struct nlattr *a)
{
	return a && netlink_value_bytes(a) >= 4 ? netlink_value_be32(a) : 0;
}

int register_at(const struct nlattr *a, size_t bytes)
{
	uint32_t n = expression_number(a);
	size_t at;

	if (n >= NFT_REG_1 && n <= NFT_REG_4)
		at = (n - NFT_REG_1) * NFT_REG_SIZE;
	else if (n >= NFT_REG32_00 && n <= NFT_REG32_15)
		at = (n - NFT_REG32_00) * NFT_REG32_SIZE;
	else
		return -1;
	return at + bytes <= REGISTER_BYTES ? (int)at : -1;
}

void register_set_known(struct evaluation *e, const struct nlattr *reg, const void *value,
			const void *known, size_t n)
{
	size_t whole = (n + 3) / 4 * 4;
	int at = register_at(reg, whole);

	if (at < 0 || !n)
		return;
	memset(e->registers.value + at, 0, whole);
	memset(e->registers.known + at, 0xff, whole);
	memcpy(e->registers.value + at, value, n);
	memcpy(e->registers.known + at, known, n);
}

void register_set(struct evaluation *e, const struct nlattr *reg, const void *value, size_t n)
{
	uint8_t known[VALUE_BYTES_MAX];

	memset(known, 0xff, sizeof(known));
	register_set_known(e, reg, value, known, n);
}

void register_set_unknown(struct evaluation *e, const struct nlattr *reg, size_t n)
{
	uint8_t zeros[VALUE_BYTES_MAX] = {0};

	register_set_known(e, reg, zeros, zeros, n);
}

int known_compare(const uint8_t *value, const uint8_t *known, const uint8_t *with, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t bits = 0;

		/* Behind the first bit that is not known nothing is to be had. */
		for (uint8_t bit = 0x80; bit & known[i]; bit >>= 1)
			bits |= bit;
		if ((value[i] ^ with[i]) & bits)
			return (value[i] & bits) < (with[i] & bits) ? -1 : 1;
		if (known[i] != 0xff)
			return 2;
	}
	return 0;
}

/* 1 equal, 0 different, 2 not to be known: one bit that differs is enough to know. */
static int known_equal(const uint8_t *value, const uint8_t *known, const uint8_t *with, size_t n)
{
	int equal = 1;

	for (size_t i = 0; i < n; i++) {
		if ((value[i] ^ with[i]) & known[i])
			return 0;
		if (known[i] != 0xff)
			equal = 2;
	}
	return equal;
}

static enum says says_of(int truth, bool invert)
{
	if (truth == 2)
		return SAYS_MAYBE;
	return (truth == 1) != invert ? SAYS_NEXT : SAYS_BREAK;
}

static const struct nlattr *value_of(const struct nlattr *a)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1];

	expression_attributes(a, d, NFTA_DATA_MAX);
	return d[NFTA_DATA_VALUE];
}

static enum says cmp(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_CMP_MAX + 1], *v;
	uint32_t op;
	size_t n;
	int at, order;

	expression_attributes(data, a, NFTA_CMP_MAX);
	v = value_of(a[NFTA_CMP_DATA]);
	n = v ? netlink_value_bytes(v) : 0;
	at = register_at(a[NFTA_CMP_SREG], n);
	if (!v || at < 0)
		return SAYS_MAYBE;
	op = expression_number(a[NFTA_CMP_OP]);
	if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)
		return says_of(known_equal(e->registers.value + at, e->registers.known + at,
					   netlink_value(v), n),
			       op == NFT_CMP_NEQ);
	order = known_compare(e->registers.value + at, e->registers.known + at, netlink_value(v),
			      n);
	if (order == 2)
		return SAYS_MAYBE;
	if (order == 0)
		return op == NFT_CMP_LTE || op == NFT_CMP_GTE ? SAYS_NEXT : SAYS_BREAK;
	return (order < 0) == (op == NFT_CMP_LT || op == NFT_CMP_LTE) ? SAYS_NEXT : SAYS_BREAK;
}

static enum says range(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_RANGE_MAX + 1], *from, *to;
	int at, low, high;
	size_t n;

	expression_attributes(data, a, NFTA_RANGE_MAX);
	from = value_of(a[NFTA_RANGE_FROM_DATA]);
	to = value_of(a[NFTA_RANGE_TO_DATA]);
	n = from ? netlink_value_bytes(from) : 0;
	at = register_at(a[NFTA_RANGE_SREG], n);
	if (!from || !to || at < 0 || netlink_value_bytes(to) != n)
		return SAYS_MAYBE;
	low = known_compare(e->registers.value + at, e->registers.known + at, netlink_value(from),
			    n);
	high = known_compare(e->registers.value + at, e->registers.known + at, netlink_value(to),
			     n);
	if (low == 2 || high == 2)
		return SAYS_MAYBE;
	return says_of(low >= 0 && high <= 0, expression_number(a[NFTA_RANGE_OP]) == NFT_RANGE_NEQ);
}

/* (source & mask) ^ xor: bits that the mask takes away are known whatever they were. */
static void mask_xor(struct known_bytes *k, const uint8_t *mask, const uint8_t * xor, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		k->value[i] = (uint8_t)((k->value[i] & mask[i]) ^ xor[i]);
		k->known[i] = (uint8_t)(k->known[i] | ~mask[i]);
	}
}

static enum says bitwise(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_BITWISE_MAX + 1], *mask, *xor;
	size_t n;
	int at;
	struct known_bytes k;

	expression_attributes(data, a, NFTA_BITWISE_MAX);
	n = expression_number(a[NFTA_BITWISE_LEN]);
	at = n <= VALUE_BYTES_MAX ? register_at(a[NFTA_BITWISE_SREG], n) : -1;
	if (at < 0)
		return SAYS_MAYBE;
	mask = value_of(a[NFTA_BITWISE_MASK]);
	xor = value_of(a[NFTA_BITWISE_XOR]);
	if (!mask || !xor || netlink_value_bytes(mask) != n || netlink_value_bytes(xor) != n) {
		/* shifts, and what newer kernels have: no rule of a filter needs them */
		register_set_unknown(e, a[NFTA_BITWISE_DREG], n);
		return SAYS_NEXT;
	}
	memcpy(k.value, e->registers.value + at, n);
	memcpy(k.known, e->registers.known + at, n);
	mask_xor(&k, netlink_value(mask), netlink_value(xor), n);
	register_set_known(e, a[NFTA_BITWISE_DREG], k.value, k.known, n);
	return SAYS_NEXT;
}

static void swap_bytes(uint8_t *p, size_t n, size_t size)
{
	for (size_t i = 0; i + size <= n; i += size) {
		for (size_t k = 0; k < size / 2; k++) {
			uint8_t t = p[i + k];

			p[i + k] = p[i + size - 1 - k];
			p[i + size - 1 - k] = t;
		}
	}
}

static enum says byteorder(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_BYTEORDER_MAX + 1];
	struct known_bytes k;
	size_t n, size;
	int at;

	expression_attributes(data, a, NFTA_BYTEORDER_MAX);
	n = expression_number(a[NFTA_BYTEORDER_LEN]);
	size = expression_number(a[NFTA_BYTEORDER_SIZE]);
	at = n <= VALUE_BYTES_MAX ? register_at(a[NFTA_BYTEORDER_SREG], n) : -1;
	if (at < 0 || (size != 2 && size != 4 && size != 8))
		return SAYS_MAYBE;
	memcpy(k.value, e->registers.value + at, n);
	memcpy(k.known, e->registers.known + at, n);
	if (htobe32(1) != 1) {
		swap_bytes(k.value, n, size);
		swap_bytes(k.known, n, size);
	}
	register_set_known(e, a[NFTA_BYTEORDER_DREG], k.value, k.known, n);
	return SAYS_NEXT;
}

static enum says immediate(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_IMMEDIATE_MAX + 1], *d[NFTA_DATA_MAX + 1],
		*v[NFTA_VERDICT_MAX + 1];

	expression_attributes(data, a, NFTA_IMMEDIATE_MAX);
	expression_attributes(a[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX);
	if (d[NFTA_DATA_VERDICT]) {
		expression_attributes(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX);
		e->verdict = (int32_t)expression_number(v[NFTA_VERDICT_CODE]);
		e->chain = v[NFTA_VERDICT_CHAIN] ? netlink_value_string(v[NFTA_VERDICT_CHAIN])
						 : NULL;
		return SAYS_VERDICT;
	}
	if (!d[NFTA_DATA_VALUE])
		return SAYS_MAYBE;
	register_set(e, a[NFTA_IMMEDIATE_DREG], netlink_value(d[NFTA_DATA_VALUE]),
		     netlink_value_bytes(d[NFTA_DATA_VALUE]));
	return SAYS_NEXT;
}

static enum says reject(struct evaluation *e, const struct nlattr *data)
{
	(void)data;
	e->rejected = true;
	e->verdict = NF_DROP;
	return SAYS_VERDICT;
}

static enum says notrack(struct evaluation *e, const struct nlattr *data)
{
	(void)data;
	if (!e->p->tracked)
		e->p->state = PACKET_UNTRACKED;
	return SAYS_NEXT;
}

/* Below its rate: a look at who can reach what asks for one packet. */
static enum says limit(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_LIMIT_MAX + 1];

	(void)e;
	expression_attributes(data, a, NFTA_LIMIT_MAX);
	return expression_number(a[NFTA_LIMIT_FLAGS]) & NFT_LIMIT_F_INV ? SAYS_BREAK : SAYS_NEXT;
}

static enum says nothing(struct evaluation *e, const struct nlattr *data)
{
	(void)e;
	(void)data;
	return SAYS_NEXT;
}

/* Named objects: counters say nothing, of quotas and limits the state is not read. */
static enum says object(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_OBJREF_MAX + 1];
	uint32_t type;

	(void)e;
	expression_attributes(data, a, NFTA_OBJREF_MAX);
	type = expression_number(a[NFTA_OBJREF_IMM_TYPE]);
	if (type == NFT_OBJECT_LIMIT || type == NFT_OBJECT_COUNTER ||
	    type == NFT_OBJECT_CT_HELPER || type == NFT_OBJECT_CT_TIMEOUT)
		return SAYS_NEXT;
	return SAYS_MAYBE;
}

static enum says queue(struct evaluation *e, const struct nlattr *data)
{
	(void)data;
	e->verdict = NF_QUEUE;
	return SAYS_VERDICT;
}

static enum says elsewhere(struct evaluation *e, const struct nlattr *data)
{
	(void)data;
	strcpy(e->unknown, "it is sent elsewhere (fwd, tproxy or synproxy)");
	return SAYS_VERDICT;
}

expression_fn *expression_find(const char *name)
{
	static const struct {
		const char *name;
		expression_fn *fn;
	} table[] = {
		{"bitwise", bitwise},
		{"byteorder", byteorder},
		{"cmp", cmp},
		{"counter", nothing},
		{"ct", expression_ct},
		{"dup", nothing},
		{"dynset", nothing},
		{"fib", expression_fib},
		{"flow_offload", nothing},
		{"fwd", elsewhere},
		{"immediate", immediate},
		{"last", nothing},
		{"limit", limit},
		{"log", nothing},
		{"lookup", expression_lookup},
		{"masq", expression_masq},
		{"match", expression_match},
		{"meta", expression_meta},
		{"nat", expression_nat},
		{"notrack", notrack},
		{"objref", object},
		{"payload", expression_payload},
		{"queue", queue},
		{"range", range},
		{"redir", expression_redir},
		{"reject", reject},
		{"synproxy", elsewhere},
		{"target", expression_target},
		{"tproxy", elsewhere},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (str_eq(table[i].name, name))
			return table[i].fn;
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule as text, in nft(8)'s words: what each register holds is remembered as a label, and said when
 * something is compared with it. What is not known here is named by its expression.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "observe/network/filter_internal.h"

#define SHOWN_ELEMENTS 6

enum kind {
	KIND_HEX,
	KIND_NAME,
	KIND_IP4,
	KIND_IP6,
	KIND_PORT,
	KIND_PROTOCOL,
	KIND_STATE,
	KIND_STATUS,
	KIND_NUMBER,
	KIND_TYPE
};

struct label {
	char text[64];
	enum kind kind;
	uint8_t mask[16];
	size_t mask_bytes; /* 0: none */
	size_t at;         /* bytes of the value that come before */
};

struct writer {
	const struct nft_ruleset *rules;
	const struct nft_dump_rule *rule;
	struct strbuf *out;
	struct label labels[REGISTER_BYTES / 4];
	char pending[32]; /* "meta l4proto tcp": said only when no port follows */
	const char *protocol;
};

static void space(struct writer *w)
{
	if (w->out->len)
		strbuf_putc(w->out, ' ');
}

static void flush(struct writer *w)
{
	if (!w->pending[0])
		return;
	space(w);
	strbuf_puts(w->out, w->pending);
	w->pending[0] = '\0';
}

static struct label *label_at(struct writer *w, const struct nlattr *reg)
{
	int at = register_at(reg, 4);

	return at < 0 ? NULL : &w->labels[at / 4];
}

static void set_label(struct writer *w, const struct nlattr *reg, enum kind kind, const char *text)
{
	struct label *l = label_at(w, reg);

	if (!l)
		return;
	*l = (struct label){.kind = kind};
	snprintf(l->text, sizeof(l->text), "%s", text);
}

static const char *protocol_text(uint8_t p)
{
	switch (p) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "ipv6-icmp";
	default:
		return NULL;
	}
}

/* ---- values ---- */

static void put_bits(struct strbuf *out, uint32_t bits, const char *const *names, size_t n)
{
	bool comma = false;

	for (size_t i = 0; i < n; i++) {
		if (!(bits & 1u << i) || !names[i])
			continue;
		strbuf_printf(out, "%s%s", comma ? "," : "", names[i]);
		comma = true;
	}
	if (!comma)
		strbuf_printf(out, "0x%x", bits);
}

static void put_ip(struct strbuf *out, const uint8_t *v, size_t n, uint8_t family)
{
	struct ip_address a = {.family = family};
	char text[IP_TEXT_MAX];
	size_t full = family == AF_INET6 ? 16 : 4;

	memcpy(a.bytes, v, n < full ? n : full);
	ip_format(&a, text);
	strbuf_puts(out, text);
	if (n < full)
		strbuf_printf(out, "/%zu", 8 * n);
}

static void put_name(struct strbuf *out, const uint8_t *v, size_t n)
{
	size_t len = strnlen((const char *)v, n);

	strbuf_printf(out, "\"%.*s%s\"", (int)len, (const char *)v, len == n && n < 16 ? "*" : "");
}

static uint32_t host_number(const uint8_t *v, size_t n)
{
	uint32_t u = 0;

	memcpy(&u, v, n < 4 ? n : 4);
	return u;
}

static void put_value(struct strbuf *out, enum kind kind, const uint8_t *v, size_t n)
{
	static const char *const states[] = {"invalid", "established", "related",  "new",
					     NULL,      NULL,          "untracked"};
	static const char *const statuses[] = {"expected",  "seen-reply", "assured",
					       "confirmed", "snat",       "dnat"};
	static const char *const types[] = {"unspec",    "unicast",     "local",
					    "broadcast", "anycast",     "multicast",
					    "blackhole", "unreachable", "prohibit"};
	uint32_t u = host_number(v, n);

	if (kind == KIND_NAME)
		put_name(out, v, n);
	else if (kind == KIND_IP4 || kind == KIND_IP6)
		put_ip(out, v, n, kind == KIND_IP6 ? AF_INET6 : AF_INET);
	else if (kind == KIND_PORT && n == 2)
		strbuf_printf(out, "%u", v[0] << 8 | v[1]);
	else if (kind == KIND_PROTOCOL && protocol_text(v[0]))
		strbuf_puts(out, protocol_text(v[0]));
	else if (kind == KIND_STATE)
		put_bits(out, u, states, 7);
	else if (kind == KIND_STATUS)
		put_bits(out, u, statuses, 6);
	else if (kind == KIND_TYPE && u < sizeof(types) / sizeof(types[0]))
		strbuf_puts(out, types[u]);
	else if (kind == KIND_NUMBER || kind == KIND_PROTOCOL)
		strbuf_printf(out, n == 1 ? "%u" : "0x%x", u);
	else {
		strbuf_puts(out, "0x");
		for (size_t i = 0; i < n; i++)
			strbuf_printf(out, "%02x", v[i]);
	}
}

static const struct nlattr *value_of(const struct nlattr *a)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1];

	expression_attributes(a, d, NFTA_DATA_MAX);
	return d[NFTA_DATA_VALUE];
}

/* ---- loads ---- */

static void write_meta(struct writer *w, const struct nlattr *data)
{
	static const struct {
		uint32_t key;
		enum kind kind;
		const char *text;
	} keys[] = {
		{NFT_META_IIFNAME, KIND_NAME, "iifname"},
		{NFT_META_OIFNAME, KIND_NAME, "oifname"},
		{NFT_META_IIF, KIND_NUMBER, "iif"},
		{NFT_META_OIF, KIND_NUMBER, "oif"},
		{NFT_META_MARK, KIND_NUMBER, "meta mark"},
		{NFT_META_L4PROTO, KIND_PROTOCOL, "meta l4proto"},
		{NFT_META_NFPROTO, KIND_NUMBER, "meta nfproto"},
		{NFT_META_PROTOCOL, KIND_HEX, "meta protocol"},
		{NFT_META_PKTTYPE, KIND_NUMBER, "meta pkttype"},
		{NFT_META_SKUID, KIND_NUMBER, "meta skuid"},
		{NFT_META_CGROUP, KIND_NUMBER, "meta cgroup"},
	};
	const struct nlattr *a[NFTA_META_MAX + 1];
	char other[32];
	uint32_t key;

	expression_attributes(data, a, NFTA_META_MAX);
	key = expression_number(a[NFTA_META_KEY]);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key != key)
			continue;
		if (a[NFTA_META_DREG]) {
			set_label(w, a[NFTA_META_DREG], keys[i].kind, keys[i].text);
		} else {
			struct label *l = label_at(w, a[NFTA_META_SREG]);

			flush(w);
			space(w);
			strbuf_printf(w->out, "%s set %s", keys[i].text, l ? l->text : "?");
		}
		return;
	}
	snprintf(other, sizeof(other), "meta key %u", key);
	set_label(w, a[NFTA_META_DREG], KIND_HEX, other);
}

static void write_payload(struct writer *w, const struct nlattr *data)
{
	static const struct {
		uint32_t base, offset;
		enum kind kind;
		const char *text;
	} fields[] = {
		{NFT_PAYLOAD_NETWORK_HEADER, 12, KIND_IP4, "ip saddr"},
		{NFT_PAYLOAD_NETWORK_HEADER, 16, KIND_IP4, "ip daddr"},
		{NFT_PAYLOAD_NETWORK_HEADER, 9, KIND_PROTOCOL, "ip protocol"},
		{NFT_PAYLOAD_NETWORK_HEADER, 8, KIND_IP6, "ip6 saddr"},
		{NFT_PAYLOAD_NETWORK_HEADER, 24, KIND_IP6, "ip6 daddr"},
		{NFT_PAYLOAD_NETWORK_HEADER, 6, KIND_PROTOCOL, "ip6 nexthdr"},
		{NFT_PAYLOAD_TRANSPORT_HEADER, 0, KIND_PORT, "sport"},
		{NFT_PAYLOAD_TRANSPORT_HEADER, 2, KIND_PORT, "dport"},
		{NFT_PAYLOAD_TRANSPORT_HEADER, 13, KIND_NUMBER, "flags"},
	};
	const struct nlattr *a[NFTA_PAYLOAD_MAX + 1];
	uint32_t base, offset;
	char text[64];

	expression_attributes(data, a, NFTA_PAYLOAD_MAX);
	base = expression_number(a[NFTA_PAYLOAD_BASE]);
	offset = expression_number(a[NFTA_PAYLOAD_OFFSET]);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].base != base || fields[i].offset != offset)
			continue;
		snprintf(text, sizeof(text), "%s%s%s",
			 base == NFT_PAYLOAD_TRANSPORT_HEADER ? (w->protocol ? w->protocol : "th")
							      : "",
			 base == NFT_PAYLOAD_TRANSPORT_HEADER ? " " : "", fields[i].text);
		w->pending[0] = '\0';
		set_label(w, a[NFTA_PAYLOAD_DREG], fields[i].kind, text);
		return;
	}
	snprintf(text, sizeof(text), "@%s,%u,%u",
		 base == NFT_PAYLOAD_LL_HEADER        ? "ll"
		 : base == NFT_PAYLOAD_NETWORK_HEADER ? "nh"
						      : "th",
		 8 * offset, 8 * expression_number(a[NFTA_PAYLOAD_LEN]));
	set_label(w, a[NFTA_PAYLOAD_DREG], KIND_HEX, text);
}

static void write_ct(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_CT_MAX + 1];
	uint32_t key;
	char text[32];

	expression_attributes(data, a, NFTA_CT_MAX);
	key = expression_number(a[NFTA_CT_KEY]);
	if (a[NFTA_CT_SREG]) {
		flush(w);
		space(w);
		strbuf_puts(w->out, key == NFT_CT_MARK ? "ct mark set" : "ct set");
		return;
	}
	if (key == NFT_CT_STATE)
		set_label(w, a[NFTA_CT_DREG], KIND_STATE, "ct state");
	else if (key == NFT_CT_STATUS)
		set_label(w, a[NFTA_CT_DREG], KIND_STATUS, "ct status");
	else if (key == NFT_CT_MARK)
		set_label(w, a[NFTA_CT_DREG], KIND_NUMBER, "ct mark");
	else {
		snprintf(text, sizeof(text), "ct key %u", key);
		set_label(w, a[NFTA_CT_DREG], KIND_HEX, text);
	}
}

static void write_fib(struct writer *w, const struct nlattr *data)
{
	static const char *const results[] = {"", "oif", "oifname", "type"};
	const struct nlattr *a[NFTA_FIB_MAX + 1];
	uint32_t flags, result;
	char text[64];

	expression_attributes(data, a, NFTA_FIB_MAX);
	flags = expression_number(a[NFTA_FIB_FLAGS]);
	result = expression_number(a[NFTA_FIB_RESULT]);
	snprintf(text, sizeof(text), "fib %s%s%s%s %s",
		 flags & NFTA_FIB_F_SADDR ? "saddr" : "daddr",
		 flags & NFTA_FIB_F_MARK ? " . mark" : "", flags & NFTA_FIB_F_IIF ? " . iif" : "",
		 flags & NFTA_FIB_F_OIF ? " . oif" : "", results[result & 3]);
	set_label(w, a[NFTA_FIB_DREG],
		  result == NFT_FIB_RESULT_ADDRTYPE  ? KIND_TYPE
		  : result == NFT_FIB_RESULT_OIFNAME ? KIND_NAME
						     : KIND_NUMBER,
		  text);
}

static void write_bitwise(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_BITWISE_MAX + 1], *mask;
	struct label *from, *to;

	expression_attributes(data, a, NFTA_BITWISE_MAX);
	mask = value_of(a[NFTA_BITWISE_MASK]);
	from = label_at(w, a[NFTA_BITWISE_SREG]);
	to = label_at(w, a[NFTA_BITWISE_DREG]);
	if (!from || !to)
		return;
	*to = *from;
	if (mask && netlink_value_bytes(mask) <= sizeof(to->mask)) {
		to->mask_bytes = netlink_value_bytes(mask);
		memcpy(to->mask, netlink_value(mask), to->mask_bytes);
	}
}

/* ---- what is asked of them ---- */

/* Bits set from the left, or -1 when there are gaps. */
static int mask_length(const struct label *l)
{
	int n = 0;
	bool ended = false;

	for (size_t i = 0; i < 8 * l->mask_bytes; i++) {
		bool set = l->mask[i / 8] & 0x80 >> i % 8;

		if (set && ended)
			return -1;
		ended = ended || !set;
		n += set;
	}
	return n;
}

static bool is_zero(const uint8_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i])
			return false;
	}
	return true;
}

static void put_compared(struct writer *w, const struct label *l, uint32_t op, const uint8_t *v,
			 size_t n)
{
	static const char *const ops[] = {"", " !=", " <", " <=", " >", " >="};

	if (l->mask_bytes && op == NFT_CMP_NEQ && is_zero(v, n)) {
		strbuf_printf(w->out, "%s ", l->text);
		put_value(w->out, l->kind, l->mask, l->mask_bytes);
		return;
	}
	if (l->mask_bytes && l->kind != KIND_IP4 && l->kind != KIND_IP6) {
		strbuf_printf(w->out, "%s & ", l->text);
		put_value(w->out, KIND_HEX, l->mask, l->mask_bytes);
		strbuf_printf(w->out, "%s ", op == NFT_CMP_EQ ? " ==" : ops[op]);
		put_value(w->out, KIND_HEX, v, n);
		return;
	}
	strbuf_printf(w->out, "%s%s ", l->text, op < 6 ? ops[op] : " ?");
	put_value(w->out, l->kind, v, n);
	if (l->mask_bytes && mask_length(l) >= 0)
		strbuf_printf(w->out, "/%d", mask_length(l));
}

static void write_cmp(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_CMP_MAX + 1], *v;
	const struct label *l;
	uint32_t op;

	expression_attributes(data, a, NFTA_CMP_MAX);
	v = value_of(a[NFTA_CMP_DATA]);
	l = label_at(w, a[NFTA_CMP_SREG]);
	op = expression_number(a[NFTA_CMP_OP]);
	if (!v || !l)
		return;
	flush(w);
	if (op == NFT_CMP_EQ && !l->mask_bytes && netlink_value_bytes(v) >= 1 &&
	    (str_eq(l->text, "meta l4proto") || str_eq(l->text, "meta nfproto"))) {
		uint8_t p = *(const uint8_t *)netlink_value(v);

		if (str_eq(l->text, "meta nfproto")) {
			snprintf(w->pending, sizeof(w->pending), "meta nfproto %s",
				 p == NFPROTO_IPV6 ? "ipv6" : "ipv4");
			return;
		}
		w->protocol = protocol_text(p);
		if (w->protocol)
			snprintf(w->pending, sizeof(w->pending), "meta l4proto %s", w->protocol);
		if (w->protocol)
			return;
	}
	space(w);
	put_compared(w, l, op, netlink_value(v), netlink_value_bytes(v));
}

static void write_range(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_RANGE_MAX + 1], *from, *to;
	const struct label *l;

	expression_attributes(data, a, NFTA_RANGE_MAX);
	from = value_of(a[NFTA_RANGE_FROM_DATA]);
	to = value_of(a[NFTA_RANGE_TO_DATA]);
	l = label_at(w, a[NFTA_RANGE_SREG]);
	if (!from || !to || !l)
		return;
	flush(w);
	space(w);
	strbuf_printf(w->out, "%s%s ", l->text,
		      expression_number(a[NFTA_RANGE_OP]) == NFT_RANGE_NEQ ? " !=" : "");
	put_value(w->out, l->kind, netlink_value(from), netlink_value_bytes(from));
	strbuf_putc(w->out, '-');
	put_value(w->out, l->kind, netlink_value(to), netlink_value_bytes(to));
}

static const struct nft_dump_set *set_named(const struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->rules->set_count; i++) {
		const struct nft_dump_set *s = &w->rules->sets[i];

		if (s->family == w->rule->family && str_eq(s->table, w->rule->table) &&
		    str_eq(s->name, name))
			return s;
	}
	return NULL;
}

/* { 22, 80, 1000-2000 }: only what nft gave no name. */
static void put_elements(struct writer *w, const struct nft_dump_set *s, const struct label *l)
{
	size_t shown = 0;

	strbuf_puts(w->out, "{ ");
	for (size_t i = 0; i < s->element_count && shown < SHOWN_ELEMENTS; i++) {
		const struct nft_dump_element *x = &s->elements[i];

		if (!x->key || (x->flags & NFT_SET_ELEM_INTERVAL_END))
			continue;
		strbuf_puts(w->out, shown++ ? ", " : "");
		put_value(w->out, l->kind, x->key, s->key_bytes);
	}
	strbuf_puts(w->out, s->element_count > SHOWN_ELEMENTS ? ", ... }" : " }");
}

static void put_key(struct writer *w, const struct nlattr *sreg, size_t bytes)
{
	int at = register_at(sreg, bytes);

	for (size_t n = 0; at >= 0 && n < bytes;) {
		const struct label *l = &w->labels[((size_t)at + n) / 4];

		if (n && l->text[0])
			strbuf_puts(w->out, " . ");
		strbuf_puts(w->out, l->text);
		n += l->kind == KIND_NAME || l->kind == KIND_IP6 ? 16 : 4;
	}
}

static void write_lookup(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_LOOKUP_MAX + 1];
	const struct nft_dump_set *s;
	const char *name;
	struct label *to;
	bool map;

	expression_attributes(data, a, NFTA_LOOKUP_MAX);
	name = a[NFTA_LOOKUP_SET] ? netlink_value_string(a[NFTA_LOOKUP_SET]) : NULL;
	s = name ? set_named(w, name) : NULL;
	if (!s)
		return;
	map = a[NFTA_LOOKUP_DREG] && expression_number(a[NFTA_LOOKUP_DREG]) != NFT_REG_VERDICT;
	flush(w);
	space(w);
	put_key(w, a[NFTA_LOOKUP_SREG], s->key_bytes);
	strbuf_puts(w->out, expression_number(a[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV ? " != "
			    : map                                                      ? " map "
			    : a[NFTA_LOOKUP_DREG]                                      ? " vmap "
										       : " ");
	if (str_starts(name, "__") && s->field_count < 2 && label_at(w, a[NFTA_LOOKUP_SREG]))
		put_elements(w, s, label_at(w, a[NFTA_LOOKUP_SREG]));
	else
		strbuf_printf(w->out, "@%s", name);
	to = map ? label_at(w, a[NFTA_LOOKUP_DREG]) : NULL;
	for (size_t i = 0; to && i < (s->data_bytes + 3) / 4 && to + i < w->labels + 16; i++)
		to[i] = (struct label){0};
	if (to)
		set_label(w, a[NFTA_LOOKUP_DREG], KIND_HEX, "what it says");
}

/* ---- what is done ---- */

static void put_verdict(struct writer *w, const struct nlattr *verdict)
{
	const struct nlattr *v[NFTA_VERDICT_MAX + 1];
	const char *chain;
	int32_t code;

	expression_attributes(verdict, v, NFTA_VERDICT_MAX);
	code = (int32_t)expression_number(v[NFTA_VERDICT_CODE]);
	chain = v[NFTA_VERDICT_CHAIN] ? netlink_value_string(v[NFTA_VERDICT_CHAIN]) : NULL;
	if (code == NFT_JUMP || code == NFT_GOTO)
		strbuf_printf(w->out, "%s %s", code == NFT_JUMP ? "jump" : "goto",
			      chain ? chain : "?");
	else
		strbuf_puts(w->out, code == NF_ACCEPT    ? "accept"
				    : code == NF_DROP    ? "drop"
				    : code == NFT_RETURN ? "return"
							 : "continue");
}

static void write_immediate(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_IMMEDIATE_MAX + 1], *d[NFTA_DATA_MAX + 1], *v;
	auto_strbuf struct strbuf text = {0};
	size_t n;

	expression_attributes(data, a, NFTA_IMMEDIATE_MAX);
	expression_attributes(a[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX);
	v = d[NFTA_DATA_VALUE];
	if (d[NFTA_DATA_VERDICT]) {
		flush(w);
		space(w);
		put_verdict(w, d[NFTA_DATA_VERDICT]);
		return;
	}
	n = v ? netlink_value_bytes(v) : 0;
	if (v)
		put_value(&text,
			  n == 2                                      ? KIND_PORT
			  : n == 16                                   ? KIND_IP6
			  : n == 4 && w->rule->family != NFPROTO_IPV6 ? KIND_IP4
								      : KIND_HEX,
			  netlink_value(v), n);
	set_label(w, a[NFTA_IMMEDIATE_DREG], KIND_HEX, strbuf_str(&text));
}

static void write_nat(struct writer *w, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_NAT_MAX + 1];
	const struct label *address, *port;

	expression_attributes(data, a, NFTA_NAT_MAX);
	address = a[NFTA_NAT_REG_ADDR_MIN] ? label_at(w, a[NFTA_NAT_REG_ADDR_MIN]) : NULL;
	port = a[NFTA_NAT_REG_PROTO_MIN] ? label_at(w, a[NFTA_NAT_REG_PROTO_MIN]) : NULL;
	flush(w);
	space(w);
	strbuf_printf(w->out, "%s to %s",
		      expression_number(a[NFTA_NAT_TYPE]) == NFT_NAT_DNAT ? "dnat" : "snat",
		      address ? address->text : "");
	if (port && port->text[0])
		strbuf_printf(w->out, ":%s", port->text);
}

static void write_word(struct writer *w, const char *word)
{
	flush(w);
	space(w);
	strbuf_puts(w->out, word);
}

static bool counted(const struct nft_dump_expression *x, uint64_t *packets)
{
	const struct nlattr *a[NFTA_COUNTER_MAX + 1];
	uint64_t be;

	if (!str_eq(x->name, "counter"))
		return false;
	expression_attributes(x->data, a, NFTA_COUNTER_MAX);
	if (!a[NFTA_COUNTER_PACKETS] || netlink_value_bytes(a[NFTA_COUNTER_PACKETS]) < 8)
		return false;
	memcpy(&be, netlink_value(a[NFTA_COUNTER_PACKETS]), 8);
	*packets = be64toh(be);
	return true;
}

bool filter_rule_packets(const struct nft_dump_rule *rule, uint64_t *out)
{
	for (size_t i = 0; i < rule->expression_count; i++) {
		if (counted(&rule->expressions[i], out))
			return true;
	}
	return false;
}

static void write_other(struct writer *w, const struct nft_dump_expression *x)
{
	static const struct {
		const char *name, *word;
	} words[] = {
		{"masq", "masquerade"}, {"redir", "redirect"}, {"reject", "reject"},
		{"notrack", "notrack"}, {"limit", "limit"},    {"log", "log"},
		{"queue", "queue"},
	};
	uint64_t packets;

	if (counted(x, &packets)) {
		flush(w);
		space(w);
		strbuf_printf(w->out, "counter packets %llu", (unsigned long long)packets);
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(words[i].name, x->name)) {
			write_word(w, words[i].word);
			return;
		}
	}
	if (xt_name(x)) {
		flush(w);
		space(w);
		strbuf_printf(w->out, "%s %s", str_eq(x->name, "match") ? "match" : "->",
			      xt_name(x));
		return;
	}
	if (!str_eq(x->name, "byteorder"))
		write_word(w, x->name);
}

void filter_rule_text(const struct nft_ruleset *rules, const struct nft_dump_rule *rule,
		      struct strbuf *out)
{
	static const struct {
		const char *name;
		void (*fn)(struct writer *w, const struct nlattr *data);
	} table[] = {
		{"bitwise", write_bitwise},
		{"cmp", write_cmp},
		{"ct", write_ct},
		{"fib", write_fib},
		{"immediate", write_immediate},
		{"lookup", write_lookup},
		{"meta", write_meta},
		{"nat", write_nat},
		{"payload", write_payload},
		{"range", write_range},
	};
	auto_strbuf struct strbuf text = {0};
	struct writer w = {.rules = rules, .rule = rule, .out = &text};

	for (size_t i = 0; i < rule->expression_count; i++) {
		const struct nft_dump_expression *x = &rule->expressions[i];
		size_t k = 0;

		while (k < sizeof(table) / sizeof(table[0]) && !str_eq(table[k].name, x->name))
			k++;
		if (k < sizeof(table) / sizeof(table[0]))
			table[k].fn(&w, x->data);
		else
			write_other(&w, x);
	}
	flush(&w);
	if (rule->comment)
		strbuf_printf(&text, " comment \"%s\"", rule->comment);
	strbuf_puts(out, strbuf_str(&text));
}

static const char *family_text(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "arp";
	}
}

void filter_place_text(const struct nft_dump_chain *chain, const struct nft_dump_rule *rule,
		       struct strbuf *out)
{
	strbuf_printf(out, "%s %s %s", family_text(rule ? rule->family : chain->family),
		      rule ? rule->table : chain->table, rule ? rule->chain : chain->name);
	if (rule)
		strbuf_printf(out, " handle %llu", (unsigned long long)rule->handle);
}

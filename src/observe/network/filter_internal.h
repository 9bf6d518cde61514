/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the packet filter's evaluation share. */
#ifndef CLOCHE_OBSERVE_NETWORK_FILTER_INTERNAL_H
#define CLOCHE_OBSERVE_NETWORK_FILTER_INTERNAL_H

#include "observe/network/filter.h"

#define REGISTER_BYTES 64
#define VALUE_BYTES_MAX 64

/* Bytes with which of their bits are known. */
struct known_bytes {
	uint8_t value[VALUE_BYTES_MAX], known[VALUE_BYTES_MAX];
};

/* What an expression says of the rule it stands in. */
enum says {
	SAYS_NEXT,    /* go on with the next expression */
	SAYS_BREAK,   /* the rule does not match */
	SAYS_MAYBE,   /* whether it matches cannot be known */
	SAYS_VERDICT, /* evaluation.verdict, .chain */
};

/* One packet in one base chain. */
struct evaluation {
	const struct net_view *view;
	struct packet *p;
	struct doubt *doubt;
	uint32_t hook;
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6: the packet's */
	const struct nft_dump_chain *base;
	const struct nft_dump_rule *rule; /* under way */
	struct known_bytes registers;
	int32_t verdict; /* NF_*, NFT_* */
	const char *chain;
	const struct nft_dump_rule *decider;
	bool translated, rejected;
	char unknown[96]; /* not "": what happens to the packet is not followed */
	unsigned steps;
};

typedef enum says expression_fn(struct evaluation *e, const struct nlattr *data);

/* Attributes inside `data` up to max; all NULL when there are none or it is malformed. */
void expression_attributes(const struct nlattr *data, const struct nlattr **out, uint16_t max);
/* Number of an attribute in network order, 0 when missing. */
uint32_t expression_number(const struct nlattr *a);
/* Place in the registers' bytes, or -1. */
int register_at(const struct nlattr *a, size_t bytes);
void register_set(struct evaluation *e, const struct nlattr *reg, const void *value, size_t n);
/* The last register that a value of n bytes reaches is zeroed first, as the kernel does. */
void register_set_known(struct evaluation *e, const struct nlattr *reg, const void *value,
			const void *known, size_t n);
void register_set_unknown(struct evaluation *e, const struct nlattr *reg, size_t n);
/* -1 less, 0 equal, 1 greater; 2: not to be known. */
int known_compare(const uint8_t *value, const uint8_t *known, const uint8_t *with, size_t n);

/* filter_expression.c: by name; NULL: not one that is read here. */
expression_fn *expression_find(const char *name);
/* filter_set.c */
expression_fn expression_lookup;
/* filter_nat.c */
expression_fn expression_nat, expression_masq, expression_redir;
void nat_destination(struct evaluation *e, const struct ip_address *to, const uint16_t *port);
void nat_source(struct evaluation *e, const struct ip_address *to, const uint16_t *port);
void nat_masquerade(struct evaluation *e);
void nat_redirect(struct evaluation *e, const uint16_t *port);
/* filter_meta.c */
expression_fn expression_meta, expression_payload, expression_ct, expression_fib;
uint32_t packet_state_bits(const struct packet *p);
uint8_t packet_tcp_flags(const struct packet *p);
struct known32 packet_status_bits(const struct packet *p);
/* filter_xt.c: what iptables wrote. */
expression_fn expression_match, expression_target;
const char *xt_name(const struct nft_dump_expression *x);

#endif

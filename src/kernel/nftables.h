/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nf_tables through netlink: batches of messages with rules as expressions (nft_put_*), and a dump of
 * the whole ruleset as structs. nft(8); include/uapi/linux/netfilter/nf_tables.h.
 *
 * A batch is nft_batch_begin(), messages, nft_batch_end(): the kernel does all of it or nothing.
 */
#ifndef CLOCHE_KERNEL_NFTABLES_H
#define CLOCHE_KERNEL_NFTABLES_H

#include <linux/netfilter/nf_tables.h>

#include "kernel/netlink.h"

void nft_batch_begin(struct netlink_buffer *b);
/* A batch that is refused with ERESTART when the ruleset is no longer what it was when it was read
 * (struct nft_ruleset's generation). */
void nft_batch_begin_at(struct netlink_buffer *b, uint32_t generation);
/* The last message is the one that asks for an answer: a batch has at least one. */
void nft_batch_end(struct netlink_buffer *b);

/* family: NFPROTO_*. */
void nft_put_table(struct netlink_buffer *b, uint8_t family, const char *table);
void nft_put_delete_table(struct netlink_buffer *b, uint8_t family, const char *table);

struct nft_chain {
	uint8_t family;
	const char *table, *name;
	const char *type; /* "filter", "nat"; NULL: not a base chain */
	uint32_t hook;    /* NF_INET_* */
	int32_t priority;
};
void nft_put_chain(struct netlink_buffer *b, const struct nft_chain *c);
/* All rules of a chain go (chain NULL: of all chains of the table). */
void nft_put_flush(struct netlink_buffer *b, uint8_t family, const char *table, const char *chain);

/* What nft(8) numbers the types of its language, so that it lists our sets as it would its own. The
 * kernel stores the numbers and does not look at them. */
#define NFT_TYPE_IPV4_ADDR 7u
#define NFT_TYPE_IPV6_ADDR 8u
#define NFT_TYPE_INET_PROTO 12u
#define NFT_TYPE_INET_SERVICE 13u
#define NFT_TYPE_IFNAME 41u
#define NFT_TYPE_CONCAT(a, b) ((a) << 6 | (b))

struct nft_set {
	uint8_t family;
	const char *table, *name;
	uint32_t flags;                 /* NFT_SET_* */
	uint32_t key_type, key_bytes;   /* types: NFT_TYPE_*, NFT_TYPE_CONCAT() */
	uint32_t data_type, data_bytes; /* maps; 0 */
	uint8_t fields[4];              /* bytes of each field of a concatenation with intervals */
	uint8_t field_count;
};
void nft_put_set(struct netlink_buffer *b, const struct nft_set *s);

struct nft_element {
	const void *key, *key_end; /* key_end: interval of a concatenation; NULL */
	const void *data;          /* maps; NULL */
	bool interval_end;         /* of a plain interval: the address after its last */
};
/* NFT_MSG_NEWSETELEM or DELSETELEM, as many as it takes: one holds NFT_ELEMENTS_MAX of them. Adding one
 * that is there with the same data is no error; removing one that is not refuses the batch with ENOENT
 * (DESTROYSETELEM is newer than the kernels we support). */
#define NFT_ELEMENTS_MAX 400u
void nft_put_elements(struct netlink_buffer *b, const struct nft_set *s,
		      const struct nft_element *elements, size_t count, bool remove);

/* A rule: nft_rule_begin(), expressions in order, nft_rule_end(). insert: at the chain's beginning, or
 * in front of the rule with the handle `before`.
 * comment: as `nft` shows it (user data), NULL none. Registers: NFT_REG32_00 + n. */
struct nft_rule {
	uint8_t family;
	const char *table, *chain, *comment;
	bool insert;
	uint64_t before;    /* 0 none */
	size_t expressions; /* private */
};
void nft_rule_begin(struct netlink_buffer *b, struct nft_rule *r);
void nft_rule_end(struct netlink_buffer *b, struct nft_rule *r);
void nft_put_delete_rule(struct netlink_buffer *b, uint8_t family, const char *table,
			 const char *chain, uint64_t handle);
void nft_expr_meta(struct netlink_buffer *b, uint32_t key, uint32_t reg);
void nft_expr_payload(struct netlink_buffer *b, uint32_t base, uint32_t offset, uint32_t bytes,
		      uint32_t reg);
void nft_expr_cmp(struct netlink_buffer *b, uint32_t reg, uint32_t op, const void *value, size_t n);
void nft_expr_bitwise(struct netlink_buffer *b, uint32_t reg, const void *mask, size_t n);
/* set looked up by name; dreg 0: match only. invert: must not be in it. */
void nft_expr_lookup(struct netlink_buffer *b, uint32_t reg, const char *set, uint32_t dreg,
		     bool invert);
void nft_expr_ct(struct netlink_buffer *b, uint32_t key, uint32_t reg);
void nft_expr_fib_type(struct netlink_buffer *b, uint32_t flags, uint32_t reg);
void nft_expr_verdict(struct netlink_buffer *b, int32_t verdict, const char *chain);
/* Puts a value into a register. */
void nft_expr_immediate(struct netlink_buffer *b, uint32_t reg, const void *value, size_t n);
void nft_expr_dnat(struct netlink_buffer *b, uint8_t family, uint32_t address_reg,
		   uint32_t port_reg);
void nft_expr_masquerade(struct netlink_buffer *b);
void nft_expr_counter(struct netlink_buffer *b);
/* An extension of iptables: info is its struct, aligned to 8. */
void nft_expr_match(struct netlink_buffer *b, const char *name, uint32_t revision, const void *info,
		    size_t n);

/* ---- the whole ruleset, for who looks at it (allocates) ---- */

struct nft_dump_expression {
	char name[32]; /* "meta", "cmp", "immediate", "match", ... */
	/* The attribute NFTA_EXPR_DATA, inside nft_ruleset's memory, for netlink_nested(); NULL. */
	const struct nlattr *data;
};
struct nft_dump_rule {
	uint8_t family;
	const char *table, *chain;
	uint64_t handle;
	struct nft_dump_expression *expressions;
	size_t expression_count;
	const char *comment; /* NULL none */
};
struct nft_dump_chain {
	uint8_t family;
	const char *table, *name, *type; /* type NULL: not a base chain */
	uint32_t hook, policy;           /* policy: NF_ACCEPT, NF_DROP */
	int32_t priority;
	bool dormant;           /* its table is switched off, and the hook with it */
	bool owned;             /* its table is a running program's, nobody else may change it */
	const char *devices[8]; /* hooks at a device: the first few */
	size_t device_count;    /* of all, may be more than there is room for */
	const struct nft_dump_rule **rules; /* in order */
	size_t rule_count;
};
struct nft_dump_element {
	const void *key, *key_end, *data; /* NULL when absent */
	size_t key_bytes, data_bytes;
	int32_t verdict;   /* of a verdict map */
	const char *chain; /* likewise; NULL */
	uint32_t flags;    /* NFT_SET_ELEM_* */
};
struct nft_dump_set {
	uint8_t family;
	const char *table, *name;
	uint32_t id_flags, key_bytes, data_bytes;
	uint8_t fields[16];  /* bytes of each field of a concatenation, unpadded */
	uint8_t field_count; /* 0: the kernel was not told */
	struct nft_dump_element *elements;
	size_t element_count;
};
struct nft_ruleset {
	struct nft_dump_chain *chains;
	size_t chain_count;
	struct nft_dump_rule *rules;
	size_t rule_count;
	struct nft_dump_set *sets;
	size_t set_count;
	uint32_t generation; /* a number that every change of the rules moves */
	void *memory;        /* private */
};
/* Reads all tables of the socket's namespace; the elements of sets only with_elements. */
int must_check nft_ruleset_read(int fd, bool with_elements, struct nft_ruleset *out,
				struct err *err);
void nft_ruleset_free(struct nft_ruleset *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Names and shapes inside our nftables table, shared by the files that build it. */
#ifndef CLOCHE_NETWORK_TABLE_INTERNAL_H
#define CLOCHE_NETWORK_TABLE_INTERNAL_H

#include "kernel/nftables.h"

#define TABLE_CHAIN_FORWARD "forward"

enum table_set {
	TABLE_BRIDGES,     /* bridge */
	TABLE_INTERNAL,    /* bridge */
	TABLE_PAIRS,       /* in-bridge . out-bridge */
	TABLE_SUBNETS4,    /* subnet . bridge */
	TABLE_SUBNETS6,    /* */
	TABLE_MASQUERADE4, /* subnet */
	TABLE_MASQUERADE6, /* */
	TABLE_PORTS4,      /* protocol . port : address . port, on every address of the host */
	TABLE_PORTS6,      /* */
	TABLE_ADDRESSES4,  /* address . protocol . port : address . port */
	TABLE_ADDRESSES6,  /* */
	TABLE_SET_COUNT,
};
const char *table_set_name(enum table_set set);
/* As struct nft_set of the table. */
struct nft_set table_set(const char *table, enum table_set set);

/* Table, chains, sets, and the rules, which replace those that are there. */
void table_put_all(struct netlink_buffer *b, const char *table);
#define TABLE_ALL_BYTES 24576
/* How many rules the forward chain has, by which table_stands() tells our table from an emptied one. */
#define TABLE_FORWARD_RULES 6

#endif

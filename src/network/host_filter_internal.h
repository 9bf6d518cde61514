/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of cooperation with the host's own packet filter. */
#ifndef CLOCHE_NETWORK_HOST_FILTER_INTERNAL_H
#define CLOCHE_NETWORK_HOST_FILTER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/nftables.h"

/* Where the rules for one base chain go. */
struct host_filter_place {
	const struct nft_dump_chain *chain;
	bool iptables;   /* written by iptables-nft, whose expressions it understands */
	bool at_the_end; /* else at the beginning */
	uint64_t before; /* at_the_end: the rule that ends the chain for everything; 0 none */
};

/* Whether a packet can be dropped in the chain or where it jumps to. */
bool host_filter_drops(const struct nft_ruleset *r, const struct nft_dump_chain *chain);
/* The place that belongs to a base chain of hook forward. */
struct host_filter_place host_filter_place(const struct nft_ruleset *r,
					   const struct nft_dump_chain *chain);
/* Whether a rule names this device, as the one that packets come from or leave by. */
bool host_filter_names_device(const struct nft_dump_rule *rule, const char *device);

/* Whether iptables-legacy (IPv4) has a policy or rules for what is forwarded. */
bool host_filter_is_legacy(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of cooperation with the host's own packet filter. */
#ifndef CLOCHE_NETWORK_HOST_FILTER_INTERNAL_H
#define CLOCHE_NETWORK_HOST_FILTER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/nftables.h"

/* Where the rules for one base chain go. */
struct host_filter_place {
	const struct nft_dump_chain *chain; /* itself, or one that only it calls */
	uint64_t before;                    /* the handle of a rule; 0: at the end */
	bool iptables; /* written by iptables-nft, whose expressions it understands */
};

/* The place that belongs to a base chain of hook forward: in front of the first rule that drops all, or
 * all of a protocol, else at the end of one whose policy drops; in DOCKER-USER where there is one. So
 * that what somebody drops on a condition stays dropped. False when nothing drops all: *place is not
 * to be used then. */
bool host_filter_place(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
		       struct host_filter_place *place);
/* Whether a rule names this device, as the one that packets come from or leave by. */
bool host_filter_names_device(const struct nft_dump_rule *rule, const char *device);

/* Whether iptables-legacy (IPv4) has a policy or rules for what is forwarded. */
bool host_filter_is_legacy(void);

#endif

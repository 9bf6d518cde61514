/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our nftables table (family inet), one per engine: a fixed set of chains and rules, and sets and maps
 * whose elements are all that ever changes. What is published is an element of a hash map, so adding
 * the 5,000th port costs what the first did.
 *
 * Sets by network: bridges, those that are internal, pairs (bridge . bridge) that may speak, subnets
 * with their bridge (for hairpin and "leaves its network"), subnets that are masqueraded. Chains:
 *
 *	raw prerouting		to 127.0.0.0/8 from outside: dropped (CVE-2020-8558, since bridges have
 *				route_localnet)
 *	nat prerouting, output	to one of the host's own addresses: translated by the maps of ports
 *	nat postrouting		hairpin and loopback sources, then what leaves a network: masqueraded
 *	filter forward		answers; within a network; published ports; out of networks that are not
 *				internal; everything else to or from a bridge of ours is dropped: other
 *				networks, and addresses of containers asked for directly from beyond
 */
#ifndef CLOCHE_NETWORK_TABLE_H
#define CLOCHE_NETWORK_TABLE_H

#include "kernel/netlink.h"
#include "network/endpoint.h"
#include "network/network.h"

struct nft_dump_chain;
struct nft_ruleset;

/* 0 when our table stands in the kernel, -ENOENT when it is not there or its rules were flushed (one
 * look), or another -errno. */
int must_check table_stands(const struct network_store *s);
/* One batch: the table with all chains and rules (idempotent: no duplicates when it stands), then the
 * elements of this network. */
int must_check table_add_network(const struct network_store *s, const struct network *n,
				 const struct network_behaviour *b, struct err *err);
int must_check table_remove_network(const struct network_store *s, const struct network *n,
				    const struct network_behaviour *b, struct err *err);
/* The batches for a script: elements of the ports to these addresses, all in one transaction. Bytes go
 * to a buffer of the caller's; overflow as netlink_buffer has it. table_ports_bytes() bounds it. */
size_t table_ports_bytes(size_t ports);
void table_put_ports(const struct network_store *s, const struct sandbox *sandbox, bool remove,
		     struct netlink_buffer *b);
/* The batch for SCRIPT_NAMES, sent inside a container's namespace; idempotent. */
#define TABLE_NAMES_BYTES 4096 /* its room */
void table_put_names(struct netlink_buffer *b);
/* Removes the table. 0 also when there is none. */
int must_check table_remove(const struct network_store *s, struct err *err);

/*
 * Beside others (host_filter.c): an accept of ours cannot undo a drop of theirs. Every base chain of
 * hook forward that is not ours and drops all that it does not know (by its policy, or a rule without
 * a condition) gets, unless s->respect, narrow accepts for the bridge of this network: in DOCKER-USER,
 * behind what the host's owner has put there, where iptables has that chain and comes to it; else in
 * front of what drops all, so behind what somebody drops on a condition, which stays dropped. What comes
 * from the bridge, what answers to that, and what was translated to it. Each has the comment
 * "cloche <table>" and the expressions that iptables-nft itself would write in its own chains, so that
 * both `nft` and `iptables` can list them. Never in input chains, never in chains that others call as
 * well, never in tables of engines like ours.
 *
 * The filter of iptables-legacy is no nf_tables and is left alone, and so are tables that the kernel lets
 * only their owner change (a running firewalld): where one filters what is forwarded, host_filter_admit()
 * returns 0 and *err (else untouched) is a warning, of kind ERR_UNSUPPORTED.
 */
int must_check host_filter_admit(const struct network_store *s, const struct network *n,
				 struct err *err);
/* Whether some chain that host_filter_admit() would change for every network, or for one with IPv6
 * where that is forwarded, has no rule of ours at all: it came, or began anew, after they were admitted. */
bool host_filter_was_not_asked(const struct network_store *s);
/* Whether a table of that name is an engine's, this one's or another's. */
bool table_is_engines(const char *name);
/* Whether a base chain of hook forward drops all that it does not know, so that it has to be asked. */
bool host_filter_drops_all(const struct nft_ruleset *r, const struct nft_dump_chain *chain);
int must_check host_filter_dismiss(const struct network_store *s, const struct network *n,
				   struct err *err);

#endif

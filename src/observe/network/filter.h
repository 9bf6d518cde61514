/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the packet filter does with a described packet: the base chains of a hook in order of priority,
 * jumps, maps, sets, translation, as nf_tables executes them (net/netfilter/nf_tables_core.c and its
 * expressions), without a packet and without the kernel.
 *
 * What cannot be known (a mark that a process set, a packet's length, an expression that is not read
 * here) is never guessed: the question goes to struct doubt, whoever asks tries every answer, and only
 * what all of them agree on is a verdict.
 */
#ifndef CLOCHE_OBSERVE_NETWORK_FILTER_H
#define CLOCHE_OBSERVE_NETWORK_FILTER_H

#include "base/str.h"
#include "observe/network/packet.h"
#include "observe/network/view.h"

#define DOUBT_QUESTIONS_MAX 24
#define DOUBT_RUNS_MAX 256

/* Answers to what nobody knows, for one run; then doubt_next() makes those of the next run. */
struct doubt {
	bool answers[DOUBT_QUESTIONS_MAX];
	size_t decided, asked;
	bool overflow;   /* more questions than there is room for: nothing is known */
	char first[160]; /* what the first question of all runs was about */
	const struct nft_dump_rule *first_rule;
};
/* Whether it is so, in this run. */
bool doubt_ask(struct doubt *d, const struct nft_dump_rule *rule, const char *about);
/* False when every combination has been tried (or there are too many: then overflow is set). */
bool doubt_next(struct doubt *d);

enum filter_end {
	FILTER_ACCEPT,
	FILTER_DROP,
	FILTER_REJECT,
	FILTER_UNKNOWN, /* goes to a program (queue), or somewhere that is not followed */
};

#define FILTER_STEPS_MAX 24

/* One base chain and what it said. */
struct filter_step {
	const struct nft_dump_chain *chain;
	const struct nft_dump_rule *rule; /* NULL: its policy */
	enum filter_end end;
	bool translated;
};

struct filter_verdict {
	enum filter_end end; /* the last step decided */
	struct filter_step steps[FILTER_STEPS_MAX];
	size_t step_count;
	char reason[96]; /* of FILTER_UNKNOWN */
};

/*
 * Sends *p through one hook (NF_INET_*) of family NFPROTO_INET: the chains of inet and of the packet's
 * own family together; of NFPROTO_BRIDGE: theirs alone; of NFPROTO_NETDEV: those of the packet's device
 * (in with NF_NETDEV_INGRESS, out with NF_NETDEV_EGRESS). Translations and marks change *p. At
 * NF_INET_PRE_ROUTING and NF_INET_LOCAL_OUT the connection becomes known at its place in the order,
 * unless it was before (a packet that comes back by the loopback device).
 */
void filter_hook(const struct net_view *v, uint8_t family, uint32_t hook, struct packet *p,
		 struct doubt *d, struct filter_verdict *out);

/* A rule as nft(8) would list it, as far as its expressions are known here; the rest by name. */
void filter_rule_text(const struct nft_ruleset *rules, const struct nft_dump_rule *rule,
		      struct strbuf *out);
/* Packets that its counter counted; false: it has none. */
bool filter_rule_packets(const struct nft_dump_rule *rule, uint64_t *out);
/* "inet filter forward", "ip filter DOCKER-USER handle 12". */
void filter_place_text(const struct nft_dump_chain *chain, const struct nft_dump_rule *rule,
		       struct strbuf *out);

#endif

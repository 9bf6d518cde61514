/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's own rules say about forwarded packets: reading only. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "network/host_filter_internal.h"
#include "network/table.h"

#define DOCKER_USER "DOCKER-USER"

static const struct nft_dump_chain *find_chain(const struct nft_ruleset *r, uint8_t family,
					       const char *table, const char *name)
{
	for (size_t i = 0; i < r->chain_count; i++) {
		const struct nft_dump_chain *c = &r->chains[i];

		if (c->family == family && strcmp(c->table, table) == 0 &&
		    strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

/* The verdict of an "immediate", and the chain when it jumps. False when it is none. */
static bool read_verdict(const struct nft_dump_expression *e, int32_t *code, const char **chain)
{
	const struct nlattr *a[NFTA_IMMEDIATE_MAX + 1], *data[NFTA_DATA_MAX + 1],
		*verdict[NFTA_VERDICT_MAX + 1];

	if (strcmp(e->name, "immediate") != 0 || !e->data ||
	    netlink_nested(e->data, a, NFTA_IMMEDIATE_MAX) < 0 || !a[NFTA_IMMEDIATE_DATA] ||
	    netlink_nested(a[NFTA_IMMEDIATE_DATA], data, NFTA_DATA_MAX) < 0 ||
	    !data[NFTA_DATA_VERDICT] ||
	    netlink_nested(data[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX) < 0 ||
	    !verdict[NFTA_VERDICT_CODE])
		return false;
	*code = (int32_t)netlink_value_be32(verdict[NFTA_VERDICT_CODE]);
	*chain = netlink_value_string(verdict[NFTA_VERDICT_CHAIN]);
	return true;
}

static const char *extension(const struct nft_dump_expression *e, const char *kind, uint16_t name)
{
	const struct nlattr *a[NFTA_MATCH_MAX + 1];

	if (strcmp(e->name, kind) != 0 || !e->data ||
	    netlink_nested(e->data, a, NFTA_MATCH_MAX) < 0)
		return NULL;
	return netlink_value_string(a[name]);
}

/* ---- one rule ---- */

/* What a rule does with whatever comes by. What it does on a condition is its author's will, and stays;
 * the protocol alone is less than one, since what drops all often does so by several rules: a reset for
 * TCP, a message for the others. */
enum fate {
	FATE_PASSES,
	FATE_LOGS, /* at most; on whatever condition */
	FATE_ACCEPTS,
	FATE_RETURNS,
	FATE_DROPS,
	FATE_CALLS,
};

struct ending {
	enum fate fate;
	bool of_protocol;   /* the others pass */
	const char *to;     /* FATE_CALLS: the chain */
	bool never_returns; /* FATE_CALLS: "goto" */
};

/* What is compared next is the protocol or the family. */
static bool loads_protocol(const struct nft_dump_expression *e)
{
	const struct nlattr *a[NFTA_PAYLOAD_MAX + 1];
	uint32_t key, offset;

	if (!e->data || netlink_nested(e->data, a, NFTA_PAYLOAD_MAX) < 0)
		return false;
	if (strcmp(e->name, "meta") == 0) {
		if (!a[NFTA_META_DREG] || !a[NFTA_META_KEY])
			return false;
		key = netlink_value_be32(a[NFTA_META_KEY]);
		return key == NFT_META_L4PROTO || key == NFT_META_NFPROTO;
	}
	if (strcmp(e->name, "payload") != 0 || !a[NFTA_PAYLOAD_DREG] || !a[NFTA_PAYLOAD_BASE] ||
	    !a[NFTA_PAYLOAD_OFFSET] || !a[NFTA_PAYLOAD_LEN])
		return false;
	offset = netlink_value_be32(a[NFTA_PAYLOAD_OFFSET]);
	return netlink_value_be32(a[NFTA_PAYLOAD_BASE]) == NFT_PAYLOAD_NETWORK_HEADER &&
	       netlink_value_be32(a[NFTA_PAYLOAD_LEN]) == 1 &&
	       (offset == offsetof(struct iphdr, protocol) ||
		offset == offsetof(struct ipv6hdr, nexthdr));
}

static bool compares_equal(const struct nft_dump_expression *e)
{
	const struct nlattr *a[NFTA_CMP_MAX + 1];

	return strcmp(e->name, "cmp") == 0 && e->data &&
	       netlink_nested(e->data, a, NFTA_CMP_MAX) == 0 && a[NFTA_CMP_OP] &&
	       netlink_value_be32(a[NFTA_CMP_OP]) == NFT_CMP_EQ;
}

static bool logs(const struct nft_dump_expression *e)
{
	const char *target = extension(e, "target", NFTA_TARGET_NAME);

	return strcmp(e->name, "log") == 0 ||
	       (target && (strcmp(target, "LOG") == 0 || strcmp(target, "NFLOG") == 0));
}

/* Lets every packet go on to the next expression. */
static bool only_notes(const struct nft_dump_expression *e)
{
	const char *match = extension(e, "match", NFTA_MATCH_NAME);

	return logs(e) || strcmp(e->name, "counter") == 0 ||
	       (match && strcmp(match, "comment") == 0);
}

static bool rejects(const struct nft_dump_expression *e)
{
	const char *target = extension(e, "target", NFTA_TARGET_NAME);

	return strcmp(e->name, "reject") == 0 ||
	       (target && (strcmp(target, "REJECT") == 0 || strcmp(target, "DROP") == 0));
}

static enum fate fate_of(int32_t code)
{
	switch (code) {
	case NF_DROP:
		return FATE_DROPS;
	case NF_ACCEPT:
		return FATE_ACCEPTS;
	case NFT_RETURN:
		return FATE_RETURNS;
	case NFT_JUMP:
	case NFT_GOTO:
		return FATE_CALLS;
	default:
		return FATE_PASSES;
	}
}

static struct ending ending_of(const struct nft_dump_rule *rule)
{
	bool conditional = false, loaded = false, logged = false;
	struct ending end = {.fate = FATE_PASSES};
	int32_t code;

	for (size_t i = 0; i < rule->expression_count; i++) {
		const struct nft_dump_expression *e = &rule->expressions[i];

		logged |= logs(e);
		if (rejects(e)) {
			end.fate = FATE_DROPS;
		} else if (read_verdict(e, &code, &end.to)) {
			end.fate = fate_of(code);
			end.never_returns = code == NFT_GOTO;
		} else if (loads_protocol(e)) {
			loaded = true;
		} else if (loaded && compares_equal(e)) {
			loaded = false;
			end.of_protocol = true;
		} else if (!only_notes(e)) {
			conditional = true;
		}
	}
	if (end.fate == FATE_PASSES && logged)
		return (struct ending){.fate = FATE_LOGS};
	if (conditional ||
	    (end.of_protocol && (end.fate == FATE_ACCEPTS || end.fate == FATE_RETURNS)))
		return (struct ending){.fate = FATE_PASSES};
	return end;
}

/* ---- a chain and what it calls ---- */

enum outcome {
	OUTCOME_OPEN,   /* at least some packets come to its end, or return */
	OUTCOME_CLOSED, /* all others are dropped at the place that is told */
	OUTCOME_ACCEPT, /* all others are accepted */
};

static bool is_verdict_map(const struct nft_dump_expression *e)
{
	const struct nlattr *a[NFTA_LOOKUP_MAX + 1];

	return strcmp(e->name, "lookup") == 0 && e->data &&
	       netlink_nested(e->data, a, NFTA_LOOKUP_MAX) == 0 && a[NFTA_LOOKUP_DREG] &&
	       netlink_value_be32(a[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT;
}

static bool rule_calls(const struct nft_dump_rule *rule, const char *name)
{
	for (size_t i = 0; i < rule->expression_count; i++) {
		const char *to = NULL;
		int32_t code;

		if (read_verdict(&rule->expressions[i], &code, &to) && to && strcmp(to, name) == 0)
			return true;
	}
	return false;
}

static bool uses_verdict_map(const struct nft_dump_rule *rule)
{
	for (size_t i = 0; i < rule->expression_count; i++)
		if (is_verdict_map(&rule->expressions[i]))
			return true;
	return false;
}

/* Whether one rule alone of the table calls a chain; a map may call any. */
static bool is_called_once(const struct nft_ruleset *r, const struct nft_dump_chain *called)
{
	size_t n = 0;

	for (size_t i = 0; i < r->rule_count; i++) {
		const struct nft_dump_rule *rule = &r->rules[i];

		if (rule->family != called->family || strcmp(rule->table, called->table) != 0)
			continue;
		if (uses_verdict_map(rule))
			return false;
		n += rule_calls(rule, called->name);
	}
	return n == 1;
}

/* seen: chains that do not close, by their number, since many rules may call one. */
static enum outcome outcome_of(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
			       bool *seen, struct host_filter_place *place);

/* The outcome of a rule that calls a chain; what the called one lets pass goes on after the rule. The
 * place is told where it is inside; NULL: it must not be there. */
static enum outcome outcome_of_call(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
				    const char *name, bool *seen, struct host_filter_place *place)
{
	const struct nft_dump_chain *to = find_chain(r, chain->family, chain->table, name);
	struct host_filter_place inside;
	enum outcome outcome;

	if (!to)
		return OUTCOME_OPEN;
	outcome = outcome_of(r, to, seen, &inside);
	/* What others call as well must not be opened for them, least of all what is for the host. */
	if (outcome == OUTCOME_CLOSED && place && is_called_once(r, to))
		*place = inside;
	return outcome;
}

static enum outcome outcome_of(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
			       bool *seen, struct host_filter_place *place)
{
	uint64_t since = 0; /* the first of those just before, which log or drop part of all */
	bool parts = false; /* they drop */

	if (seen[chain - r->chains])
		return OUTCOME_OPEN;
	for (size_t i = 0; i < chain->rule_count; i++) {
		const struct nft_dump_rule *rule = chain->rules[i];
		const struct ending end = ending_of(rule);
		enum outcome outcome = OUTCOME_OPEN;

		*place = (struct host_filter_place){.chain = chain,
						    .before = since ? since : rule->handle};
		if (end.fate == FATE_CALLS)
			outcome = outcome_of_call(r, chain, end.to, seen, parts ? NULL : place);
		else if (end.fate == FATE_DROPS)
			outcome = OUTCOME_CLOSED;
		else if (end.fate == FATE_ACCEPTS)
			outcome = OUTCOME_ACCEPT;
		if (outcome != OUTCOME_OPEN && !end.of_protocol)
			return outcome;
		if (end.fate == FATE_RETURNS || (end.never_returns && !end.of_protocol))
			goto open;
		parts = outcome == OUTCOME_CLOSED || (parts && end.fate == FATE_LOGS);
		if (!parts && end.fate != FATE_LOGS)
			since = 0;
		else if (!since)
			since = rule->handle;
	}
	*place = (struct host_filter_place){.chain = chain, .before = since};
open:
	seen[chain - r->chains] = true;
	return OUTCOME_OPEN;
}

/* ---- the place ---- */

/* "-j RETURN" for everything: Docker used to end DOCKER-USER with it. */
static uint64_t final_return(const struct nft_dump_chain *chain)
{
	for (size_t i = 0; i < chain->rule_count; i++)
		if (ending_of(chain->rules[i]).fate == FATE_RETURNS)
			return chain->rules[i]->handle;
	return 0;
}

static bool calls(const struct nft_dump_chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->rule_count; i++)
		if (rule_calls(chain->rules[i], name))
			return true;
	return false;
}

bool host_filter_place(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
		       struct host_filter_place *place)
{
	auto_free bool *seen = xcalloc(r->chain_count, sizeof *seen);
	const enum outcome outcome = outcome_of(r, chain, seen, place);
	const struct nft_dump_chain *user;

	if (outcome == OUTCOME_ACCEPT || (outcome == OUTCOME_OPEN && chain->policy != NF_DROP))
		return false;
	/* iptables names its built-in chains in capitals, and has one family a table. */
	place->iptables = strcmp(chain->name, "FORWARD") == 0 &&
			  (chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_IPV6);
	if (!place->iptables || strcmp(chain->table, "filter") != 0)
		return true;
	user = find_chain(r, chain->family, chain->table, DOCKER_USER);
	if (user && calls(chain, DOCKER_USER)) {
		place->chain = user;
		place->before = final_return(user);
	}
	return true;
}

bool host_filter_drops_all(const struct nft_ruleset *r, const struct nft_dump_chain *chain)
{
	struct host_filter_place place;

	return host_filter_place(r, chain, &place);
}

bool host_filter_names_device(const struct nft_dump_rule *rule, const char *device)
{
	size_t n = strlen(device) + 1;

	for (size_t i = 0; i < rule->expression_count; i++) {
		const struct nft_dump_expression *e = &rule->expressions[i];
		const struct nlattr *a[NFTA_CMP_MAX + 1], *data[NFTA_DATA_MAX + 1];

		if (strcmp(e->name, "cmp") == 0 && e->data &&
		    netlink_nested(e->data, a, NFTA_CMP_MAX) == 0 && a[NFTA_CMP_DATA] &&
		    netlink_nested(a[NFTA_CMP_DATA], data, NFTA_DATA_MAX) == 0 &&
		    data[NFTA_DATA_VALUE] && netlink_value_bytes(data[NFTA_DATA_VALUE]) >= n &&
		    memcmp(netlink_value(data[NFTA_DATA_VALUE]), device, n) == 0)
			return true;
	}
	return false;
}

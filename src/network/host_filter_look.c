/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's own rules say about forwarded packets: reading only. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "network/host_filter_internal.h"

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

/* A look-up whose result is the verdict: what the elements say is not looked at, so it may be a drop. */
static bool is_verdict_map(const struct nft_dump_expression *e)
{
	const struct nlattr *a[NFTA_LOOKUP_MAX + 1];

	return strcmp(e->name, "lookup") == 0 && e->data &&
	       netlink_nested(e->data, a, NFTA_LOOKUP_MAX) == 0 && a[NFTA_LOOKUP_DREG] &&
	       netlink_value_be32(a[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT;
}

static bool drops(const struct nft_ruleset *r, const struct nft_dump_chain *chain, bool *seen);

static bool expression_drops(const struct nft_ruleset *r, const struct nft_dump_chain *chain,
			     const struct nft_dump_expression *e, bool *seen)
{
	const struct nft_dump_chain *next;
	const char *name, *target;
	int32_t code;

	if (strcmp(e->name, "reject") == 0 || is_verdict_map(e))
		return true;
	target = extension(e, "target", NFTA_TARGET_NAME);
	if (target && (strcmp(target, "REJECT") == 0 || strcmp(target, "DROP") == 0))
		return true;
	if (!read_verdict(e, &code, &name))
		return false;
	if (code == NF_DROP)
		return true;
	next = name ? find_chain(r, chain->family, chain->table, name) : NULL;
	return next && drops(r, next, seen);
}

/* seen: chains that were looked at, by their number, since many rules may jump to one. */
static bool drops(const struct nft_ruleset *r, const struct nft_dump_chain *chain, bool *seen)
{
	if (seen[chain - r->chains])
		return false;
	seen[chain - r->chains] = true;
	if (chain->type && chain->policy == NF_DROP)
		return true;
	for (size_t i = 0; i < chain->rule_count; i++)
		for (size_t j = 0; j < chain->rules[i]->expression_count; j++)
			if (expression_drops(r, chain, &chain->rules[i]->expressions[j], seen))
				return true;
	return false;
}

bool host_filter_drops(const struct nft_ruleset *r, const struct nft_dump_chain *chain)
{
	auto_free bool *seen = xcalloc(r->chain_count, sizeof *seen);

	return drops(r, chain, seen);
}

static bool jumps_to(const struct nft_dump_chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->rule_count; i++) {
		const struct nft_dump_rule *rule = chain->rules[i];

		for (size_t j = 0; j < rule->expression_count; j++) {
			const char *to = NULL;
			int32_t code;

			if (read_verdict(&rule->expressions[j], &code, &to) && to &&
			    strcmp(to, name) == 0)
				return true;
		}
	}
	return false;
}

/* "-j RETURN" for everything: Docker used to end DOCKER-USER with it. */
static bool always_returns(const struct nft_dump_rule *rule)
{
	bool returns = false;

	for (size_t i = 0; i < rule->expression_count; i++) {
		const struct nft_dump_expression *e = &rule->expressions[i];
		const char *match = extension(e, "match", NFTA_MATCH_NAME), *chain;
		int32_t code;

		if (strcmp(e->name, "counter") == 0 || (match && strcmp(match, "comment") == 0))
			continue;
		if (!read_verdict(e, &code, &chain) || code != NFT_RETURN)
			return false;
		returns = true;
	}
	return returns;
}

struct host_filter_place host_filter_place(const struct nft_ruleset *r,
					   const struct nft_dump_chain *chain)
{
	struct host_filter_place place = {.chain = chain};
	const struct nft_dump_chain *user;

	/* iptables names its built-in chains in capitals, and has one family a table. */
	place.iptables = strcmp(chain->name, "FORWARD") == 0 &&
			 (chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_IPV6);
	if (!place.iptables || strcmp(chain->table, "filter") != 0)
		return place;
	user = find_chain(r, chain->family, chain->table, DOCKER_USER);
	if (!user || !jumps_to(chain, DOCKER_USER))
		return place;
	place.chain = user;
	place.at_the_end = true;
	for (size_t i = 0; i < user->rule_count && !place.before; i++)
		if (always_returns(user->rules[i]))
			place.before = user->rules[i]->handle;
	return place;
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

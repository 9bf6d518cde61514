/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beside the host's own packet filter: narrow accepts for a bridge of ours in chains of others that
 * would drop what we let pass. A rule of ours is known by its comment; nothing else is ever changed.
 * What was read is what is changed: a batch carries the generation of the ruleset that it is for, so
 * that two engines, or an engine and an administrator, never work on each other's half.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "network/host_filter_internal.h"
#include "network/table.h"

#define ATTEMPTS 50
#define RULE_BYTES 1280 /* names of others can be long */
#define COMMENT_BYTES 64
#define ACCEPT_COUNT 3 /* rules for one bridge in one chain */

struct change {
	const char *bridge;
	char comment[COMMENT_BYTES];
	struct nft_ruleset rules;
	struct netlink_buffer b;
	size_t messages;
	char owned[128]; /* a table that drops and that only its owner can change */
};

static bool is_ours(const struct change *c, const struct nft_dump_rule *rule)
{
	return rule->comment && strcmp(rule->comment, c->comment) == 0 &&
	       host_filter_names_device(rule, c->bridge);
}

bool table_is_engines(const char *name)
{
	return strcmp(name, "cloche") == 0 || strncmp(name, "cloche-", 7) == 0;
}

/* Tables of engines; what they drop is their own networks', and their rules are counted. */
static bool is_engines_table(const struct nft_dump_chain *chain)
{
	return chain->family == NFPROTO_INET && table_is_engines(chain->table);
}

/* ---- the rules ---- */

static void device_is(struct netlink_buffer *b, uint32_t key, const char *device, bool iptables)
{
	char name[IFNAMSIZ] = {0};

	memcpy(name, device, strnlen(device, sizeof name - 1));
	nft_expr_meta(b, key, NFT_REG_1);
	/* Both mean the whole name: iptables compares as far as its NUL, nft all bytes. */
	nft_expr_cmp(b, NFT_REG_1, NFT_CMP_EQ, name, iptables ? strlen(name) + 1 : sizeof name);
}

/* -m conntrack --ctstate */
static void conntrack_state(struct netlink_buffer *b, uint16_t mask)
{
	_Alignas(8) struct xt_conntrack_mtinfo3 info = {.match_flags = XT_CONNTRACK_STATE,
							.state_mask = mask};

	nft_expr_match(b, "conntrack", 3, &info, sizeof info);
}

static void conntrack_bits(struct netlink_buffer *b, uint32_t key, uint32_t bits)
{
	uint32_t none = 0;

	nft_expr_ct(b, key, NFT_REG_1);
	nft_expr_bitwise(b, NFT_REG_1, &bits, sizeof bits);
	nft_expr_cmp(b, NFT_REG_1, NFT_CMP_NEQ, &none, sizeof none);
}

static void answers(struct netlink_buffer *b, bool iptables)
{
	if (iptables)
		conntrack_state(b, XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) |
					   XT_CONNTRACK_STATE_BIT(IP_CT_RELATED));
	else
		conntrack_bits(b, NFT_CT_STATE,
			       NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
}

static void translated(struct netlink_buffer *b, bool iptables)
{
	if (iptables)
		conntrack_state(b, XT_CONNTRACK_STATE_DNAT);
	else
		conntrack_bits(b, NFT_CT_STATUS, IPS_DST_NAT);
}

static const struct {
	uint32_t device;
	void (*condition)(struct netlink_buffer *b, bool iptables);
} accepts[ACCEPT_COUNT] = {
	{NFT_META_IIFNAME, NULL},
	{NFT_META_OIFNAME, answers},
	{NFT_META_OIFNAME, translated},
};

static void put_accept(struct change *c, const struct host_filter_place *place, size_t i)
{
	struct nft_rule rule = {.family = place->chain->family,
				.table = place->chain->table,
				.chain = place->chain->name,
				.comment = c->comment,
				.insert = place->before != 0,
				.before = place->before};

	nft_rule_begin(&c->b, &rule);
	device_is(&c->b, accepts[i].device, c->bridge, place->iptables);
	if (accepts[i].condition)
		accepts[i].condition(&c->b, place->iptables);
	nft_expr_counter(&c->b);
	nft_expr_verdict(&c->b, NF_ACCEPT, NULL);
	nft_rule_end(&c->b, &rule);
	c->messages++;
}

static void put_removal(struct change *c, const struct nft_dump_chain *chain)
{
	for (size_t i = 0; i < chain->rule_count; i++) {
		if (!is_ours(c, chain->rules[i]))
			continue;
		nft_put_delete_rule(&c->b, chain->family, chain->table, chain->name,
				    chain->rules[i]->handle);
		c->messages++;
	}
}

static size_t count_ours(const struct change *c, const struct nft_dump_chain *chain)
{
	size_t n = 0;

	for (size_t i = 0; i < chain->rule_count; i++)
		n += is_ours(c, chain->rules[i]);
	return n;
}

/* ---- admit ---- */

static bool filters_others(const struct nft_dump_chain *chain)
{
	return chain->type && chain->hook == NF_INET_FORWARD && !chain->dormant &&
	       !is_engines_table(chain);
}

static bool concerns(const struct network *n, const struct nft_dump_chain *chain)
{
	if (!filters_others(chain))
		return false;
	if (chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_INET)
		return true;
	if (chain->family != NFPROTO_IPV6)
		return false;
	for (size_t i = 0; i < n->pool_count; i++)
		if (n->pools[i].subnet.address.family == AF_INET6)
			return true;
	return false;
}

static void put_admission(struct change *c, const struct network *n)
{
	for (size_t i = 0; i < c->rules.chain_count; i++) {
		const struct nft_dump_chain *chain = &c->rules.chains[i];
		struct host_filter_place place;

		if (!concerns(n, chain) || !host_filter_place(&c->rules, chain, &place))
			continue;
		if (chain->owned) {
			snprintf(c->owned, sizeof c->owned, "table %s", chain->table);
			continue;
		}
		/* Once they stand they stay: who puts a drop before them afterwards means it. */
		if (count_ours(c, place.chain) == ACCEPT_COUNT ||
		    count_ours(c, chain) == ACCEPT_COUNT)
			continue;
		put_removal(c, place.chain);
		for (size_t k = 0; k < ACCEPT_COUNT; k++)
			put_accept(c, &place, k);
	}
}

static void put_dismissal(struct change *c, const struct network *n)
{
	(void)n;
	for (size_t i = 0; i < c->rules.chain_count; i++)
		put_removal(c, &c->rules.chains[i]);
}

/* Reads, decides, changes; again when somebody else changed the rules meanwhile. */
static int apply(struct change *c, int fd, const struct network *n,
		 void (*put)(struct change *c, const struct network *n), struct err *err)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int r = nft_ruleset_read(fd, false, &c->rules, err);
		auto_free unsigned char *bytes = NULL;
		size_t size;

		if (r < 0)
			return r;
		size = 1024 +
		       RULE_BYTES * (ACCEPT_COUNT * c->rules.chain_count + c->rules.rule_count);
		bytes = xcalloc(1, size);
		c->b = (struct netlink_buffer){.bytes = bytes, .size = size};
		c->messages = 0;
		nft_batch_begin_at(&c->b, c->rules.generation);
		put(c, n);
		nft_batch_end(&c->b);
		nft_ruleset_free(&c->rules);
		if (c->messages == 0)
			return 0;
		r = netlink_transact(fd, c->b.bytes, c->b.used, NULL);
		if (r != -ERESTART)
			return r < 0 ? err_set(err, ERR_SYSTEM, -r,
					       "change the host's packet filter for network %s: %s",
					       n->name, err_errno_text(-r))
				     : 0;
	}
	return err_set(err, ERR_SYSTEM, EBUSY,
		       "change the host's packet filter for network %s: it changes all the time",
		       n->name);
}

static int change(struct change *c, const struct network_store *s, const struct network *n,
		  void (*put)(struct change *c, const struct network *n), struct err *err)
{
	auto_close int fd = netlink_open(NETLINK_NETFILTER);

	*c = (struct change){.bridge = n->bridge};
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "look at the host's packet filter: %s",
			       err_errno_text(-fd));
	snprintf(c->comment, sizeof c->comment, "cloche %s", s->table);
	return apply(c, fd, n, put, err);
}

int host_filter_admit(const struct network_store *s, const struct network *n, struct err *err)
{
	const char *left_alone = NULL;
	struct change c;
	int r;

	if (s->respect)
		return 0;
	r = change(&c, s, n, put_admission, err);
	if (r < 0)
		return r;
	if (c.owned[0])
		left_alone = c.owned;
	else if (host_filter_is_legacy())
		left_alone = "iptables-legacy";
	if (left_alone)
		(void)err_set(
			err, ERR_UNSUPPORTED, 0,
			"the host filters forwarded packets with %s, which is left alone: if it "
			"drops what belongs to network %s, allow device %s there",
			left_alone, n->name, n->bridge);
	return 0;
}

static bool has_comment(const struct nft_dump_chain *chain, const char *comment)
{
	for (size_t i = 0; i < chain->rule_count; i++)
		if (chain->rules[i]->comment && strcmp(chain->rules[i]->comment, comment) == 0)
			return true;
	return false;
}

/* As it is once a network has IPv6. */
static bool forwards_ipv6(void)
{
	char text[8];

	return file_read_small_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/forwarding", text,
				  sizeof text) > 0 &&
	       text[0] != '0';
}

bool host_filter_was_not_asked(const struct network_store *s)
{
	bool six = forwards_ipv6();
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	struct err ignored = ERR_INIT;
	char comment[COMMENT_BYTES];
	struct nft_ruleset rules;
	bool found = false;

	snprintf(comment, sizeof comment, "cloche %s", s->table);
	if (fd < 0 || nft_ruleset_read(fd, false, &rules, &ignored) < 0)
		return false;
	for (size_t i = 0; i < rules.chain_count && !found; i++) {
		const struct nft_dump_chain *chain = &rules.chains[i];
		struct host_filter_place place;

		found = filters_others(chain) && !chain->owned &&
			(chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_INET ||
			 (six && chain->family == NFPROTO_IPV6)) &&
			host_filter_place(&rules, chain, &place) && !has_comment(chain, comment) &&
			!has_comment(place.chain, comment);
	}
	nft_ruleset_free(&rules);
	return found;
}

int host_filter_dismiss(const struct network_store *s, const struct network *n, struct err *err)
{
	struct change c;

	return change(&c, s, n, put_dismissal, err);
}

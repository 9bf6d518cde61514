/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base chains of a hook in order, the rules of a chain, jumps: net/netfilter/nf_tables_core.c
 * (nft_do_chain) and core.c (nf_hook_slow). Translation has its own place in the order (-100 where
 * packets come in, 100 where they leave), whatever the priorities of its chains among each other.
 */
#include "observe/network/filter.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "observe/network/filter_internal.h"

#define JUMPS_MAX 16
#define STEPS_MAX \
	200000 /* of one chain's evaluation: rules that jump in circles are refused by the
			  * kernel, so this only bounds the work */
#define CHAINS_MAX 64

/* ---- doubt ---- */

bool doubt_ask(struct doubt *d, const struct nft_dump_rule *rule, const char *about)
{
	if (!d->first[0]) {
		strncpy(d->first, about, sizeof(d->first) - 1);
		d->first_rule = rule;
	}
	if (d->asked >= DOUBT_QUESTIONS_MAX) {
		d->overflow = true;
		return false;
	}
	if (d->asked == d->decided)
		d->answers[d->decided++] = false;
	return d->answers[d->asked++];
}

bool doubt_next(struct doubt *d)
{
	d->decided = d->asked;
	d->asked = 0;
	while (d->decided && d->answers[d->decided - 1])
		d->decided--;
	if (!d->decided)
		return false;
	d->answers[d->decided - 1] = true;
	return true;
}

/* ---- rules ---- */

static enum says evaluate_expression(struct evaluation *e, const struct nft_dump_expression *x)
{
	expression_fn *fn = expression_find(x->name);

	if (fn)
		return fn(e, x->data);
	memset(e->registers.known, 0, sizeof(e->registers.known));
	return SAYS_MAYBE;
}

static void question_text(const struct nft_dump_expression *x, char *out, size_t n)
{
	const char *xt = xt_name(x);

	snprintf(out, n, "%s%s%s", x->name, xt ? " " : "", xt ? xt : "");
}

static enum says evaluate_rule(struct evaluation *e, const struct nft_dump_rule *rule)
{
	e->rule = rule;
	for (size_t i = 0; i < rule->expression_count; i++) {
		const struct nft_dump_expression *x = &rule->expressions[i];
		enum says says = evaluate_expression(e, x);
		char about[96];

		if (says == SAYS_MAYBE) {
			question_text(x, about, sizeof(about));
			says = doubt_ask(e->doubt, rule, about) ? SAYS_NEXT : SAYS_BREAK;
		}
		if (says != SAYS_NEXT)
			return says;
	}
	return SAYS_NEXT;
}

static const struct nft_dump_chain *find_chain(const struct evaluation *e, const char *name)
{
	for (size_t i = 0; name && i < e->view->rules.chain_count; i++) {
		const struct nft_dump_chain *c = &e->view->rules.chains[i];

		if (c->family == e->base->family && str_eq(c->table, e->base->table) &&
		    str_eq(c->name, name))
			return c;
	}
	return NULL;
}

/* NFT_CONTINUE when its end was reached, or the verdict that ended it. */
static int32_t evaluate_chain(struct evaluation *e, const struct nft_dump_chain *c, unsigned depth)
{
	for (size_t i = 0; c && i < c->rule_count; i++) {
		int32_t verdict = NFT_CONTINUE;

		if (++e->steps > STEPS_MAX || depth > JUMPS_MAX) {
			strcpy(e->unknown, "more rules than are followed");
			return NF_DROP;
		}
		if (evaluate_rule(e, c->rules[i]) == SAYS_VERDICT)
			verdict = e->verdict;
		if (verdict == NFT_JUMP) {
			verdict = evaluate_chain(e, find_chain(e, e->chain), depth + 1);
			if (verdict == NFT_RETURN)
				verdict = NFT_CONTINUE;
		} else if (verdict == NFT_GOTO) {
			return evaluate_chain(e, find_chain(e, e->chain), depth + 1);
		} else if (verdict >= 0 && !e->decider) {
			e->decider = c->rules[i];
		}
		if (verdict >= 0 || verdict == NFT_RETURN)
			return verdict;
		if (e->unknown[0])
			return NF_DROP;
	}
	return NFT_CONTINUE;
}

/* ---- one base chain ---- */

static uint8_t family_of(const struct packet *p)
{
	return p->now.destination.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

static enum filter_end end_of(const struct evaluation *e, int32_t verdict)
{
	if (e->unknown[0])
		return FILTER_UNKNOWN;
	if (e->rejected)
		return FILTER_REJECT;
	return verdict == NF_ACCEPT || verdict == NF_STOP ? FILTER_ACCEPT : FILTER_DROP;
}

static struct filter_step evaluate_base(const struct net_view *v, const struct nft_dump_chain *c,
					uint32_t hook, struct packet *p, struct doubt *d,
					struct filter_verdict *out)
{
	struct evaluation e = {
		.view = v, .p = p, .doubt = d, .hook = hook, .family = family_of(p), .base = c};
	struct filter_step step = {.chain = c};
	int32_t verdict = evaluate_chain(&e, c, 0);

	if (verdict < 0)
		verdict = (int32_t)c->policy;
	else if ((verdict & NF_VERDICT_MASK) == NF_QUEUE)
		strcpy(e.unknown, "a program decides (queue)");
	step.rule = e.decider;
	step.end = end_of(&e, verdict);
	step.translated = e.translated;
	if (step.end == FILTER_UNKNOWN)
		memcpy(out->reason, e.unknown, sizeof(out->reason));
	return step;
}

static void add_step(struct filter_verdict *out, const struct filter_step *step)
{
	/* Chains without rules that let everything pass are no news. */
	if (step->end == FILTER_ACCEPT && !step->rule && !step->chain->rule_count)
		return;
	if (out->step_count == FILTER_STEPS_MAX) {
		memmove(out->steps, out->steps + 1, sizeof(*step) * (FILTER_STEPS_MAX - 1));
		out->step_count--;
	}
	out->steps[out->step_count++] = *step;
}

/* ---- the order of a hook ---- */

struct hook_list {
	const struct nft_dump_chain *chains[CHAINS_MAX];
	size_t count;
};

static bool is_at_device(const struct nft_dump_chain *c, const struct link_info *device)
{
	for (size_t i = 0; device && i < c->device_count && i < 8; i++) {
		if (str_eq(c->devices[i], device->name))
			return true;
	}
	return false;
}

static bool takes_part(const struct nft_dump_chain *c, uint8_t family, uint32_t hook,
		       const struct packet *p)
{
	if (!c->type || c->dormant)
		return false;
	if (family == NFPROTO_NETDEV) {
		const struct link_info *device = hook == NF_NETDEV_EGRESS ? p->out : p->in;
		bool inet_ingress = c->family == NFPROTO_INET && c->hook == NF_INET_INGRESS &&
				    hook == NF_NETDEV_INGRESS;

		return ((c->family == NFPROTO_NETDEV && c->hook == hook) || inet_ingress) &&
		       is_at_device(c, device);
	}
	if (c->hook != hook)
		return false;
	if (family == NFPROTO_BRIDGE)
		return c->family == NFPROTO_BRIDGE;
	return c->family == NFPROTO_INET || c->family == family_of(p);
}

/* By priority; of equal ones the one that was registered last comes first (nf_hook_entries_grow). */
static void list_hook(const struct net_view *v, uint8_t family, uint32_t hook,
		      const struct packet *p, bool nat, struct hook_list *out)
{
	out->count = 0;
	for (size_t i = 0; i < v->rules.chain_count && out->count < CHAINS_MAX; i++) {
		const struct nft_dump_chain *c = &v->rules.chains[i];
		size_t at = out->count;

		if (!takes_part(c, family, hook, p) || str_eq(c->type, "nat") != nat)
			continue;
		while (at && out->chains[at - 1]->priority >= c->priority) {
			out->chains[at] = out->chains[at - 1];
			at--;
		}
		out->chains[at] = c;
		out->count++;
	}
}

static bool has_nat(const struct net_view *v, uint8_t family)
{
	for (size_t i = 0; i < v->rules.chain_count; i++) {
		const struct nft_dump_chain *c = &v->rules.chains[i];

		if (c->type && !c->dormant && str_eq(c->type, "nat") &&
		    (c->family == NFPROTO_INET || c->family == family))
			return true;
	}
	return false;
}

/* ---- connections ---- */

static void track(struct packet *p)
{
	if (p->tracked || p->state == PACKET_UNTRACKED)
		return;
	p->tracked = true;
	if (p->state != PACKET_NEW)
		return;
	p->original = p->now;
	p->answered = (struct packet_tuple){.source = p->now.destination,
					    .destination = p->now.source,
					    .source_port = p->now.destination_port,
					    .destination_port = p->now.source_port};
}

/* What an earlier packet of the connection has settled (nf_nat_packet). */
static void translate_as_settled(struct packet *p, bool destination)
{
	if (destination && (p->reply ? p->source_changed : p->destination_changed)) {
		p->now.destination = p->reply ? p->original.source : p->answered.source;
		p->now.destination_port = p->reply ? p->original.source_port
						   : p->answered.source_port;
	}
	if (!destination && (p->reply ? p->destination_changed : p->source_changed)) {
		p->now.source = p->reply ? p->original.destination : p->answered.destination;
		p->now.source_port = p->reply ? p->original.destination_port
					      : p->answered.destination_port;
	}
}

static void translate(const struct net_view *v, uint32_t hook, struct packet *p, struct doubt *d,
		      struct filter_verdict *out)
{
	bool destination = hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT;
	bool *done = destination ? &p->destination_done : &p->source_done;
	struct hook_list list;

	if (!p->tracked || p->state == PACKET_UNTRACKED || p->state == PACKET_INVALID ||
	    !has_nat(v, family_of(p)))
		return;
	if (p->state != PACKET_NEW || *done) {
		if (p->state != PACKET_NEW)
			translate_as_settled(p, destination);
		return;
	}
	list_hook(v, NFPROTO_INET, hook, p, true, &list);
	for (size_t i = 0; i < list.count && !*done; i++) {
		struct filter_step step = evaluate_base(v, list.chains[i], hook, p, d, out);

		add_step(out, &step);
		out->end = step.end;
		if (step.end != FILTER_ACCEPT)
			return;
		*done = step.translated;
	}
	*done = true;
}

/* ---- a hook ---- */

static bool is_nat_hook(uint32_t hook)
{
	return hook != NF_INET_FORWARD;
}

/* The places between chains: a chain of priority `before` runs after them. */
struct places {
	bool tracked, translated;
};

static void pass_places(const struct net_view *v, uint32_t hook, int32_t before, struct packet *p,
			struct places *at, struct doubt *d, struct filter_verdict *out)
{
	bool in = hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT;
	int32_t nat = in ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC;

	if (!at->tracked && in && before > NF_IP_PRI_CONNTRACK) {
		at->tracked = true;
		track(p);
	}
	if (!at->translated && is_nat_hook(hook) && before >= nat) {
		at->translated = true;
		translate(v, hook, p, d, out);
	}
}

void filter_hook(const struct net_view *v, uint8_t family, uint32_t hook, struct packet *p,
		 struct doubt *d, struct filter_verdict *out)
{
	struct places at = {0};
	struct hook_list list;

	memset(out, 0, sizeof(*out));
	list_hook(v, family, hook, p, false, &list);
	for (size_t i = 0; i < list.count && out->end == FILTER_ACCEPT; i++) {
		struct filter_step step;

		if (family == NFPROTO_INET)
			pass_places(v, hook, list.chains[i]->priority, p, &at, d, out);
		if (out->end != FILTER_ACCEPT)
			return;
		step = evaluate_base(v, list.chains[i], hook, p, d, out);
		add_step(out, &step);
		out->end = step.end;
	}
	if (family == NFPROTO_INET && out->end == FILTER_ACCEPT)
		pass_places(v, hook, INT32_MAX, p, &at, d, out);
}

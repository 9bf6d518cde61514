/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in sets and maps (net/netfilter/nft_lookup.c): exact keys, plain intervals (a list of
 * borders, each with whether it begins or ends something), and concatenations of intervals, field by
 * field.
 */
#include <linux/netfilter.h>
#include <string.h>

#include "observe/network/filter_internal.h"

static const struct nft_dump_set *find_set(const struct evaluation *e, const char *name)
{
	for (size_t i = 0; name && i < e->view->rules.set_count; i++) {
		const struct nft_dump_set *s = &e->view->rules.sets[i];

		if (s->family == e->base->family && str_eq(s->table, e->base->table) &&
		    str_eq(s->name, name))
			return s;
	}
	return NULL;
}

/* 0 no, 1 yes, 2 not to be known. */
static int in_field(const uint8_t *value, const uint8_t *known, const uint8_t *from,
		    const uint8_t *to, size_t n)
{
	int low = known_compare(value, known, from, n);
	int high = known_compare(value, known, to, n);

	if (low == -1 || high == 1)
		return 0;
	return low == 2 || high == 2 ? 2 : 1;
}

static int in_element(const struct nft_dump_set *s, const struct nft_dump_element *x,
		      const uint8_t *value, const uint8_t *known, size_t n)
{
	const uint8_t *from = x->key, *to = x->key_end ? x->key_end : x->key;
	int all = 1;
	size_t at = 0;

	if (!x->key || x->key_bytes < n)
		return 0;
	if (!x->key_end || !s->field_count) {
		for (size_t i = 0; i < n; i++) {
			if ((value[i] ^ from[i]) & known[i])
				return 0;
			if (known[i] != 0xff)
				all = 2;
		}
		return all;
	}
	for (size_t f = 0; f < s->field_count && at + s->fields[f] <= n; f++) {
		int one = in_field(value + at, known + at, from + at, to + at, s->fields[f]);

		if (one == 0)
			return 0;
		if (one == 2)
			all = 2;
		at += (s->fields[f] + 3u) / 4 * 4;
	}
	return all;
}

static bool is_end(const struct nft_dump_element *x)
{
	return x->flags & NFT_SET_ELEM_INTERVAL_END;
}

/* The border at or below the key that is nearest to it; of two at one place the one that begins. */
static int find_interval(const struct nft_dump_set *s, const uint8_t *value, const uint8_t *known,
			 size_t n, const struct nft_dump_element **out)
{
	const struct nft_dump_element *best = NULL;

	*out = NULL;
	for (size_t i = 0; i < s->element_count; i++) {
		const struct nft_dump_element *x = &s->elements[i];
		int order = x->key && x->key_bytes >= n ? known_compare(value, known, x->key, n)
							: -1;
		int nearer;

		if (order == 2)
			return 2;
		if (order < 0)
			continue;
		nearer = best ? memcmp(x->key, best->key, n) : 1;
		if (nearer > 0 || (nearer == 0 && is_end(best)))
			best = x;
	}
	if (!best || is_end(best))
		return 0;
	*out = best;
	return 1;
}

static const struct nft_dump_element *catch_all(const struct nft_dump_set *s)
{
	for (size_t i = 0; i < s->element_count; i++) {
		if (s->elements[i].flags & NFT_SET_ELEM_CATCHALL)
			return &s->elements[i];
	}
	return NULL;
}

/* Whether something of the set fits, and what; a doubt is asked for element by element. */
static int find(struct evaluation *e, const struct nft_dump_set *s, size_t at, size_t n,
		const struct nft_dump_element **out)
{
	const uint8_t *value = e->registers.value + at, *known = e->registers.known + at;
	bool intervals = (s->id_flags & NFT_SET_INTERVAL) && s->field_count < 2;
	char about[96];

	if (intervals) {
		int rc = find_interval(s, value, known, n, out);

		if (rc)
			return rc;
	}
	for (size_t i = 0; !intervals && i < s->element_count; i++) {
		int fits = in_element(s, &s->elements[i], value, known, n);

		snprintf(about, sizeof(about), "element of set %.48s", s->name);
		if (fits == 1 || (fits == 2 && doubt_ask(e->doubt, e->rule, about))) {
			*out = &s->elements[i];
			return 1;
		}
	}
	*out = catch_all(s);
	return *out ? 1 : 0;
}

/* A map gives a verdict or a value. */
static enum says take_data(struct evaluation *e, const struct nft_dump_element *x,
			   const struct nlattr *dreg)
{
	if (expression_number(dreg) == NFT_REG_VERDICT) {
		e->verdict = x->verdict;
		e->chain = x->chain;
		return SAYS_VERDICT;
	}
	if (!x->data)
		return SAYS_MAYBE;
	register_set(e, dreg, x->data, x->data_bytes);
	return SAYS_NEXT;
}

enum says expression_lookup(struct evaluation *e, const struct nlattr *data)
{
	const struct nlattr *a[NFTA_LOOKUP_MAX + 1];
	const struct nft_dump_element *x = NULL;
	const struct nft_dump_set *s;
	int at, found;
	bool invert;

	expression_attributes(data, a, NFTA_LOOKUP_MAX);
	s = find_set(e, a[NFTA_LOOKUP_SET] ? netlink_value_string(a[NFTA_LOOKUP_SET]) : NULL);
	at = s ? register_at(a[NFTA_LOOKUP_SREG], s->key_bytes) : -1;
	if (at < 0)
		return SAYS_MAYBE;
	invert = expression_number(a[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV;
	found = find(e, s, (size_t)at, s->key_bytes, &x);
	if (found == 2) {
		if (a[NFTA_LOOKUP_DREG])
			strcpy(e->unknown, "a map is asked for what cannot be known");
		return a[NFTA_LOOKUP_DREG] ? SAYS_VERDICT : SAYS_MAYBE;
	}
	if ((found == 1) == invert)
		return SAYS_BREAK;
	return x && a[NFTA_LOOKUP_DREG] ? take_data(e, x, a[NFTA_LOOKUP_DREG]) : SAYS_NEXT;
}

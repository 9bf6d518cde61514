/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole ruleset of a network namespace as structs. Every message of the kernel's is kept as it
 * came, in one list of blocks, and the structs point into it. Changes nothing; when somebody changes
 * the rules meanwhile (the generation moves) everything is read again.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "kernel/nftables.h"

#define READ_ATTEMPTS 20

/* One message of the kernel's, with the next. */
struct block {
	struct block *next;
	struct nlmsghdr message[];
};

struct table {
	uint8_t family;
	const char *name;
	uint32_t flags;
};

struct reader {
	struct nft_ruleset *out;
	struct table *tables;
	size_t table_count;
	size_t table_room, chain_room, rule_room, set_room;
	struct nft_dump_set *set; /* whose elements are read */
	size_t element_room;
};

static void free_block_list(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

void nft_ruleset_free(struct nft_ruleset *r)
{
	for (size_t i = 0; i < r->chain_count; i++)
		free(r->chains[i].rules);
	for (size_t i = 0; i < r->rule_count; i++)
		free(r->rules[i].expressions);
	for (size_t i = 0; i < r->set_count; i++)
		free(r->sets[i].elements);
	free(r->chains);
	free(r->rules);
	free(r->sets);
	free_block_list(r->memory);
	*r = (struct nft_ruleset){0};
}

static const struct nlmsghdr *keep(struct nft_ruleset *r, const struct nlmsghdr *h)
{
	struct block *b = xcalloc(1, sizeof(*b) + h->nlmsg_len);

	memcpy(b->message, h, h->nlmsg_len);
	b->next = r->memory;
	r->memory = b;
	return b->message;
}

/* Room for one more of an array; the new one is zeros. */
static void *add(void *array, size_t *count, size_t *room, size_t size)
{
	char *items = array;

	if (*count == *room) {
		*room = *room ? 2 * *room : 16;
		items = xrealloc(items, *room * size);
	}
	memset(items + *count * size, 0, size);
	(*count)++;
	return items;
}

static uint8_t family_of(const struct nlmsghdr *h)
{
	return ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
}

static int attributes(const struct nlmsghdr *h, const struct nlattr **out, uint16_t max)
{
	return netlink_attributes(h, sizeof(struct nfgenmsg), out, max);
}

static const char *string_of(const struct nlattr *a)
{
	return a ? netlink_value_string(a) : NULL;
}

static uint32_t number_of(const struct nlattr *a)
{
	return a && netlink_value_bytes(a) >= 4 ? netlink_value_be32(a) : 0;
}

static uint64_t long_number_of(const struct nlattr *a)
{
	uint64_t v = 0;

	if (!a || netlink_value_bytes(a) < sizeof(v))
		return 0;
	memcpy(&v, netlink_value(a), sizeof(v));
	return __builtin_bswap64(v);
}

/* The attributes inside `a`, one after another; NULL after the last. */
static const struct nlattr *next_inside(const struct nlattr *a, const struct nlattr *before)
{
	const char *end = (const char *)a + a->nla_len;
	const char *at = before ? (const char *)before + NLA_ALIGN(before->nla_len)
				: (const char *)netlink_value(a);
	const struct nlattr *next = (const struct nlattr *)at;

	if (end - at < (int)sizeof(*next) || next->nla_len < sizeof(*next) ||
	    next->nla_len > end - at)
		return NULL;
	return next;
}

static int on_table(const struct nlmsghdr *h, void *context)
{
	struct reader *r = context;
	const struct nlattr *a[NFTA_TABLE_MAX + 1];
	struct table *t;
	int rc;

	h = keep(r->out, h);
	rc = attributes(h, a, NFTA_TABLE_MAX);
	if (rc < 0 || !string_of(a[NFTA_TABLE_NAME]))
		return -EBADMSG;
	r->tables = add(r->tables, &r->table_count, &r->table_room, sizeof(*t));
	t = &r->tables[r->table_count - 1];
	t->family = family_of(h);
	t->name = string_of(a[NFTA_TABLE_NAME]);
	t->flags = number_of(a[NFTA_TABLE_FLAGS]);
	return 0;
}

static uint32_t table_flags(const struct reader *r, uint8_t family, const char *table)
{
	for (size_t i = 0; i < r->table_count; i++) {
		if (r->tables[i].family == family && str_eq(r->tables[i].name, table))
			return r->tables[i].flags;
	}
	return 0;
}

static void add_device(struct nft_dump_chain *c, const struct nlattr *name)
{
	if (!string_of(name))
		return;
	if (c->device_count < sizeof(c->devices) / sizeof(c->devices[0]))
		c->devices[c->device_count] = string_of(name);
	c->device_count++;
}

static int on_chain(const struct nlmsghdr *h, void *context)
{
	struct reader *r = context;
	const struct nlattr *a[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct nft_dump_chain *c;
	uint32_t flags;
	int rc;

	h = keep(r->out, h);
	rc = attributes(h, a, NFTA_CHAIN_MAX);
	if (rc < 0 || !string_of(a[NFTA_CHAIN_TABLE]) || !string_of(a[NFTA_CHAIN_NAME]))
		return -EBADMSG;
	r->out->chains = add(r->out->chains, &r->out->chain_count, &r->chain_room, sizeof(*c));
	c = &r->out->chains[r->out->chain_count - 1];
	c->family = family_of(h);
	c->table = string_of(a[NFTA_CHAIN_TABLE]);
	c->name = string_of(a[NFTA_CHAIN_NAME]);
	flags = table_flags(r, c->family, c->table);
	c->dormant = flags & NFT_TABLE_F_DORMANT;
	c->owned = flags & NFT_TABLE_F_OWNER;
	c->policy = a[NFTA_CHAIN_POLICY] ? number_of(a[NFTA_CHAIN_POLICY]) : 1;
	if (!a[NFTA_CHAIN_HOOK] || netlink_nested(a[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX) < 0)
		return 0;
	c->type = a[NFTA_CHAIN_TYPE] ? string_of(a[NFTA_CHAIN_TYPE]) : "filter";
	c->hook = number_of(hook[NFTA_HOOK_HOOKNUM]);
	c->priority = (int32_t)number_of(hook[NFTA_HOOK_PRIORITY]);
	if (!hook[NFTA_HOOK_DEVS])
		add_device(c, hook[NFTA_HOOK_DEV]);
	for (const struct nlattr *e = NULL;
	     hook[NFTA_HOOK_DEVS] && (e = next_inside(hook[NFTA_HOOK_DEVS], e));)
		add_device(c, e);
	return 0;
}

static void read_expressions(struct nft_dump_rule *rule, const struct nlattr *list)
{
	size_t room = 0;

	for (const struct nlattr *e = NULL; (e = next_inside(list, e));) {
		const struct nlattr *a[NFTA_EXPR_MAX + 1];
		struct nft_dump_expression *x;

		if (netlink_nested(e, a, NFTA_EXPR_MAX) < 0 || !string_of(a[NFTA_EXPR_NAME]))
			continue;
		rule->expressions =
			add(rule->expressions, &rule->expression_count, &room, sizeof(*x));
		x = &rule->expressions[rule->expression_count - 1];
		strncpy(x->name, string_of(a[NFTA_EXPR_NAME]), sizeof(x->name) - 1);
		x->data = a[NFTA_EXPR_DATA];
	}
}

/* nft keeps comments in records of one byte of type (0: comment), one of length, and the text. */
static const char *comment_of(const struct nlattr *a)
{
	const uint8_t *p = a ? netlink_value(a) : NULL;
	size_t n = a ? netlink_value_bytes(a) : 0;

	while (n >= 2 && p[1] <= n - 2) {
		size_t used = 2u + p[1];

		if (p[0] == 0 && p[1] && p[used - 1] == '\0')
			return (const char *)p + 2;
		p += used;
		n -= used;
	}
	return NULL;
}

static int on_rule(const struct nlmsghdr *h, void *context)
{
	struct reader *r = context;
	const struct nlattr *a[NFTA_RULE_MAX + 1];
	struct nft_dump_rule *rule;
	int rc;

	h = keep(r->out, h);
	rc = attributes(h, a, NFTA_RULE_MAX);
	if (rc < 0 || !string_of(a[NFTA_RULE_TABLE]) || !string_of(a[NFTA_RULE_CHAIN]))
		return -EBADMSG;
	r->out->rules = add(r->out->rules, &r->out->rule_count, &r->rule_room, sizeof(*rule));
	rule = &r->out->rules[r->out->rule_count - 1];
	rule->family = family_of(h);
	rule->table = string_of(a[NFTA_RULE_TABLE]);
	rule->chain = string_of(a[NFTA_RULE_CHAIN]);
	rule->handle = long_number_of(a[NFTA_RULE_HANDLE]);
	rule->comment = comment_of(a[NFTA_RULE_USERDATA]);
	if (a[NFTA_RULE_EXPRESSIONS])
		read_expressions(rule, a[NFTA_RULE_EXPRESSIONS]);
	return 0;
}

/* NFTA_SET_DESC { NFTA_SET_DESC_CONCAT { { NFTA_SET_FIELD_LEN } ... } } */
static void read_fields(struct nft_dump_set *s, const struct nlattr *description)
{
	const struct nlattr *d[NFTA_SET_DESC_MAX + 1], *f[NFTA_SET_FIELD_MAX + 1];

	if (netlink_nested(description, d, NFTA_SET_DESC_MAX) < 0 || !d[NFTA_SET_DESC_CONCAT])
		return;
	for (const struct nlattr *e = NULL; (e = next_inside(d[NFTA_SET_DESC_CONCAT], e));) {
		if (netlink_nested(e, f, NFTA_SET_FIELD_MAX) == 0 &&
		    s->field_count < sizeof(s->fields))
			s->fields[s->field_count++] = (uint8_t)number_of(f[NFTA_SET_FIELD_LEN]);
	}
}

static int on_set(const struct nlmsghdr *h, void *context)
{
	struct reader *r = context;
	const struct nlattr *a[NFTA_SET_MAX + 1];
	struct nft_dump_set *s;
	int rc;

	h = keep(r->out, h);
	rc = attributes(h, a, NFTA_SET_MAX);
	if (rc < 0 || !string_of(a[NFTA_SET_TABLE]) || !string_of(a[NFTA_SET_NAME]))
		return -EBADMSG;
	r->out->sets = add(r->out->sets, &r->out->set_count, &r->set_room, sizeof(*s));
	s = &r->out->sets[r->out->set_count - 1];
	s->family = family_of(h);
	s->table = string_of(a[NFTA_SET_TABLE]);
	s->name = string_of(a[NFTA_SET_NAME]);
	s->id_flags = number_of(a[NFTA_SET_FLAGS]);
	s->key_bytes = number_of(a[NFTA_SET_KEY_LEN]);
	s->data_bytes = number_of(a[NFTA_SET_DATA_LEN]);
	if (a[NFTA_SET_DESC])
		read_fields(s, a[NFTA_SET_DESC]);
	return 0;
}

static const struct nlattr *value_of(const struct nlattr *a)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1];

	return a && netlink_nested(a, d, NFTA_DATA_MAX) == 0 ? d[NFTA_DATA_VALUE] : NULL;
}

static void read_verdict(struct nft_dump_element *out, const struct nlattr *data)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];

	if (netlink_nested(data, d, NFTA_DATA_MAX) < 0 || !d[NFTA_DATA_VERDICT] ||
	    netlink_nested(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX) < 0)
		return;
	out->verdict = (int32_t)number_of(v[NFTA_VERDICT_CODE]);
	out->chain = string_of(v[NFTA_VERDICT_CHAIN]);
}

static void read_element(struct nft_dump_element *out, const struct nlattr *element)
{
	const struct nlattr *a[NFTA_SET_ELEM_MAX + 1], *v;

	if (netlink_nested(element, a, NFTA_SET_ELEM_MAX) < 0)
		return;
	out->flags = number_of(a[NFTA_SET_ELEM_FLAGS]);
	v = value_of(a[NFTA_SET_ELEM_KEY]);
	if (v) {
		out->key = netlink_value(v);
		out->key_bytes = netlink_value_bytes(v);
	}
	v = value_of(a[NFTA_SET_ELEM_KEY_END]);
	if (v && netlink_value_bytes(v) == out->key_bytes)
		out->key_end = netlink_value(v);
	v = value_of(a[NFTA_SET_ELEM_DATA]);
	if (v) {
		out->data = netlink_value(v);
		out->data_bytes = netlink_value_bytes(v);
	} else if (a[NFTA_SET_ELEM_DATA]) {
		read_verdict(out, a[NFTA_SET_ELEM_DATA]);
	}
}

static int on_elements(const struct nlmsghdr *h, void *context)
{
	struct reader *r = context;
	struct nft_dump_set *s = r->set;
	const struct nlattr *a[NFTA_SET_ELEM_LIST_MAX + 1];
	int rc;

	h = keep(r->out, h);
	rc = attributes(h, a, NFTA_SET_ELEM_LIST_MAX);
	if (rc < 0)
		return rc;
	if (!a[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	for (const struct nlattr *e = NULL; (e = next_inside(a[NFTA_SET_ELEM_LIST_ELEMENTS], e));) {
		s->elements =
			add(s->elements, &s->element_count, &r->element_room, sizeof(*s->elements));
		read_element(&s->elements[s->element_count - 1], e);
	}
	return 0;
}

static void reset_tables(void *context)
{
	((struct reader *)context)->table_count = 0;
}

static void reset_chains(void *context)
{
	((struct reader *)context)->out->chain_count = 0;
}

static void reset_rules(void *context)
{
	struct nft_ruleset *out = ((struct reader *)context)->out;

	while (out->rule_count)
		free(out->rules[--out->rule_count].expressions);
}

static void reset_sets(void *context)
{
	((struct reader *)context)->out->set_count = 0;
}

static void reset_elements(void *context)
{
	((struct reader *)context)->set->element_count = 0;
}

/* One dump; table and set name the set whose elements are wanted. */
static int dump(int fd, uint8_t type, const struct nft_dump_set *set, netlink_message_fn *fn,
		void (*reset)(void *), struct reader *r)
{
	unsigned char bytes[1024] __attribute__((aligned(4))) = {0};
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};
	struct nfgenmsg header = {.nfgen_family = set ? set->family : NFPROTO_UNSPEC,
				  .version = NFNETLINK_V0};

	netlink_begin(&b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0, &header, sizeof(header));
	if (set) {
		netlink_put_string(&b, NFTA_SET_ELEM_LIST_TABLE, set->table);
		netlink_put_string(&b, NFTA_SET_ELEM_LIST_SET, set->name);
	}
	return b.overflow ? -EMSGSIZE : netlink_dump(fd, bytes, b.used, fn, reset, r);
}

/* Rules come in the order of their chains; each chain gets its own. */
static void assign_rules(struct nft_ruleset *out)
{
	for (size_t i = 0; i < out->chain_count; i++) {
		struct nft_dump_chain *c = &out->chains[i];
		size_t room = 0;

		for (size_t k = 0; k < out->rule_count; k++) {
			const struct nft_dump_rule *rule = &out->rules[k];

			if (rule->family != c->family || !str_eq(rule->chain, c->name) ||
			    !str_eq(rule->table, c->table))
				continue;
			c->rules = add(c->rules, &c->rule_count, &room, sizeof(*c->rules));
			c->rules[c->rule_count - 1] = rule;
		}
	}
}

static int read_once(int fd, bool with_elements, struct reader *r)
{
	int rc = dump(fd, NFT_MSG_GETTABLE, NULL, on_table, reset_tables, r);

	if (rc == 0)
		rc = dump(fd, NFT_MSG_GETCHAIN, NULL, on_chain, reset_chains, r);
	if (rc == 0)
		rc = dump(fd, NFT_MSG_GETRULE, NULL, on_rule, reset_rules, r);
	if (rc == 0)
		rc = dump(fd, NFT_MSG_GETSET, NULL, on_set, reset_sets, r);
	for (size_t i = 0; rc == 0 && with_elements && i < r->out->set_count; i++) {
		r->set = &r->out->sets[i];
		r->element_room = 0;
		rc = dump(fd, NFT_MSG_GETSETELEM, r->set, on_elements, reset_elements, r);
	}
	if (rc == 0)
		assign_rules(r->out);
	return rc;
}

/* No dump: one request, one message. */
static int generation(int fd, uint32_t *out)
{
	unsigned char bytes[256] __attribute__((aligned(4))) = {0};
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};
	struct nfgenmsg header = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
	const struct nlattr *a[NFTA_GEN_MAX + 1];
	const struct nlmsghdr *h = (const struct nlmsghdr *)bytes;
	ssize_t n;
	int rc;

	netlink_begin(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &header, sizeof(header));
	if (send(fd, bytes, b.used, 0) < 0)
		return -errno;
	n = recv(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(*h) || h->nlmsg_len > (size_t)n || h->nlmsg_type < NLMSG_MIN_TYPE)
		return -EBADMSG;
	rc = attributes(h, a, NFTA_GEN_MAX);
	*out = rc == 0 ? number_of(a[NFTA_GEN_ID]) : 0;
	return rc;
}

int nft_ruleset_read(int fd, bool with_elements, struct nft_ruleset *out, struct err *err)
{
	uint32_t before = 0, after = 1;
	int rc = 0;

	*out = (struct nft_ruleset){0};
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		struct reader r = {.out = out};

		rc = generation(fd, &before);
		if (rc == 0)
			rc = read_once(fd, with_elements, &r);
		free(r.tables);
		if (rc == 0)
			rc = generation(fd, &after);
		out->generation = after;
		if (rc == 0 && before == after)
			return 0;
		nft_ruleset_free(out);
		/* A set that went meanwhile is no failure of ours. */
		if (rc < 0 && rc != -ENOENT && rc != -EINTR)
			break;
	}
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read the packet filter's rules: %s",
				err_errno_text(-rc))
		      : err_set(err, ERR_SYSTEM, EBUSY,
				"read the packet filter's rules: they change all the time");
}

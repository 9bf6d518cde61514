/* SPDX-License-Identifier: Apache-2.0 */
#include "network/names/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define BUCKETS_FIRST 64
/* More containers than a bridge has ports share no network, let alone a name. */
#define ANSWERS_MAX 1024

/* What a name says. */
struct entry {
	struct entry *next; /* of the bucket */
	struct entry *sibling;
	struct zone_member *member;
	size_t endpoint;
	uint32_t hash;
	bool is_address; /* the name is an address's: in-addr.arpa, ip6.arpa */
	char name[];
};

struct member_endpoint {
	char network_id[ID_LEN + 1];
	struct ip_prefix ipv4, ipv6;
	char *canonical;   /* what its addresses are called */
	struct strv links; /* "name:what this container calls it", in lower case */
	bool internal, has_names;
};

struct zone_member {
	struct member_endpoint *endpoints;
	size_t endpoint_count;
	struct entry *entries; /* by sibling */
	struct strv dns;
};

struct zone {
	struct entry **buckets;
	size_t bucket_count, entry_count;
	unsigned turn; /* which of several comes first */
};

static uint32_t hash_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

struct zone *zone_new(void)
{
	struct zone *z = calloc(1, sizeof(*z));
	struct entry **buckets = calloc(BUCKETS_FIRST, sizeof(struct entry *));

	if (!z || !buckets) {
		free(z);
		free(buckets);
		return NULL;
	}
	z->buckets = buckets;
	z->bucket_count = BUCKETS_FIRST;
	return z;
}

void zone_free(struct zone *z)
{
	if (z)
		free(z->buckets);
	free(z);
}

static struct entry **bucket_of(const struct zone *z, uint32_t hash)
{
	return &z->buckets[hash & (z->bucket_count - 1)];
}

/* Without memory it stays as it is, only slower. */
static void grow(struct zone *z)
{
	size_t count = z->bucket_count;
	struct entry **old = z->buckets, **larger = calloc(2 * count, sizeof(struct entry *));

	if (!larger)
		return;
	z->buckets = larger;
	z->bucket_count = 2 * count;
	for (size_t i = 0; i < count; i++) {
		struct entry *e = old[i];

		while (e) {
			struct entry *next = e->next, **bucket = bucket_of(z, e->hash);

			e->next = *bucket;
			*bucket = e;
			e = next;
		}
	}
	free(old);
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int insert(struct zone *z, struct zone_member *m, size_t endpoint, const char *name,
		  bool is_address)
{
	char lowered[DNS_TEXT_MAX];
	struct entry *e, **bucket;
	uint32_t hash;
	size_t n = 0;

	/* What no message can ask for is no name here. */
	if (!dns_name_is_valid(name))
		return 0;
	do
		lowered[n] = lower(name[n]);
	while (name[n++]);
	hash = hash_of(lowered);
	/* An alias may say the container's own name again. */
	for (e = m->entries; e; e = e->sibling) {
		if (e->endpoint == endpoint && e->hash == hash && str_eq(e->name, lowered))
			return 0;
	}
	if (z->entry_count >= z->bucket_count)
		grow(z);
	e = malloc(sizeof(*e) + n);
	if (!e)
		return -ENOMEM;
	bucket = bucket_of(z, hash);
	*e = (struct entry){.next = *bucket,
			    .sibling = m->entries,
			    .member = m,
			    .endpoint = endpoint,
			    .hash = hash,
			    .is_address = is_address};
	memcpy(e->name, lowered, n);
	*bucket = m->entries = e;
	z->entry_count++;
	return 0;
}

/* The name alone, and with that of its network behind it. */
static int insert_both(struct zone *z, struct zone_member *m, size_t endpoint, const char *name,
		       const char *network)
{
	char both[2 * DNS_TEXT_MAX];
	int rc = insert(z, m, endpoint, name, false);

	if (rc == 0 && network && str_format(both, sizeof(both), "%s.%s", name, network) == 0)
		rc = insert(z, m, endpoint, both, false);
	return rc;
}

static int insert_address(struct zone *z, struct zone_member *m, size_t endpoint,
			  const struct ip_address *a)
{
	char name[DNS_TEXT_MAX];

	if (!a->family)
		return 0;
	dns_reverse_name(a, name);
	return insert(z, m, endpoint, name, true);
}

static int insert_names(struct zone *z, struct zone_member *m, const struct sandbox *s, size_t i)
{
	const struct endpoint *from = &s->endpoints[i];
	char short_id[ID_SHORT_LEN + 1];
	int rc = 0;

	snprintf(short_id, sizeof(short_id), "%s", s->container_id);
	if (s->container_name)
		rc = insert_both(z, m, i, s->container_name, from->network_name);
	if (rc == 0)
		rc = insert_both(z, m, i, short_id, from->network_name);
	for (size_t k = 0; rc == 0 && k < from->aliases.count; k++)
		rc = insert_both(z, m, i, from->aliases.items[k], from->network_name);
	if (rc == 0)
		rc = insert_address(z, m, i, &from->ipv4.address);
	return rc < 0 ? rc : insert_address(z, m, i, &from->ipv6.address);
}

static void add_link(struct strv *links, const char *link)
{
	char *copy = xstrdup(link);

	for (char *p = copy; *p; p++)
		*p = lower(*p);
	strv_add_taken(links, copy);
}

static int fill_endpoint(struct member_endpoint *to, const struct sandbox *s,
			 const struct endpoint *from)
{
	memcpy(to->network_id, from->network_id, sizeof(to->network_id));
	to->ipv4 = from->ipv4;
	to->ipv6 = from->ipv6;
	to->internal = from->internal;
	to->has_names = from->has_names;
	for (size_t i = 0; i < from->request.links.count; i++)
		add_link(&to->links, from->request.links.items[i]);
	if (asprintf(&to->canonical, "%s.%s", s->container_name ? s->container_name : "",
		     from->network_name ? from->network_name : "") < 0) {
		to->canonical = NULL;
		return -ENOMEM;
	}
	return 0;
}

struct zone_member *zone_add(struct zone *z, const struct sandbox *s)
{
	struct zone_member *m = calloc(1, sizeof(*m));
	int rc = 0;

	if (!m)
		return NULL;
	m->endpoints = calloc(s->endpoint_count + 1, sizeof(*m->endpoints));
	if (!m->endpoints)
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < s->endpoint_count; i++) {
		m->endpoint_count = i + 1;
		rc = fill_endpoint(&m->endpoints[i], s, &s->endpoints[i]);
		if (rc == 0 && s->endpoints[i].has_names)
			rc = insert_names(z, m, s, i);
	}
	for (size_t i = 0; i < s->dns.count; i++)
		strv_add(&m->dns, s->dns.items[i]);
	if (rc == 0)
		return m;
	zone_remove(z, m);
	return NULL;
}

void zone_remove(struct zone *z, struct zone_member *m)
{
	struct entry *e, *sibling;

	if (!m)
		return;
	for (e = m->entries; e; e = sibling) {
		struct entry **at = bucket_of(z, e->hash);

		sibling = e->sibling;
		while (*at != e)
			at = &(*at)->next;
		*at = e->next;
		z->entry_count--;
		free(e);
	}
	for (size_t i = 0; i < m->endpoint_count; i++) {
		free(m->endpoints[i].canonical);
		strv_free(&m->endpoints[i].links);
	}
	free(m->endpoints);
	strv_free(&m->dns);
	free(m);
}

/* ---- looking up ---- */

/* Those with the name in one network. */
static size_t find_in(const struct zone *z, const char *name, const char *network_id,
		      const struct entry **found, size_t max)
{
	uint32_t hash = hash_of(name);
	size_t n = 0;

	for (const struct entry *e = *bucket_of(z, hash); e && n < max; e = e->next) {
		if (e->hash == hash && str_eq(e->name, name) &&
		    memcmp(e->member->endpoints[e->endpoint].network_id, network_id, ID_LEN) == 0)
			found[n++] = e;
	}
	return n;
}

/* The name of whom it means: --link gives others names that it alone uses. */
static const char *meant_by(const struct member_endpoint *from, const char *name,
			    char target[static DNS_TEXT_MAX])
{
	for (size_t i = 0; i < from->links.count; i++) {
		const char *link = from->links.items[i], *colon = strchr(link, ':');

		if (colon && str_eq(colon + 1, name) &&
		    str_format(target, DNS_TEXT_MAX, "%.*s", (int)(colon - link), link) == 0)
			return target;
	}
	return name;
}

/* Those of the first network of the container where anybody has the name. */
static size_t find(const struct zone *z, const struct zone_member *from, const char *name,
		   const struct entry **found, size_t max)
{
	char target[DNS_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; !n && i < from->endpoint_count; i++) {
		const struct member_endpoint *e = &from->endpoints[i];

		if (e->has_names)
			n = find_in(z, meant_by(e, name, target), e->network_id, found, max);
	}
	return n;
}

/* Whether somebody has it in whatever network. */
static bool is_taken(const struct zone *z, const char *name)
{
	uint32_t hash = hash_of(name);

	for (const struct entry *e = *bucket_of(z, hash); e; e = e->next) {
		if (e->hash == hash && str_eq(e->name, name))
			return true;
	}
	return false;
}

static bool is_own_address(const struct zone_member *from, const char *name)
{
	struct ip_address a;

	if (dns_reverse_parse(name, &a) < 0)
		return false;
	for (size_t i = 0; i < from->endpoint_count; i++) {
		const struct member_endpoint *e = &from->endpoints[i];

		if ((e->ipv4.address.family && ip_prefix_contains(&e->ipv4, &a)) ||
		    (e->ipv6.address.family && ip_prefix_contains(&e->ipv6, &a)))
			return true;
	}
	return false;
}

/* A name of a link's stays ours when whom it means is gone. */
static bool is_link(const struct zone_member *from, const char *name)
{
	char target[DNS_TEXT_MAX];

	for (size_t i = 0; i < from->endpoint_count; i++) {
		if (meant_by(&from->endpoints[i], name, target) != name)
			return true;
	}
	return false;
}

static void add_entry(struct dns_answer *a, const struct entry *e, uint16_t type)
{
	const struct member_endpoint *at = &e->member->endpoints[e->endpoint];
	bool any = type == DNS_ANY;

	if (e->is_address) {
		if (any || type == DNS_PTR)
			dns_answer_pointer(a, at->canonical);
		return;
	}
	if (at->ipv4.address.family && (any || type == DNS_A))
		dns_answer_address(a, &at->ipv4.address);
	if (at->ipv6.address.family && (any || type == DNS_AAAA))
		dns_answer_address(a, &at->ipv6.address);
}

enum zone_result zone_answer(struct zone *z, const struct zone_member *from, const uint8_t *message,
			     const struct dns_query *q, uint8_t *out, size_t size, size_t limit,
			     size_t *n)
{
	const struct entry *found[ANSWERS_MAX];
	struct dns_answer a;
	size_t count, first;

	if (!q->plain || q->class != DNS_CLASS_IN)
		return ZONE_OUTSIDE;
	count = find(z, from, q->name, found, ANSWERS_MAX);
	if (!count && !is_own_address(from, q->name) && !is_link(from, q->name) &&
	    (strchr(q->name, '.') || !is_taken(z, q->name)))
		return ZONE_OUTSIDE;
	dns_answer_begin(&a, out, size, limit, message, q);
	first = count ? z->turn++ % count : 0;
	for (size_t i = 0; i < count; i++)
		add_entry(&a, found[(first + i) % count], q->type);
	*n = dns_answer_end(&a, count ? DNS_NO_ERROR : DNS_NO_NAME);
	return count ? ZONE_ANSWERED : ZONE_UNKNOWN;
}

bool zone_member_may_leave(const struct zone_member *m)
{
	for (size_t i = 0; i < m->endpoint_count; i++) {
		if (!m->endpoints[i].internal)
			return true;
	}
	return false;
}

const struct strv *zone_member_servers(const struct zone_member *m)
{
	return &m->dns;
}

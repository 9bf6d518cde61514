/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports as elements of our table's maps. Built by the engine, sent by the monitor. Fields of
 * a concatenation are padded to four bytes each, as in the kernel's registers.
 */
#include <endian.h>
#include <sys/socket.h>
#include <string.h>

#include "network/table.h"
#include "network/table_internal.h"

#define FIELD 4
#define MESSAGE_BYTES 128 /* header, names, and the list's own header */
#define ELEMENT_BYTES 80  /* of IPv6 by address: keys and values with their attributes */

struct port_element {
	unsigned char key[16 + 2 * FIELD], data[16 + FIELD];
};

static size_t put_field(unsigned char *at, const void *value, size_t n)
{
	memset(at, 0, (n + FIELD - 1) / FIELD * FIELD);
	memcpy(at, value, n);
	return (n + FIELD - 1) / FIELD * FIELD;
}

/* Where a port leads; NULL when nothing is translated: the endpoint does not speak that family, or it
 * is [::1], both of which the monitor forwards. */
static const struct ip_address *target(const struct sandbox *s, const struct port_binding *p)
{
	const struct endpoint *e;
	const struct ip_address *a;

	if (p->network >= s->endpoint_count)
		return NULL;
	e = &s->endpoints[p->network];
	a = p->host_address.family == AF_INET6 ? &e->ipv6.address : &e->ipv4.address;
	if (a->family != p->host_address.family || a->family == 0)
		return NULL;
	if (a->family == AF_INET6 && ip_is_loopback(&p->host_address))
		return NULL;
	return a;
}

static enum table_set map_of(const struct port_binding *p)
{
	bool any = ip_is_unspecified(&p->host_address);

	if (p->host_address.family == AF_INET6)
		return any ? TABLE_PORTS6 : TABLE_ADDRESSES6;
	return any ? TABLE_PORTS4 : TABLE_ADDRESSES4;
}

static void fill(struct port_element *e, const struct port_binding *p, const struct ip_address *to)
{
	uint16_t host_port = htobe16(p->host_port), port = htobe16(p->container_port);
	size_t at = 0;

	if (!ip_is_unspecified(&p->host_address))
		at += put_field(e->key, p->host_address.bytes, ip_bytes(&p->host_address));
	at += put_field(e->key + at, &p->protocol, sizeof p->protocol);
	put_field(e->key + at, &host_port, sizeof host_port);
	at = put_field(e->data, to->bytes, ip_bytes(to));
	put_field(e->data + at, &port, sizeof port);
}

/* The elements of one map, a message for every NFT_ELEMENTS_MAX. Returns how many there are. */
static size_t put_map(const char *table, const struct sandbox *s, enum table_set map, bool remove,
		      struct netlink_buffer *b)
{
	struct nft_set set = table_set(table, map);
	struct port_element filled[NFT_ELEMENTS_MAX];
	struct nft_element elements[NFT_ELEMENTS_MAX];
	size_t n = 0, all = 0;

	for (size_t i = 0; i < s->port_count; i++) {
		const struct port_binding *p = &s->ports[i];
		const struct ip_address *to = target(s, p);

		if (!to || map_of(p) != map)
			continue;
		fill(&filled[n], p, to);
		elements[n] = (struct nft_element){.key = filled[n].key, .data = filled[n].data};
		all++;
		if (++n == NFT_ELEMENTS_MAX) {
			nft_put_elements(b, &set, elements, n, remove);
			n = 0;
		}
	}
	nft_put_elements(b, &set, elements, n, remove);
	return all;
}

size_t table_ports_bytes(size_t ports)
{
	/* Begin and end of the batch, up to four maps, and what a full message needs besides. */
	return MESSAGE_BYTES * (6 + ports / NFT_ELEMENTS_MAX) + ELEMENT_BYTES * ports;
}

void table_put_ports(const struct network_store *s, const struct sandbox *sandbox, bool remove,
		     struct netlink_buffer *b)
{
	size_t begin = b->used, count = 0;

	nft_batch_begin(b);
	for (enum table_set map = TABLE_PORTS4; map <= TABLE_ADDRESSES6; map++)
		count += put_map(s->table, sandbox, map, remove, b);
	if (count)
		nft_batch_end(b);
	else if (!b->overflow)
		b->used = begin;
}

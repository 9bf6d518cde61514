/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our table in the kernel: whether it stands, and the elements of networks in it. Each change is one
 * batch, so that there is never half a table or half a network.
 */
#include "network/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/table_internal.h"

#define NETWORK_ELEMENT_BYTES 256

/* ---- sets ---- */

#define IFNAME NFT_TYPE_IFNAME
#define SERVICE4 NFT_TYPE_CONCAT(NFT_TYPE_IPV4_ADDR, NFT_TYPE_INET_SERVICE)
#define SERVICE6 NFT_TYPE_CONCAT(NFT_TYPE_IPV6_ADDR, NFT_TYPE_INET_SERVICE)
#define PORT NFT_TYPE_CONCAT(NFT_TYPE_INET_PROTO, NFT_TYPE_INET_SERVICE)
#define PORT_OF(address) \
	NFT_TYPE_CONCAT(NFT_TYPE_CONCAT(address, NFT_TYPE_INET_PROTO), NFT_TYPE_INET_SERVICE)

/* Neither size nor time-outs for the maps of ports: the kernel then takes a hash table that grows. */
static const struct nft_set shapes[TABLE_SET_COUNT] = {
	[TABLE_BRIDGES] = {.name = "bridges", .key_type = IFNAME, .key_bytes = IFNAMSIZ},
	[TABLE_INTERNAL] = {.name = "internal", .key_type = IFNAME, .key_bytes = IFNAMSIZ},
	[TABLE_PAIRS] = {.name = "pairs",
			 .key_type = NFT_TYPE_CONCAT(IFNAME, IFNAME),
			 .key_bytes = 2 * IFNAMSIZ},
	[TABLE_SUBNETS4] = {.name = "subnets4",
			    .flags = NFT_SET_INTERVAL | NFT_SET_CONCAT,
			    .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IPV4_ADDR, IFNAME),
			    .key_bytes = 4 + IFNAMSIZ,
			    .fields = {4, IFNAMSIZ},
			    .field_count = 2},
	[TABLE_SUBNETS6] = {.name = "subnets6",
			    .flags = NFT_SET_INTERVAL | NFT_SET_CONCAT,
			    .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IPV6_ADDR, IFNAME),
			    .key_bytes = 16 + IFNAMSIZ,
			    .fields = {16, IFNAMSIZ},
			    .field_count = 2},
	[TABLE_MASQUERADE4] = {.name = "masquerade4",
			       .flags = NFT_SET_INTERVAL,
			       .key_type = NFT_TYPE_IPV4_ADDR,
			       .key_bytes = 4},
	[TABLE_MASQUERADE6] = {.name = "masquerade6",
			       .flags = NFT_SET_INTERVAL,
			       .key_type = NFT_TYPE_IPV6_ADDR,
			       .key_bytes = 16},
	[TABLE_PORTS4] = {.name = "ports4",
			  .flags = NFT_SET_MAP,
			  .key_type = PORT,
			  .key_bytes = 8,
			  .data_type = SERVICE4,
			  .data_bytes = 8},
	[TABLE_PORTS6] = {.name = "ports6",
			  .flags = NFT_SET_MAP,
			  .key_type = PORT,
			  .key_bytes = 8,
			  .data_type = SERVICE6,
			  .data_bytes = 20},
	[TABLE_ADDRESSES4] = {.name = "address_ports4",
			      .flags = NFT_SET_MAP,
			      .key_type = PORT_OF(NFT_TYPE_IPV4_ADDR),
			      .key_bytes = 12,
			      .data_type = SERVICE4,
			      .data_bytes = 8},
	[TABLE_ADDRESSES6] = {.name = "address_ports6",
			      .flags = NFT_SET_MAP,
			      .key_type = PORT_OF(NFT_TYPE_IPV6_ADDR),
			      .key_bytes = 24,
			      .data_type = SERVICE6,
			      .data_bytes = 20},
};

const char *table_set_name(enum table_set set)
{
	return shapes[set].name;
}

struct nft_set table_set(const char *table, enum table_set set)
{
	struct nft_set s = shapes[set];

	s.family = NFPROTO_INET;
	s.table = table;
	return s;
}

/* ---- elements of a network ---- */

/* An element of a set with room for what it points to. */
struct network_element {
	enum table_set set;
	unsigned char key[2 * IFNAMSIZ], end[2 * IFNAMSIZ];
	bool has_end, interval_end;
};

struct network_elements {
	struct network_element *items;
	size_t count;
};

static struct network_element *add(struct network_elements *l, enum table_set set)
{
	struct network_element *e;

	l->items = xrealloc(l->items, (l->count + 1) * sizeof *l->items);
	e = &l->items[l->count++];
	*e = (struct network_element){.set = set};
	return e;
}

static void add_bridge(struct network_elements *l, enum table_set set, const char *bridge)
{
	struct network_element *e = add(l, set);

	memcpy(e->key, bridge, strlen(bridge));
	if (set == TABLE_PAIRS)
		memcpy(e->key + IFNAMSIZ, bridge, strlen(bridge));
}

static void add_subnet(struct network_elements *l, const struct ip_prefix *subnet,
		       const char *bridge)
{
	struct ip_address first = ip_prefix_first(subnet), last = ip_prefix_last(subnet);
	size_t n = ip_bytes(&first);
	struct network_element *e =
		add(l, first.family == AF_INET6 ? TABLE_SUBNETS6 : TABLE_SUBNETS4);

	memcpy(e->key, first.bytes, n);
	memcpy(e->key + n, bridge, strlen(bridge));
	memcpy(e->end, last.bytes, n);
	memcpy(e->end + n, bridge, strlen(bridge));
	e->has_end = true;
}

static void add_masquerade(struct network_elements *l, const struct ip_prefix *subnet)
{
	struct ip_address first = ip_prefix_first(subnet), last = ip_prefix_last(subnet);
	struct ip_address after = ip_add(&last, 1);
	enum table_set set = first.family == AF_INET6 ? TABLE_MASQUERADE6 : TABLE_MASQUERADE4;
	struct network_element *e = add(l, set);

	memcpy(e->key, first.bytes, ip_bytes(&first));
	if (ip_is_unspecified(&after))
		return; /* to the end of all addresses */
	e = add(l, set);
	memcpy(e->key, after.bytes, ip_bytes(&after));
	e->interval_end = true;
}

static void collect(struct network_elements *l, const struct network *n,
		    const struct network_behaviour *b)
{
	add_bridge(l, TABLE_BRIDGES, n->bridge);
	/* Ports that are isolated from each other would still reach each other by way of the host. */
	if (b->icc)
		add_bridge(l, TABLE_PAIRS, n->bridge);
	if (n->internal)
		add_bridge(l, TABLE_INTERNAL, n->bridge);
	for (size_t i = 0; i < n->pool_count; i++) {
		add_subnet(l, &n->pools[i].subnet, n->bridge);
		if (b->masquerade && !n->internal)
			add_masquerade(l, &n->pools[i].subnet);
	}
}

static void put(struct netlink_buffer *b, const char *table, const struct network_element *e,
		bool remove)
{
	struct nft_set set = table_set(table, e->set);
	struct nft_element element = {.key = e->key,
				      .key_end = e->has_end ? e->end : NULL,
				      .interval_end = e->interval_end};

	nft_put_elements(b, &set, &element, 1, remove);
}

/* ---- the table ---- */

struct chain_look {
	uint32_t rules;
};

static int take_chain(const struct nlmsghdr *h, void *context)
{
	struct chain_look *look = context;
	const struct nlattr *a[NFTA_CHAIN_USE + 1];
	int r = netlink_attributes(h, sizeof(struct nfgenmsg), a, NFTA_CHAIN_USE);

	if (r < 0)
		return r;
	look->rules = netlink_value_be32(a[NFTA_CHAIN_USE]);
	return 0;
}

int table_stands(const struct network_store *s)
{
	_Alignas(4) unsigned char bytes[256];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	struct nfgenmsg g = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
	struct chain_look look = {0};
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	int r;

	if (fd < 0)
		return fd;
	netlink_begin(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0, &g, sizeof g);
	netlink_put_string(&b, NFTA_CHAIN_TABLE, s->table);
	netlink_put_string(&b, NFTA_CHAIN_NAME, TABLE_CHAIN_FORWARD);
	r = netlink_get(fd, b.bytes, b.used, take_chain, &look);
	if (r < 0)
		return r;
	/* A table whose rules were flushed is there, but does nothing. */
	return look.rules == TABLE_FORWARD_RULES ? 0 : -ENOENT;
}

/* Table and elements in one batch, or only the elements. */
static int send_network(int fd, const struct network_store *s, const struct network_elements *l,
			bool whole)
{
	size_t size =
		1024 + (whole ? (size_t)TABLE_ALL_BYTES : 0) + l->count * NETWORK_ELEMENT_BYTES;
	auto_free unsigned char *bytes = xcalloc(size, 1);
	struct netlink_buffer b = {.bytes = bytes, .size = size};

	nft_batch_begin(&b);
	if (whole)
		table_put_all(&b, s->table);
	for (size_t i = 0; i < l->count; i++)
		put(&b, s->table, &l->items[i], false);
	nft_batch_end(&b);
	return netlink_transact(fd, b.bytes, b.used, NULL);
}

static int explain(struct err *err, int code, const char *what, const struct network *n)
{
	return err_set(err, ERR_SYSTEM, -code, "%s of network %s: nf_tables: %s%s", what, n->name,
		       err_errno_text(-code),
		       code == -EPROTONOSUPPORT || code == -EOPNOTSUPP || code == -ENOENT
			       ? " (needs the kernel's nf_tables with inet and nat)"
			       : "");
}

int table_add_network(const struct network_store *s, const struct network *n,
		      const struct network_behaviour *b, struct err *err)
{
	struct network_elements l = {0};
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	int r = fd < 0 ? fd : table_stands(s);

	if (r < 0 && r != -ENOENT)
		return explain(err, r, "rules", n);
	collect(&l, n, b);
	if (r == 0)
		r = send_network(fd, s, &l, false);
	/* Not there, or gone since we looked. */
	if (r == -ENOENT)
		r = send_network(fd, s, &l, true);
	free(l.items);
	return r < 0 ? explain(err, r, "rules", n) : 0;
}

/* One batch that removes some elements. */
static int send_removal(int fd, const struct network_store *s, const struct network_element *items,
			size_t count)
{
	size_t size = 1024 + count * NETWORK_ELEMENT_BYTES;
	auto_free unsigned char *bytes = xcalloc(size, 1);
	struct netlink_buffer b = {.bytes = bytes, .size = size};

	nft_batch_begin(&b);
	for (size_t i = 0; i < count; i++)
		put(&b, s->table, &items[i], true);
	nft_batch_end(&b);
	return netlink_transact(fd, b.bytes, b.used, NULL);
}

/* An interval is two elements, which go together. */
static int remove_one_by_one(int fd, const struct network_store *s,
			     const struct network_elements *l)
{
	int first = 0;

	for (size_t i = 0; i < l->count;) {
		size_t some = i + 1 < l->count && l->items[i + 1].interval_end ? 2 : 1;
		int r = send_removal(fd, s, &l->items[i], some);

		if (r < 0 && r != -ENOENT && !first)
			first = r;
		i += some;
	}
	return first;
}

int table_remove_network(const struct network_store *s, const struct network *n,
			 const struct network_behaviour *b, struct err *err)
{
	struct network_elements l = {0};
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	int r;

	if (fd < 0)
		return explain(err, fd, "remove the rules", n);
	collect(&l, n, b);
	r = send_removal(fd, s, l.items, l.count);
	if (r == -ENOENT)
		r = remove_one_by_one(fd, s, &l);
	free(l.items);
	return r < 0 ? explain(err, r, "remove the rules", n) : 0;
}

int table_remove(const struct network_store *s, struct err *err)
{
	_Alignas(4) unsigned char bytes[256];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	int r = fd;

	if (fd >= 0) {
		nft_batch_begin(&b);
		nft_put_delete_table(&b, NFPROTO_INET, s->table);
		nft_batch_end(&b);
		r = netlink_transact(fd, b.bytes, b.used, NULL);
	}
	if (r == -ENOENT || r >= 0)
		return 0;
	return err_set(err, ERR_SYSTEM, -r, "remove the nftables table %s: %s", s->table,
		       err_errno_text(-r));
}

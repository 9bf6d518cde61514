/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making networks: what was asked for is checked, in the words of Docker's API, what was left open is
 * filled in, and the record is written. The name comes before the record and the record before the
 * bridge: whatever a crash leaves is either no network, or one that network_up() completes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/str.h"
#include "network/bridge.h"
#include "network/ipam.h"
#include "network/record.h"
#include "network/subnet.h"

#define BRIDGE_NAME_OPTION "com.docker.network.bridge.name"

/* ---- what was asked for ---- */

static int check_driver(struct network *n, struct err *err)
{
	if (!n->driver || !*n->driver) {
		free(n->driver);
		n->driver = xstrdup("bridge");
	}
	if (str_eq(n->driver, "bridge"))
		return 0;
	if (str_eq(n->driver, "host") || str_eq(n->driver, "null"))
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "only one instance of \"%s\" network is allowed", n->driver);
	if (str_eq(n->driver, "overlay"))
		return err_set(
			err, ERR_CONFLICT, ENOTCONN,
			"This node is not a swarm manager. Use \"docker swarm init\" or "
			"\"docker swarm join\" to connect this node to swarm and try again.");
	if (str_eq(n->driver, "macvlan") || str_eq(n->driver, "ipvlan"))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "network driver %s is not supported: only bridge is", n->driver);
	return err_set(err, ERR_NOT_FOUND, ENOENT, "plugin \"%s\" not found", n->driver);
}

static int check_name(const struct network *n, struct err *err)
{
	if (!n->name || !network_name_is_valid(n->name))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid network name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are "
			       "allowed",
			       n->name ? n->name : "");
	if (network_is_predefined(n) || str_eq(n->name, "default"))
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "operation is not permitted on predefined %s network", n->name);
	return 0;
}

static const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

/* One line for each thing that is wrong with a pool. */
static void complain_prefix(struct strbuf *why, const char *what, const struct ip_prefix *p)
{
	struct ip_prefix proper = {.address = ip_prefix_first(p), .length = p->length};
	char given[IP_TEXT_MAX], text[IP_TEXT_MAX];

	if (ip_equal(&proper.address, &p->address))
		return;
	ip_prefix_format(p, given);
	ip_prefix_format(&proper, text);
	strbuf_printf(why, "\ninvalid %s %s: it should be %s", what, given, text);
}

static void complain_range(struct strbuf *why, const struct network_pool *p)
{
	char range[IP_TEXT_MAX], subnet[IP_TEXT_MAX];

	if (!p->range.address.family)
		return;
	ip_prefix_format(&p->range, range);
	ip_prefix_format(&p->subnet, subnet);
	if (p->range.address.family != p->subnet.address.family) {
		strbuf_printf(why, "\ninvalid ip-range %s: parent subnet is an %s block", range,
			      family_name(p->subnet.address.family));
		return;
	}
	if (p->range.length < p->subnet.length)
		strbuf_printf(why,
			      "\ninvalid ip-range %s: CIDR block is bigger than its parent subnet "
			      "%s",
			      range, subnet);
	complain_prefix(why, "ip-range", &p->range);
	if (!ip_prefix_overlaps(&p->range, &p->subnet))
		strbuf_printf(why,
			      "\ninvalid ip-range %s: parent subnet %s doesn't contain ip-range",
			      range, subnet);
}

static void complain_address(struct strbuf *why, const char *what, const struct ip_address *a,
			     const struct network_pool *p)
{
	char address[IP_TEXT_MAX], subnet[IP_TEXT_MAX];

	ip_format(a, address);
	ip_prefix_format(&p->subnet, subnet);
	if (a->family != p->subnet.address.family)
		strbuf_printf(why, "\ninvalid %s %s: parent subnet is an %s block", what, address,
			      family_name(p->subnet.address.family));
	else if (!ip_prefix_contains(&p->subnet, a))
		strbuf_printf(why, "\ninvalid %s %s: parent subnet %s doesn't contain this address",
			      what, address, subnet);
}

static void complain_aux(struct strbuf *why, const struct network_pool *p)
{
	for (size_t i = 0; i < p->aux.count; i++) {
		const char *text = strchr(p->aux.items[i], '=');
		struct ip_address a;

		if (!text || ip_parse(text + 1, &a) < 0)
			strbuf_printf(why, "\ninvalid auxiliary address %s: invalid address",
				      text ? text + 1 : p->aux.items[i]);
		else
			complain_address(why, "auxiliary address", &a, p);
	}
}

static int check_pools(const struct network *n, struct err *err)
{
	auto_strbuf struct strbuf why = {0};
	size_t families[2] = {0};

	for (size_t i = 0; i < n->pool_count; i++) {
		const struct network_pool *p = &n->pools[i];

		families[p->subnet.address.family == AF_INET6]++;
		complain_prefix(&why, "subnet", &p->subnet);
		complain_range(&why, p);
		if (p->gateway.family)
			complain_address(&why, "gateway", &p->gateway, p);
		complain_aux(&why, p);
	}
	if (why.len)
		return err_set(err, ERR_INVALID, EINVAL, "invalid network config:%s",
			       strbuf_str(&why));
	if (families[0] > 1 || families[1] > 1)
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "bridge driver doesn't support multiple subnets");
	return 0;
}

static int check_request(struct network *n, struct err *err)
{
	int rc = check_name(n, err);

	if (rc == 0)
		rc = check_driver(n, err);
	if (rc == 0)
		rc = network_options_check(n, err);
	return rc == 0 ? check_pools(n, err) : rc;
}

/* ---- what was left open ---- */

static struct network_pool *pool_of(struct network *n, uint8_t family)
{
	for (size_t i = 0; i < n->pool_count; i++)
		if (n->pools[i].subnet.address.family == family)
			return &n->pools[i];
	return NULL;
}

/* IPv4 stands first. */
static struct network_pool *add_pool(struct network *n, uint8_t family)
{
	size_t at = family == AF_INET ? 0 : n->pool_count;

	n->pools = xrealloc(n->pools, (n->pool_count + 1) * sizeof(*n->pools));
	memmove(&n->pools[at + 1], &n->pools[at], (n->pool_count - at) * sizeof(*n->pools));
	n->pool_count++;
	n->pools[at] = (struct network_pool){.subnet_given = false};
	return &n->pools[at];
}

static void put_ipv4_first(struct network *n)
{
	if (n->pool_count == 2 && n->pools[0].subnet.address.family == AF_INET6) {
		struct network_pool p = n->pools[0];

		n->pools[0] = n->pools[1];
		n->pools[1] = p;
	}
}

static int choose_missing(struct network *n, uint8_t family, const struct subnet_list *taken,
			  struct err *err)
{
	struct ip_prefix subnet;
	int rc;

	if (pool_of(n, family))
		return 0;
	rc = subnet_choose(taken, family, &subnet, err);
	if (rc < 0)
		return rc;
	add_pool(n, family)->subnet = subnet;
	return 0;
}

static bool is_aux(const struct network_pool *p, const struct ip_address *a)
{
	for (size_t i = 0; i < p->aux.count; i++) {
		const char *text = strchr(p->aux.items[i], '=');
		struct ip_address aux;

		if (text && ip_parse(text + 1, &aux) == 0 && ip_equal(&aux, a))
			return true;
	}
	return false;
}

/* The first address that is not the network's own and not set aside. */
static void choose_gateway(struct network_pool *p)
{
	uint8_t bits = p->subnet.address.family == AF_INET6 ? 128 : 32;

	p->gateway = ip_prefix_first(&p->subnet);
	if (p->subnet.length >= bits - 1)
		return;
	do
		p->gateway = ip_add(&p->gateway, 1);
	while (is_aux(p, &p->gateway));
}

static int choose_bridge(struct network *n, struct err *err)
{
	const char *name = strv_get_env(&n->options, BRIDGE_NAME_OPTION);

	if (!name || !*name) {
		snprintf(n->bridge, sizeof(n->bridge), "br-%.*s", ID_SHORT_LEN, n->id);
		return 0;
	}
	if (!network_device_is_valid(name))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid bridge name \"%s\": at most %d letters of [a-zA-Z0-9_.-], "
			       "the first of [a-zA-Z0-9]",
			       name, IFNAMSIZ - 1);
	snprintf(n->bridge, sizeof(n->bridge), "%s", name);
	return 0;
}

/* ---- against the others ---- */

static int refuse_overlap(const struct network *n, const struct network *list, size_t count,
			  struct err *err)
{
	auto_subnet_list struct subnet_list taken = {0};

	subnet_add_networks(&taken, list, count, NULL);
	for (size_t i = 0; i < n->pool_count; i++)
		if (subnet_overlaps(&taken, &n->pools[i].subnet))
			return err_set(err, ERR_FORBIDDEN, EPERM,
				       "Pool overlaps with other one on this address space");
	return 0;
}

static int refuse_address(const char *what, const char *name, const char *address, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, EADDRINUSE,
		       "failed to allocate %s (%s%s%s): Address already in use", what, name,
		       *name ? ":" : "", address);
}

/* NULL: there is none, and check_pools() has said so. */
static const char *aux_address(const struct network_pool *p, size_t i, struct ip_address *out)
{
	const char *text = strchr(p->aux.items[i], '=');

	return text && ip_parse(text + 1, out) == 0 ? text + 1 : NULL;
}

static bool aux_is_taken(const struct network_pool *p, size_t i, const struct ip_address *a)
{
	struct ip_address other;

	/* What is never given anyway may be set aside, too. */
	if (!p->range.address.family || ip_prefix_contains(&p->range, a)) {
		if (ipam_is_subnets_own(&p->subnet, a))
			return true;
	}
	for (size_t k = 0; k < i; k++)
		if (aux_address(p, k, &other) && ip_equal(&other, a))
			return true;
	return ip_equal(&p->gateway, a);
}

static int refuse_aux(const struct network_pool *p, struct err *err)
{
	for (size_t i = 0; i < p->aux.count; i++) {
		struct ip_address a;
		const char *text = aux_address(p, i, &a);
		char name[ERR_MSG_MAX];

		if (!text || !aux_is_taken(p, i, &a))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(text - 1 - p->aux.items[i]),
			 p->aux.items[i]);
		return refuse_address("secondary ip address", name, text, err);
	}
	return 0;
}

/* What nobody can have. */
static int refuse_addresses(const struct network *n, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n->pool_count; i++) {
		const struct network_pool *p = &n->pools[i];
		char text[IP_TEXT_MAX];

		ip_format(&p->gateway, text);
		if (p->gateway.family && ipam_is_subnets_own(&p->subnet, &p->gateway))
			rc = refuse_address("gateway", "", text, err);
		else
			rc = refuse_aux(p, err);
	}
	return rc;
}

static int refuse_bridge(const struct network *n, const struct network *list, size_t count,
			 struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(list[i].bridge, n->bridge))
			return err_set(err, ERR_FORBIDDEN, EPERM,
				       "cannot create network %s (%s): conflicts with network %s "
				       "(%s): networks have same bridge name",
				       n->id, n->bridge, list[i].id, list[i].bridge);
	return 0;
}

/* Under both locks. */
static int fill_in(struct network *n, const struct network *list, size_t count, struct err *err)
{
	auto_subnet_list struct subnet_list taken = {0};
	int rc = choose_bridge(n, err);

	if (rc == 0)
		rc = refuse_bridge(n, list, count, err);
	if (rc == 0)
		rc = refuse_overlap(n, list, count, err);
	if (rc == 0)
		rc = refuse_addresses(n, err);
	if (rc < 0)
		return rc;
	if (!pool_of(n, AF_INET) || (n->ipv6 && !pool_of(n, AF_INET6))) {
		subnet_add_networks(&taken, list, count, NULL);
		rc = subnet_add_host(&taken, NULL, err);
	}
	if (rc == 0)
		rc = choose_missing(n, AF_INET, &taken, err);
	if (rc == 0 && n->ipv6)
		rc = choose_missing(n, AF_INET6, &taken, err);
	put_ipv4_first(n);
	for (size_t i = 0; rc == 0 && i < n->pool_count; i++)
		if (!n->pools[i].gateway.family)
			choose_gateway(&n->pools[i]);
	return rc;
}

/* ---- making ---- */

static int record(const struct network_store *s, struct network *n, struct err *err)
{
	struct err ignored = ERR_INIT;
	uint32_t index;
	int rc = network_name_take(s, n->name, n->id);

	if (rc == -EEXIST)
		return err_set(err, ERR_CONFLICT, EEXIST, "network with name %s already exists",
			       n->name);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "name network %s: %s", n->name,
			       err_errno_text(-rc));
	rc = network_record_write(s, n, err);
	if (rc == 0)
		rc = network_bring_up(s, n, &index, err);
	if (rc == 0)
		return 0;
	/* What cannot be taken back is a network all the same, and can be removed. */
	if (network_bring_down(s, n, &ignored) == 0 && network_record_remove(s, n->id) == 0)
		network_name_release(s, n->name, n->id);
	return rc;
}

static int create(const struct network_store *s, struct network *n, struct err *err)
{
	auto_close int subnets = -1;
	struct network *list = NULL;
	char owner[ID_LEN + 1];
	size_t count = 0;
	int rc = network_records(s, &list, &count, err);

	/* Before anything else that could be wrong with it. */
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (str_eq(list[i].name, n->name) && network_name_read(s, n->name, owner) == 0 &&
		    str_eq(owner, list[i].id))
			rc = err_set(err, ERR_CONFLICT, EEXIST,
				     "network with name %s already exists", n->name);
	if (rc == 0)
		rc = subnet_lock(&subnets, err);
	if (rc == 0)
		rc = fill_in(n, list, count, err);
	network_list_free(list, count);
	return rc < 0 ? rc : record(s, n, err);
}

int network_create(struct network_store *s, struct network *n, struct err *err)
{
	auto_close int lock = -1;
	int rc = check_request(n, err);

	if (rc < 0)
		return rc;
	rc = id_generate(n->id);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make an id: %s", err_errno_text(-rc));
	n->created_ns = clock_wall_ns();
	rc = network_lock(s, &lock, err);
	return rc < 0 ? rc : create(s, n, err);
}

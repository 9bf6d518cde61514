/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which networks a container is in, and what of its configuration contradicts that, in Docker's words
 * (moby: runconfig/hostconfig_unix.go, daemon/container_operations.go). Looks up names; changes no
 * network.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "engine/network.h"
#include "engine/summary.h"

const char *container_network_name(const struct container_config *config)
{
	const char *mode = config->network_mode;

	if (!mode || !*mode || str_eq(mode, "default"))
		return NETWORK_OF_DEFAULT;
	return str_starts(mode, "container:") ? "" : mode;
}

bool network_name_is_users(const char *name)
{
	return *name && !str_eq(name, "none") && !str_eq(name, "host") &&
	       !str_eq(name, NETWORK_DEFAULT);
}

void container_networks(const struct container *c, struct strbuf *out)
{
	const char *name = container_network_name(&c->config);

	for (size_t i = 0; i < c->config.endpoint_count; i++)
		strbuf_printf(out, "%s%s", i ? "," : "", c->config.endpoints[i].network);
	if (str_eq(name, "none") || str_eq(name, "host"))
		strbuf_puts(out, name);
}

bool container_is_in_network(const struct container *c, const char *network)
{
	const char *name = container_network_name(&c->config);

	for (size_t i = 0; i < c->config.endpoint_count; i++) {
		if (str_eq(c->config.endpoints[i].network, network))
			return true;
	}
	return (str_eq(name, "none") || str_eq(name, "host")) && str_eq(name, network);
}

static int conflict(struct err *err, const char *text)
{
	return err_set(err, ERR_INVALID, EINVAL, "conflicting options: %s", text);
}

/* The files and names of a network that is somebody else's are his. */
static int check_joining(const struct container_config *c, struct err *err)
{
	const struct {
		bool given;
		const char *what;
	} table[] = {
		{c->hostname != NULL, "hostname and the network mode"},
		{c->links.count > 0, "container type network can't be used with links. This would "
				     "result in undefined behavior"},
		{c->dns.count || c->dns_search.count || c->dns_options.count,
		 "dns and the network mode"},
		{c->extra_hosts.count > 0, "custom host-to-IP mapping and the network mode"},
		{c->mac_address != NULL, "mac-address and the network mode"},
		{c->publish.count || c->publish_all,
		 "port publishing and the container type network mode"},
		{c->exposed_ports.count > 0, "port exposing and the container type network mode"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].given)
			return conflict(err, table[i].what);
	}
	return 0;
}

static int check_host(const struct container_config *c, struct strv *warnings, struct err *err)
{
	if (c->links.count)
		return conflict(err, "host type networking can't be used with links. This would "
				     "result in undefined behavior");
	if (c->mac_address)
		return conflict(err, "mac-address and the network mode");
	if (c->publish.count)
		strv_add(warnings, "Published ports are discarded when using host network mode");
	return 0;
}

static int check_address(const char *text, uint8_t family, struct err *err)
{
	struct ip_address a;

	if (!text || !*text || (ip_parse(text, &a) == 0 && a.family == family))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL, "invalid IPv%d address: %s",
		       family == AF_INET ? 4 : 6, text);
}

static int check_link_local(const struct strv *addresses, struct err *err)
{
	struct ip_address a;

	for (size_t i = 0; i < addresses->count; i++)
		if (ip_parse(addresses->items[i], &a) < 0)
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid link-local IP address: %s", addresses->items[i]);
	return 0;
}

int endpoint_request_check(const struct endpoint_request *r, struct err *err)
{
	int rc = check_address(r->ipv4, AF_INET, err);

	if (rc == 0)
		rc = check_address(r->ipv6, AF_INET6, err);
	if (rc == 0)
		rc = check_link_local(&r->link_local, err);
	if (rc < 0 || network_name_is_users(r->network))
		return rc;
	if ((r->ipv4 && *r->ipv4) || (r->ipv6 && *r->ipv6))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"user specified IP address is supported on user defined networks only");
	if (r->aliases.count)
		return err_set(err, ERR_INVALID, EINVAL,
			       "network-scoped alias is supported only for containers in user "
			       "defined networks");
	return 0;
}

static int forbid(struct err *err, const char *text)
{
	return err_set(err, ERR_FORBIDDEN, EPERM, "%s", text);
}

/* None, the host's and another container's are alone or not at all. */
static int check_several(const struct container_config *c, struct err *err)
{
	for (size_t i = 0; c->endpoint_count > 1 && i < c->endpoint_count; i++) {
		const char *name = c->endpoints[i].network;

		if (str_starts(name, "container:"))
			return forbid(err, "container sharing network namespace with another "
					   "container or host cannot be connected to any other "
					   "network");
		if (str_eq(name, "none"))
			return forbid(err, "container cannot be connected to multiple networks "
					   "with one of the networks in private (none) mode");
		if (str_eq(name, "host"))
			return forbid(err, "container cannot be disconnected from host network or "
					   "connected to host network");
	}
	return 0;
}

static void set_name(struct endpoint_request *r, const char *name)
{
	char *copy = xstrdup(name);

	free(r->network);
	r->network = copy;
}

/* The name in place of an id, or of its beginning. A network that is not there (yet) is missed at the
 * start, as Docker has it. */
static int resolve_name(struct network_store *s, struct endpoint_request *r, struct err *err)
{
	auto_network struct network n;
	struct err why = ERR_INIT;

	network_init(&n);
	if (!network_name_is_users(r->network))
		return 0;
	if (network_find(s, r->network, &n, &why) == 0)
		set_name(r, n.name);
	else if (why.kind != ERR_NOT_FOUND)
		return *err = why, err_code(err);
	return 0;
}

static void drop_endpoints(struct container_config *c)
{
	for (size_t i = 0; i < c->endpoint_count; i++)
		endpoint_request_clear(&c->endpoints[i]);
	c->endpoint_count = 0;
}

static int resolve_endpoints(struct engine *e, struct container_config *c, const char *name,
			     struct err *err)
{
	struct network_store store;
	int rc = 0;

	engine_network_store(e, &store);
	if (!c->endpoint_count)
		set_name(container_config_add_endpoint(c), name);
	for (size_t i = 0; rc == 0 && i < c->endpoint_count; i++) {
		if (str_eq(c->endpoints[i].network, "default"))
			set_name(&c->endpoints[i], NETWORK_OF_DEFAULT);
		rc = endpoint_request_check(&c->endpoints[i], err);
		if (rc == 0)
			rc = resolve_name(&store, &c->endpoints[i], err);
	}
	return rc;
}

int container_network_resolve(struct engine *e, struct container_config *c, struct strv *warnings,
			      struct err *err)
{
	const char *name;
	int rc = 0;

	/* Without a default network there is none to be had by saying nothing. */
	if (str_eq(e->bridge, "none") && (!c->network_mode || str_eq(c->network_mode, "default"))) {
		free(c->network_mode);
		c->network_mode = xstrdup("none");
	}
	name = container_network_name(c);
	rc = check_several(c, err);
	if (rc < 0)
		return rc;
	if (!*name)
		rc = check_joining(c, err);
	else if (str_eq(name, "host"))
		rc = check_host(c, warnings, err);
	else if (!str_eq(name, "none"))
		return resolve_endpoints(e, c, name, err);
	if (rc == 0 && *name && c->endpoint_count)
		rc = endpoint_request_check(&c->endpoints[0], err);
	drop_endpoints(c);
	return rc;
}

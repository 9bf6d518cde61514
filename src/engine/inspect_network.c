/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is connected to, from network.json while it runs and from its record else. Members
 * and their order are Docker's; those of the default network stand twice, as they did before there were
 * others.
 */
#include "engine/inspect_network.h"

#include <fcntl.h>
#include <string.h>

#include "base/json.h"
#include "engine/internal.h"
#include "engine/network.h"
#include "engine/ports.h"

static void write_address(struct json_writer *w, const char *key, const struct ip_address *a)
{
	char text[IP_TEXT_MAX] = "";

	if (a && a->family)
		ip_format(a, text);
	json_write_string(w, key, text);
}

static void write_mac(struct json_writer *w, const char *key, const struct endpoint *e)
{
	char text[18] = "";

	if (e)
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1],
			 e->mac[2], e->mac[3], e->mac[4], e->mac[5]);
	json_write_string(w, key, text);
}

static void write_list(struct json_writer *w, const char *key, const struct strv *list,
		       const char *last)
{
	if (!list->count && !last) {
		json_write_raw(w, key, "null");
		return;
	}
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < list->count; i++)
		json_write_string(w, NULL, list->items[i]);
	if (last)
		json_write_string(w, NULL, last);
	json_write_end(w, ']');
}

static void write_ipam(struct json_writer *w, const struct endpoint_request *r)
{
	bool ipv4 = r->ipv4 && *r->ipv4, ipv6 = r->ipv6 && *r->ipv6;

	if (!ipv4 && !ipv6 && !r->link_local.count) {
		json_write_raw(w, "IPAMConfig", "null");
		return;
	}
	json_write_begin(w, "IPAMConfig", '{');
	if (ipv4)
		json_write_string(w, "IPv4Address", r->ipv4);
	if (ipv6)
		json_write_string(w, "IPv6Address", r->ipv6);
	if (r->link_local.count)
		write_list(w, "LinkLocalIPs", &r->link_local, NULL);
	json_write_end(w, '}');
}

static void write_driver_options(struct json_writer *w, const struct strv *options)
{
	if (!options->count) {
		json_write_raw(w, "DriverOpts", "null");
		return;
	}
	json_write_begin(w, "DriverOpts", '{');
	for (size_t i = 0; i < options->count; i++) {
		size_t n = strcspn(options->items[i], "=");
		auto_free char *key = xstrndup(options->items[i], n);

		json_write_string(w, key, options->items[i] + n + (options->items[i][n] == '='));
	}
	json_write_end(w, '}');
}

/* The addresses; endpoint NULL: none, as of a container that does not run. */
static void write_addresses(struct json_writer *w, const struct endpoint *e)
{
	json_write_string(w, "EndpointID", e ? e->id : "");
	write_address(w, "Gateway", e ? &e->gateway4 : NULL);
	write_address(w, "IPAddress", e ? &e->ipv4.address : NULL);
	json_write_i64(w, "IPPrefixLen", e ? e->ipv4.length : 0);
	write_address(w, "IPv6Gateway", e ? &e->gateway6 : NULL);
	write_address(w, "GlobalIPv6Address", e ? &e->ipv6.address : NULL);
	json_write_i64(w, "GlobalIPv6PrefixLen", e ? e->ipv6.length : 0);
	write_mac(w, "MacAddress", e);
}

static void write_endpoint(struct json_writer *w, const char *name, const char *network_id,
			   const struct endpoint_request *r, const char *short_id,
			   const struct endpoint *e)
{
	json_write_begin(w, name, '{');
	write_ipam(w, r);
	write_list(w, "Links", &r->links, NULL);
	write_list(w, "Aliases", &r->aliases, network_name_is_users(name) ? short_id : NULL);
	json_write_string(w, "NetworkID", network_id);
	write_addresses(w, e);
	write_driver_options(w, &r->driver_options);
	if (r->gw_priority)
		json_write_i64(w, "GwPriority", r->gw_priority);
	json_write_end(w, '}');
}

/* "" when there is no such network (any more), or not even the records of those that are always there:
 * looking at a container must not make them. */
static void network_id_of(const struct engine *e, const char *name, char out[static ID_LEN + 1])
{
	auto_free char *link = xasprintf("network/names/%s", name);
	struct network_store store;
	auto_network struct network n;
	struct err ignored = ERR_INIT;

	*out = '\0';
	network_init(&n);
	if (faccessat(e->root_fd, link, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	engine_network_store(e, &store);
	if (network_find(&store, name, &n, &ignored) == 0)
		memcpy(out, n.id, ID_LEN + 1);
}

static void write_networks(const struct engine *e, const struct container *c,
			   const struct sandbox *s, struct json_writer *w)
{
	static const struct endpoint_request nothing;
	const char *mode = container_network_name(&c->config);
	/* What was never started has neither. */
	bool known = c->state.started_ns != 0;
	char id[ID_LEN + 1] = "";
	auto_free char *short_id = known ? xstrndup(c->id, ID_SHORT_LEN) : NULL;

	json_write_begin(w, "Networks", '{');
	for (size_t i = 0; s && i < s->endpoint_count; i++)
		write_endpoint(w, s->endpoints[i].network_name, s->endpoints[i].network_id,
			       &s->endpoints[i].request, short_id, &s->endpoints[i]);
	for (size_t i = 0; !s && i < c->config.endpoint_count; i++) {
		const struct endpoint_request *r = &c->config.endpoints[i];

		if (known)
			network_id_of(e, r->network, id);
		write_endpoint(w, r->network, id, r, short_id, NULL);
	}
	if (!c->config.endpoint_count && (str_eq(mode, "none") || str_eq(mode, "host"))) {
		if (known)
			network_id_of(e, mode, id);
		write_endpoint(w, mode, id, &nothing, NULL, NULL);
	}
	json_write_end(w, '}');
}

static const struct endpoint *default_endpoint(const struct sandbox *s)
{
	for (size_t i = 0; s && i < s->endpoint_count; i++) {
		if (str_eq(s->endpoints[i].network_name, NETWORK_DEFAULT))
			return &s->endpoints[i];
	}
	return NULL;
}

static void write_ports(const struct container *c, const struct sandbox *s, struct json_writer *w)
{
	auto_free struct shown_port *ports = NULL;
	size_t count = 0;

	if (s)
		container_shown_ports(&c->config, s, &ports, &count);
	ports_write_shown(w, "Ports", ports, count);
}

void container_write_network(struct engine *e, const struct container *c, struct json_writer *w)
{
	auto_sandbox struct sandbox sandbox;
	const struct sandbox *s = container_sandbox(e, c, &sandbox) ? &sandbox : NULL;
	const struct endpoint *first = default_endpoint(s);
	/* A namespace of its own, or the host's; another container's is that one's to show. */
	bool has_namespace = c->state.pid > 0 && container_is_alive(c) &&
			     *container_network_name(&c->config);
	auto_free char *key = has_namespace ? xasprintf("/proc/%d/ns/net", c->state.pid) : NULL;

	json_write_begin(w, "NetworkSettings", '{');
	json_write_string(w, "Bridge", "");
	json_write_string(w, "SandboxID", has_namespace ? c->id : "");
	json_write_bool(w, "HairpinMode", false);
	json_write_string(w, "LinkLocalIPv6Address", "");
	json_write_i64(w, "LinkLocalIPv6PrefixLen", 0);
	write_ports(c, s, w);
	json_write_string(w, "SandboxKey", key ? key : "");
	json_write_raw(w, "SecondaryIPAddresses", "null");
	json_write_raw(w, "SecondaryIPv6Addresses", "null");
	json_write_string(w, "EndpointID", first ? first->id : "");
	write_address(w, "Gateway", first ? &first->gateway4 : NULL);
	write_address(w, "GlobalIPv6Address", first ? &first->ipv6.address : NULL);
	json_write_i64(w, "GlobalIPv6PrefixLen", first ? first->ipv6.length : 0);
	write_address(w, "IPAddress", first ? &first->ipv4.address : NULL);
	json_write_i64(w, "IPPrefixLen", first ? first->ipv4.length : 0);
	write_address(w, "IPv6Gateway", first ? &first->gateway6 : NULL);
	write_mac(w, "MacAddress", first);
	write_networks(e, c, s, w);
	json_write_end(w, '}');
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The model as one JSON object, for programs: everything that the text shows, and every path. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/err.h"
#include "base/json_writer.h"
#include "observe/network/debug.h"

static void put_address(struct json_writer *w, const char *key, const struct ip_address *a)
{
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	json_write_string(w, key, text);
}

static void put_prefix(struct json_writer *w, const char *key, const struct ip_prefix *p)
{
	char text[IP_TEXT_MAX] = "";

	if (p->address.family)
		ip_prefix_format(p, text);
	json_write_string(w, key, text);
}

static void put_link(struct json_writer *w, const char *key, const struct link_info *l)
{
	if (!l) {
		json_write_raw(w, key, "null");
		return;
	}
	json_write_begin(w, key, '{');
	json_write_string(w, "Name", l->name);
	json_write_u64(w, "Mtu", l->mtu);
	json_write_bool(w, "Up", l->flags & IFF_UP);
	json_write_bool(w, "Isolated", l->isolated);
	json_write_u64(w, "RxDropped", l->rx_dropped);
	json_write_u64(w, "TxDropped", l->tx_dropped);
	json_write_u64(w, "RxErrors", l->rx_errors);
	json_write_u64(w, "TxErrors", l->tx_errors);
	json_write_end(w, '}');
}

static void put_endpoint(struct json_writer *w, const struct network_debug *d,
			 const struct debug_container *c, const struct endpoint *e)
{
	auto_strbuf struct strbuf mtu = {0};
	auto_strbuf struct strbuf warning = {0};
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		 e->mac[3], e->mac[4], e->mac[5]);
	json_write_begin(w, NULL, '{');
	json_write_string(w, "Network", e->network_name);
	json_write_string(w, "Device", e->device);
	put_prefix(w, "IPv4", &e->ipv4);
	put_prefix(w, "IPv6", &e->ipv6);
	put_address(w, "Gateway", &e->gateway4);
	put_address(w, "IPv6Gateway", &e->gateway6);
	json_write_string(w, "MacAddress", mac);
	json_write_bool(w, "Internal", e->internal);
	json_write_string(w, "Bridge", e->bridge);
	if (c->has_view) {
		network_debug_mtu(d, e, &mtu, &warning);
		json_write_string(w, "MtuWarning", warning.len ? strbuf_str(&warning) : NULL);
		put_link(w, "Inside", net_view_link_named(&c->view, e->device));
	}
	put_link(w, "Veth", network_debug_veth(d, c, e));
	json_write_end(w, '}');
}

static void put_routes(struct json_writer *w, const struct net_view *v)
{
	json_write_begin(w, "Routes", '[');
	for (size_t i = 0; i < v->route_count; i++) {
		const struct link_route *r = &v->routes[i];
		const struct link_info *l = net_view_link(v, r->index);

		if (r->table != RT_TABLE_MAIN || r->type != RTN_UNICAST)
			continue;
		json_write_begin(w, NULL, '{');
		put_prefix(w, "To", &r->to);
		put_address(w, "Gateway", &r->gateway);
		json_write_string(w, "Device", l ? l->name : "");
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void put_names(struct json_writer *w, const struct network_debug *d)
{
	json_write_begin(w, "Names", '[');
	for (size_t i = 0; i < d->upstream_count; i++) {
		const struct debug_upstream *u = &d->upstreams[i];

		json_write_begin(w, NULL, '{');
		json_write_string(w, "Server", u->address);
		json_write_bool(w, "Answers", u->rc == 0);
		if (u->rc < 0)
			json_write_string(w, "Error", err_errno_text(-u->rc));
		else
			json_write_i64(w, "Milliseconds", u->answer_ms);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void put_claim(struct json_writer *w, const struct network_debug *d,
		      const struct debug_claim *c)
{
	auto_strbuf struct strbuf rule = {0};
	const struct path_result *r = &c->result;
	const struct link_info *in = net_view_link(&d->host, c->start.in);

	network_debug_decider(d, r, &rule);
	json_write_begin(w, NULL, '{');
	json_write_string(w, "Who", c->who);
	json_write_string(w, "Device", in ? in->name : NULL);
	json_write_bool(w, "Direct", c->direct);
	put_address(w, "Source", &c->start.source);
	put_address(w, "Destination", &c->start.destination);
	json_write_u64(w, "Port", c->start.port);
	json_write_string(w, "Verdict", path_end_text(r->end));
	json_write_string(w, "Where", r->place ? r->place->name : "host");
	json_write_string(w, "Reason", r->reason);
	json_write_string(w, "Rule", rule.len ? strbuf_str(&rule) : NULL);
	json_write_begin(w, "Path", '[');
	for (size_t i = 0; i < r->hops.count; i++)
		json_write_string(w, NULL, r->hops.items[i]);
	json_write_end(w, ']');
	json_write_end(w, '}');
}

static void put_ports(struct json_writer *w, const struct network_debug *d,
		      const struct debug_container *c)
{
	json_write_begin(w, "Ports", '[');
	for (size_t i = 0; i < c->sandbox.port_count; i++) {
		const struct port_binding *p = &c->sandbox.ports[i];

		json_write_begin(w, NULL, '{');
		put_address(w, "HostIp", &p->host_address);
		json_write_u64(w, "HostPort", p->host_port);
		json_write_u64(w, "ContainerPort", p->container_port);
		json_write_string(w, "Protocol", p->protocol == IPPROTO_UDP ? "udp" : "tcp");
		if (c == d->subject) {
			json_write_begin(w, "Reach", '[');
			for (size_t k = 0; k < d->claim_count; k++) {
				if (d->claims[k].port == i)
					put_claim(w, d, &d->claims[k]);
			}
			json_write_end(w, ']');
		}
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void put_container(struct json_writer *w, const char *key, const struct network_debug *d,
			  const struct debug_container *c)
{
	json_write_begin(w, key, '{');
	json_write_string(w, "Name", c->sandbox.container_name);
	json_write_string(w, "Id", c->sandbox.container_id);
	json_write_i64(w, "Pid", c->pid);
	json_write_begin(w, "Endpoints", '[');
	for (size_t i = 0; i < c->sandbox.endpoint_count; i++)
		put_endpoint(w, d, c, &c->sandbox.endpoints[i]);
	json_write_end(w, ']');
	if (c->has_view)
		put_routes(w, &c->view);
	if (c == d->subject)
		put_names(w, d);
	put_ports(w, d, c);
	json_write_end(w, '}');
}

static void put_networks(struct json_writer *w, const struct network_debug *d)
{
	json_write_begin(w, "Networks", '[');
	for (size_t i = 0; i < d->network_count; i++) {
		const struct network *n = &d->networks[i];

		if (!n->bridge[0])
			continue;
		json_write_begin(w, NULL, '{');
		json_write_string(w, "Name", n->name);
		json_write_string(w, "Id", n->id);
		json_write_bool(w, "Internal", n->internal);
		put_link(w, "Bridge", net_view_link_named(&d->host, n->bridge));
		json_write_begin(w, "Subnets", '[');
		for (size_t k = 0; k < n->pool_count; k++)
			put_prefix(w, NULL, &n->pools[k].subnet);
		json_write_end(w, ']');
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void put_counters(struct json_writer *w, const struct network_debug *d)
{
	const struct nft_dump_rule *rule;
	uint64_t packets;
	size_t at = 0;

	json_write_begin(w, "Counters", '{');
	json_write_u64(w, "ConntrackCount", d->host.conntrack_count);
	json_write_u64(w, "ConntrackMax", d->host.conntrack_max);
	json_write_begin(w, "Drops", '[');
	while ((rule = network_debug_next_drop(d, &at, &packets))) {
		auto_strbuf struct strbuf text = {0};

		filter_rule_text(&d->host.rules, rule, &text);
		json_write_begin(w, NULL, '{');
		json_write_string(w, "Table", rule->table);
		json_write_string(w, "Chain", rule->chain);
		json_write_u64(w, "Handle", rule->handle);
		json_write_string(w, "Rule", strbuf_str(&text));
		json_write_u64(w, "Packets", packets);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
	json_write_end(w, '}');
}

static void put_strings(struct json_writer *w, const char *key, const struct strv *list)
{
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < list->count; i++)
		json_write_string(w, NULL, list->items[i]);
	json_write_end(w, ']');
}

static void put_filter(struct json_writer *w, const struct network_debug *d)
{
	struct debug_filter f;
	size_t at = 0;

	json_write_begin(w, "HostFilter", '{');
	json_write_string(w, "Mode", d->store.respect ? "respect" : "cooperate");
	json_write_string(w, "Table", d->store.table);
	json_write_bool(w, "Readable", !d->host.rules_unreadable);
	json_write_begin(w, "Chains", '[');
	while (network_debug_next_filter(d, &at, &f)) {
		json_write_begin(w, NULL, '{');
		json_write_string(w, "Table", f.chain->table);
		json_write_string(w, "Chain", f.chain->name);
		json_write_string(w, "Policy", f.chain->policy == NF_DROP ? "drop" : "accept");
		json_write_bool(w, "Admits", f.admits);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
	put_strings(w, "LegacyTables", &d->host.legacy4);
	put_strings(w, "LegacyTables6", &d->host.legacy6);
	json_write_bool(w, "ForwardIPv4", d->host.forward4);
	json_write_bool(w, "ForwardIPv6", d->host.forward6);
	json_write_bool(w, "BridgeCalls", d->host.bridge_calls4 || d->host.bridge_calls6);
	json_write_end(w, '}');
}

void network_debug_json(const struct network_debug *d, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	if (d->subject) {
		put_container(&w, "Container", d, d->subject);
	} else {
		put_networks(&w, d);
		json_write_begin(&w, "Containers", '[');
		for (size_t i = 0; i < d->container_count; i++)
			put_container(&w, NULL, d, &d->containers[i]);
		json_write_end(&w, ']');
	}
	put_counters(&w, d);
	put_filter(&w, d);
	json_write_end(&w, '}');
	strbuf_putc(out, '\n');
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The model as text for a terminal. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/err.h"
#include "observe/network/debug.h"

static void put_mac(const uint8_t *m, struct strbuf *out)
{
	strbuf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void put_prefix(const struct ip_prefix *p, struct strbuf *out)
{
	char text[IP_TEXT_MAX];

	if (!p->address.family)
		return;
	ip_prefix_format(p, text);
	strbuf_printf(out, " %s", text);
}

/* ---- one container ---- */

static void put_drops(const struct link_info *l, struct strbuf *out)
{
	if (l && (l->rx_dropped || l->tx_dropped || l->rx_errors || l->tx_errors))
		strbuf_printf(out, "    %s: dropped %llu in, %llu out; errors %llu in, %llu out\n",
			      l->name, (unsigned long long)l->rx_dropped,
			      (unsigned long long)l->tx_dropped, (unsigned long long)l->rx_errors,
			      (unsigned long long)l->tx_errors);
}

static void put_endpoint(const struct network_debug *d, const struct endpoint *e,
			 struct strbuf *out)
{
	const struct link_info *veth = network_debug_veth(d, d->subject, e);
	const struct link_info *inside = net_view_link_named(&d->subject->view, e->device);
	auto_strbuf struct strbuf mtu = {0};
	auto_strbuf struct strbuf warning = {0};
	char gateway[IP_TEXT_MAX];

	strbuf_printf(out, "  %s: %s", e->network_name, e->device);
	put_prefix(&e->ipv4, out);
	put_prefix(&e->ipv6, out);
	strbuf_puts(out, ", mac ");
	put_mac(e->mac, out);
	strbuf_puts(out, inside ? "\n" : ": the device is not there!\n");
	ip_format(&e->gateway4, gateway);
	strbuf_printf(out, "    on the host: %s, port of %s%s%s%s%s\n",
		      veth ? veth->name : "its device is not found", e->bridge,
		      gateway[0] ? ", gateway " : "", gateway, e->internal ? ", internal" : "",
		      veth && veth->isolated ? ", isolated from other containers" : "");
	network_debug_mtu(d, e, &mtu, &warning);
	strbuf_printf(out, "    mtu: %s\n", strbuf_str(&mtu));
	if (warning.len)
		strbuf_printf(out, "    ! %s\n", strbuf_str(&warning));
	put_drops(inside, out);
	put_drops(veth, out);
}

static void put_routes(const struct net_view *v, struct strbuf *out)
{
	char to[IP_TEXT_MAX], by[IP_TEXT_MAX];

	for (size_t i = 0; i < v->route_count; i++) {
		const struct link_route *r = &v->routes[i];
		const struct link_info *l = net_view_link(v, r->index);

		if (r->table != RT_TABLE_MAIN || r->type != RTN_UNICAST)
			continue;
		ip_prefix_format(&r->to, to);
		ip_format(&r->gateway, by);
		strbuf_printf(out, "  %s%s%s dev %s\n", r->to.length ? to : "default",
			      by[0] ? " via " : "", by, l ? l->name : "?");
	}
}

static void put_names(const struct network_debug *d, struct strbuf *out)
{
	for (size_t i = 0; i < d->upstream_count; i++) {
		const struct debug_upstream *u = &d->upstreams[i];

		if (u->rc < 0)
			strbuf_printf(out, "  %s: no answer (%s)\n", u->address,
				      err_errno_text(-u->rc));
		else
			strbuf_printf(out, "  %s: answers in %d ms%s\n", u->address, u->answer_ms,
				      u->code == 2 ? ", but that it failed (SERVFAIL)" : "");
	}
	if (!d->upstream_count)
		strbuf_puts(out, "  no name server is configured\n");
	for (size_t i = 0; i < d->warnings.count; i++)
		strbuf_printf(out, "  ! %s\n", d->warnings.items[i]);
}

static void put_claim(const struct network_debug *d, const struct debug_claim *c, bool path,
		      struct strbuf *out)
{
	auto_strbuf struct strbuf rule = {0};
	const struct path_result *r = &c->result;

	strbuf_printf(out, "    %-15s %s: %s%s\n", path_end_text(r->end), c->who,
		      c->direct ? "directly, " : "", c->via);
	if (r->end != PATH_REACHED)
		strbuf_printf(out, "                    %s: %s\n",
			      r->place ? r->place->name : "host", r->reason);
	network_debug_decider(d, r, &rule);
	if (rule.len)
		strbuf_printf(out, "                    by %s\n", strbuf_str(&rule));
	for (size_t i = 0; path && i < r->hops.count; i++)
		strbuf_printf(out, "                    > %s\n", r->hops.items[i]);
}

static void put_ports(const struct network_debug *d, bool all_paths, struct strbuf *out)
{
	const struct sandbox *s = &d->subject->sandbox;

	if (!s->port_count)
		strbuf_puts(out, "  none\n");
	for (size_t i = 0; i < s->port_count; i++) {
		strbuf_puts(out, "  ");
		network_debug_port_text(&s->ports[i], out);
		strbuf_putc(out, '\n');
		for (size_t k = 0; k < d->claim_count; k++) {
			const struct debug_claim *c = &d->claims[k];

			if (c->port == i)
				put_claim(d, c,
					  all_paths ||
						  (!c->direct && c->result.end != PATH_REACHED),
					  out);
		}
	}
}

static void put_subject(const struct network_debug *d, bool all_paths, struct strbuf *out)
{
	const struct sandbox *s = &d->subject->sandbox;

	strbuf_printf(out, "%s (%.12s), process %d\n\nNetworks\n", s->container_name,
		      s->container_id, d->subject->pid);
	for (size_t i = 0; i < s->endpoint_count; i++)
		put_endpoint(d, &s->endpoints[i], out);
	strbuf_puts(out, "\nRoutes inside\n");
	put_routes(&d->subject->view, out);
	strbuf_puts(out, "\nNames\n");
	put_names(d, out);
	strbuf_puts(out, "\nPublished ports, and who reaches them\n");
	put_ports(d, all_paths, out);
}

/* ---- all networks ---- */

static void put_members(const struct network_debug *d, const struct network *n, struct strbuf *out)
{
	for (size_t i = 0; i < d->container_count; i++) {
		const struct sandbox *s = &d->containers[i].sandbox;

		for (size_t k = 0; k < s->endpoint_count; k++) {
			if (!str_eq(s->endpoints[k].network_id, n->id))
				continue;
			strbuf_printf(out, "    %s", s->container_name);
			put_prefix(&s->endpoints[k].ipv4, out);
			put_prefix(&s->endpoints[k].ipv6, out);
			strbuf_putc(out, '\n');
		}
	}
}

static void put_networks(const struct network_debug *d, struct strbuf *out)
{
	strbuf_puts(out, "Networks\n");
	for (size_t i = 0; i < d->network_count; i++) {
		const struct network *n = &d->networks[i];
		const struct link_info *bridge = net_view_link_named(&d->host, n->bridge);

		if (!n->bridge[0])
			continue;
		strbuf_printf(out, "  %s (%.12s): %s%s%s", n->name, n->id, n->bridge,
			      !bridge                  ? ", not there"
			      : bridge->flags & IFF_UP ? ", up"
						       : ", down!",
			      n->internal ? ", internal" : "");
		for (size_t k = 0; k < n->pool_count; k++)
			put_prefix(&n->pools[k].subnet, out);
		strbuf_putc(out, '\n');
		put_drops(bridge, out);
		put_members(d, n, out);
	}
	strbuf_puts(out, "\nPublished ports\n");
	for (size_t i = 0; i < d->container_count; i++) {
		const struct sandbox *s = &d->containers[i].sandbox;

		for (size_t k = 0; k < s->port_count; k++) {
			strbuf_puts(out, "  ");
			network_debug_port_text(&s->ports[k], out);
			strbuf_printf(out, " of %s\n", s->container_name);
		}
	}
}

/* ---- the host ---- */

static bool table_is_there(const struct network_debug *d)
{
	for (size_t i = 0; i < d->host.rules.chain_count; i++) {
		const struct nft_dump_chain *c = &d->host.rules.chains[i];

		if (c->family == NFPROTO_INET && str_eq(c->table, d->store.table))
			return true;
	}
	return false;
}

static void put_counters(const struct network_debug *d, struct strbuf *out)
{
	const struct net_view *v = &d->host;
	const struct nft_dump_rule *rule;
	uint64_t packets;
	size_t at = 0;

	strbuf_puts(out, "\nCounters\n");
	if (v->conntrack_max)
		strbuf_printf(out, "  connections tracked: %llu of %llu%s\n",
			      (unsigned long long)v->conntrack_count,
			      (unsigned long long)v->conntrack_max,
			      v->conntrack_count >= v->conntrack_max
				      ? " ! the table is full, new ones are dropped"
				      : "");
	while ((rule = network_debug_next_drop(d, &at, &packets))) {
		auto_strbuf struct strbuf text = {0};

		filter_rule_text(&v->rules, rule, &text);
		strbuf_printf(out, "  %llu packets: %s %s handle %llu: %s\n",
			      (unsigned long long)packets, rule->table, rule->chain,
			      (unsigned long long)rule->handle, strbuf_str(&text));
	}
}

static void put_legacy(const struct strv *tables, const char *what, struct strbuf *out)
{
	for (size_t i = 0; i < tables->count; i++)
		strbuf_printf(out, "  %s has a table %s, whose rules are not read here\n", what,
			      tables->items[i]);
}

static void put_filter(const struct network_debug *d, struct strbuf *out)
{
	const struct net_view *v = &d->host;
	struct debug_filter f;
	size_t at = 0, found = 0;

	strbuf_printf(out, "\nWhat the host filters (host-firewall: %s)\n",
		      d->store.respect ? "respect" : "cooperate");
	if (v->rules_unreadable)
		strbuf_puts(out, "  the packet filter's rules cannot be read\n");
	else
		strbuf_printf(out, "  our table inet %s %s\n", d->store.table,
			      table_is_there(d) ? "stands" : "is not there");
	while (network_debug_next_filter(d, &at, &f)) {
		strbuf_printf(out, "  %s; %s\n", f.text,
			      f.admits           ? "lets our bridges pass (cooperate)"
			      : d->store.respect ? "left as it is (respect)"
			      : f.drops_all      ? "nothing of ours in it"
						 : "drops at most on conditions, which hold");
		found++;
	}
	if (!found && !v->rules_unreadable)
		strbuf_puts(out, "  no other chain drops what is forwarded\n");
	put_legacy(&v->legacy4, "iptables-legacy", out);
	put_legacy(&v->legacy6, "ip6tables-legacy", out);
	strbuf_printf(out, "  forwarding: IPv4 %s, IPv6 %s; bridged packets %s these rules\n",
		      v->forward4 ? "on" : "off", v->forward6 ? "on" : "off",
		      v->bridge_calls4 || v->bridge_calls6 ? "pass (bridge-nf-call)"
							   : "do not pass");
}

void network_debug_text(const struct network_debug *d, bool all_paths, struct strbuf *out)
{
	if (d->subject)
		put_subject(d, all_paths, out);
	else
		put_networks(d, out);
	put_counters(d, out);
	put_filter(d, out);
}

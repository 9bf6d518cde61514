/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who might want to reach a published port, and from where: this host by each of its addresses, the
 * container itself, containers of its networks and of others, hosts at every device and beyond it.
 * Of containers and hosts that only might be, an unused address of the subnet stands for all.
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "observe/network/debug_internal.h"

#define HOST_ADDRESSES_MAX 32

struct asker {
	struct network_debug *d;
	size_t port;
	size_t room;
	struct ip_address from; /* --from */
	uint32_t from_device;
};

static const struct port_binding *binding(const struct asker *a)
{
	return &a->d->subject->sandbox.ports[a->port];
}

static const struct endpoint *endpoint_of(const struct asker *a)
{
	return &a->d->subject->sandbox.endpoints[binding(a)->network];
}

/* Of a port that is forwarded it is the second connection, from the host to the container, that counts
 * as well: it may go by the other family. */
static void follow_forwarder(const struct asker *a, struct debug_claim *c)
{
	const struct endpoint *e = endpoint_of(a);
	struct path_start start = {.destination = e->ipv4.address,
				   .protocol = c->start.protocol,
				   .port = binding(a)->container_port};
	auto_path_result struct path_result r = {0};

	if (c->direct || c->result.end != PATH_REACHED || !c->result.listener ||
	    c->result.place != &a->d->places[0] || !sandbox_port_listens(binding(a)))
		return;
	path_follow(&a->d->world, &start, &r);
	strv_add(&c->result.hops, "host: the container's monitor connects to it:");
	strv_add_all(&c->result.hops, &r.hops);
	if (r.end != PATH_REACHED) {
		struct path_result reached = c->result;

		/* Its end, with all the hops up to there. */
		c->result = r;
		c->result.hops = reached.hops;
		reached.hops = r.hops;
		r = reached;
	}
}

static struct debug_claim *ask(struct asker *a, const struct path_start *start, bool direct)
{
	struct network_debug *d = a->d;
	struct debug_claim *c;

	if (d->claim_count == a->room) {
		a->room = a->room ? 2 * a->room : 32;
		d->claims = xrealloc(d->claims, a->room * sizeof(*d->claims));
	}
	c = &d->claims[d->claim_count++];
	memset(c, 0, sizeof(*c));
	c->port = a->port;
	c->direct = direct;
	c->start = *start;
	c->start.protocol = binding(a)->protocol;
	c->start.port = direct ? binding(a)->container_port : binding(a)->host_port;
	path_follow(&d->world, &c->start, &c->result);
	follow_forwarder(a, c);
	return c;
}

static void name_claim(struct debug_claim *c, const char *who, const char *device)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX];

	snprintf(c->who, sizeof(c->who), "%s", who);
	ip_format(&c->start.source, from);
	ip_format(&c->start.destination, to);
	snprintf(c->via, sizeof(c->via), "%s%s%s%s%s", to, c->start.source.family ? ", from " : "",
		 from, device ? " by " : "", device ? device : "");
}

static bool is_link_local(const struct ip_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* ---- this host ---- */

static void ask_as_host(struct asker *a)
{
	const struct net_view *v = &a->d->host;
	const struct ip_address *bound = &binding(a)->host_address;
	struct path_start start = {0};
	size_t asked = 0;

	if (!ip_is_unspecified(bound)) {
		start.destination = *bound;
		name_claim(ask(a, &start, false), "this host", NULL);
		return;
	}
	for (size_t i = 0; i < v->address_count && asked < HOST_ADDRESSES_MAX; i++) {
		const struct ip_address *own = &v->addresses[i].address.address;

		if (own->family != bound->family || is_link_local(own))
			continue;
		start.destination = *own;
		name_claim(ask(a, &start, false), "this host", NULL);
		asked++;
	}
}

/* ---- containers ---- */

static bool is_mine(const struct asker *a, const char *network_id)
{
	const struct sandbox *s = &a->d->subject->sandbox;

	for (size_t i = 0; i < s->endpoint_count; i++) {
		if (str_eq(s->endpoints[i].network_id, network_id))
			return true;
	}
	return false;
}

static const struct ip_address *address_of(const struct endpoint *e, uint8_t family)
{
	return family == AF_INET6 ? &e->ipv6.address : &e->ipv4.address;
}

/* The host's own address that containers behind a bridge would take. */
static bool host_address_at(const struct asker *a, uint32_t device, struct ip_address *out)
{
	const struct ip_address *bound = &binding(a)->host_address;
	const struct link_address *on;

	*out = *bound;
	if (!ip_is_unspecified(bound))
		return !ip_is_loopback(bound); /* to everybody else that is himself */
	on = net_view_address_of(&a->d->host, device, bound->family);
	if (on)
		*out = on->address.address;
	return on != NULL;
}

static void ask_as_containers_of(struct asker *a, size_t network)
{
	const struct network *n = &a->d->networks[network];
	size_t place = 1 + a->d->container_count + network;
	const struct path_place *p = &a->d->places[place];
	uint8_t family = binding(a)->host_address.family;
	struct path_start start = {.place = place};
	bool mine = is_mine(a, n->id);
	char who[96];

	if (!p->port_count)
		return;
	start.source = family == AF_INET6 ? p->ports->ipv6.address : p->ports->ipv4.address;
	if (!start.source.family)
		return;
	snprintf(who, sizeof(who), "containers of %.60s%s", n->name,
		 mine ? "" : " (another network)");
	if (host_address_at(a, p->ports->bridge, &start.destination))
		name_claim(ask(a, &start, false), who, NULL);
	start.destination = *address_of(endpoint_of(a), family);
	if (start.destination.family)
		name_claim(ask(a, &start, true), who, NULL);
}

static void ask_as_itself(struct asker *a)
{
	const struct link_info *bridge = net_view_link_named(&a->d->host, endpoint_of(a)->bridge);
	uint8_t family = binding(a)->host_address.family;
	struct path_start start = {
		.place = 1 + (size_t)(a->d->subject - a->d->containers),
		.source = *address_of(endpoint_of(a), family),
	};

	if (!bridge || !start.source.family ||
	    !host_address_at(a, bridge->index, &start.destination))
		return;
	name_claim(ask(a, &start, false), "the container itself", NULL);
}

/* ---- beyond ---- */

static bool is_ours(const struct network_debug *d, const char *device)
{
	for (size_t i = 0; i < d->network_count; i++) {
		if (str_eq(d->networks[i].bridge, device))
			return true;
	}
	return false;
}

static bool is_way_in(const struct network_debug *d, const struct link_info *l)
{
	return (l->flags & IFF_UP) && !(l->flags & IFF_LOOPBACK) && !l->master &&
	       !is_ours(d, l->name);
}

static bool leads_out(const struct net_view *v, uint32_t device, uint8_t family)
{
	for (size_t i = 0; i < v->route_count; i++) {
		const struct link_route *r = &v->routes[i];

		if (r->index == device && r->to.length == 0 && r->to.address.family == family)
			return true;
	}
	return false;
}

/* An unused one beside the host's own; family 0 when the subnet has no room. */
static struct ip_address neighbour_of(const struct net_view *v, const struct link_address *own)
{
	struct ip_address first = ip_prefix_first(&own->address);
	struct ip_address last = ip_prefix_last(&own->address);
	uint64_t n = ip_distance(&first, &last);

	for (uint64_t i = 1; i < n && i < 256; i++) {
		struct ip_address a = ip_add(&first, n - i);

		if (!net_view_is_own(v, &a))
			return a;
	}
	return (struct ip_address){0};
}

/* Documentation's addresses: no network has them, so they stand for everybody's. */
static struct ip_address stranger(uint8_t family)
{
	if (family == AF_INET6)
		return (struct ip_address){AF_INET6,
					   {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 7}};
	return (struct ip_address){AF_INET, {198, 51, 100, 7}};
}

static void ask_from(struct asker *a, const struct link_info *l, const struct ip_address *source,
		     const char *who)
{
	struct path_start start = {.in = l->index, .source = *source};

	if (!source->family || source->family != binding(a)->host_address.family)
		return;
	if (host_address_at(a, l->index, &start.destination))
		name_claim(ask(a, &start, false), who, l->name);
	start.destination = *address_of(endpoint_of(a), source->family);
	if (start.destination.family)
		name_claim(ask(a, &start, true), who, l->name);
}

static void ask_from_beyond(struct asker *a)
{
	const struct net_view *v = &a->d->host;
	uint8_t family = binding(a)->host_address.family;

	for (size_t i = 0; i < v->link_count; i++) {
		const struct link_info *l = &v->links[i];
		const struct link_address *own = net_view_address_of(v, l->index, family);
		struct ip_address source;

		if (!is_way_in(a->d, l) || !own)
			continue;
		source = neighbour_of(v, own);
		ask_from(a, l, &source, "hosts beside");
		source = stranger(family);
		if (leads_out(v, l->index, family))
			ask_from(a, l, &source, "hosts farther away");
	}
}

void debug_claims(struct network_debug *d, const struct ip_address *from, uint32_t from_device)
{
	struct asker a = {.d = d, .from = *from, .from_device = from_device};
	const struct link_info *l = net_view_link(&d->host, from_device);

	for (a.port = 0; a.port < d->subject->sandbox.port_count; a.port++) {
		ask_as_host(&a);
		ask_as_itself(&a);
		for (size_t i = 0; i < d->network_count; i++)
			ask_as_containers_of(&a, i);
		ask_from_beyond(&a);
		if (l)
			ask_from(&a, l, from, "the host that was asked for");
	}
}

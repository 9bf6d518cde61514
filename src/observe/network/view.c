/* SPDX-License-Identifier: Apache-2.0 */
/* Looks into what was read of a network namespace. Reads nothing itself. */
#include "observe/network/view.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void net_view_free(struct net_view *v)
{
	if (v->end)
		v->end(v->context);
	free(v->links);
	free(v->addresses);
	free(v->routes);
	free(v->sockets);
	nft_ruleset_free(&v->rules);
	strv_free(&v->legacy4);
	strv_free(&v->legacy6);
	memset(v, 0, sizeof(*v));
}

const struct link_info *net_view_link(const struct net_view *v, uint32_t index)
{
	for (size_t i = 0; index && i < v->link_count; i++) {
		if (v->links[i].index == index)
			return &v->links[i];
	}
	return NULL;
}

const struct link_info *net_view_link_named(const struct net_view *v, const char *name)
{
	for (size_t i = 0; i < v->link_count; i++) {
		if (str_eq(v->links[i].name, name))
			return &v->links[i];
	}
	return NULL;
}

bool net_view_is_own(const struct net_view *v, const struct ip_address *a)
{
	if (a->family == AF_INET && ip_is_loopback(a))
		return true;
	for (size_t i = 0; i < v->address_count; i++) {
		if (ip_equal(&v->addresses[i].address.address, a))
			return true;
	}
	return false;
}

static bool is_link_local6(const struct ip_address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

const struct link_address *net_view_address_of(const struct net_view *v, uint32_t index,
					       uint8_t family)
{
	for (size_t i = 0; i < v->address_count; i++) {
		const struct link_address *a = &v->addresses[i];

		if (a->index == index && a->address.address.family == family &&
		    !is_link_local6(&a->address.address))
			return a;
	}
	return NULL;
}

static bool is_broadcast(const struct link_address *on, const struct ip_address *a)
{
	struct ip_address last = ip_prefix_last(&on->address);

	return on->address.address.family == AF_INET && on->address.length < 31 &&
	       ip_equal(&last, a);
}

uint8_t net_view_address_type(const struct net_view *v, const struct ip_address *a, uint32_t device)
{
	const struct link_info *lo = net_view_link(v, device);

	if (a->family == AF_INET &&
	    (a->bytes[0] == 0 || ip_equal(a, &(struct ip_address){AF_INET, {255, 255, 255, 255}})))
		return RTN_BROADCAST;
	if (a->family == AF_INET ? (a->bytes[0] & 0xf0) == 0xe0 : a->bytes[0] == 0xff)
		return RTN_MULTICAST;
	if (a->family == AF_INET && ip_is_loopback(a) &&
	    (!device || (lo && lo->flags & IFF_LOOPBACK)))
		return RTN_LOCAL;
	for (size_t i = 0; i < v->address_count; i++) {
		const struct link_address *on = &v->addresses[i];

		if (device && on->index != device)
			continue;
		if (ip_equal(&on->address.address, a))
			return RTN_LOCAL;
		if (is_broadcast(on, a))
			return RTN_BROADCAST;
	}
	return RTN_UNICAST;
}

/* By the table that was read, longest prefix first, then the lowest metric: what tests and views made
 * by hand have. Rules (ip rule) and the check of sources are the kernel's, see probe/network.c. */
static void route_by_table(const struct net_view *v, const struct net_route_query *q,
			   struct net_route *out)
{
	const struct link_route *best = NULL;
	const struct link_address *on;

	*out = (struct net_route){.error = ENETUNREACH};
	if (net_view_address_type(v, &q->to, 0) == RTN_LOCAL) {
		*out = (struct net_route){.type = RTN_LOCAL, .out = LINK_INDEX_LOOPBACK};
		return;
	}
	for (size_t i = 0; i < v->route_count; i++) {
		const struct link_route *r = &v->routes[i];

		if (r->to.address.family != q->to.family || !ip_prefix_contains(&r->to, &q->to))
			continue;
		if (!best || r->to.length > best->to.length ||
		    (r->to.length == best->to.length && r->metric < best->metric))
			best = r;
	}
	if (!best)
		return;
	*out = (struct net_route){.type = best->type,
				  .out = best->index,
				  .gateway = best->gateway,
				  .source = best->source};
	on = net_view_address_of(v, best->index, q->to.family);
	if (!out->source.family && on)
		out->source = on->address.address;
}

void net_view_route(const struct net_view *v, const struct net_route_query *q,
		    struct net_route *out)
{
	int rc;

	if (!v->route) {
		route_by_table(v, q, out);
		return;
	}
	*out = (struct net_route){0};
	rc = v->route(v->context, q, out);
	if (rc < 0)
		out->error = -rc;
}

const struct net_socket *net_view_listener(const struct net_view *v, uint8_t protocol,
					   const struct ip_address *to, uint16_t port)
{
	const struct net_socket *any = NULL;

	for (size_t i = 0; i < v->socket_count; i++) {
		const struct net_socket *s = &v->sockets[i];

		if (s->protocol != protocol || s->port != port)
			continue;
		if (ip_equal(&s->address, to))
			return s;
		if (ip_is_unspecified(&s->address) && (s->address.family == to->family || s->both))
			any = s;
	}
	return any;
}

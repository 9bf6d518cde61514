/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints and sandboxes as values. */
#include "network/endpoint.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/str.h"
#include "network/sandbox.h"

void endpoint_request_clear(struct endpoint_request *r)
{
	free(r->network);
	strv_free(&r->aliases);
	strv_free(&r->link_local);
	strv_free(&r->links);
	strv_free(&r->driver_options);
	free(r->ipv4);
	free(r->ipv6);
	free(r->mac);
	*r = (struct endpoint_request){.network = NULL};
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

void endpoint_request_copy(struct endpoint_request *to, const struct endpoint_request *from)
{
	*to = (struct endpoint_request){.network = copy(from->network),
					.ipv4 = copy(from->ipv4),
					.ipv6 = copy(from->ipv6),
					.mac = copy(from->mac),
					.gw_priority = from->gw_priority};
	strv_add_all(&to->aliases, &from->aliases);
	strv_add_all(&to->link_local, &from->link_local);
	strv_add_all(&to->links, &from->links);
	strv_add_all(&to->driver_options, &from->driver_options);
}

void endpoint_clear(struct endpoint *e)
{
	free(e->network_name);
	strv_free(&e->aliases);
	endpoint_request_clear(&e->request);
	*e = (struct endpoint){.network_name = NULL};
}

void sandbox_init(struct sandbox *s)
{
	*s = (struct sandbox){.container_name = NULL};
}

void sandbox_free(struct sandbox *s)
{
	free(s->container_name);
	for (size_t i = 0; i < s->endpoint_count; i++)
		endpoint_clear(&s->endpoints[i]);
	free(s->endpoints);
	free(s->ports);
	strv_free(&s->dns);
	sandbox_init(s);
}

struct endpoint *sandbox_add_endpoint(struct sandbox *s)
{
	s->endpoints = xrealloc(s->endpoints, (s->endpoint_count + 1) * sizeof(*s->endpoints));
	s->endpoints[s->endpoint_count] = (struct endpoint){.network_name = NULL};
	return &s->endpoints[s->endpoint_count++];
}

void sandbox_remove_endpoint(struct sandbox *s, size_t i)
{
	endpoint_clear(&s->endpoints[i]);
	for (size_t k = i + 1; k < s->endpoint_count; k++)
		s->endpoints[k - 1] = s->endpoints[k];
	s->endpoint_count--;
}

bool sandbox_port_is_forwarded(const struct sandbox *s, const struct port_binding *p)
{
	return p->host_address.family == AF_INET6 &&
	       (ip_is_loopback(&p->host_address) || p->network >= s->endpoint_count ||
		!s->endpoints[p->network].ipv6.address.family);
}

bool sandbox_port_listens(const struct port_binding *p)
{
	return p->host_address.family == AF_INET6;
}

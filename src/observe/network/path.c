/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows packets from place to place. Order of things as in the kernel's net/ipv4/ip_output.c,
 * ip_input.c, ip_forward.c and net/bridge/br_netfilter_hooks.c; every namespace remembers the
 * connection for itself, as conntrack does.
 */
#include "observe/network/path.h"

#include <arpa/inet.h>
#include <errno.h>

#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 16 /* from place to place: more is a loop */
#define PLACES_MAX 8 /* that one connection passes */
#define EXAMPLE_PORT 40000

/* What one namespace's conntrack knows after the first packet. */
struct memory {
	const struct path_place *place;
	bool known;
	struct packet_tuple original, answered;
	bool source_changed, destination_changed;
	struct known32 mark;
};

struct way {
	const struct path_world *world;
	const struct path_start *start;
	struct path_result *r;
	struct doubt *doubt;
	const struct path_place *at;
	struct packet p;
	struct packet_tuple origin; /* as the sender sees it */
	unsigned trip;
	bool filtered; /* the bridge has called the chains of prerouting already */
	struct memory memory[PLACES_MAX];
	size_t memory_count;
};

/* What happens next to the packet. */
enum next {
	NEXT_SEND,    /* it is made at way->at */
	NEXT_RECEIVE, /* it comes in by p.in */
	NEXT_END,     /* r says how */
	NEXT_ARRIVED, /* where this trip was to go */
};

void path_result_free(struct path_result *r)
{
	strv_free(&r->hops);
}

const char *path_end_text(enum path_end end)
{
	static const char *const texts[] = {
		[PATH_REACHED] = "reachable",
		[PATH_LEFT] = "leaves the host",
		[PATH_NO_LISTENER] = "nothing listens",
		[PATH_DROPPED] = "dropped",
		[PATH_REJECTED] = "rejected",
		[PATH_UNROUTABLE] = "no way",
		[PATH_UNKNOWN] = "unknown",
	};

	return texts[end];
}

/* ---- saying what happens ---- */

static void hop(struct way *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hop(struct way *w, const char *fmt, ...)
{
	static const char *const trips[] = {"", "answer: ", "then: ", "its answer: "};
	char text[512];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s%s: ", trips[w->trip], w->at->name);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, args);
	va_end(args);
	strv_add(&w->r->hops, text);
}

static enum next end(struct way *w, enum path_end how, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static enum next end(struct way *w, enum path_end how, const char *fmt, ...)
{
	va_list args;

	w->r->end = how;
	w->r->trip = w->trip;
	w->r->place = w->at;
	va_start(args, fmt);
	vsnprintf(w->r->reason, sizeof(w->r->reason), fmt, args);
	va_end(args);
	hop(w, "%s", w->r->reason);
	return NEXT_END;
}

static const char *tuple_text(const struct packet_tuple *t, char out[static 2 * IP_TEXT_MAX])
{
	char to[IP_TEXT_MAX];

	ip_format(&t->destination, to);
	snprintf(out, (size_t)2 * IP_TEXT_MAX, "%s%s%s:%u",
		 t->destination.family == AF_INET6 ? "[" : "", to,
		 t->destination.family == AF_INET6 ? "]" : "", t->destination_port);
	return out;
}

/* ---- the packet filter ---- */

static const char *hook_text(uint32_t hook)
{
	static const char *const texts[] = {"prerouting", "input", "forward", "output",
					    "postrouting"};

	return hook < sizeof(texts) / sizeof(texts[0]) ? texts[hook] : "ingress";
}

static const char *filter_end_text(enum filter_end e)
{
	static const char *const texts[] = {"accept", "drop", "reject", "unknown"};

	return texts[e];
}

static void tell_step(struct way *w, uint32_t hook, const struct filter_step *s)
{
	auto_strbuf struct strbuf place = {0};
	auto_strbuf struct strbuf rule = {0};
	char to[2 * IP_TEXT_MAX], from[IP_TEXT_MAX];

	filter_place_text(s->chain, s->rule, &place);
	if (s->rule)
		filter_rule_text(&w->at->view->rules, s->rule, &rule);
	else
		strbuf_puts(&rule, "policy");
	if (s->translated) {
		ip_format(&w->p.now.source, from);
		hop(w, "%s: %s: %s -> now from %s to %s", hook_text(hook), strbuf_str(&place),
		    strbuf_str(&rule), from, tuple_text(&w->p.now, to));
		return;
	}
	hop(w, "%s: %s: %s%s%s", hook_text(hook), strbuf_str(&place), strbuf_str(&rule),
	    s->rule ? "" : " ", s->rule ? "" : filter_end_text(s->end));
}

/* Remembers who let it pass: of the chains that filter, the last rule that said so. */
static void note_decider(struct way *w, uint32_t hook, const struct filter_step *s)
{
	if (w->trip || (!s->rule && s->end == FILTER_ACCEPT))
		return;
	if (w->r->chain && w->r->rule && s->end == FILTER_ACCEPT && !s->translated &&
	    hook != NF_INET_FORWARD && hook != NF_INET_LOCAL_IN)
		return;
	if (s->translated && hook == NF_INET_POST_ROUTING)
		return;
	w->r->view = w->at->view;
	w->r->chain = s->chain;
	w->r->rule = s->rule;
}

/* The chains of family bridge see its ports where the others see the bridge. */
static void ask_filter(struct way *w, uint8_t family, uint32_t hook, struct filter_verdict *v)
{
	const struct link_info *in = w->p.in, *out = w->p.out;

	if (family == NFPROTO_BRIDGE) {
		w->p.in = w->p.port_in;
		w->p.out = w->p.port_out;
	}
	filter_hook(w->at->view, family, hook, &w->p, w->doubt, v);
	w->p.in = in;
	w->p.out = out;
}

/* False when the packet ended there. */
static bool pass(struct way *w, uint8_t family, uint32_t hook)
{
	struct filter_verdict v;
	const struct filter_step *last;

	if (!w->at->view)
		return true;
	if (w->at->view->rules_unreadable) {
		end(w, PATH_UNKNOWN, "the packet filter's rules cannot be read");
		return false;
	}
	ask_filter(w, family, hook, &v);
	for (size_t i = 0; i < v.step_count; i++) {
		const struct filter_step *s = &v.steps[i];

		if (s->rule || s->end != FILTER_ACCEPT)
			tell_step(w, hook, s);
		note_decider(w, hook, s);
	}
	if (v.end == FILTER_ACCEPT && w->trip > 1 && w->p.tracked && w->p.state == PACKET_INVALID) {
		end(w, PATH_UNKNOWN, "only a part of the connection is tracked");
		return false;
	}
	if (v.end == FILTER_ACCEPT)
		return true;
	last = v.step_count ? &v.steps[v.step_count - 1] : NULL;
	if (last) {
		w->r->view = w->at->view;
		w->r->chain = last->chain;
		w->r->rule = last->rule;
	}
	if (v.end == FILTER_UNKNOWN)
		end(w, PATH_UNKNOWN, "%s", v.reason);
	else
		end(w, v.end == FILTER_REJECT ? PATH_REJECTED : PATH_DROPPED, "%s%s here",
		    w->trip & 1 ? "the answer is " : "",
		    v.end == FILTER_REJECT ? "rejected" : "dropped");
	return false;
}

/* iptables-legacy's rules are another mechanism beside nf_tables, which is not read. */
static bool legacy_is_in_the_way(struct way *w, const char *table)
{
	const struct net_view *v = w->at->view;
	const struct strv *tables;

	if (!v)
		return false;
	tables = w->p.now.destination.family == AF_INET6 ? &v->legacy6 : &v->legacy4;
	if (!strv_contains(tables, table))
		return false;
	end(w, PATH_UNKNOWN, "iptables-legacy has a table %s, whose rules are not read", table);
	return true;
}

/* ---- connections ---- */

static struct memory *memory_of(struct way *w)
{
	for (size_t i = 0; i < w->memory_count; i++) {
		if (w->memory[i].place == w->at)
			return &w->memory[i];
	}
	if (w->memory_count == PLACES_MAX)
		return NULL;
	w->memory[w->memory_count] = (struct memory){.place = w->at};
	return &w->memory[w->memory_count++];
}

/* As a namespace sees a packet that it has not seen before: no mark, and the connection as it is
 * remembered there. An answer to what was not tracked begins one of its own: with UDP a new one, with
 * TCP none that makes sense. */
static void enter(struct way *w, const struct path_place *place)
{
	struct packet *p = &w->p;
	struct memory *m;
	const struct packet before = *p;

	w->at = place;
	w->filtered = false;
	m = memory_of(w);
	*p = (struct packet){.now = before.now,
			     .protocol = before.protocol,
			     .any_source_port = before.any_source_port,
			     .any_first = before.any_first,
			     .any_last = before.any_last,
			     .mark.known = UINT32_MAX,
			     .connection_mark.known = UINT32_MAX,
			     .later = w->trip > 1,
			     .reply = w->trip & 1};
	if (!w->trip)
		return;
	if (m && m->known) {
		p->state = PACKET_ESTABLISHED;
		p->original = m->original;
		p->answered = m->answered;
		p->source_changed = m->source_changed;
		p->destination_changed = m->destination_changed;
		p->connection_mark = m->mark;
	} else if (p->protocol == IPPROTO_TCP) {
		p->state = PACKET_INVALID;
	}
}

static void leave(struct way *w)
{
	const struct packet *p = &w->p;
	struct memory *m = memory_of(w);

	if (!m || w->trip || !p->tracked)
		return;
	*m = (struct memory){.place = w->at,
			     .known = p->state == PACKET_NEW,
			     .original = p->original,
			     .answered = p->answered,
			     .source_changed = p->source_changed,
			     .destination_changed = p->destination_changed,
			     .mark = p->connection_mark};
}

/* ---- routes ---- */

static const char *refusal_text(int error)
{
	switch (error) {
	case EXDEV:
		return "the source is not expected by that device (rp_filter)";
	case EINVAL:
		return "source or destination makes no sense on that device (martian)";
	case EACCES:
		return "a rule of the routes forbids it";
	default:
		return "no route leads there, or this namespace forwards nothing";
	}
}

static void find_route(const struct way *w, bool comes_in, struct net_route *out)
{
	struct net_route_query q = {
		.to = w->p.now.destination,
		.from = w->p.now.source,
		.in = comes_in && w->p.in ? w->p.in->index : 0,
		.mark = w->p.mark.value,
		.protocol = w->p.protocol,
		.source_port = w->p.now.source_port,
		.destination_port = w->p.now.destination_port,
	};

	net_view_route(w->at->view, &q, out);
	if (!out->error && (out->type == RTN_BLACKHOLE || out->type == RTN_UNREACHABLE))
		out->error = ENETUNREACH;
	if (!out->error && out->type == RTN_PROHIBIT)
		out->error = EACCES;
}

/* ---- from place to place ---- */

static const struct ip_prefix *address_of(const struct path_port *port, uint8_t family)
{
	return family == AF_INET6 ? &port->ipv6 : &port->ipv4;
}

/* The port on a bridge that answers for an address. */
static const struct path_port *find_port(const struct way *w, uint32_t bridge,
					 const struct ip_address *a,
					 const struct path_place **place)
{
	for (size_t i = 1; i < w->world->place_count; i++) {
		const struct path_place *at = &w->world->places[i];

		for (size_t k = 0; k < at->port_count; k++) {
			const struct ip_prefix *have = address_of(&at->ports[k], a->family);

			if (at->ports[k].bridge == bridge && ip_equal(&have->address, a)) {
				*place = at;
				return &at->ports[k];
			}
		}
	}
	return NULL;
}

/* The place's own port by which it sends out of a device (NULL view: to an address). */
static const struct path_port *own_port(const struct path_place *at, const char *device)
{
	for (size_t i = 0; i < at->port_count; i++) {
		if (!device || str_eq(at->ports[i].device, device))
			return &at->ports[i];
	}
	return NULL;
}

static enum next arrive_by(struct way *w, const struct path_place *place,
			   const struct path_port *port)
{
	leave(w);
	enter(w, place);
	w->p.in = place->view ? net_view_link_named(place->view, port->device) : NULL;
	if (place->view && !w->p.in)
		return end(w, PATH_UNROUTABLE, "device %s is not there", port->device);
	return NEXT_RECEIVE;
}

/* Out of a device of the host. */
static enum next transmit_host(struct way *w, const struct ip_address *hop_address)
{
	const struct path_place *place = NULL;
	const struct path_port *port;
	const struct link_info *out = w->p.out;
	char text[IP_TEXT_MAX];

	if (!(out->flags & IFF_UP))
		return end(w, PATH_UNROUTABLE, "%s is down", out->name);
	port = find_port(w, out->index, hop_address, &place);
	if (port) {
		w->p.port_out = net_view_link(w->at->view, port->veth);
		hop(w, "%s, port %s of it", out->name,
		    w->p.port_out ? w->p.port_out->name : "unknown");
		if (!pass(w, NFPROTO_BRIDGE, NF_INET_LOCAL_OUT) ||
		    !pass(w, NFPROTO_BRIDGE, NF_INET_POST_ROUTING))
			return NEXT_END;
		return arrive_by(w, place, port);
	}
	ip_format(hop_address, text);
	for (size_t i = 1; i < w->world->place_count; i++) {
		for (size_t k = 0; k < w->world->places[i].port_count; k++) {
			if (w->world->places[i].ports[k].bridge == out->index)
				return end(w, PATH_UNROUTABLE, "nobody on %s has the address %s",
					   out->name, text);
		}
	}
	if ((w->trip & 1) && w->start->in && w->start->in == out->index)
		return NEXT_ARRIVED;
	if (w->trip & 1)
		return end(w, PATH_UNKNOWN, "the answer leaves by %s, not by where it came from",
			   out->name);
	return end(w, PATH_LEFT, "leaves by %s", out->name);
}

static bool bridge_calls(const struct way *w)
{
	const struct net_view *v = w->world->places[0].view;

	return w->p.now.destination.family == AF_INET6 ? v->bridge_calls6 : v->bridge_calls4;
}

static bool may_bridge(const struct path_port *from, const struct path_port *to)
{
	return from == to ? to->hairpin : !(from->isolated && to->isolated);
}

/* From port to port of one bridge: the host's bridge chains see it, and with bridge-nf-call-iptables
 * (the kernel's default once br_netfilter is there) the others as well. */
static enum next bridge_across(struct way *w, const struct path_port *from,
			       const struct path_place *to_place, const struct path_port *to)
{
	const struct link_info *bridge = w->p.in;
	bool calls = bridge_calls(w);

	if (!may_bridge(from, to))
		return end(w, PATH_DROPPED,
			   from == to ? "%s does not send back what came in by the same port "
					"(bridge-nf-call)"
				      : "both ports of %s are isolated",
			   w->p.in->name);
	w->p.port_out = net_view_link(w->at->view, to->veth);
	w->p.out = w->p.in;
	if (!pass(w, NFPROTO_BRIDGE, NF_INET_FORWARD) ||
	    (calls && !pass(w, NFPROTO_INET, NF_INET_FORWARD)))
		return NEXT_END;
	w->p.in = NULL; /* a bridge's last hook does not know any more where it came from */
	w->p.port_in = NULL;
	if (!pass(w, NFPROTO_BRIDGE, NF_INET_POST_ROUTING) ||
	    (calls && !pass(w, NFPROTO_INET, NF_INET_POST_ROUTING)))
		return NEXT_END;
	hop(w, "bridged by %s%s", bridge->name,
	    calls ? " (bridge-nf-call: through the packet filter)" : "");
	return arrive_by(w, to_place, to);
}

/* With bridge-nf-call the routing chains come before the bridge decides; what they translate goes where
 * its new address is: across the bridge at once, or up to the host (br_nf_pre_routing_finish). */
static enum next bridge_called(struct way *w, const struct path_port *from, bool *up, bool *changed)
{
	struct ip_address before = w->p.now.destination;
	const struct path_place *place = NULL;
	const struct path_port *to;
	struct net_route r;

	if (!pass(w, NFPROTO_INET, NF_INET_PRE_ROUTING))
		return NEXT_END;
	w->filtered = true;
	*changed = !ip_equal(&before, &w->p.now.destination);
	if (!*changed)
		return NEXT_RECEIVE;
	find_route(w, true, &r);
	if (r.error)
		return end(w, PATH_DROPPED, "%s", refusal_text(r.error));
	*up = r.out != w->p.in->index || r.type != RTN_UNICAST;
	if (*up)
		return NEXT_RECEIVE;
	to = find_port(w, from->bridge, r.gateway.family ? &r.gateway : &w->p.now.destination,
		       &place);
	if (!to)
		return end(w, PATH_UNROUTABLE, "nobody on %s has the address", w->p.in->name);
	return bridge_across(w, from, place, to);
}

/* Out of a container's device into the bridge. */
static enum next transmit_place(struct way *w, const struct path_port *port,
				const struct ip_address *hop_address)
{
	const struct path_place *host = &w->world->places[0], *place = NULL;
	const struct path_port *other = find_port(w, port->bridge, hop_address, &place);
	const struct link_info *bridge = net_view_link(host->view, port->bridge);
	bool up = net_view_is_own(host->view, hop_address), changed = false;
	char text[IP_TEXT_MAX];

	if (!bridge)
		return end(w, PATH_UNROUTABLE, "its bridge is not there");
	ip_format(hop_address, text);
	if (!up && (!other || place == w->at))
		return end(w, PATH_UNROUTABLE, "nobody on %s has the address %s", bridge->name,
			   text);
	leave(w);
	enter(w, host);
	w->p.in = bridge;
	w->p.port_in = net_view_link(host->view, port->veth);
	hop(w, "comes in by %s", bridge->name);
	if (!pass(w, NFPROTO_BRIDGE, NF_INET_PRE_ROUTING))
		return NEXT_END;
	if (bridge_calls(w)) {
		enum next next = bridge_called(w, port, &up, &changed);

		if (next == NEXT_END || (changed && !up))
			return next;
	}
	if (!up)
		return bridge_across(w, port, place, other);
	return pass(w, NFPROTO_BRIDGE, NF_INET_LOCAL_IN) ? NEXT_RECEIVE : NEXT_END;
}

static enum next transmit(struct way *w, const struct net_route *r)
{
	const struct ip_address *hop_address = r->gateway.family == w->p.now.destination.family
						       ? &r->gateway
						       : &w->p.now.destination;
	const struct path_port *port;

	if (!pass(w, NFPROTO_NETDEV, NF_NETDEV_EGRESS))
		return NEXT_END;
	if (w->p.out->flags & IFF_LOOPBACK) {
		w->p.in = w->p.out;
		w->p.out = NULL;
		return NEXT_RECEIVE;
	}
	if (w->at == &w->world->places[0])
		return transmit_host(w, hop_address);
	port = own_port(w->at, w->p.out->name);
	if (!port)
		return end(w, PATH_LEFT, "leaves by %s, which no network here has", w->p.out->name);
	return transmit_place(w, port, hop_address);
}

/* ---- what a namespace does ---- */

/* One that only might be: on its link directly, elsewhere by its gateway. */
static enum next send_imagined(struct way *w)
{
	const struct path_port *port = own_port(w->at, NULL);
	const struct ip_address *to = &w->p.now.destination;
	const struct ip_address *gateway;

	if (!port)
		return end(w, PATH_UNROUTABLE, "it is connected to nothing");
	gateway = to->family == AF_INET6 ? &port->gateway6 : &port->gateway4;
	if (ip_prefix_contains(address_of(port, to->family), to))
		return transmit_place(w, port, to);
	if (!gateway->family)
		return end(w, PATH_UNROUTABLE, "its network is internal: it has no way out");
	return transmit_place(w, port, gateway);
}

static enum next send_out(struct way *w)
{
	struct packet_tuple before = w->p.now;
	struct net_route r;

	if (!w->at->view)
		return send_imagined(w);
	find_route(w, false, &r);
	if (r.error)
		return end(w, PATH_UNROUTABLE, "%s", refusal_text(r.error));
	if (!w->p.now.source.family) {
		w->p.now.source = r.type == RTN_LOCAL && !r.source.family ? w->p.now.destination
									  : r.source;
		before = w->p.now;
		w->origin = w->p.now;
	}
	w->p.out = net_view_link(w->at->view, r.type == RTN_LOCAL ? LINK_INDEX_LOOPBACK : r.out);
	if (legacy_is_in_the_way(w, "filter") || !pass(w, NFPROTO_INET, NF_INET_LOCAL_OUT))
		return NEXT_END;
	if (!ip_equal(&before.destination, &w->p.now.destination) || w->p.mark.value) {
		find_route(w, false, &r);
		if (r.error)
			return end(w, PATH_UNROUTABLE, "after translation: %s",
				   refusal_text(r.error));
	}
	w->p.out = net_view_link(w->at->view, r.type == RTN_LOCAL ? LINK_INDEX_LOOPBACK : r.out);
	if (!w->p.out)
		return end(w, PATH_UNROUTABLE, "the device that the route names is not there");
	if (!pass(w, NFPROTO_INET, NF_INET_POST_ROUTING))
		return NEXT_END;
	return transmit(w, &r);
}

/* A program of this namespace is to take it. */
static enum next deliver(struct way *w)
{
	const struct packet_tuple *t = &w->p.now;
	const struct net_socket *s;
	char text[2 * IP_TEXT_MAX];

	leave(w);
	if (w->trip & 1)
		return NEXT_ARRIVED;
	w->r->delivered = *t;
	if (!w->at->view)
		return NEXT_ARRIVED;
	s = net_view_listener(w->at->view, w->p.protocol, &t->destination, t->destination_port);
	if (!s)
		return end(w, PATH_NO_LISTENER, "nothing listens at %s", tuple_text(t, text));
	w->r->listener = s;
	if (!w->trip)
		hop(w, "%s takes it at %s", s->program[0] ? s->program : "a socket",
		    tuple_text(t, text));
	return NEXT_ARRIVED;
}

static bool is_own_loop(const struct packet *p)
{
	return p->in && p->in->flags & IFF_LOOPBACK;
}

static enum next forward(struct way *w, const struct net_route *r)
{
	bool six = w->p.now.destination.family == AF_INET6;

	if (!(six ? w->at->view->forward6 : w->at->view->forward4))
		return end(w, PATH_DROPPED, "forwarding of IPv%c is switched off", six ? '6' : '4');
	w->p.out = net_view_link(w->at->view, r->out);
	if (!w->p.out)
		return end(w, PATH_UNROUTABLE, "the device that the route names is not there");
	if (legacy_is_in_the_way(w, "filter") || !pass(w, NFPROTO_INET, NF_INET_FORWARD) ||
	    !pass(w, NFPROTO_INET, NF_INET_POST_ROUTING))
		return NEXT_END;
	w->p.port_in = NULL;
	return transmit(w, r);
}

static enum next take_in(struct way *w)
{
	struct net_route r = {.type = RTN_LOCAL};

	if (!w->at->view)
		return deliver(w);
	if (!is_own_loop(&w->p) && w->p.now.source.family == AF_INET6 &&
	    (ip_is_loopback(&w->p.now.source) || ip_is_loopback(&w->p.now.destination)))
		return end(w, PATH_DROPPED, "::1 never crosses a device (martian)");
	if (legacy_is_in_the_way(w, "nat") || !pass(w, NFPROTO_NETDEV, NF_NETDEV_INGRESS) ||
	    (!w->filtered && !pass(w, NFPROTO_INET, NF_INET_PRE_ROUTING)))
		return NEXT_END;
	w->filtered = false;
	if (!is_own_loop(&w->p))
		find_route(w, true, &r);
	if (r.error)
		return end(w, PATH_DROPPED, "%s", refusal_text(r.error));
	if (r.type == RTN_UNICAST)
		return forward(w, &r);
	if (r.type != RTN_LOCAL)
		return end(w, PATH_UNROUTABLE, "not an address of one receiver");
	if (legacy_is_in_the_way(w, "filter") || !pass(w, NFPROTO_INET, NF_INET_LOCAL_IN))
		return NEXT_END;
	return deliver(w);
}

/* ---- trips ---- */

static bool travel(struct way *w, enum next next)
{
	for (int i = 0; i < STEPS_MAX && (next == NEXT_SEND || next == NEXT_RECEIVE); i++)
		next = next == NEXT_SEND ? send_out(w) : take_in(w);
	if (next == NEXT_SEND || next == NEXT_RECEIVE)
		end(w, PATH_UNKNOWN, "it goes round in circles");
	return next == NEXT_ARRIVED;
}

/* Puts the packet of this trip to where it begins. */
static enum next begin(struct way *w, unsigned trip, const struct path_place *place,
		       const struct packet_tuple *tuple)
{
	w->trip = trip;
	w->p.now = *tuple;
	enter(w, place);
	if ((trip & 1) || !w->start->in)
		return NEXT_SEND;
	w->p.in = net_view_link(place->view, w->start->in);
	return NEXT_RECEIVE;
}

/* Whether the sender knows it: an answer that was not translated back is a stranger's packet. */
static bool is_answer(const struct way *w, const struct path_place *from)
{
	const struct packet_tuple *t = &w->p.now, *o = &w->origin;

	return w->at == from && ip_equal(&t->source, &o->destination) &&
	       ip_equal(&t->destination, &o->source) && t->source_port == o->destination_port &&
	       t->destination_port == o->source_port;
}

/* What is sent here has a port of the range of this namespace, which a translation keeps unless two
 * programs have the same one; of others nothing is known. */
static uint16_t choose_source_port(struct way *w, const struct path_place *from)
{
	struct packet *p = &w->p;
	bool ours = from->view && !w->start->in && from->view->port_last;

	p->any_source_port = !w->start->source_port;
	if (!p->any_source_port)
		return w->start->source_port;
	p->any_first = ours ? from->view->port_first : 0;
	p->any_last = ours ? from->view->port_last : UINT16_MAX;
	return EXAMPLE_PORT < p->any_first || EXAMPLE_PORT > p->any_last ? p->any_first
									 : EXAMPLE_PORT;
}

static void follow_once(const struct path_world *world, const struct path_start *s, struct doubt *d,
			struct path_result *r)
{
	struct way w = {.world = world, .start = s, .r = r, .doubt = d};
	const struct path_place *from = &world->places[s->place], *to;
	struct packet_tuple back;
	char text[2 * IP_TEXT_MAX];

	w.p.protocol = s->protocol;
	w.origin = (struct packet_tuple){.source = s->source,
					 .destination = s->destination,
					 .source_port = choose_source_port(&w, from),
					 .destination_port = s->port};
	if (!travel(&w, begin(&w, 0, from, &w.origin)))
		return;
	to = w.at;
	back = (struct packet_tuple){.source = r->delivered.destination,
				     .destination = r->delivered.source,
				     .source_port = r->delivered.destination_port,
				     .destination_port = r->delivered.source_port};
	/* of TCP two packets more, which no longer have the SYN */
	for (unsigned trip = 1; trip < (s->protocol == IPPROTO_TCP ? 4u : 2u); trip++) {
		bool answer = trip & 1;

		if (!travel(&w, begin(&w, trip, answer ? to : from, answer ? &back : &w.origin)))
			return;
		if (answer && !is_answer(&w, from)) {
			end(&w, PATH_DROPPED,
			    "the answer is not one to what was asked: it comes from %s",
			    tuple_text(
				    &(struct packet_tuple){.destination = w.p.now.source,
							   .destination_port = w.p.now.source_port},
				    text));
			return;
		}
	}
	r->end = PATH_REACHED;
	r->trip = 0;
	r->place = to;
}

void path_follow(const struct path_world *world, const struct path_start *start,
		 struct path_result *out)
{
	struct doubt d = {0};
	bool first = true, differs = false;
	int runs = 0;

	*out = (struct path_result){0};
	do {
		auto_path_result struct path_result r = {0};

		d.asked = 0;
		follow_once(world, start, &d, &r);
		if (first) {
			*out = r;
			r.hops = (struct strv){0};
		}
		differs = differs || r.end != out->end;
		first = false;
	} while (!differs && ++runs < DOUBT_RUNS_MAX && doubt_next(&d));
	if (!differs && runs < DOUBT_RUNS_MAX && !d.overflow)
		return;
	out->end = PATH_UNKNOWN;
	out->rule = d.first_rule;
	out->chain = NULL;
	snprintf(out->reason, sizeof(out->reason), "it depends on what cannot be known: %s",
		 d.first);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Collects the model: records of networks and containers, and what the kernel says of both sides. */
#include "observe/network/debug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <string.h>

#include "base/file.h"
#include "engine/network.h"
#include "network/table.h"
#include "observe/network/debug_internal.h"
#include "observe/probe/network.h"

#define LOOKUP_TIMEOUT_MS 2000

void network_debug_free(struct network_debug *d)
{
	for (size_t i = 0; i < d->claim_count; i++)
		path_result_free(&d->claims[i].result);
	for (size_t i = 0; i < d->container_count; i++) {
		sandbox_free(&d->containers[i].sandbox);
		net_view_free(&d->containers[i].view);
	}
	for (size_t i = 0; i < d->place_count; i++)
		free(d->places[i].ports);
	free(d->claims);
	free(d->containers);
	free(d->places);
	network_list_free(d->networks, d->network_count);
	net_view_free(&d->host);
	strv_free(&d->warnings);
}

/* ---- containers ---- */

/* 1 when it is connected, 0 when it is not. */
static int read_sandbox(struct engine *e, const struct container *c, struct sandbox *out,
			struct err *err)
{
	char path[sizeof("containers/") + ID_LEN];
	auto_close int dir = -1;
	int rc;

	snprintf(path, sizeof(path), "containers/%s", c->id);
	dir = openat(e->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open %s/%s", e->run_root, path);
	rc = sandbox_read(dir, out, err);
	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : 1;
}

static int add_container(struct engine *e, const struct container *c, struct network_debug *d,
			 struct err *err)
{
	struct debug_container *to = &d->containers[d->container_count];
	int rc;

	if (c->state.status != CONTAINER_RUNNING && c->state.status != CONTAINER_PAUSED)
		return 0;
	sandbox_init(&to->sandbox);
	rc = read_sandbox(e, c, &to->sandbox, err);
	if (rc <= 0) {
		sandbox_free(&to->sandbox);
		return rc;
	}
	to->pid = c->state.pid;
	d->container_count++;
	return 0;
}

static int read_containers(struct engine *e, struct network_debug *d, struct err *err)
{
	struct container *list = NULL;
	size_t count = 0;
	int rc = container_list(e, &list, &count, err);

	if (rc < 0)
		return rc;
	d->containers = xcalloc(count + 1, sizeof(*d->containers));
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_container(e, &list[i], d, err);
	container_list_free(list, count);
	return rc;
}

static int find_subject(struct engine *e, const char *reference, struct network_debug *d,
			struct err *err)
{
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_find(e, reference, &c, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < d->container_count; i++) {
		if (str_eq(d->containers[i].sandbox.container_id, c.id))
			d->subject = &d->containers[i];
	}
	if (!d->subject && !c.state.pid)
		return err_set(err, ERR_CONFLICT, 0, "Container %s is not running", c.id);
	if (!d->subject)
		return err_set(err, ERR_CONFLICT, 0,
			       "Container %s is in no network of its own (its mode is %s)", c.id,
			       container_network_name(&c.config));
	rc = network_probe(d->subject->pid, &d->subject->view, err);
	d->subject->has_view = rc == 0;
	return rc;
}

/* ---- places ---- */

static void fill_port(const struct network_debug *d, const struct endpoint *e,
		      const struct link_info *veth, struct path_port *out)
{
	const struct link_info *bridge = net_view_link_named(&d->host, e->bridge);

	*out = (struct path_port){.bridge = bridge ? bridge->index : 0,
				  .veth = veth ? veth->index : 0,
				  .isolated = veth && veth->isolated,
				  .hairpin = veth && veth->hairpin,
				  .ipv4 = e->ipv4,
				  .ipv6 = e->ipv6};
	memcpy(out->device, e->device, sizeof(out->device));
	if (e->internal)
		return;
	out->gateway4 = e->gateway4;
	out->gateway6 = e->gateway6;
}

static void place_container(struct network_debug *d, const struct debug_container *c,
			    struct path_place *out)
{
	const struct sandbox *s = &c->sandbox;

	*out = (struct path_place){.name = s->container_name,
				   .view = c->has_view ? &c->view : NULL,
				   .ports = xcalloc(s->endpoint_count + 1, sizeof(*out->ports)),
				   .port_count = s->endpoint_count};
	for (size_t i = 0; i < s->endpoint_count; i++)
		fill_port(d, &s->endpoints[i], network_debug_veth(d, c, &s->endpoints[i]),
			  &out->ports[i]);
}

static bool is_taken(const struct network_debug *d, const struct ip_address *a)
{
	if (net_view_is_own(&d->host, a))
		return true;
	for (size_t i = 0; i < d->container_count; i++) {
		const struct sandbox *s = &d->containers[i].sandbox;

		for (size_t k = 0; k < s->endpoint_count; k++) {
			if (ip_equal(&s->endpoints[k].ipv4.address, a) ||
			    ip_equal(&s->endpoints[k].ipv6.address, a))
				return true;
		}
	}
	return false;
}

/* The highest address of a subnet that nobody has: an example of one more container there. */
static struct ip_prefix example_of(const struct network_debug *d, const struct ip_prefix *subnet)
{
	struct ip_prefix out = {.length = subnet->length};
	struct ip_address first = ip_prefix_first(subnet), last = ip_prefix_last(subnet);
	uint64_t n = ip_distance(&first, &last);

	for (uint64_t i = 1; i < n && i < 4096; i++) {
		struct ip_address a = ip_add(&first, n - i);

		if (!is_taken(d, &a)) {
			out.address = a;
			break;
		}
	}
	return out;
}

static void place_imagined(struct network_debug *d, const struct network *n, struct path_place *out)
{
	const struct link_info *bridge = net_view_link_named(&d->host, n->bridge);
	struct network_behaviour b = {.icc = true};
	struct err ignored = ERR_INIT;
	struct path_port *p;

	*out = (struct path_place){.name = n->name};
	if (!bridge)
		return;
	if (network_behaviour(n, &b, &ignored) < 0)
		b.icc = true;
	out->ports = xcalloc(1, sizeof(*out->ports));
	out->port_count = 1;
	p = out->ports;
	p->bridge = bridge->index;
	p->isolated = !b.icc;
	for (size_t i = 0; i < n->pool_count; i++) {
		const struct network_pool *pool = &n->pools[i];
		bool six = pool->subnet.address.family == AF_INET6;

		*(six ? &p->ipv6 : &p->ipv4) = example_of(d, &pool->subnet);
		if (!n->internal)
			*(six ? &p->gateway6 : &p->gateway4) = pool->gateway;
	}
}

static void make_places(struct network_debug *d)
{
	d->place_count = 1 + d->container_count + d->network_count;
	d->places = xcalloc(d->place_count, sizeof(*d->places));
	d->places[0] = (struct path_place){.name = "host", .view = &d->host};
	for (size_t i = 0; i < d->container_count; i++)
		place_container(d, &d->containers[i], &d->places[1 + i]);
	for (size_t i = 0; i < d->network_count; i++)
		place_imagined(d, &d->networks[i], &d->places[1 + d->container_count + i]);
	d->world = (struct path_world){d->places, d->place_count};
}

/* ---- sockets that only keep a port ---- */

/* Bound, so that nobody else gets the port, but read by nobody: what comes there is translated before. */
static void forget_kept_ports(struct network_debug *d)
{
	for (size_t i = 0; i < d->container_count; i++) {
		const struct sandbox *s = &d->containers[i].sandbox;

		for (size_t k = 0; k < s->port_count; k++) {
			const struct port_binding *p = &s->ports[k];

			if (sandbox_port_listens(p))
				continue;
			for (size_t n = 0; n < d->host.socket_count; n++) {
				struct net_socket *at = &d->host.sockets[n];

				if (at->port == p->host_port && at->protocol == p->protocol &&
				    ip_equal(&at->address, &p->host_address))
					at->port = 0;
			}
		}
	}
}

/* ---- names ---- */

static void look_up(struct network_debug *d, const char *text)
{
	struct debug_upstream *u = &d->upstreams[d->upstream_count];
	struct ip_address server;

	if (ip_parse(text, &server) < 0 || strlen(text) >= sizeof(u->address))
		return;
	strcpy(u->address, text);
	/* names of containers are nothing that a server outside should hear of */
	u->rc = network_probe_name(d->subject->pid, &server,
				   ip_is_loopback(&server) ? d->subject->sandbox.container_name
							   : "localhost",
				   LOOKUP_TIMEOUT_MS, &u->answer_ms, &u->code);
	d->upstream_count++;
}

/* The container's file as its programs see it; nobody inside can make it lead us elsewhere, since it is
 * opened through the container's root without following links. */
static void read_names(struct engine *e, struct network_debug *d)
{
	char path[sizeof("containers/") + ID_LEN + sizeof("/resolv.conf")];
	auto_free char *text = NULL;
	size_t n;

	snprintf(path, sizeof(path), "containers/%s/resolv.conf", d->subject->sandbox.container_id);
	if (file_read_at(e->root_fd, path, 65536, &text, &n) < 0 &&
	    file_read_at(e->run_fd, path, 65536, &text, &n) < 0) {
		strv_add(&d->warnings, "its resolv.conf cannot be read");
		return;
	}
	for (char *line = text, *next; line && *line; line = next) {
		char *word;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!str_starts(line, "nameserver") || d->upstream_count == 3)
			continue;
		word = line + strlen("nameserver");
		word += strspn(word, " \t");
		word[strcspn(word, " \t\r")] = '\0';
		look_up(d, word);
	}
}

/* ---- all of it ---- */

/* "192.0.2.9%eth0". */
static int parse_from(const struct network_debug *d, const char *text, struct ip_address *address,
		      uint32_t *device, struct err *err)
{
	auto_free char *copy = xstrdup(text);
	char *percent = strchr(copy, '%');
	const struct link_info *l;

	if (!percent)
		return err_set(err, ERR_USAGE, 0,
			       "invalid --from \"%s\": ADDRESS%%DEVICE is wanted", text);
	*percent = '\0';
	if (ip_parse(copy, address) < 0)
		return err_set(err, ERR_USAGE, 0, "invalid --from \"%s\": no IP address", text);
	l = net_view_link_named(&d->host, percent + 1);
	if (!l)
		return err_set(err, ERR_NOT_FOUND, 0, "invalid --from \"%s\": no such device",
			       text);
	*device = l->index;
	return 0;
}

static int read_subject(struct engine *e, const char *container, const char *from,
			struct network_debug *d, struct err *err)
{
	struct net_view *views[2] = {&d->host, NULL};
	struct ip_address address = {0};
	uint32_t device = 0;
	int rc = find_subject(e, container, d, err);

	if (rc == 0 && from)
		rc = parse_from(d, from, &address, &device, err);
	if (rc < 0)
		return rc;
	views[1] = &d->subject->view;
	network_probe_programs(views, 2);
	make_places(d);
	read_names(e, d);
	debug_claims(d, &address, device);
	return 0;
}

int network_debug_read(struct engine *e, const char *container, const char *from,
		       struct network_debug *out, struct err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	engine_network_store(e, &out->store);
	rc = network_probe(0, &out->host, err);
	if (rc == 0)
		rc = network_list(&out->store, &out->networks, &out->network_count, err);
	if (rc == 0)
		rc = read_containers(e, out, err);
	if (rc == 0)
		forget_kept_ports(out);
	if (rc == 0 && container)
		rc = read_subject(e, container, from, out, err);
	return rc;
}

/* ---- what the renderers ask ---- */

const struct link_info *network_debug_veth(const struct network_debug *d,
					   const struct debug_container *c,
					   const struct endpoint *e)
{
	const struct link_info *inside = c->has_view ? net_view_link_named(&c->view, e->device)
						     : NULL;
	size_t stem = strlen(e->veth) > 2 ? strlen(e->veth) - 2 : 0;

	for (size_t i = 0; i < d->host.link_count; i++) {
		const struct link_info *l = &d->host.links[i];

		/* its last two letters are the number of the run (network/script.h) */
		if (!str_eq(l->kind, "veth") || !stem || strncmp(l->name, e->veth, stem) != 0)
			continue;
		if (!inside || !inside->peer_index || inside->peer_index == l->index)
			return l;
	}
	return NULL;
}

void network_debug_port_text(const struct port_binding *p, struct strbuf *out)
{
	char text[IP_TEXT_MAX];
	bool six = p->host_address.family == AF_INET6;

	ip_format(&p->host_address, text);
	strbuf_printf(out, "%s%s%s:%u/%s -> %u", six ? "[" : "", text, six ? "]" : "", p->host_port,
		      p->protocol == IPPROTO_UDP ? "udp" : "tcp", p->container_port);
}

static const struct link_info *way_out(const struct net_view *v)
{
	const struct link_route *best = NULL;

	for (size_t i = 0; i < v->route_count; i++) {
		const struct link_route *r = &v->routes[i];

		if (r->to.length == 0 && r->to.address.family == AF_INET &&
		    (!best || r->metric < best->metric))
			best = r;
	}
	return best ? net_view_link(v, best->index) : NULL;
}

void network_debug_mtu(const struct network_debug *d, const struct endpoint *e, struct strbuf *out,
		       struct strbuf *warning)
{
	const struct link_info *chain[4] = {
		d->subject ? net_view_link_named(&d->subject->view, e->device) : NULL,
		d->subject ? network_debug_veth(d, d->subject, e) : NULL,
		net_view_link_named(&d->host, e->bridge),
		e->internal ? NULL : way_out(&d->host),
	};

	for (size_t i = 0; i < 4; i++) {
		if (!chain[i])
			continue;
		strbuf_printf(out, "%s%s %u", out->len ? ", " : "", chain[i]->name, chain[i]->mtu);
		if (chain[0] && chain[i]->mtu < chain[0]->mtu && !warning->len)
			strbuf_printf(warning,
				      "%s takes packets of %u bytes, the container sends up to %u: "
				      "large ones are lost where ICMP is filtered "
				      "(network create -o com.docker.network.driver.mtu=%u)",
				      chain[i]->name, chain[i]->mtu, chain[0]->mtu, chain[i]->mtu);
	}
}

static bool has_our_comment(const struct network_debug *d, const struct nft_dump_chain *c)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "cloche %s", d->store.table);
	for (size_t i = 0; i < c->rule_count; i++) {
		if (c->rules[i]->comment && str_eq(c->rules[i]->comment, wanted))
			return true;
	}
	return false;
}

/* A drop or reject anywhere in a chain's own rules. */
static bool may_drop(const struct nft_ruleset *rules, const struct nft_dump_chain *c)
{
	for (size_t i = 0; i < c->rule_count; i++) {
		auto_strbuf struct strbuf text = {0};

		filter_rule_text(rules, c->rules[i], &text);
		if (strstr(strbuf_str(&text), "drop") || strstr(strbuf_str(&text), "reject") ||
		    strstr(strbuf_str(&text), "REJECT") || strstr(strbuf_str(&text), "jump") ||
		    strstr(strbuf_str(&text), "vmap") || strstr(strbuf_str(&text), "goto"))
			return true;
	}
	return false;
}

/* Ours stand in the chain itself, or in one that has no hook: host_filter_admit() uses those that only
 * this one comes to. */
static bool admits(const struct network_debug *d, const struct nft_dump_chain *c)
{
	const struct nft_ruleset *r = &d->host.rules;

	for (size_t i = 0; i < r->chain_count; i++) {
		const struct nft_dump_chain *other = &r->chains[i];

		if ((other == c || (!other->type && other->family == c->family &&
				    str_eq(other->table, c->table))) &&
		    has_our_comment(d, other))
			return true;
	}
	return false;
}

bool network_debug_next_filter(const struct network_debug *d, size_t *after,
			       struct debug_filter *out)
{
	const struct nft_ruleset *r = &d->host.rules;

	while (*after < r->chain_count) {
		const struct nft_dump_chain *c = &r->chains[(*after)++];
		auto_strbuf struct strbuf text = {0};
		bool routes = c->family == NFPROTO_INET || c->family == NFPROTO_IPV4 ||
			      c->family == NFPROTO_IPV6;

		if (!c->type || c->dormant || !routes || c->hook != NF_INET_FORWARD ||
		    str_eq(c->table, d->store.table) || (c->policy == NF_ACCEPT && !may_drop(r, c)))
			continue;
		filter_place_text(c, NULL, &text);
		*out = (struct debug_filter){.chain = c,
					     .admits = admits(d, c),
					     .drops_all = host_filter_drops_all(r, c)};
		snprintf(out->text, sizeof(out->text), "%s: policy %s, %zu rules",
			 strbuf_str(&text), c->policy == NF_DROP ? "drop" : "accept",
			 c->rule_count);
		return true;
	}
	return false;
}

void network_debug_decider(const struct network_debug *d, const struct path_result *r,
			   struct strbuf *out)
{
	const struct net_view *v = r->view ? r->view : &d->host;

	if (!r->rule && !r->chain)
		return;
	if (r->rule)
		strbuf_printf(out, "%s %s handle %llu: ", r->rule->table, r->rule->chain,
			      (unsigned long long)r->rule->handle);
	else
		filter_place_text(r->chain, NULL, out);
	if (r->rule)
		filter_rule_text(&v->rules, r->rule, out);
	else
		strbuf_puts(out, ": policy");
}

const struct nft_dump_rule *network_debug_next_drop(const struct network_debug *d, size_t *after,
						    uint64_t *packets)
{
	const struct nft_ruleset *r = &d->host.rules;

	while (*after < r->rule_count) {
		const struct nft_dump_rule *rule = &r->rules[(*after)++];
		auto_strbuf struct strbuf text = {0};

		if (!filter_rule_packets(rule, packets) || !*packets)
			continue;
		filter_rule_text(r, rule, &text);
		if (strstr(strbuf_str(&text), "drop") || strstr(strbuf_str(&text), "reject") ||
		    strstr(strbuf_str(&text), "REJECT"))
			return rule;
	}
	return NULL;
}

const struct network *network_debug_network(const struct network_debug *d, const char *id)
{
	for (size_t i = 0; i < d->network_count; i++) {
		if (str_eq(d->networks[i].id, id))
			return &d->networks[i];
	}
	return NULL;
}

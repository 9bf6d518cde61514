/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports between the record's words ("IP:HOST:PORT/PROTO"), the network layer's bindings and what users
 * see. Pure. Order and grouping are those of Docker's client (cli/command/formatter).
 */
#include "engine/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

static bool protocol_number(const char *name, uint8_t *out)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (!str_eq(protocols[i].name, name))
			continue;
		*out = protocols[i].number;
		return true;
	}
	return false;
}

static const char *protocol_name(uint8_t number)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (protocols[i].number == number)
			return protocols[i].name;
	}
	return "";
}

static bool parse_number(const char *text, size_t n, uint16_t *out)
{
	auto_free char *digits = xstrndup(text, n);
	uint64_t value;

	if (str_to_u64(digits, &value) < 0 || value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

/* "80/tcp" */
static bool parse_port(const char *text, uint16_t *port, uint8_t *protocol)
{
	const char *slash = strchr(text, '/');

	return slash && parse_number(text, (size_t)(slash - text), port) && *port &&
	       protocol_number(slash + 1, protocol);
}

/* "", "80", "80-90" */
static bool parse_host_ports(const char *text, size_t n, struct port_binding *out)
{
	const char *dash = memchr(text, '-', n);
	size_t first = dash ? (size_t)(dash - text) : n;

	if (!n)
		return true;
	if (!parse_number(text, first, &out->host_port))
		return false;
	out->host_port_last = out->host_port;
	return !dash || (parse_number(dash + 1, n - first - 1, &out->host_port_last) &&
			 out->host_port_last >= out->host_port);
}

static bool parse_address(const char *text, size_t n, struct ip_address *out)
{
	bool brackets = n > 2 && *text == '[' && text[n - 1] == ']';
	auto_free char *bare = brackets ? xstrndup(text + 1, n - 2) : xstrndup(text, n);

	return !n || ip_parse(bare, out) == 0;
}

static bool parse_binding(const char *text, struct port_binding *out)
{
	auto_free char *copy = xstrdup(text);
	char *port = strrchr(copy, ':'), *host;

	*out = (struct port_binding){0};
	if (!port)
		return false;
	*port++ = '\0';
	host = strrchr(copy, ':');
	if (!host)
		return false;
	*host++ = '\0';
	return parse_port(port, &out->container_port, &out->protocol) &&
	       parse_host_ports(host, strlen(host), out) &&
	       parse_address(copy, strlen(copy), &out->host_address);
}

/* What -P does with a port that -p does not name: any one of the host. */
static bool add_exposed(const char *exposed, struct port_binding *list, size_t *count)
{
	struct port_binding b = {0};

	if (!parse_port(exposed, &b.container_port, &b.protocol))
		return false;
	for (size_t i = 0; i < *count; i++) {
		if (list[i].container_port == b.container_port && list[i].protocol == b.protocol)
			return true;
	}
	list[(*count)++] = b;
	return true;
}

int container_port_requests(const struct container_config *c, struct port_binding **out,
			    size_t *count, struct err *err)
{
	size_t most = c->publish.count + (c->publish_all ? c->exposed_ports.count : 0);
	auto_free struct port_binding *list = xcalloc(most + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < c->publish.count; i++) {
		bool again = false;

		for (size_t j = 0; j < i && c->publish.count < 1000; j++)
			again = again || str_eq(c->publish.items[i], c->publish.items[j]);
		if (again)
			continue;
		if (!parse_binding(c->publish.items[i], &list[n++]))
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid port specification: \"%s\"", c->publish.items[i]);
	}
	for (size_t i = 0; c->publish_all && i < c->exposed_ports.count; i++) {
		if (!add_exposed(c->exposed_ports.items[i], list, &n))
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid port specification: \"%s\"",
				       c->exposed_ports.items[i]);
	}
	*out = take_ptr(&list);
	*count = n;
	return 0;
}

/* ---- what is shown ---- */

static int compare_shown(const void *x, const void *y)
{
	const struct shown_port *a = x, *b = y;
	int ip = strcmp(a->host_ip, b->host_ip);

	if (a->container_port != b->container_port)
		return a->container_port < b->container_port ? -1 : 1;
	if (ip)
		return ip;
	if (a->host_port != b->host_port)
		return a->host_port < b->host_port ? -1 : 1;
	return strcmp(a->protocol, b->protocol);
}

static bool is_published(const struct sandbox *s, uint16_t port, uint8_t protocol)
{
	for (size_t i = 0; s && i < s->port_count; i++) {
		if (s->ports[i].container_port == port && s->ports[i].protocol == protocol)
			return true;
	}
	return false;
}

void container_shown_ports(const struct container_config *c, const struct sandbox *sandbox,
			   struct shown_port **out, size_t *count)
{
	size_t published = sandbox ? sandbox->port_count : 0, n = 0;
	struct shown_port *list = xcalloc(published + c->exposed_ports.count + 1, sizeof(*list));

	for (size_t i = 0; i < published; i++) {
		const struct port_binding *b = &sandbox->ports[i];
		struct shown_port *p = &list[n++];

		*p = (struct shown_port){.container_port = b->container_port,
					 .host_port = b->host_port,
					 .protocol = protocol_name(b->protocol)};
		ip_format(&b->host_address, p->host_ip);
	}
	for (size_t i = 0; i < c->exposed_ports.count; i++) {
		uint16_t port;
		uint8_t protocol;

		if (parse_port(c->exposed_ports.items[i], &port, &protocol) &&
		    !is_published(sandbox, port, protocol))
			list[n++] = (struct shown_port){.container_port = port,
							.protocol = protocol_name(protocol)};
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_shown);
	*out = list;
	*count = n;
}

static void put_host(const char *ip, struct strbuf *out)
{
	strbuf_printf(out, strchr(ip, ':') ? "[%s]:" : "%s:", ip);
}

void ports_format_host(const struct shown_port *port, struct strbuf *out)
{
	put_host(port->host_ip, out);
	strbuf_printf(out, "%u", port->host_port);
}

/* Ports that follow one another, with the same number on either side. */
struct group {
	const char *ip, *protocol;
	uint16_t first, last;
};

static void put_separator(struct strbuf *out)
{
	if (out->len)
		strbuf_puts(out, ", ");
}

static void put_group(const struct group *g, struct strbuf *out)
{
	char range[16];

	if (g->first == g->last)
		snprintf(range, sizeof(range), "%u", g->first);
	else
		snprintf(range, sizeof(range), "%u-%u", g->first, g->last);
	put_separator(out);
	if (*g->ip) {
		put_host(g->ip, out);
		strbuf_printf(out, "%s->", range);
	}
	strbuf_printf(out, "%s/%s", range, g->protocol);
}

/* A group for each address and protocol: one that a port does not continue is put and begun anew. */
static void put_grouped(const struct shown_port *p, struct group *groups, size_t *count,
			struct strbuf *out)
{
	for (size_t i = 0; i < *count; i++) {
		struct group *g = &groups[i];

		if (!str_eq(g->ip, p->host_ip) || !str_eq(g->protocol, p->protocol))
			continue;
		if (p->container_port == g->last + 1) {
			g->last = p->container_port;
			return;
		}
		put_group(g, out);
		g->first = g->last = p->container_port;
		return;
	}
	groups[(*count)++] =
		(struct group){p->host_ip, p->protocol, p->container_port, p->container_port};
}

void ports_format(const struct shown_port *ports, size_t count, struct strbuf *out)
{
	auto_free struct group *groups = xcalloc(count + 1, sizeof(*groups));
	auto_strbuf struct strbuf text = {0};
	size_t group_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (!*ports[i].host_ip || ports[i].host_port == ports[i].container_port)
			put_grouped(&ports[i], groups, &group_count, &text);
	}
	for (size_t i = 0; i < group_count; i++)
		put_group(&groups[i], &text);
	for (size_t i = 0; i < count; i++) {
		if (!*ports[i].host_ip || ports[i].host_port == ports[i].container_port)
			continue;
		put_separator(&text);
		ports_format_host(&ports[i], &text);
		strbuf_printf(&text, "->%u/%s", ports[i].container_port, ports[i].protocol);
	}
	strbuf_puts(out, strbuf_str(&text));
}

/* ---- JSON: an object by "80/tcp", its keys sorted as Go sorts them ---- */

struct entry {
	char key[16], host_port[16], host_ip[IP_TEXT_MAX];
	bool published;
	size_t place; /* keeps the order of one key's entries */
};

static int compare_entries(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int rc = strcmp(a->key, b->key);

	return rc ? rc : (a->place > b->place) - (a->place < b->place);
}

static void write_entries(struct json_writer *w, const char *key, struct entry *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof(*list), compare_entries);
	json_write_begin(w, key, '{');
	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || !str_eq(list[i - 1].key, list[i].key);
		bool last = i + 1 == count || !str_eq(list[i + 1].key, list[i].key);

		if (!list[i].published) {
			json_write_raw(w, list[i].key, "null");
			continue;
		}
		if (first)
			json_write_begin(w, list[i].key, '[');
		json_write_begin(w, NULL, '{');
		json_write_string(w, "HostIp", list[i].host_ip);
		json_write_string(w, "HostPort", list[i].host_port);
		json_write_end(w, '}');
		if (last)
			json_write_end(w, ']');
	}
	json_write_end(w, '}');
}

void ports_write_shown(struct json_writer *w, const char *key, const struct shown_port *ports,
		       size_t count)
{
	auto_free struct entry *list = xcalloc(count + 1, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &list[i];

		e->published = *ports[i].host_ip != '\0';
		e->place = i;
		snprintf(e->key, sizeof(e->key), "%u/%s", ports[i].container_port,
			 ports[i].protocol);
		snprintf(e->host_port, sizeof(e->host_port), "%u", ports[i].host_port);
		snprintf(e->host_ip, sizeof(e->host_ip), "%s", ports[i].host_ip);
	}
	write_entries(w, key, list, count);
}

void ports_write_bindings(struct json_writer *w, const char *key, const void *base)
{
	const struct container_config *c = &((const struct container *)base)->config;
	auto_free struct entry *list = xcalloc(c->publish.count + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < c->publish.count; i++) {
		struct port_binding b;
		struct entry *e = &list[n];

		if (!parse_binding(c->publish.items[i], &b))
			continue;
		*e = (struct entry){.published = true, .place = n++};
		snprintf(e->key, sizeof(e->key), "%u/%s", b.container_port,
			 protocol_name(b.protocol));
		if (b.host_address.family)
			ip_format(&b.host_address, e->host_ip);
		if (b.host_port_last > b.host_port)
			snprintf(e->host_port, sizeof(e->host_port), "%u-%u", b.host_port,
				 b.host_port_last);
		else if (b.host_port)
			snprintf(e->host_port, sizeof(e->host_port), "%u", b.host_port);
	}
	write_entries(w, key, list, n);
}

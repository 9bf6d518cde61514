/* SPDX-License-Identifier: Apache-2.0 */
/* network.json: what a container was given, for everybody who did not give it. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "network/sandbox.h"

#define SANDBOX_VERSION 1
#define SANDBOX_BYTES_MAX (16u << 20)
#define MAC_BYTES 6
#define MAC_TEXT 18

/* ---- writing ---- */

static void write_list(struct json_writer *w, const char *key, const struct strv *v)
{
	if (!v->count)
		return;
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < v->count; i++)
		json_write_string(w, NULL, v->items[i]);
	json_write_end(w, ']');
}

static void write_text(struct json_writer *w, const char *key, const char *text)
{
	if (text && *text)
		json_write_string(w, key, text);
}

static void write_prefix(struct json_writer *w, const char *key, const struct ip_prefix *p)
{
	char text[IP_TEXT_MAX];

	ip_prefix_format(p, text);
	write_text(w, key, text);
}

static void write_address(struct json_writer *w, const char *key, const struct ip_address *a)
{
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	write_text(w, key, text);
}

static void write_request(struct json_writer *w, const struct endpoint_request *r)
{
	json_write_begin(w, "Request", '{');
	write_text(w, "Network", r->network);
	write_list(w, "Aliases", &r->aliases);
	write_list(w, "Links", &r->links);
	write_list(w, "DriverOptions", &r->driver_options);
	write_list(w, "LinkLocalIPs", &r->link_local);
	write_text(w, "IPv4", r->ipv4);
	write_text(w, "IPv6", r->ipv6);
	write_text(w, "MacAddress", r->mac);
	if (r->gw_priority)
		json_write_i64(w, "GwPriority", r->gw_priority);
	json_write_end(w, '}');
}

static void write_endpoint(struct json_writer *w, const struct endpoint *e)
{
	char mac[MAC_TEXT];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		 e->mac[3], e->mac[4], e->mac[5]);
	json_write_begin(w, NULL, '{');
	json_write_string(w, "Id", e->id);
	json_write_string(w, "NetworkId", e->network_id);
	json_write_string(w, "NetworkName", e->network_name);
	json_write_string(w, "Bridge", e->bridge);
	json_write_string(w, "Device", e->device);
	json_write_string(w, "Veth", e->veth);
	json_write_string(w, "MacAddress", mac);
	write_prefix(w, "IPv4", &e->ipv4);
	write_prefix(w, "IPv6", &e->ipv6);
	write_address(w, "Gateway4", &e->gateway4);
	write_address(w, "Gateway6", &e->gateway6);
	json_write_bool(w, "Internal", e->internal);
	json_write_bool(w, "Names", e->has_names);
	json_write_u64(w, "Mtu", e->mtu);
	json_write_bool(w, "Isolated", e->isolated);
	write_list(w, "Aliases", &e->aliases);
	write_request(w, &e->request);
	json_write_end(w, '}');
}

static void write_port(struct json_writer *w, const struct sandbox *s, const struct port_binding *p)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "Protocol", p->protocol == IPPROTO_UDP ? "udp" : "tcp");
	json_write_u64(w, "ContainerPort", p->container_port);
	write_address(w, "HostAddress", &p->host_address);
	json_write_u64(w, "HostPort", p->host_port);
	json_write_u64(w, "Endpoint", p->network);
	json_write_bool(w, "Forwarded", sandbox_port_is_forwarded(s, p));
	json_write_end(w, '}');
}

int sandbox_write(const struct sandbox *s, int run_dir, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	int rc;

	json_write_begin(&w, NULL, '{');
	json_write_u64(&w, "SchemaVersion", SANDBOX_VERSION);
	json_write_string(&w, "ContainerId", s->container_id);
	json_write_string(&w, "ContainerName", s->container_name);
	json_write_begin(&w, "Endpoints", '[');
	for (size_t i = 0; i < s->endpoint_count; i++)
		write_endpoint(&w, &s->endpoints[i]);
	json_write_end(&w, ']');
	json_write_begin(&w, "Ports", '[');
	for (size_t i = 0; i < s->port_count; i++)
		write_port(&w, s, &s->ports[i]);
	json_write_end(&w, ']');
	write_list(&w, "Dns", &s->dns);
	json_write_end(&w, '}');
	strbuf_putc(&text, '\n');
	rc = file_replace_at(run_dir, SANDBOX_FILE, text.data, text.len, 0600, FILE_VOLATILE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", SANDBOX_FILE,
				err_errno_text(-rc))
		      : 0;
}

/* ---- reading: -EINVAL for what makes no sense ---- */

static int get_text(struct json_object *o, const char *key, char **out)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == 0)
		*out = xstrdup(text);
	return rc == -ENOENT ? 0 : rc;
}

static int get_short(struct json_object *o, const char *key, char *out, size_t size)
{
	const char *text;

	if (json_get_string(o, key, &text) < 0)
		return -EINVAL;
	return str_format(out, size, "%s", text);
}

static int get_id(struct json_object *o, const char *key, char out[static ID_LEN + 1])
{
	const char *text;

	if (json_get_string(o, key, &text) < 0 || strlen(text) != ID_LEN ||
	    !id_is_hex(text, ID_LEN))
		return -EINVAL;
	memcpy(out, text, ID_LEN + 1);
	return 0;
}

static int get_strv(struct json_object *o, const char *key, struct strv *out)
{
	int rc = json_get_strv(o, key, out);

	return rc == -ENOENT ? 0 : rc;
}

static int get_prefix(struct json_object *o, const char *key, struct ip_prefix *out)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == 0)
		rc = ip_prefix_parse(text, out);
	return rc == -ENOENT ? 0 : rc;
}

static int get_address(struct json_object *o, const char *key, struct ip_address *out)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == 0)
		rc = ip_parse(text, out);
	return rc == -ENOENT ? 0 : rc;
}

static int get_number(struct json_object *o, const char *key, uint64_t max, uint64_t *out)
{
	if (json_get_u64(o, key, out) < 0 || *out > max)
		return -EINVAL;
	return 0;
}

static int get_mac(struct json_object *o, const char *key, uint8_t out[static MAC_BYTES])
{
	unsigned int b[MAC_BYTES];
	const char *text;

	if (json_get_string(o, key, &text) < 0 || strlen(text) != MAC_TEXT - 1 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) !=
		    MAC_BYTES)
		return -EINVAL;
	for (int i = 0; i < MAC_BYTES; i++)
		out[i] = (uint8_t)b[i];
	return 0;
}

static int get_priority(struct json_object *o, const char *key, int64_t *out)
{
	int rc = json_get_i64(o, key, out);

	return rc == -ENOENT ? 0 : rc;
}

static int read_request(struct json_object *endpoint, struct endpoint_request *r)
{
	struct json_object *o;

	if (json_get_object(endpoint, "Request", &o) < 0 ||
	    get_text(o, "Network", &r->network) < 0 || get_strv(o, "Aliases", &r->aliases) < 0 ||
	    get_strv(o, "Links", &r->links) < 0 ||
	    get_strv(o, "DriverOptions", &r->driver_options) < 0 ||
	    get_strv(o, "LinkLocalIPs", &r->link_local) < 0 || get_text(o, "IPv4", &r->ipv4) < 0 ||
	    get_text(o, "IPv6", &r->ipv6) < 0 || get_text(o, "MacAddress", &r->mac) < 0)
		return -EINVAL;
	return get_priority(o, "GwPriority", &r->gw_priority);
}

static int read_endpoint(struct json_object *o, struct sandbox *s)
{
	struct endpoint *e = sandbox_add_endpoint(s);
	uint64_t mtu;

	if (get_id(o, "Id", e->id) < 0 || get_id(o, "NetworkId", e->network_id) < 0 ||
	    get_text(o, "NetworkName", &e->network_name) < 0 || !e->network_name ||
	    get_short(o, "Bridge", e->bridge, sizeof(e->bridge)) < 0 ||
	    get_short(o, "Device", e->device, sizeof(e->device)) < 0 ||
	    get_short(o, "Veth", e->veth, sizeof(e->veth)) < 0 ||
	    get_mac(o, "MacAddress", e->mac) < 0 || get_prefix(o, "IPv4", &e->ipv4) < 0 ||
	    get_prefix(o, "IPv6", &e->ipv6) < 0 || get_address(o, "Gateway4", &e->gateway4) < 0 ||
	    get_address(o, "Gateway6", &e->gateway6) < 0 ||
	    json_get_bool(o, "Internal", &e->internal) < 0 ||
	    json_get_bool(o, "Names", &e->has_names) < 0 ||
	    get_strv(o, "Aliases", &e->aliases) < 0 || get_number(o, "Mtu", UINT16_MAX, &mtu) < 0 ||
	    json_get_bool(o, "Isolated", &e->isolated) < 0)
		return -EINVAL;
	e->mtu = (uint32_t)mtu;
	return read_request(o, &e->request);
}

static int read_port(struct json_object *o, struct port_binding *p)
{
	uint64_t container_port, host_port, endpoint;
	const char *protocol;

	if (json_get_string(o, "Protocol", &protocol) < 0 ||
	    get_number(o, "ContainerPort", UINT16_MAX, &container_port) < 0 ||
	    get_number(o, "HostPort", UINT16_MAX, &host_port) < 0 ||
	    get_number(o, "Endpoint", UINT8_MAX, &endpoint) < 0 ||
	    get_address(o, "HostAddress", &p->host_address) < 0 || !p->host_address.family ||
	    (!str_eq(protocol, "tcp") && !str_eq(protocol, "udp")))
		return -EINVAL;
	p->protocol = str_eq(protocol, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
	p->container_port = (uint16_t)container_port;
	p->host_port = p->host_port_last = (uint16_t)host_port;
	p->network = (uint8_t)endpoint;
	return 0;
}

static int read_ports(struct json_object *o, struct sandbox *s)
{
	struct json_object *ports;
	size_t count;

	if (json_get_array(o, "Ports", &ports) < 0)
		return -EINVAL;
	count = json_object_array_length(ports);
	s->ports = count ? xcalloc(count, sizeof(*s->ports)) : NULL;
	for (size_t i = 0; i < count; i++) {
		s->port_count = i + 1;
		if (read_port(json_object_array_get_idx(ports, i), &s->ports[i]) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_sandbox(struct json_object *o, struct sandbox *s)
{
	struct json_object *endpoints;
	uint64_t version;

	if (get_number(o, "SchemaVersion", SANDBOX_VERSION, &version) < 0 ||
	    get_id(o, "ContainerId", s->container_id) < 0 ||
	    get_text(o, "ContainerName", &s->container_name) < 0 ||
	    get_strv(o, "Dns", &s->dns) < 0 || json_get_array(o, "Endpoints", &endpoints) < 0)
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(endpoints); i++)
		if (read_endpoint(json_object_array_get_idx(endpoints, i), s) < 0)
			return -EINVAL;
	return read_ports(o, s);
}

int sandbox_read(int run_dir, struct sandbox *out, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc = json_read_at(run_dir, SANDBOX_FILE, SANDBOX_BYTES_MAX, &o, err);

	sandbox_init(out);
	if (rc == -ENOENT || (rc < 0 && err->kind == ERR_SYSTEM))
		return rc;
	if (rc == 0 && read_sandbox(o, out) == 0)
		return 0;
	sandbox_free(out);
	return err_set(err, ERR_CORRUPT, EUCLEAN, "%s is damaged", SANDBOX_FILE);
}

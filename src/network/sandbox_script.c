/* SPDX-License-Identifier: Apache-2.0 */
/* Writing network.script: everything that connects a container, as messages that are ready to send. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "kernel/conntrack.h"
#include "kernel/link.h"
#include "network/ipam.h"
#include "network/sandbox.h"
#include "network/script.h"
#include "network/table.h"

#define ENDPOINT_BYTES 1024 /* messages of one endpoint, on either side */
#define ADDRESS_BYTES 128   /* of one address more */
#define LINK_LOCAL_BITS4 16 /* 169.254.0.0/16 */
#define LINK_LOCAL_BITS6 64 /* fe80::/64 */
#define ALIGN 8u

/* The first of the highest priority among those that lead out and, with a family, have it; the count: none. */
static size_t find_gateway(const struct sandbox *s, uint8_t family)
{
	size_t found = s->endpoint_count;

	for (size_t i = 0; i < s->endpoint_count; i++) {
		const struct endpoint *e = &s->endpoints[i];
		const struct ip_prefix *own = family == AF_INET6 ? &e->ipv6 : &e->ipv4;

		if (e->internal || (family && !own->address.family))
			continue;
		if (found == s->endpoint_count ||
		    e->request.gw_priority > s->endpoints[found].request.gw_priority)
			found = i;
	}
	return found;
}

uint8_t sandbox_port_target(const struct sandbox *s)
{
	size_t found = find_gateway(s, 0);

	return found < s->endpoint_count && found < UINT8_MAX ? (uint8_t)found : UINT8_MAX;
}

const struct endpoint *sandbox_default_route(const struct sandbox *s, uint8_t family)
{
	size_t found = find_gateway(s, family);

	return found < s->endpoint_count ? &s->endpoints[found] : NULL;
}

/* ---- entries ---- */

static void add_zeros(struct strbuf *out, size_t n)
{
	static const char zeros[ALIGN];

	strbuf_add(out, zeros, n);
}

static void add_entry(struct strbuf *out, enum script_type type, const void *head,
		      size_t head_bytes, const void *payload, size_t bytes)
{
	size_t n = head_bytes + bytes;
	struct script_entry e = {.type = type, .bytes = (uint32_t)n};

	strbuf_add(out, (const char *)&e, sizeof(e));
	if (head_bytes)
		strbuf_add(out, head, head_bytes);
	if (bytes)
		strbuf_add(out, payload, bytes);
	add_zeros(out, (ALIGN - n % ALIGN) % ALIGN);
}

static void add_texts(struct strbuf *out, enum script_type type, const char *first,
		      const char *second)
{
	add_entry(out, type, first, strlen(first) + 1, second, strlen(second) + 1);
}

static int overflow(struct err *err)
{
	return err_set(err, ERR_SYSTEM, EMSGSIZE, "write %s: its messages do not fit", SCRIPT_FILE);
}

/* By its number in the device's name, so that it is the same in every run, and free again when the
 * device is gone. */
static uint32_t inner_index(const struct endpoint *e)
{
	const char *digits = e->device + strlen(e->device);

	while (digits > e->device && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	return link_peer_index((uint32_t)atoi(digits));
}

static int add_link(struct strbuf *out, const struct endpoint *e, struct err *err)
{
	_Alignas(8) unsigned char bytes[ENDPOINT_BYTES];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};
	struct link_veth_places places;
	uint32_t bridge = e->bridge_index ? e->bridge_index : link_index(e->bridge);
	struct script_link l;

	if (!bridge)
		return err_set(err, ERR_NOT_FOUND, ENODEV, "network %s: bridge %s is gone",
			       e->network_name, e->bridge);
	link_put_veth(&b,
		      &(struct link_veth){.name = e->veth,
					  .peer = e->device,
					  .bridge_index = bridge,
					  .mtu = e->mtu,
					  .peer_index = inner_index(e),
					  .peer_mac = e->mac,
					  .isolated = e->isolated},
		      &places);
	if (b.overflow)
		return overflow(err);
	l = (struct script_link){.pid_at = (uint32_t)places.pid,
				 .name_at = (uint32_t)places.name,
				 .port_name_at = (uint32_t)places.port_name,
				 .isolated_name_at = (uint32_t)places.isolated_name};
	add_entry(out, SCRIPT_LINK, &l, sizeof(l), bytes, b.used);
	return 0;
}

/* Asking /proc/sys/net costs more with every namespace whose switches were looked up: the kernel keeps
 * them all under one name. */
static bool kernel_has_ipv6(void)
{
	auto_close int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

/* Whether the endpoint speaks IPv6 at all. */
static bool has_ipv6(const struct endpoint *e)
{
	struct ip_address a;

	for (size_t i = 0; i < e->request.link_local.count; i++)
		if (ip_parse(e->request.link_local.items[i], &a) == 0 && a.family == AF_INET6)
			return true;
	return e->ipv6.address.family != 0;
}

static bool any_has_ipv6(const struct sandbox *s)
{
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (has_ipv6(&s->endpoints[i]))
			return true;
	return false;
}

static void add_switch(struct strbuf *out, enum script_type type, const char *device,
		       const char *name, const char *value)
{
	auto_free char *path = xasprintf("net/ipv6/conf/%s/%s", device, name);

	add_texts(out, type, path, value);
}

/* No IPv6 where the network has none; else no router's advertisements, which any neighbour could send
 * (CVE-2020-13401). One switch, since looking it up is what costs; and where no network has IPv6, that of
 * the devices to come: to turn it off on one that is there, the kernel wants the lock of all devices, and
 * does not wait for it but has the call made again and again. */
static void add_sysctls(struct strbuf *out, const struct sandbox *s, const struct endpoint *only)
{
	if (!only && !any_has_ipv6(s)) {
		add_switch(out, SCRIPT_SYSCTL_FIRST, "default", "disable_ipv6", "1");
		return;
	}
	for (size_t i = 0; i < s->endpoint_count; i++) {
		const struct endpoint *e = &s->endpoints[i];

		if (only && only != e)
			continue;
		/* As above it may have been turned off when the container had fewer networks. */
		if (only || !has_ipv6(e))
			add_switch(out, SCRIPT_SYSCTL, e->device, "disable_ipv6",
				   has_ipv6(e) ? "0" : "1");
		if (has_ipv6(e))
			add_switch(out, SCRIPT_SYSCTL, e->device, "accept_ra", "0");
	}
}

static void put_addresses(struct netlink_buffer *b, const struct endpoint *e)
{
	if (e->ipv4.address.family)
		link_put_address(b, inner_index(e), &e->ipv4);
	if (e->ipv6.address.family)
		link_put_address(b, inner_index(e), &e->ipv6);
	for (size_t i = 0; i < e->request.link_local.count; i++) {
		struct ip_prefix p = {.length = LINK_LOCAL_BITS4};

		if (ip_parse(e->request.link_local.items[i], &p.address) < 0)
			continue;
		if (p.address.family == AF_INET6)
			p.length = LINK_LOCAL_BITS6;
		link_put_address(b, inner_index(e), &p);
	}
	link_put_up(b, e->device, true);
}

void sandbox_put_routes(struct netlink_buffer *b, const struct sandbox *s,
			const struct endpoint *only)
{
	const struct endpoint *v4 = sandbox_default_route(s, AF_INET),
			      *v6 = sandbox_default_route(s, AF_INET6);

	if (v4 && (!only || v4 == only))
		link_put_route(b, NULL, &v4->gateway4, inner_index(v4), 0);
	if (v6 && (!only || v6 == only))
		link_put_route(b, NULL, &v6->gateway6, inner_index(v6), 0);
}

static size_t link_local_bytes(const struct sandbox *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->endpoint_count; i++)
		count += s->endpoints[i].request.link_local.count;
	return count * ADDRESS_BYTES;
}

static int add_inside(struct strbuf *out, const struct sandbox *s, const struct endpoint *only,
		      struct err *err)
{
	size_t size = ENDPOINT_BYTES * (1 + s->endpoint_count) + link_local_bytes(s);
	auto_free unsigned char *bytes = xcalloc(1, size);
	struct netlink_buffer b = {.bytes = bytes, .size = size};

	if (!only)
		link_put_up(&b, "lo", true);
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (!only || only == &s->endpoints[i])
			put_addresses(&b, &s->endpoints[i]);
	sandbox_put_routes(&b, s, only);
	if (b.overflow)
		return overflow(err);
	add_entry(out, SCRIPT_INSIDE, NULL, 0, bytes, b.used);
	return 0;
}

static int add_rules(struct strbuf *out, const struct network_store *store, const struct sandbox *s,
		     bool remove, struct err *err)
{
	size_t size = table_ports_bytes(s->port_count);
	auto_free unsigned char *bytes = xcalloc(1, size);
	struct netlink_buffer b = {.bytes = bytes, .size = size};

	if (!s->port_count)
		return 0;
	table_put_ports(store, s, remove, &b);
	if (b.overflow)
		return overflow(err);
	if (b.used)
		add_entry(out, remove ? SCRIPT_RULES_REMOVE : SCRIPT_RULES_ADD, NULL, 0, bytes,
			  b.used);
	return 0;
}

/* A sender of datagrams that never pauses would keep what was decided before these rules were there, or
 * after they went: TCP makes a new connection instead. */
static void add_forget(struct strbuf *out, const struct sandbox *s)
{
	auto_free struct conntrack_port *ports = xcalloc(s->port_count + 1, sizeof(*ports));
	size_t n = 0;

	for (size_t i = 0; i < s->port_count; i++) {
		const struct port_binding *p = &s->ports[i];

		if (p->protocol != IPPROTO_UDP)
			continue;
		ports[n] = (struct conntrack_port){.family = p->host_address.family,
						   .protocol = p->protocol,
						   .port = p->host_port};
		memcpy(ports[n++].address, p->host_address.bytes, sizeof(ports->address));
	}
	if (n)
		add_entry(out, SCRIPT_FORGET, NULL, 0, ports, n * sizeof(*ports));
}

static int compare_forwards(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct script_port));
}

/* IPv6 of the host's: [::1] never, and the rest to a container without it, can be translated. */
static void add_forwards(struct strbuf *out, const struct sandbox *s)
{
	auto_free struct script_forward *list = xcalloc(s->port_count + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < s->port_count; i++) {
		const struct port_binding *p = &s->ports[i];
		struct script_forward *f = &list[n];
		const struct ip_address *to;
		const struct endpoint *e;

		if (p->host_address.family != AF_INET6 || p->network >= s->endpoint_count)
			continue;
		e = &s->endpoints[p->network];
		to = e->ipv6.address.family ? &e->ipv6.address : &e->ipv4.address;
		f->from.protocol = p->protocol;
		f->from.port = htons(p->host_port);
		memcpy(f->from.address, p->host_address.bytes, sizeof(f->from.address));
		f->family = to->family;
		f->port = htons(p->container_port);
		memcpy(f->address, to->bytes, ip_bytes(to));
		n++;
	}
	qsort(list, n, sizeof(*list), compare_forwards);
	if (n)
		add_entry(out, SCRIPT_FORWARD, NULL, 0, list, n * sizeof(*list));
}

static void add_unlinks(struct strbuf *out, const struct network_store *store,
			const struct sandbox *s)
{
	for (size_t i = 0; i < s->port_count; i++) {
		auto_free char *path = ports_path(store, &s->ports[i]);

		add_texts(out, SCRIPT_UNLINK, path, s->container_id);
	}
	for (size_t i = 0; i < s->endpoint_count; i++) {
		const struct endpoint *e = &s->endpoints[i];
		const struct ip_address *own[] = {&e->ipv4.address, &e->ipv6.address};

		for (size_t k = 0; k < 2; k++) {
			auto_free char *path = ipam_path(store, e->network_id, own[k]);

			if (own[k]->family)
				add_texts(out, SCRIPT_UNLINK, path, s->container_id);
		}
	}
}

static bool wants_names(const struct sandbox *s)
{
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (s->endpoints[i].has_names)
			return true;
	return false;
}

/* ---- all of it ---- */

void script_begin(struct strbuf *out)
{
	add_zeros(out, sizeof(struct script_header));
}

void script_add(struct strbuf *out, enum script_type type, const void *payload, size_t bytes)
{
	add_entry(out, type, NULL, 0, payload, bytes);
}

int script_end(struct strbuf *out, struct err *err)
{
	struct script_header h = {.version = SCRIPT_VERSION, .bytes = (uint32_t)out->len};

	if (out->len > SCRIPT_BYTES_MAX)
		return err_set(err, ERR_INVALID, EFBIG,
			       "write %s: too many ports are published (%zu bytes, at most %u)",
			       SCRIPT_FILE, out->len, SCRIPT_BYTES_MAX);
	memcpy(out->data, &h, sizeof(h));
	return 0;
}

void script_add_names(struct strbuf *out)
{
	_Alignas(4) unsigned char bytes[TABLE_NAMES_BYTES];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};

	table_put_names(&b);
	add_entry(out, SCRIPT_NAMES, NULL, 0, bytes, b.used);
}

int sandbox_script(const struct network_store *store, const struct sandbox *s,
		   const struct endpoint *only, struct strbuf *out, struct err *err)
{
	int rc = 0;

	script_begin(out);
	for (size_t i = 0; rc == 0 && i < s->endpoint_count; i++)
		if (!only || only == &s->endpoints[i])
			rc = add_link(out, &s->endpoints[i], err);
	if (rc == 0 && s->endpoint_count && kernel_has_ipv6())
		add_sysctls(out, s, only);
	if (rc == 0)
		rc = add_inside(out, s, only, err);
	if (rc == 0 && !only)
		rc = add_rules(out, store, s, false, err);
	if (rc == 0 && !only)
		rc = add_rules(out, store, s, true, err);
	if (rc < 0)
		return rc;
	if (!only) {
		add_forget(out, s);
		add_forwards(out, s);
		add_unlinks(out, store, s);
		if (wants_names(s))
			script_add_names(out);
	}
	return script_end(out, err);
}

int sandbox_script_write(const struct network_store *store, const struct sandbox *s, int run_dir,
			 struct err *err)
{
	auto_strbuf struct strbuf script = {0};
	int rc = sandbox_script(store, s, NULL, &script, err);

	if (rc < 0)
		return rc;
	rc = file_replace_at(run_dir, SCRIPT_FILE, script.data, script.len, 0600, FILE_VOLATILE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", SCRIPT_FILE,
				err_errno_text(-rc))
		      : 0;
}

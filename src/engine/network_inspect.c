/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `network inspect`. Docker's members in Docker's order. What was not asked for at creation is not shown
 * as if it had been: tools compare what they find with what they would ask for.
 */
#include <stdio.h>

#include "base/clock.h"
#include "engine/fields.h"
#include "engine/network_manage.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* One network and who is in it, as the tables below see them; borrows all of it. */
struct view {
	struct network n;
	const struct network_member *members; /* by container id */
	size_t count;
};

static void write_id(struct json_writer *w, const char *key, const void *base)
{
	json_write_string(w, key, ((const struct view *)base)->n.id);
}

static void write_created(struct json_writer *w, const char *key, const void *base)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(((const struct view *)base)->n.created_ns, text);
	json_write_string(w, key, text);
}

/* ---- IPAM ---- */

static void write_prefix(struct json_writer *w, const char *key, const struct ip_prefix *p)
{
	char text[IP_TEXT_MAX];

	ip_prefix_format(p, text);
	json_write_string(w, key, text);
}

static const struct field aux_fields[] = {
	{"AuxiliaryAddresses", FIELD_MAP, EMPTY_OMIT, .offset = offsetof(struct network_pool, aux)},
};

static void write_pool(struct json_writer *w, const struct network_pool *p)
{
	char gateway[IP_TEXT_MAX];

	ip_format(&p->gateway, gateway);
	json_write_begin(w, NULL, '{');
	write_prefix(w, "Subnet", &p->subnet);
	if (p->range.address.family)
		write_prefix(w, "IPRange", &p->range);
	/* Of a subnet that was given, the gateway that nobody gave is the network's own affair. */
	if (*gateway && (p->gateway_given || !p->subnet_given))
		json_write_string(w, "Gateway", gateway);
	fields_write(w, aux_fields, COUNT_OF(aux_fields), p);
	json_write_end(w, '}');
}

static void write_pools(struct json_writer *w, const char *key, const void *base)
{
	const struct view *v = base;

	json_write_begin(w, key, '[');
	for (size_t i = 0; i < v->n.pool_count; i++)
		write_pool(w, &v->n.pools[i]);
	json_write_end(w, ']');
}

static const struct field ipam_options[] = {
	{"Options", FIELD_MAP, .offset = offsetof(struct view, n.ipam_options)},
};

static void write_ipam_options(struct json_writer *w, const char *key, const void *base)
{
	const struct view *v = base;

	if (network_is_predefined(&v->n))
		json_write_raw(w, key, "null");
	else
		fields_write(w, ipam_options, COUNT_OF(ipam_options), base);
}

/* ---- who is in it ---- */

static void write_interface(struct json_writer *w, const char *key, const struct ip_prefix *p)
{
	if (p->address.family)
		write_prefix(w, key, p);
	else
		json_write_string(w, key, "");
}

static void write_member(struct json_writer *w, const struct network_member *m)
{
	const struct endpoint *e = &m->sandbox.endpoints[m->endpoint];
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		 e->mac[3], e->mac[4], e->mac[5]);
	json_write_begin(w, m->sandbox.container_id, '{');
	json_write_string(w, "Name", m->sandbox.container_name ? m->sandbox.container_name : "");
	json_write_string(w, "EndpointID", e->id);
	json_write_string(w, "MacAddress", mac);
	write_interface(w, "IPv4Address", &e->ipv4);
	write_interface(w, "IPv6Address", &e->ipv6);
	json_write_end(w, '}');
}

static void write_members(struct json_writer *w, const char *key, const void *base)
{
	const struct view *v = base;

	json_write_begin(w, key, '{');
	for (size_t i = 0; i < v->count; i++)
		write_member(w, &v->members[i]);
	json_write_end(w, '}');
}

/* ---- all of it ---- */

#define AT(member) .offset = offsetof(struct view, n.member)
static const struct field ipam_fields[] = {
	{"Driver", FIELD_LITERAL, .literal = "\"default\""},
	{"Options", FIELD_CUSTOM, .write = write_ipam_options},
	{"Config", FIELD_CUSTOM, .write = write_pools},
};
static const struct field fields[] = {
	{"Name", FIELD_STRING, AT(name)},
	{"Id", FIELD_CUSTOM, .write = write_id},
	{"Created", FIELD_CUSTOM, .write = write_created},
	{"Scope", FIELD_LITERAL, .literal = "\"local\""},
	{"Driver", FIELD_STRING, AT(driver)},
	{"EnableIPv6", FIELD_BOOL, AT(ipv6)},
	{"IPAM", FIELD_OBJECT, .members = ipam_fields, .member_count = COUNT_OF(ipam_fields)},
	{"Internal", FIELD_BOOL, AT(internal)},
	{"Attachable", FIELD_BOOL, AT(attachable)},
	{"Ingress", FIELD_LITERAL, .literal = "false"},
	{"ConfigFrom", FIELD_LITERAL, .literal = "{\"Network\":\"\"}"},
	{"ConfigOnly", FIELD_LITERAL, .literal = "false"},
	{"Containers", FIELD_CUSTOM, .write = write_members},
	{"Options", FIELD_MAP, AT(options)},
	{"Labels", FIELD_MAP, AT(labels)},
};

void network_write(const struct network *n, const struct network_member *members, size_t count,
		   struct json_writer *w)
{
	const struct view v = {.n = *n, .members = members, .count = count};

	json_write_begin(w, NULL, '{');
	fields_write(w, fields, COUNT_OF(fields), &v);
	json_write_end(w, '}');
}

int engine_network_inspect(struct engine *e, const char *reference, struct json_object **out,
			   struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	struct network_member *members = NULL;
	auto_network struct network n;
	struct network_store s;
	size_t count = 0;
	int rc;

	network_init(&n);
	engine_network_store(e, &s);
	rc = network_find(&s, reference, &n, err);
	if (rc == 0)
		rc = engine_network_members(e, &n, &members, &count, err);
	if (rc == 0)
		network_write(&n, members, count, &w);
	network_members_free(members, count);
	return rc < 0 ? rc : json_parse(text.data, text.len, "network", out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* network create. Which range, gateway and other address belongs to which subnet is found out here, as
 * in Docker's client: the engine takes them together. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/run_values.h"
#include "engine/network_manage.h"

struct create_options {
	const char *driver;
	bool internal, attachable, ipv4, ipv6;
	struct strv labels, options, ipam_options;
	struct strv subnets, ranges, gateways, aux;
	struct network_demands demands;
};
#define FIELD(field) offsetof(struct create_options, field)
#define NO_DEFAULT "map[]"

static const struct option rows[] = {
	{"attachable", 0, &option_bool, FIELD(attachable), "Enable manual container attachment",
	 NULL},
	{"aux-address", 0, &option_map, FIELD(aux),
	 "Auxiliary IPv4 or IPv6 addresses used by Network driver", NO_DEFAULT},
	{"config-from", 0, &option_text, FIELD(demands.config_from), NULL, NULL},
	{"config-only", 0, &option_bool, FIELD(demands.config_only), NULL, NULL},
	{"driver", 'd', &option_text, FIELD(driver), "Driver to manage the Network", "\"bridge\""},
	{"gateway", 0, &option_strings, FIELD(gateways),
	 "IPv4 or IPv6 Gateway for the master subnet", NULL},
	{"ingress", 0, &option_bool, FIELD(demands.ingress), NULL, NULL},
	{"internal", 0, &option_bool, FIELD(internal), "Restrict external access to the network",
	 NULL},
	{"ip-range", 0, &option_strings, FIELD(ranges), "Allocate container ip from a sub-range",
	 NULL},
	{"ipam-driver", 0, &option_text, FIELD(demands.ipam_driver), "IP Address Management Driver",
	 "\"default\""},
	{"ipam-opt", 0, &option_map, FIELD(ipam_options), "Set IPAM driver specific options",
	 NO_DEFAULT},
	{"ipv4", 0, &option_bool, FIELD(ipv4), "Enable or disable IPv4 address assignment", "true"},
	{"ipv6", 0, &option_bool, FIELD(ipv6), "Enable or disable IPv6 address assignment", NULL},
	{"label", 0, &option_label, FIELD(labels), "Set metadata on a network", NULL},
	{"opt", 'o', &option_map, FIELD(options), "Set driver specific options", NO_DEFAULT},
	{"scope", 0, &option_text, FIELD(demands.scope), "Control the network's scope", NULL},
	{"subnet", 0, &option_strings, FIELD(subnets),
	 "Subnet in CIDR format that represents a network segment", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static void options_free(struct create_options *o)
{
	strv_free(&o->labels);
	strv_free(&o->options);
	strv_free(&o->ipam_options);
	strv_free(&o->subnets);
	strv_free(&o->ranges);
	strv_free(&o->gateways);
	strv_free(&o->aux);
}

/* ---- pools ---- */

static int add_subnet(struct network *n, const char *text, struct err *err)
{
	struct network_pool *pool = &n->pools[n->pool_count];

	if (ip_prefix_parse(text, &pool->subnet) < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid subnet %.200s : invalid CIDR address: %.200s", text, text);
	for (size_t i = 0; i < n->pool_count; i++) {
		if (ip_prefix_overlaps(&n->pools[i].subnet, &pool->subnet))
			return err_set(err, ERR_USAGE, EINVAL,
				       "multiple overlapping subnet configuration is not "
				       "supported");
	}
	pool->subnet_given = true;
	n->pool_count++;
	return 0;
}

/* NULL when the address is in none of the subnets, or none at all. */
static struct network_pool *pool_of(struct network *n, const struct ip_address *a)
{
	for (size_t i = 0; i < n->pool_count; i++) {
		if (a->family && ip_prefix_contains(&n->pools[i].subnet, a))
			return &n->pools[i];
	}
	return NULL;
}

static int add_range(struct network *n, const char *text, struct err *err)
{
	char before[IP_TEXT_MAX], subnet[IP_TEXT_MAX];
	struct network_pool *pool;
	struct ip_prefix range;

	if (ip_prefix_parse(text, &range) < 0)
		return err_set(err, ERR_USAGE, EINVAL, "invalid CIDR address: %.200s", text);
	pool = pool_of(n, &range.address);
	if (!pool)
		return err_set(err, ERR_USAGE, EINVAL, "no matching subnet for range %.200s", text);
	if (pool->range.address.family) {
		ip_prefix_format(&pool->range, before);
		ip_prefix_format(&pool->subnet, subnet);
		return err_set(err, ERR_USAGE, EINVAL,
			       "cannot configure multiple ranges (%s, %s) on the same subnet (%s)",
			       text, before, subnet);
	}
	pool->range = range;
	return 0;
}

static int add_gateway(struct network *n, const char *text, struct err *err)
{
	struct ip_address gateway = {.family = AF_UNSPEC};
	char before[IP_TEXT_MAX], subnet[IP_TEXT_MAX];
	struct network_pool *pool = NULL;

	if (ip_parse(text, &gateway) == 0)
		pool = pool_of(n, &gateway);
	if (!pool)
		return err_set(err, ERR_USAGE, EINVAL, "no matching subnet for gateway %.200s",
			       text);
	if (pool->gateway_given) {
		ip_format(&pool->gateway, before);
		ip_prefix_format(&pool->subnet, subnet);
		return err_set(
			err, ERR_USAGE, EINVAL,
			"cannot configure multiple gateways (%s, %s) for the same subnet (%s)",
			text, before, subnet);
	}
	pool->gateway = gateway;
	pool->gateway_given = true;
	return 0;
}

/* "name=address" */
static int add_aux(struct network *n, const char *pair, struct err *err)
{
	const char *text = strchr(pair, '=') + 1;
	struct network_pool *pool = NULL;
	struct ip_address address;

	if (ip_parse(text, &address) == 0)
		pool = pool_of(n, &address);
	if (!pool)
		return err_set(err, ERR_USAGE, EINVAL, "no matching subnet for aux-address %.200s",
			       text);
	strv_add(&pool->aux, pair);
	return 0;
}

typedef int (*add_fn)(struct network *n, const char *text, struct err *err);

static int add_each(struct network *n, const struct strv *texts, add_fn add, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < texts->count; i++)
		rc = add(n, texts->items[i], err);
	return rc;
}

/* Those of IPv4 before those of IPv6, otherwise as they were given. */
static void sort_pools(struct network *n)
{
	for (size_t i = 1; i < n->pool_count; i++) {
		for (size_t j = i; j && n->pools[j].subnet.address.family == AF_INET &&
				   n->pools[j - 1].subnet.address.family == AF_INET6;
		     j--) {
			struct network_pool swap = n->pools[j];

			n->pools[j] = n->pools[j - 1];
			n->pools[j - 1] = swap;
		}
	}
}

static int add_pools(const struct create_options *o, struct network *n, struct err *err)
{
	int rc;

	if (o->subnets.count < o->ranges.count || o->subnets.count < o->gateways.count)
		return err_set(err, ERR_USAGE, EINVAL,
			       "every ip-range or gateway must have a corresponding subnet");
	n->pools = xcalloc(o->subnets.count + 1, sizeof(*n->pools));
	rc = add_each(n, &o->subnets, add_subnet, err);
	if (rc == 0)
		rc = add_each(n, &o->ranges, add_range, err);
	if (rc == 0)
		rc = add_each(n, &o->gateways, add_gateway, err);
	if (rc == 0)
		rc = add_each(n, &o->aux, add_aux, err);
	sort_pools(n);
	return rc;
}

/* ---- the command ---- */

/* "key" is "key=". */
static void add_labels(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++) {
		auto_free char *pair =
			xasprintf("%s%s", from->items[i], strchr(from->items[i], '=') ? "" : "=");

		strv_set_env(to, pair);
	}
}

static int create(struct cli_context *ctx, const struct create_options *o, const char *name)
{
	auto_strbuf struct strbuf out = {0};
	auto_network struct network n;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	network_init(&n);
	free(n.name);
	free(n.driver);
	n.name = xstrdup(name);
	n.driver = xstrdup(o->driver && *o->driver ? o->driver : "bridge");
	n.internal = o->internal;
	n.attachable = o->attachable;
	n.ipv6 = o->ipv6;
	add_labels(&n.labels, &o->labels);
	strv_add_all(&n.options, &o->options);
	strv_add_all(&n.ipam_options, &o->ipam_options);
	rc = add_pools(o, &n, &err);
	if (rc == 0)
		rc = cli_engine(ctx, &e, &err);
	if (rc == 0)
		rc = engine_network_create(e, &n, &o->demands, &err);
	if (rc < 0)
		return cli_fail(&err);
	strbuf_printf(&out, "%s\n", n.id);
	return cli_print(&out);
}

static int cmd_create(struct cli_context *ctx, int argc, char **argv)
{
	struct create_options o = {.ipv4 = true};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	o.demands.no_ipv4 = !o.ipv4;
	if (rc == CLI_GO_ON)
		rc = create(ctx, &o, args.items[0]);
	options_free(&o);
	return rc;
}

const struct command command_network_create = {
	.paths = {"network create"},
	.arguments = "NETWORK",
	.summary = "Create a network",
	.run = cmd_create,
	.options = &table,
	.min_args = 1,
	.max_args = 1,
};

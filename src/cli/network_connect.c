/* SPDX-License-Identifier: Apache-2.0 */
/* network connect and disconnect. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/run_values.h"
#include "engine/network.h"

/* ---- connect ---- */

struct connect_options {
	const char *ip, *ip6;
	struct strv aliases, driver_options, links, link_local;
	int64_t gw_priority;
};
#define FIELD(field) offsetof(struct connect_options, field)

static const struct option connect_rows[] = {
	{"alias", 0, &option_strings, FIELD(aliases), "Add network-scoped alias for the container",
	 NULL},
	{"driver-opt", 0, &option_strings, FIELD(driver_options), "driver options for the network",
	 NULL},
	{"gw-priority", 0, &option_int, FIELD(gw_priority),
	 "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
	 NULL},
	{"ip", 0, &option_text, FIELD(ip), "IPv4 address (e.g., \"172.30.100.104\")", NULL},
	{"ip6", 0, &option_text, FIELD(ip6), "IPv6 address (e.g., \"2001:db8::33\")", NULL},
	{"link", 0, &option_link, FIELD(links), "Add link to another container", NULL},
	{"link-local-ip", 0, &option_strings, FIELD(link_local),
	 "Add a link-local address for the container", NULL},
};
static const struct option_table connect_table = {OPTION_ROWS(connect_rows)};

static int connect_container(struct cli_context *ctx, const struct connect_options *o,
			     const char *network, const char *name)
{
	struct endpoint_request request = {.network = xstrdup(network),
					   .gw_priority = o->gw_priority};
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_engine(ctx, &e, &err);

	container_init(&c);
	request.ipv4 = o->ip ? xstrdup(o->ip) : NULL;
	request.ipv6 = o->ip6 ? xstrdup(o->ip6) : NULL;
	strv_add_all(&request.aliases, &o->aliases);
	strv_add_all(&request.links, &o->links);
	strv_add_all(&request.link_local, &o->link_local);
	strv_add_all(&request.driver_options, &o->driver_options);
	if (rc == 0)
		rc = container_find(e, name, &c, &err);
	if (rc == 0)
		rc = container_network_connect(e, &c, &request, &err);
	endpoint_request_clear(&request);
	return rc < 0 ? cli_fail(&err) : 0;
}

static int cmd_connect(struct cli_context *ctx, int argc, char **argv)
{
	struct connect_options o = {.ip = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	for (size_t i = 0; rc == CLI_GO_ON && i < o.driver_options.count; i++)
		if (!strchr(o.driver_options.items[i], '=')) {
			cli_note("cloche: invalid key/value pair format in driver options");
			rc = EXIT_FAILED;
		}
	if (rc == CLI_GO_ON)
		rc = connect_container(ctx, &o, args.items[0], args.items[1]);
	strv_free(&o.aliases);
	strv_free(&o.driver_options);
	strv_free(&o.links);
	strv_free(&o.link_local);
	return rc;
}

const struct command command_network_connect = {
	.paths = {"network connect"},
	.arguments = "NETWORK CONTAINER",
	.summary = "Connect a container to a network",
	.run = cmd_connect,
	.options = &connect_table,
	.min_args = 2,
	.max_args = 2,
};

/* ---- disconnect ---- */

struct disconnect_options {
	bool force;
};

static const struct option disconnect_rows[] = {
	{"force", 'f', &option_bool, offsetof(struct disconnect_options, force),
	 "Force the container to disconnect from a network", NULL},
};
static const struct option_table disconnect_table = {OPTION_ROWS(disconnect_rows)};

static int cmd_disconnect(struct cli_context *ctx, int argc, char **argv)
{
	struct disconnect_options o = {.force = false};
	auto_container struct container c;
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	rc = cli_parse(ctx, &o, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_engine(ctx, &e, &err);
	if (rc == 0)
		rc = container_find(e, args.items[1], &c, &err);
	if (rc == 0)
		rc = container_network_disconnect(e, &c, args.items[0], o.force, &err);
	return rc < 0 ? cli_fail(&err) : 0;
}

const struct command command_network_disconnect = {
	.paths = {"network disconnect"},
	.arguments = "NETWORK CONTAINER",
	.summary = "Disconnect a container from a network",
	.run = cmd_disconnect,
	.options = &disconnect_table,
	.min_args = 2,
	.max_args = 2,
};

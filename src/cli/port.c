/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port: where ports of a container are published on the host. Nothing is published while containers
 * have no networks of their own, so there is no mapping to list, and none to be found.
 */
#include "cli/commands.h"
#include "cli/engine_door.h"

static int invalid_port(const char *port, const char *reason)
{
	cli_note("Error: invalid port (%s): strconv.ParseUint: parsing \"%s\": %s", port, port,
		 reason);
	return EXIT_FAILED;
}

static int find_mapping(const char *name, const char *asked)
{
	auto_free char *port = xstrndup(asked, strcspn(asked, "/"));
	uint64_t number;
	int rc = str_to_u64(port, &number);

	if (rc < 0 && rc != -ERANGE)
		return invalid_port(port, "invalid syntax");
	if (rc < 0 || number > UINT16_MAX)
		return invalid_port(port, "value out of range");
	cli_note("Error: No public port '%s' published for %s", asked, name);
	return EXIT_FAILED;
}

static int cmd_port(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	rc = cli_parse(ctx, NULL, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 || container_find(e, args.items[0], &c, &err) < 0)
		return cli_fail(&err);
	return args.count > 1 ? find_mapping(args.items[0], args.items[1]) : 0;
}

const struct command command_port = {
	.paths = {"container port", "port"},
	.arguments = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.summary = "List port mappings or a specific mapping for the container",
	.run = cmd_port,
	.min_args = 1,
	.max_args = 2,
};

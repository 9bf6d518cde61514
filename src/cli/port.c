/* SPDX-License-Identifier: Apache-2.0 */
/* port: where ports of a container are published on the host. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/engine_door.h"
#include "engine/network.h"
#include "engine/ports.h"

static int invalid_port(const char *port, const char *reason)
{
	cli_note("Error: invalid port (%s): strconv.ParseUint: parsing \"%s\": %s", port, port,
		 reason);
	return EXIT_FAILED;
}

/* Docker sorts lines, numbers in them by their value. */
static int compare_lines(const void *x, const void *y)
{
	const struct shown_port *a = x, *b = y;
	int protocol = strcmp(a->protocol, b->protocol), ip = strcmp(a->host_ip, b->host_ip);

	if (a->container_port != b->container_port)
		return a->container_port < b->container_port ? -1 : 1;
	if (protocol || ip)
		return protocol ? protocol : ip;
	return (a->host_port > b->host_port) - (a->host_port < b->host_port);
}

/* Where one port leads from. */
static int print_mapping(const char *name, const char *asked, const struct shown_port *ports,
			 size_t count)
{
	auto_free char *port = xstrndup(asked, strcspn(asked, "/"));
	const char *protocol = asked[strcspn(asked, "/")] ? strchr(asked, '/') + 1 : "tcp";
	auto_strbuf struct strbuf out = {0};
	uint64_t number;
	int rc = str_to_u64(port, &number);

	if (rc < 0 && rc != -ERANGE)
		return invalid_port(port, "invalid syntax");
	if (rc < 0 || number > UINT16_MAX)
		return invalid_port(port, "value out of range");
	for (size_t i = 0; i < count; i++) {
		if (!*ports[i].host_ip || ports[i].container_port != number ||
		    !str_eq(ports[i].protocol, protocol))
			continue;
		ports_format_host(&ports[i], &out);
		strbuf_putc(&out, '\n');
	}
	if (out.len)
		return cli_print(&out);
	cli_note("Error: No public port '%s' published for %s", asked, name);
	return EXIT_FAILED;
}

static int print_all(const struct shown_port *ports, size_t count)
{
	auto_strbuf struct strbuf out = {0};

	for (size_t i = 0; i < count; i++) {
		if (!*ports[i].host_ip)
			continue;
		strbuf_printf(&out, "%u/%s -> ", ports[i].container_port, ports[i].protocol);
		ports_format_host(&ports[i], &out);
		strbuf_putc(&out, '\n');
	}
	return cli_print(&out);
}

static int cmd_port(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	auto_container struct container c;
	auto_free struct shown_port *ports = NULL;
	auto_sandbox struct sandbox sandbox;
	struct err err = ERR_INIT;
	struct engine *e;
	size_t count = 0;
	int rc;

	container_init(&c);
	sandbox_init(&sandbox);
	rc = cli_parse(ctx, NULL, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 || container_find(e, args.items[0], &c, &err) < 0)
		return cli_fail(&err);
	if (container_sandbox(e, &c, &sandbox))
		container_shown_ports(&c.config, &sandbox, &ports, &count);
	if (count)
		qsort(ports, count, sizeof(*ports), compare_lines);
	return args.count > 1 && *args.items[1]
		       ? print_mapping(args.items[0], args.items[1], ports, count)
		       : print_all(ports, count);
}

const struct command command_port = {
	.paths = {"container port", "port"},
	.arguments = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.summary = "List port mappings or a specific mapping for the container",
	.run = cmd_port,
	.min_args = 1,
	.max_args = 2,
};

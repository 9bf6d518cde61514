/* SPDX-License-Identifier: Apache-2.0 */
/* debug network: how containers are connected, who reaches their ports, and what decides that. */
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "observe/network/debug.h"

struct debug_options {
	const char *format, *from;
	bool path;
};
#define FIELD(field) offsetof(struct debug_options, field)

static const struct option rows[] = {
	{"format", 'f', &option_text, FIELD(format), "Output format (\"text\", \"json\")",
	 "\"text\""},
	{"from", 0, &option_text, FIELD(from),
	 "Ask for one more host beyond as well (format: <address>%<device>)", NULL},
	{"path", 0, &option_bool, FIELD(path),
	 "Show the way of every packet, not only of those that do not arrive", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int show(struct engine *e, const char *container, const struct debug_options *o, bool json)
{
	auto_strbuf struct strbuf out = {0};
	auto_network_debug struct network_debug d = {0};
	struct err err = ERR_INIT;

	if (network_debug_read(e, container, o->from, &d, &err) < 0)
		return cli_fail(&err);
	if (json)
		network_debug_json(&d, &out);
	else
		network_debug_text(&d, o->path, &out);
	return cli_print(&out);
}

static int cmd_debug_network(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	struct debug_options o = {.format = "text"};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);
	bool json;

	if (rc != CLI_GO_ON)
		return rc;
	json = str_eq(o.format, "json");
	if (!json && !str_eq(o.format, "text"))
		return cli_usage_error(ctx, "invalid format \"%s\": \"text\" or \"json\"",
				       o.format);
	if (o.from && !args.count)
		return cli_usage_error(ctx, "--from needs a container");
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	return show(e, args.count ? args.items[0] : NULL, &o, json);
}

const struct command command_debug_network = {
	.paths = {"debug network"},
	.arguments = "[CONTAINER]",
	.summary =
		"Show how containers are connected, who reaches their ports, and what decides that",
	.run = cmd_debug_network,
	.options = &table,
	.max_args = 1,
};

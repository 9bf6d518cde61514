/* SPDX-License-Identifier: Apache-2.0 */
/* attach: the foreground of a container that runs already. */
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/foreground.h"

struct attach_flags {
	bool no_stdin, sig_proxy;
	const char *detach_keys;
};
#define FIELD(field) offsetof(struct attach_flags, field)

static const struct option rows[] = {
	{"detach-keys", 0, &option_text, FIELD(detach_keys),
	 "Override the key sequence for detaching a container", NULL},
	{"no-stdin", 0, &option_bool, FIELD(no_stdin), "Do not attach STDIN", NULL},
	{"sig-proxy", 0, &option_bool, FIELD(sig_proxy),
	 "Proxy all received signals to the process", "true"},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int cmd_attach(struct cli_context *ctx, int argc, char **argv)
{
	struct attach_flags flags = {.sig_proxy = true};
	struct foreground f = {.output = true, .error = true, .say_detached = true};
	auto_strv struct strv args = {0};
	auto_container struct container c;
	struct start_handle handle;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	rc = cli_parse(ctx, &flags, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	if (foreground_check_keys(flags.detach_keys, &err) < 0 || cli_engine(ctx, &e, &err) < 0 ||
	    container_find(e, args.items[0], &c, &err) < 0)
		return cli_fail(&err);
	f.input = !flags.no_stdin && c.config.open_stdin;
	f.proxy_signals = flags.sig_proxy;
	f.detach_keys = flags.detach_keys;
	rc = foreground_check_terminal(&c.config, f.input);
	if (rc)
		return rc;
	if (container_attach(e, &c, f.input, &handle, &err) < 0) {
		if (err.kind != ERR_CONFLICT)
			return cli_fail(&err);
		/* Docker's client says this by itself. */
		cli_note("%s", err.msg);
		return EXIT_FAILED;
	}
	return foreground_run(ctx, e, &c, &handle, &f);
}

const struct command command_attach = {
	.paths = {"container attach", "attach"},
	.arguments = "CONTAINER",
	.summary = "Attach local standard input, output, and error streams to a running container",
	.run = cmd_attach,
	.options = &table,
	.min_args = 1,
	.max_args = 1,
};

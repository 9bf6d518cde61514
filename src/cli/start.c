/* SPDX-License-Identifier: Apache-2.0 */
/* start: in the background, or one container in the foreground with -a or -i. */
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/foreground.h"
#include "cli/terminal.h"

struct start_flags {
	bool attach, interactive, sig_proxy;
	const char *detach_keys;
};
#define FIELD(field) offsetof(struct start_flags, field)

static const struct option rows[] = {
	{"attach", 'a', &option_bool, FIELD(attach), "Attach STDOUT/STDERR and forward signals",
	 NULL},
	{"checkpoint", 0, &option_later, 0, NULL, NULL},
	{"checkpoint-dir", 0, &option_later, 0, NULL, NULL},
	{"detach-keys", 0, &option_text, FIELD(detach_keys),
	 "Override the key sequence for detaching a container", NULL},
	{"interactive", 'i', &option_bool, FIELD(interactive), "Attach container's STDIN", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int start_background(struct engine *e, struct container *c, const char *name, void *context,
			    struct strbuf *out, struct err *err)
{
	const struct cli_context *ctx = context;
	const struct start_options options = {.main_ns = ctx->main_ns, .parsed_ns = clock_now_ns()};
	struct start_handle handle;
	int rc = container_start(e, c, &options, &handle, err);

	if (rc == 0)
		rc = container_await_started(&handle, err);
	if (rc == 0)
		foreground_warn(&c->config, &handle);
	foreground_close(&handle);
	if (rc == 0)
		strbuf_printf(out, "%s\n", name);
	return rc;
}

static int start_foreground(struct cli_context *ctx, struct engine *e, const char *name,
			    const struct start_flags *flags, struct err *err)
{
	auto_container struct container c;
	struct start_options options = {.attach = true, .main_ns = ctx->main_ns};
	struct foreground f = {.output = true,
			       .error = true,
			       .proxy_signals = flags->sig_proxy,
			       .detach_keys = flags->detach_keys};
	struct start_handle handle;
	int rc;

	container_init(&c);
	rc = container_find(e, name, &c, err);
	if (rc == 0)
		rc = foreground_check_keys(flags->detach_keys, err);
	if (rc < 0)
		return cli_fail(err);
	f.input = flags->interactive && c.config.open_stdin;
	rc = foreground_check_terminal(&c.config, f.input);
	if (rc)
		return rc;
	options.stdin_open = f.input;
	options.parsed_ns = clock_now_ns();
	if (c.config.tty)
		terminal_size(&options.rows, &options.columns);
	rc = container_start(e, &c, &options, &handle, err);
	if (rc == 0 && handle.client_fd < 0)
		rc = container_attach(e, &c, f.input, &handle, err);
	if (rc < 0) {
		foreground_close(&handle);
		return cli_fail(err);
	}
	return foreground_run(ctx, e, &c, &handle, &f);
}

static int start_many(struct cli_context *ctx, struct engine *e, const struct strv *names)
{
	auto_strbuf struct strbuf out = {0}, failed = {0};

	for (size_t i = 0; i < names->count; i++) {
		auto_container struct container c;
		struct err err = ERR_INIT;
		int rc;

		container_init(&c);
		rc = container_find(e, names->items[i], &c, &err);
		if (rc == 0)
			rc = start_background(e, &c, names->items[i], ctx, &out, &err);
		if (rc < 0) {
			cli_fail(&err);
			strbuf_printf(&failed, "%s%s", failed.len ? ", " : "", names->items[i]);
		}
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	if (failed.len)
		cli_note("Error: failed to start containers: %s", strbuf_str(&failed));
	return failed.len ? EXIT_FAILED : 0;
}

static int cmd_start(struct cli_context *ctx, int argc, char **argv)
{
	struct start_flags flags = {.sig_proxy = true};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &flags, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if ((flags.attach || flags.interactive) && args.count > 1) {
		cli_note("you cannot start and attach multiple containers at once");
		return EXIT_FAILED;
	}
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	if (flags.attach || flags.interactive)
		return start_foreground(ctx, e, args.items[0], &flags, &err);
	return start_many(ctx, e, &args);
}

const struct command command_start = {
	.paths = {"container start", "start"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Start one or more stopped containers",
	.run = cmd_start,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

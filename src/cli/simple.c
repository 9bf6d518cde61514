/* SPDX-License-Identifier: Apache-2.0 */
/* kill, stop, wait: one engine call on each container named, its name echoed. */
#include "base/signal_name.h"
#include "cli/commands.h"
#include "cli/engine_door.h"

/* ---- kill ---- */

struct kill_options {
	const char *signal;
};

static const struct option kill_rows[] = {
	{"signal", 's', &option_text, offsetof(struct kill_options, signal),
	 "Signal to send to the container", NULL},
};
static const struct option_table kill_table = {OPTION_ROWS(kill_rows)};

static int kill_one(struct engine *e, struct container *c, const char *name, void *context,
		    struct strbuf *out, struct err *err)
{
	int rc = container_kill(e, c, *(const int *)context, err);

	if (rc < 0)
		return err_wrap(err, "Cannot kill container: %s", name);
	strbuf_printf(out, "%s\n", name);
	return 0;
}

static int cmd_kill(struct cli_context *ctx, int argc, char **argv)
{
	struct kill_options o = {.signal = "KILL"};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int number, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (signal_parse(o.signal, &number, &err) < 0)
		return cli_fail(&err);
	return cli_each_container(ctx, &args, kill_one, &number);
}

const struct command command_kill = {
	.paths = {"container kill", "kill"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Kill one or more running containers",
	.run = cmd_kill,
	.options = &kill_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- stop ---- */

#define STOP_TIMEOUT_S 10

struct stop_options {
	const char *signal;
	int64_t timeout_s; /* STOP_TIMEOUT_UNSET: the container's own, or the default */
};
#define STOP_TIMEOUT_UNSET INT64_MIN

static const struct option stop_rows[] = {
	{"signal", 's', &option_text, offsetof(struct stop_options, signal),
	 "Signal to send to the container", NULL},
	{"time", 0, &option_int, offsetof(struct stop_options, timeout_s), NULL, NULL},
	{"timeout", 't', &option_int, offsetof(struct stop_options, timeout_s),
	 "Seconds to wait before killing the container", NULL},
};
static const struct option_table stop_table = {OPTION_ROWS(stop_rows)};

static int stop_one(struct engine *e, struct container *c, const char *name, void *context,
		    struct strbuf *out, struct err *err)
{
	const struct stop_options *o = context;
	int64_t timeout = o->timeout_s;
	int rc;

	if (timeout == STOP_TIMEOUT_UNSET)
		timeout = c->config.stop_timeout >= 0 ? c->config.stop_timeout : STOP_TIMEOUT_S;
	if (o->signal) {
		free(c->stop_signal);
		c->stop_signal = xstrdup(o->signal);
	}
	rc = container_stop(e, c, timeout < 0 ? -1 : timeout, err);
	if (rc < 0)
		return rc;
	strbuf_printf(out, "%s\n", name);
	return 0;
}

static int cmd_stop(struct cli_context *ctx, int argc, char **argv)
{
	struct stop_options o = {.timeout_s = STOP_TIMEOUT_UNSET};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int number, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (o.signal && signal_parse(o.signal, &number, &err) < 0)
		return cli_fail(&err);
	return cli_each_container(ctx, &args, stop_one, &o);
}

const struct command command_stop = {
	.paths = {"container stop", "stop"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Stop one or more running containers",
	.run = cmd_stop,
	.options = &stop_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- wait ---- */

static int wait_one(struct engine *e, struct container *c, const char *name, void *context,
		    struct strbuf *out, struct err *err)
{
	int code, rc = container_wait(e, c, &code, err);

	(void)name, (void)context;
	if (rc < 0)
		return rc;
	strbuf_printf(out, "%d\n", code);
	return 0;
}

static int cmd_wait(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : cli_each_container(ctx, &args, wait_one, NULL);
}

const struct command command_wait = {
	.paths = {"container wait", "wait"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Block until one or more containers stop, then print their exit codes",
	.run = cmd_wait,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* kill, stop, restart, pause, unpause, wait, rename: one engine call on each container named, its name
 * echoed. */
#include <errno.h>

#include "base/clock.h"
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

/* What to send; unknown is a number that no signal has, which is said of each container. */
struct kill_signal {
	int number;
	const char *unknown;
};

static int find_and_kill(struct engine *e, const char *name, const struct kill_signal *signal,
			 struct err *err)
{
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_find(e, name, &c, err);
	if (rc < 0)
		return rc;
	if (signal->unknown)
		return err_set(err, ERR_INVALID, EINVAL,
			       "The linux daemon does not support signal %s", signal->unknown);
	return container_kill(e, &c, signal->number, err);
}

/* A cli_name_fn. */
static int kill_one(struct engine *e, const char *name, void *context, struct strbuf *out,
		    struct err *err)
{
	if (find_and_kill(e, name, context, err) < 0)
		return err_wrap(err, "Cannot kill container: %s", name);
	strbuf_printf(out, "%s\n", name);
	return 0;
}

static int cmd_kill(struct cli_context *ctx, int argc, char **argv)
{
	struct kill_options o = {.signal = "KILL"};
	struct kill_signal signal = {0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	uint64_t number;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (signal_parse(*o.signal ? o.signal : "KILL", &signal.number, &err) < 0) {
		if (str_to_u64(o.signal, &number) < 0 || !number)
			return cli_fail(&err);
		signal.unknown = o.signal;
	}
	return cli_each_name(ctx, &args, kill_one, &signal);
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
	int64_t time_s;    /* --time, its old name */
	const struct cli_context *ctx;
};
#define STOP_TIMEOUT_UNSET INT64_MIN

static const struct option stop_rows[] = {
	{"signal", 's', &option_text, offsetof(struct stop_options, signal),
	 "Signal to send to the container", NULL},
	{"time", 0, &option_int, offsetof(struct stop_options, time_s), NULL, NULL},
	{"timeout", 't', &option_int, offsetof(struct stop_options, timeout_s),
	 "Seconds to wait before killing the container", NULL},
};
static const struct option_table stop_table = {OPTION_ROWS(stop_rows)};

/* How long, and with what signal. */
static int64_t apply_stop_options(const struct stop_options *o, struct container *c)
{
	int64_t timeout = o->timeout_s;

	if (timeout == STOP_TIMEOUT_UNSET)
		timeout = c->config.stop_timeout >= 0 ? c->config.stop_timeout : STOP_TIMEOUT_S;
	if (o->signal && *o->signal) {
		free(c->stop_signal);
		c->stop_signal = xstrdup(o->signal);
	}
	return timeout < 0 ? -1 : timeout;
}

static int stop_one(struct engine *e, struct container *c, const char *name, void *context,
		    struct strbuf *out, struct err *err)
{
	int rc = container_stop(e, c, apply_stop_options(context, c), err);

	if (rc < 0)
		return rc;
	strbuf_printf(out, "%s\n", name);
	return 0;
}

static int restart_one(struct engine *e, struct container *c, const char *name, void *context,
		       struct strbuf *out, struct err *err)
{
	const struct stop_options *o = context;
	const struct start_options start = {.main_ns = o->ctx->main_ns,
					    .parsed_ns = clock_now_ns()};
	int rc = container_restart(e, c, apply_stop_options(o, c), &start, err);

	if (rc < 0)
		return rc;
	strbuf_printf(out, "%s\n", name);
	return 0;
}

static int stop_each(struct cli_context *ctx, int argc, char **argv, cli_container_fn act)
{
	struct stop_options o = {
		.timeout_s = STOP_TIMEOUT_UNSET, .time_s = STOP_TIMEOUT_UNSET, .ctx = ctx};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int number, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (o.time_s != STOP_TIMEOUT_UNSET && o.timeout_s != STOP_TIMEOUT_UNSET) {
		cli_note("conflicting options: cannot specify both --timeout and --time");
		return EXIT_FAILED;
	}
	if (o.timeout_s == STOP_TIMEOUT_UNSET)
		o.timeout_s = o.time_s;
	if (o.signal && *o.signal && signal_parse(o.signal, &number, &err) < 0)
		return cli_fail(&err);
	return cli_each_container(ctx, &args, act, &o);
}

static int cmd_stop(struct cli_context *ctx, int argc, char **argv)
{
	return stop_each(ctx, argc, argv, stop_one);
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

static int cmd_restart(struct cli_context *ctx, int argc, char **argv)
{
	return stop_each(ctx, argc, argv, restart_one);
}

const struct command command_restart = {
	.paths = {"container restart", "restart"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Restart one or more containers",
	.run = cmd_restart,
	.options = &stop_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- pause, unpause ---- */

static int act_and_echo(int rc, const char *name, struct strbuf *out)
{
	if (rc == 0)
		strbuf_printf(out, "%s\n", name);
	return rc;
}

static int pause_one(struct engine *e, struct container *c, const char *name, void *context,
		     struct strbuf *out, struct err *err)
{
	(void)context;
	return act_and_echo(container_pause(e, c, err), name, out);
}

static int unpause_one(struct engine *e, struct container *c, const char *name, void *context,
		       struct strbuf *out, struct err *err)
{
	(void)context;
	return act_and_echo(container_unpause(e, c, err), name, out);
}

static int each_named(struct cli_context *ctx, int argc, char **argv, cli_container_fn act)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : cli_each_container(ctx, &args, act, NULL);
}

static int cmd_pause(struct cli_context *ctx, int argc, char **argv)
{
	return each_named(ctx, argc, argv, pause_one);
}

static int cmd_unpause(struct cli_context *ctx, int argc, char **argv)
{
	return each_named(ctx, argc, argv, unpause_one);
}

const struct command command_pause = {
	.paths = {"container pause", "pause"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Pause all processes within one or more containers",
	.run = cmd_pause,
	.min_args = 1,
	.max_args = -1,
};

const struct command command_unpause = {
	.paths = {"container unpause", "unpause"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Unpause all processes within one or more containers",
	.run = cmd_unpause,
	.min_args = 1,
	.max_args = -1,
};

/* ---- rename ---- */

static int cmd_rename(struct cli_context *ctx, int argc, char **argv)
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
	if (!*args.items[0] || !*args.items[1]) {
		cli_note("Error: Neither old nor new names may be empty");
		return EXIT_FAILED;
	}
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	rc = container_find(e, args.items[0], &c, &err);
	if (rc == 0)
		rc = container_rename(e, &c, args.items[1], &err);
	if (rc == 0)
		return 0;
	cli_fail(&err);
	cli_note("Error: failed to rename container named %s", args.items[0]);
	return EXIT_FAILED;
}

const struct command command_rename = {
	.paths = {"container rename", "rename"},
	.arguments = "CONTAINER NEW_NAME",
	.summary = "Rename a container",
	.run = cmd_rename,
	.min_args = 2,
	.max_args = 2,
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
	return each_named(ctx, argc, argv, wait_one);
}

const struct command command_wait = {
	.paths = {"container wait", "wait"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Block until one or more containers stop, then print their exit codes",
	.run = cmd_wait,
	.min_args = 1,
	.max_args = -1,
};

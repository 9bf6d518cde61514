/* SPDX-License-Identifier: Apache-2.0 */
/* run and create. From options to a container; nothing here knows how one is made. */
#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/run_options.h"
#include "cli/terminal.h"
#include "cli/test_hook.h"
#include "cli/timeline_run.h"

#define NETWORK_NOTICE "network-notice" /* in the data root: the notice has been given */

static void print_warnings(const struct strv *warnings)
{
	for (size_t i = 0; i < warnings->count; i++)
		log_message(LOG_LEVEL_WARN, "%s", warnings->items[i]);
}

/* Once per data root: that containers have no network yet, unlike Docker's. */
static void notice_network(const struct engine *e, const struct container_config *config)
{
	auto_close int fd = -1;

	if (config->network_mode)
		return;
	fd = openat(e->root_fd, NETWORK_NOTICE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0)
		cli_note(
			"cloche: this version connects containers to no network (as --network none); "
			"--network host shares the host's. Said once.");
}

/* Reserves the file of --cidfile. fd, -1 without the flag; or CIDFILE_FAILED with *err. */
#define CIDFILE_FAILED (-2)

static int open_id_file(const struct container_config *config, struct err *err)
{
	const char *path = config->container_id_file;
	int fd;

	if (!path)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0)
		return fd;
	if (errno == EEXIST)
		(void)!err_set(
			err, ERR_CONFLICT, EEXIST,
			"container ID file found, make sure the other container isn't running or "
			"delete %s",
			path);
	else
		(void)!err_sys(err, "failed to create the container ID file %s", path);
	return CIDFILE_FAILED;
}

static int write_id_file(int fd, const char *path, const char *id, bool made, struct err *err)
{
	int rc = 0;

	if (fd < 0)
		return 0;
	if (made)
		rc = fd_write_all(fd, id, strlen(id));
	else
		unlink(path);
	close(fd);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "write the container ID file %s: %s", path,
			       err_errno_text(-rc));
	return 0;
}

/* Parses and completes; CLI_GO_ON, or the exit code. */
static int read_options(struct cli_context *ctx, struct run_options *o, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int rc;

	run_options_init(o);
	rc = cli_parse(ctx, o, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	return run_options_finish(o, &args, &err) < 0 ? cli_fail_start(ctx, &err) : CLI_GO_ON;
}

static void fill_start(const struct cli_context *ctx, const struct run_options *o,
		       struct start_options *start)
{
	const struct container_config *c = &o->config;

	cli_test_hook(POINT_CLI_MAIN);
	cli_test_hook(POINT_CLI_PARSED);
	*start = (struct start_options){
		.attach = true,
		.stdin_open = c->open_stdin && c->attach_stdin,
		.timeline = o->timeline,
		.main_ns = ctx->main_ns,
		.parsed_ns = clock_now_ns(),
	};
	if (c->tty)
		terminal_size(&start->rows, &start->columns);
}

/* Makes and starts the container, then stays with it. */
static int run_container(struct cli_context *ctx, struct engine *e, struct run_options *o,
			 struct container *c)
{
	const struct foreground f = {.input = o->config.attach_stdin && o->config.open_stdin,
				     .output = o->config.attach_stdout,
				     .error = o->config.attach_stderr,
				     .proxy_signals = o->sig_proxy,
				     .detach_keys = o->detach_keys,
				     .created_here = true};
	auto_free char *id_path = o->config.container_id_file ? xstrdup(o->config.container_id_file)
							      : NULL;
	auto_strv struct strv warnings = {0};
	struct start_options start;
	struct start_handle handle;
	struct err err = ERR_INIT;
	int rc, id_file = open_id_file(&o->config, &err);

	if (id_file == CIDFILE_FAILED)
		return cli_fail_start(ctx, &err);
	fill_start(ctx, o, &start);
	rc = container_run(e, &o->config, o->name, &start, c, &handle, &warnings, &err);
	print_warnings(&warnings);
	if (write_id_file(id_file, id_path, c->id, rc == 0, &err) < 0)
		log_message(LOG_LEVEL_WARN, "%s", err.msg);
	if (rc < 0)
		return cli_fail_start(ctx, &err);
	if (o->timeline)
		timeline_hand_over(ctx, e, c, handle.plan_fd);
	return foreground_run(ctx, e, c, &handle, &f);
}

static int cmd_run(struct cli_context *ctx, int argc, char **argv)
{
	auto_run_options struct run_options o;
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	rc = read_options(ctx, &o, argc, argv);
	if (rc != CLI_GO_ON)
		return rc;
	rc = foreground_check_terminal(&o.config, o.config.attach_stdin && o.config.open_stdin);
	if (rc)
		return rc;
	rc = o.timeline ? timeline_run(ctx, o.floor) : CLI_GO_ON;
	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail_start(ctx, &err);
	notice_network(e, &o.config);
	return run_container(ctx, e, &o, &c);
}

const struct command command_run = {
	.paths = {"container run", "run"},
	.arguments = "IMAGE [COMMAND] [ARG...]",
	.summary = "Create and run a new container from an image",
	.run = cmd_run,
	.options = &run_option_table,
	.min_args = 1,
	.max_args = -1,
	.common = true,
};

static int create_container(struct engine *e, struct run_options *o, struct container *c,
			    struct err *err)
{
	auto_free char *id_path = o->config.container_id_file ? xstrdup(o->config.container_id_file)
							      : NULL;
	auto_strv struct strv warnings = {0};
	int rc, id_file = open_id_file(&o->config, err);

	if (id_file == CIDFILE_FAILED)
		return err_code(err);
	rc = container_create(e, &o->config, o->name, c, &warnings, err);
	print_warnings(&warnings);
	if (rc < 0)
		(void)!write_id_file(id_file, id_path, c->id, false, err);
	else
		rc = write_id_file(id_file, id_path, c->id, true, err);
	return rc;
}

static int cmd_create(struct cli_context *ctx, int argc, char **argv)
{
	auto_run_options struct run_options o;
	auto_container struct container c;
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	rc = read_options(ctx, &o, argc, argv);
	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	notice_network(e, &o.config);
	if (create_container(e, &o, &c, &err) < 0)
		return cli_fail(&err);
	strbuf_printf(&out, "%s\n", c.id);
	return cli_print(&out);
}

const struct command command_create = {
	.paths = {"container create", "create"},
	.arguments = "IMAGE [COMMAND] [ARG...]",
	.summary = "Create a new container",
	.run = cmd_create,
	.options = &create_option_table,
	.min_args = 1,
	.max_args = -1,
};

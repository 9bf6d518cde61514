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

static void print_warnings(const struct strv *warnings)
{
	for (size_t i = 0; i < warnings->count; i++)
		log_message(LOG_LEVEL_WARN, "%s", warnings->items[i]);
}

/* The file of --cidfile: reserved before anything is made, filled before the container runs. */
struct id_file {
	const char *path; /* NULL: none */
	int fd;
	bool written;
	struct err err; /* why it could not be */
};

static int id_file_open(struct id_file *f, const char *path, struct err *err)
{
	char why[ERR_ERRNO_TEXT_MAX];

	*f = (struct id_file){.path = path, .fd = -1};
	if (!path)
		return 0;
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (f->fd >= 0)
		return 0;
	if (errno == EEXIST)
		return err_set(
			err, ERR_USAGE, EEXIST,
			"container ID file found, make sure the other container isn't running or "
			"delete %s",
			path);
	return err_set(err, ERR_SYSTEM, errno,
		       "failed to create the container ID file: open %s: %s", path,
		       err_errno_lower(errno, why));
}

/* A start_options.created. */
static void id_file_write(void *context, const struct container *c)
{
	struct id_file *f = context;
	int rc = f->fd < 0 ? 0 : fd_write_all(f->fd, c->id, strlen(c->id));

	f->written = true;
	if (rc < 0)
		(void)!err_set(&f->err, ERR_SYSTEM, -rc, "write the container ID file %s: %s",
			       f->path, err_errno_text(-rc));
}

/* Without a container there is no file. */
static void id_file_close(struct id_file *f, bool made)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	if (!made)
		unlink(f->path);
	else if (f->err.kind)
		log_message(LOG_LEVEL_WARN, "%s", f->err.msg);
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
	rc = run_options_finish(o, &args, &err);
	if (rc == 0)
		rc = foreground_check_keys(o->detach_keys, &err);
	return rc < 0 ? cli_fail_start(ctx, &err) : CLI_GO_ON;
}

static void fill_start(const struct cli_context *ctx, const struct run_options *o,
		       struct id_file *id_file, struct start_options *start)
{
	const struct container_config *c = &o->config;

	cli_test_hook(POINT_CLI_MAIN);
	cli_test_hook(POINT_CLI_PARSED);
	*start = (struct start_options){
		.attach = !o->detach,
		.stdin_open = c->open_stdin && c->attach_stdin,
		.timeline = o->timeline,
		.main_ns = ctx->main_ns,
		.parsed_ns = clock_now_ns(),
		.created = id_file->path ? id_file_write : NULL,
		.created_context = id_file,
	};
	if (c->tty)
		terminal_size(&start->rows, &start->columns);
}

/* Its id is printed once it runs. */
static int leave_behind(struct cli_context *ctx, const struct container *c,
			struct start_handle *handle)
{
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;
	int rc = container_await_started(handle, &err);

	if (rc == 0)
		foreground_warn(&c->config, handle);
	foreground_close(handle);
	if (rc < 0)
		return cli_fail_start(ctx, &err);
	strbuf_printf(&out, "%s\n", c->id);
	return cli_print(&out);
}

/* Makes and starts the container, then stays with it or not. */
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
	struct id_file id_file;
	struct err err = ERR_INIT;
	int rc;

	if (id_file_open(&id_file, id_path, &err) < 0)
		return cli_fail_start(ctx, &err);
	fill_start(ctx, o, &id_file, &start);
	rc = container_run(e, &o->config, o->name, &start, c, &handle, &warnings, &err);
	print_warnings(&warnings);
	id_file_close(&id_file, rc == 0);
	if (rc < 0)
		return cli_fail_start(ctx, &err);
	if (o->timeline)
		timeline_hand_over(ctx, e, c, handle.plan_fd);
	return o->detach ? leave_behind(ctx, c, &handle) : foreground_run(ctx, e, c, &handle, &f);
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
	struct id_file id_file;
	int rc = id_file_open(&id_file, id_path, err);

	if (rc < 0)
		return rc;
	rc = container_create(e, &o->config, o->name, c, &warnings, err);
	print_warnings(&warnings);
	if (rc == 0)
		id_file_write(&id_file, c);
	id_file_close(&id_file, rc == 0);
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

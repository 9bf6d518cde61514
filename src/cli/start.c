/* SPDX-License-Identifier: Apache-2.0 */
/* start: in the background, or one container in the foreground with -a or -i. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/attach.h"
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

/* The first thing the monitor says to who started a container: STARTED, or why not. */
static int await_started(int fd, struct err *err)
{
	struct frame_header header;
	struct frame_started started;
	struct err reason;

	if (fd_read_full(fd, &header, sizeof(header)) == (ssize_t)sizeof(header)) {
		uint32_t length = frame_length(&header);

		if (header.type == FRAME_STARTED && length == sizeof(started) &&
		    fd_read_full(fd, &started, sizeof(started)) == (ssize_t)sizeof(started))
			return 0;
		if (header.type == FRAME_ERROR && length == sizeof(reason) &&
		    fd_read_full(fd, &reason, sizeof(reason)) == (ssize_t)sizeof(reason)) {
			reason.msg[sizeof(reason.msg) - 1] = '\0';
			*err = reason;
			return err_code(err);
		}
	}
	return err_set(err, ERR_SYSTEM, EPIPE, "monitor lost while the container was started");
}

static int start_background(struct engine *e, struct container *c, const char *name, void *context,
			    struct strbuf *out, struct err *err)
{
	const struct cli_context *ctx = context;
	const struct start_options options = {.main_ns = ctx->main_ns, .parsed_ns = clock_now_ns()};
	struct start_handle handle;
	int rc = container_start(e, c, &options, &handle, err);

	if (rc == 0 && handle.client_fd >= 0)
		rc = await_started(handle.client_fd, err);
	foreground_close(&handle);
	if (rc == 0)
		strbuf_printf(out, "%s\n", name);
	return rc;
}

/* An attachment to a container that runs already. */
static int attach_running(struct engine *e, struct container *c, bool input,
			  struct start_handle *handle, struct err *err)
{
	struct {
		struct frame_header header;
		struct frame_attach attach;
	} hello = {.attach = {.want_stdin = input, .want_output = 1}};
	auto_free char *path = xasprintf("%s/containers/%s/attach.sock", e->run_root, c->id);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return err_sys(err, "attach: socket");
	if (str_format(address.sun_path, sizeof(address.sun_path), "%s", path) < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "attach: the path %s is too long",
			       path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "attach: connect to %s", path);
	frame_header_set(&hello.header, FRAME_ATTACH, sizeof(hello.attach));
	rc = fd_send(fd, &hello, sizeof(hello), NULL, 0);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "attach: %s", err_errno_text(-rc));
	handle->client_fd = take_fd(&fd);
	return 0;
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
		rc = attach_running(e, &c, f.input, &handle, err);
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

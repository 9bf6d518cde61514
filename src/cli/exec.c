/* SPDX-License-Identifier: Apache-2.0 */
/* exec: one more process in a running container, in the foreground or with -d in the background. */
#include <signal.h>

#include "base/fd.h"
#include "cli/attach.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/foreground.h"
#include "cli/run_options.h"
#include "cli/run_values.h"
#include "cli/terminal.h"
#include "engine/exec.h"

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127
#define DAEMON_ANSWER "Error response from daemon: "

struct exec_flags {
	bool detach, interactive, tty, privileged;
	const char *user, *workdir, *detach_keys;
	struct strv env, env_files;
};
#define FIELD(field) offsetof(struct exec_flags, field)

static const struct option rows[] = {
	{"detach", 'd', &option_bool, FIELD(detach), "Detached mode: run command in the background",
	 NULL},
	{"detach-keys", 0, &option_text, FIELD(detach_keys),
	 "Override the key sequence for detaching a container", NULL},
	{"env", 'e', &option_env, FIELD(env), "Set environment variables", NULL},
	{"env-file", 0, &option_list, FIELD(env_files), "Read in a file of environment variables",
	 NULL},
	{"interactive", 'i', &option_bool, FIELD(interactive),
	 "Keep STDIN open even if not attached", NULL},
	{"privileged", 0, &option_bool, FIELD(privileged),
	 "Give extended privileges to the command", NULL},
	{"tty", 't', &option_bool, FIELD(tty), "Allocate a pseudo-TTY", NULL},
	{"user", 'u', &option_text, FIELD(user),
	 "Username or UID (format: \"<name|uid>[:<group|gid>]\")", NULL},
	{"workdir", 'w', &option_text, FIELD(workdir), "Working directory inside the container",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows), .stop_at_positional = true};

#define RUNTIME_FAILED "OCI runtime exec failed: exec failed: unable to start container process: "

/* Docker's daemon can say it only in the command's own output by then. */
static void say_in_stream(const char *before, const char *what, const char *after)
{
	printf("%s%s%s\r\n", before, what, after);
}

/* What Docker says when the runtime could not make the process, and the exit code that goes with it:
 * 127 where something was not found, else 126; in the background 1, by the answer that says it. */
static int cannot_run(const struct err *err, bool detach)
{
	if (err->kind == ERR_CONFLICT)
		return cli_fail(err);
	if (detach) {
		cli_note(DAEMON_ANSWER RUNTIME_FAILED "%s: unknown", err->msg);
		return EXIT_FAILED;
	}
	say_in_stream(RUNTIME_FAILED, err->msg, ": unknown");
	return err->kind == ERR_NO_COMMAND || err->sys_errno == ENOENT ? EXIT_NOT_FOUND
								       : EXIT_CANNOT_RUN;
}

static int wait_for_start(struct start_handle *handle)
{
	struct err err = ERR_INIT;

	return container_await_started(handle, &err) < 0 ? cannot_run(&err, true) : 0;
}

static int stay(struct engine *e, const struct container *c, const struct exec_flags *flags,
		const char *id, const struct start_handle *handle)
{
	const struct attach_options options = {.fd = handle->client_fd,
					       .input = flags->interactive,
					       .output = true,
					       .error = true,
					       .terminal = flags->tty,
					       .detach_keys = flags->detach_keys};
	struct attach_result result;
	struct err err = ERR_INIT;

	attach_run(&options, &result, &err);
	switch (result.end) {
	case ATTACH_EXITED:
		return result.exit.code;
	case ATTACH_NOT_STARTED:
		return cannot_run(&err, false);
	case ATTACH_DETACHED:
		exec_detached(e, c, id);
		cli_note("read escape sequence");
		return EXIT_FAILED;
	case ATTACH_LOST:
		cli_note("cloche: the process that watched over the command has ended, and the "
			 "command with it");
		return 128 + SIGKILL;
	case ATTACH_PIPE:
		return foreground_die_of(SIGPIPE);
	case ATTACH_SIGNALLED:
		return foreground_die_of(result.signal_number);
	default:
		return cli_fail(&err);
	}
}

static int execute(struct engine *e, struct container *c, const struct exec_flags *flags,
		   struct exec_options *options)
{
	char id[ID_LEN + 1];
	struct start_handle handle;
	struct err err = ERR_INIT;
	int rc;

	if (flags->tty)
		terminal_size(&options->rows, &options->columns);
	if (container_exec(e, c, options, id, &handle, &err) < 0) {
		bool answer = err.kind == ERR_CONFLICT || flags->detach;

		if (!answer) {
			say_in_stream("", err.msg, "");
			return EXIT_CANNOT_RUN;
		}
		cli_note(DAEMON_ANSWER "%s", err.msg);
		return EXIT_FAILED;
	}
	rc = flags->detach ? wait_for_start(&handle) : stay(e, c, flags, id, &handle);
	foreground_close(&handle);
	return rc;
}

/* In the words that exec has for them. */
static int check_keys(const char *keys, struct err *err)
{
	return foreground_check_keys(keys, err) < 0
		       ? err_set(err, ERR_CONFLICT, 0, "Invalid escape keys (%s) provided", keys)
		       : 0;
}

/* Everything after the container's name is the command's own. */
static int run_exec(struct cli_context *ctx, const struct exec_flags *flags, struct strv *args)
{
	struct exec_options options = {
		.argv = {.items = args->items + 1, .count = args->count - 1},
		.user = (char *)(uintptr_t)flags->user,
		.working_dir = (char *)(uintptr_t)flags->workdir,
		.privileged = flags->privileged,
		.tty = flags->tty,
		.open_stdin = flags->interactive && !flags->detach,
		.detach = flags->detach,
		.detach_keys = flags->detach_keys,
	};
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct engine *e;
	int rc;

	container_init(&c);
	if (run_environment(&flags->env_files, &flags->env, &options.env, &err) < 0)
		return cli_fail(&err);
	if (cli_engine(ctx, &e, &err) < 0 ||
	    container_find_brief(e, args->items[0], &c, &err) < 0 ||
	    check_keys(flags->detach_keys, &err) < 0)
		rc = cli_fail(&err);
	else
		rc = foreground_check_terminal(&(struct container_config){.tty = flags->tty},
					       flags->interactive && !flags->detach);
	if (rc == 0)
		rc = execute(e, &c, flags, &options);
	strv_free(&options.env);
	return rc;
}

static int cmd_exec(struct cli_context *ctx, int argc, char **argv)
{
	struct exec_flags flags = {.detach = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &flags, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = run_exec(ctx, &flags, &args);
	strv_free(&flags.env);
	strv_free(&flags.env_files);
	return rc;
}

const struct command command_exec = {
	.paths = {"container exec", "exec"},
	.arguments = "CONTAINER COMMAND [ARG...]",
	.summary = "Execute a command in a running container",
	.run = cmd_exec,
	.options = &table,
	.min_args = 2,
	.max_args = -1,
	.common = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* What the ends of an attachment mean to the caller's shell. */
#include "cli/foreground.h"

#include <signal.h>

#include "base/log.h"
#include "cli/attach.h"
#include "cli/detach_keys.h"
#include "engine/event.h"
#include "runtime/plan_build.h"
#include "runtime/plan_error.h"
#include "runtime/stamp.h"

struct signal_target {
	struct engine *engine;
	struct container *container;
};

static void signal_directly(void *context, int number)
{
	struct signal_target *t = context;
	struct err err = ERR_INIT;

	/* It may have exited meanwhile; then there is nobody to signal and nothing to say. */
	(void)!container_kill(t->engine, t->container, number, &err);
}

int foreground_die_of(int number)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigaction(number, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + number;
}

/* The two points of the bill that only this process knows; the plan is shared memory. */
static void stamp_plan(const struct start_handle *handle, const struct attach_result *result)
{
	struct plan *plan;
	struct err err = ERR_INIT;

	if (handle->plan_fd < 0 || plan_map(handle->plan_fd, &plan, &err) < 0)
		return;
	plan->shared.point_ns[POINT_CLI_STARTED] = result->started_ns;
	plan->shared.point_ns[POINT_CLI_EXIT] = result->ended_ns;
	stamp(plan, POINT_CLI_END);
	plan_unmap(plan);
}

/* Only these are tried by the container's process and given up without an end. */
static bool may_be_refused(const struct container_config *config)
{
	return config->ulimit_count || config->oom_score_adj;
}

void foreground_warn(const struct container_config *config, const struct start_handle *handle)
{
	struct plan *plan;
	struct err err = ERR_INIT;
	char text[ERR_MSG_MAX];

	if (!may_be_refused(config) || handle->plan_fd < 0 ||
	    plan_map(handle->plan_fd, &plan, &err) < 0)
		return;
	for (uint32_t i = 0; i < plan_warning_count(plan); i++) {
		plan_warning(plan, i, text, sizeof(text));
		log_message(LOG_LEVEL_WARN, "%s", text);
	}
	plan_unmap(plan);
}

struct started_context {
	const struct container_config *config;
	const struct start_handle *handle;
};

static void on_started(void *context)
{
	const struct started_context *s = context;

	foreground_warn(s->config, s->handle);
}

static int exit_code(struct cli_context *ctx, const struct foreground *f,
		     const struct attach_result *result, const struct err *err)
{
	switch (result->end) {
	case ATTACH_EXITED:
		return result->exit.code;
	case ATTACH_DETACHED:
		if (!f->say_detached)
			return 0;
		cli_note("read escape sequence");
		return EXIT_FAILED;
	case ATTACH_NOT_STARTED:
		return f->created_here ? cli_fail_start(ctx, err) : cli_fail(err);
	case ATTACH_LOST:
		cli_note(
			"cloche: monitor lost: the process that watched over the container has ended, "
			"and the container with it");
		return EXIT_USAGE;
	case ATTACH_PIPE:
		return foreground_die_of(SIGPIPE);
	case ATTACH_SIGNALLED:
		return foreground_die_of(result->signal_number);
	default:
		cli_fail(err);
		return EXIT_USAGE;
	}
}

int foreground_run(struct cli_context *ctx, struct engine *e, struct container *c,
		   struct start_handle *handle, const struct foreground *f)
{
	struct signal_target target = {.engine = e, .container = c};
	struct started_context started = {.config = &c->config, .handle = handle};
	struct attach_options options = {
		.fd = handle->client_fd,
		.input = f->input,
		.output = f->output,
		.error = f->error,
		.terminal = c->config.tty,
		.proxy_signals = f->proxy_signals,
		.detach_keys = f->detach_keys,
		.signal = signal_directly,
		.signal_context = &target,
		.started = on_started,
		.started_context = &started,
	};
	struct attach_result result;
	struct err err = ERR_INIT;

	attach_run(&options, &result, &err);
	stamp_plan(handle, &result);
	foreground_close(handle);
	if (result.end == ATTACH_DETACHED)
		event_container(e, c, "detach", NULL, NULL);
	return exit_code(ctx, f, &result, &err);
}

void foreground_close(struct start_handle *handle)
{
	if (handle->client_fd >= 0)
		close(handle->client_fd);
	if (handle->plan_fd >= 0)
		close(handle->plan_fd);
	handle->client_fd = handle->plan_fd = -1;
}

int foreground_check_keys(const char *keys, struct err *err)
{
	struct detach_keys parsed;

	return keys ? detach_keys_parse(keys, &parsed, err) : 0;
}

int foreground_check_terminal(const struct container_config *config, bool input)
{
	if (!config->tty || !input || isatty(STDIN_FILENO))
		return 0;
	cli_note("the input device is not a TTY");
	return EXIT_FAILED;
}

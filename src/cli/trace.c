/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace: runs a command and shows what it set in motion. As with strace(1) and time(1), the command keeps
 * standard output, the trace goes to standard error, and the exit code is the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/observe_commands.h"
#include "cli/output_file.h"
#include "observe/statistics/statistics.h"
#include "observe/trace/trace.h"
#include "observe/trace/trace_svg.h"

#define EXIT_NO_EXEC 126
#define EXIT_NO_COMMAND 127
#define COST_PAIRS 10

struct trace_command_options {
	const char *json, *svg;
	bool calls, cost;
};
#define FIELD(field) offsetof(struct trace_command_options, field)

static const struct option rows[] = {
	{"calls", 0, &option_bool, FIELD(calls), "List every recorded call, not only their counts",
	 NULL},
	{"cost", 0, &option_bool, FIELD(cost),
	 "Then run the command 10 times with and 10 times without\nthe recording, and compare",
	 NULL},
	{"json", 0, &option_text, FIELD(json), "Write the trace as JSON to a file (\"-\": stdout)",
	 NULL},
	{"svg", 0, &option_text, FIELD(svg), "Draw the trace to a file (\"-\": stdout)", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows), .stop_at_positional = true};

static const int to_command[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

static void set_signals(void (*handler)(int))
{
	for (size_t i = 0; i < sizeof(to_command) / sizeof(to_command[0]); i++)
		signal(to_command[i], handler);
}

/* A signal ended it: whoever sent it did not mean this run alone. */
static int check_end(const char *name, int signal_number, struct err *err)
{
	if (signal_number <= 0)
		return 0;
	return err_set(err, ERR_SYSTEM, EINTR,
		       "compare with and without recording: %s was ended by signal %d", name,
		       signal_number);
}

/* The command without any recording: how long it takes, ms. */
static int run_plain(const char *const *argv, int output, double *ms, struct err *err)
{
	uint64_t begin = clock_now_ns();
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return err_sys(err, "start %s", argv[0]);
	if (pid == 0) {
		set_signals(SIG_DFL);
		if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
			execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(EXIT_NO_COMMAND);
	}
	waitpid(pid, &status, 0);
	*ms = (double)(clock_now_ns() - begin) / 1e6;
	return check_end(argv[0], WIFSIGNALED(status) ? WTERMSIG(status) : 0, err);
}

static int run_traced(const char *const *argv, int output, double *ms, struct err *err)
{
	const struct trace_options o = {.output_fd = output};
	auto_trace struct trace *t = NULL;
	int rc = trace_record(&o, argv, &t, err);

	if (rc < 0)
		return rc;
	*ms = (double)t->end_ns / 1e6;
	return check_end(argv[0], t->exit_code - 128, err);
}

/* With and without by turns, so that both see the same machine. */
static int show_cost(const char *const *argv, struct strbuf *out, struct err *err)
{
	double with[COST_PAIRS], without[COST_PAIRS];
	auto_close int output = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct summary on, off;
	int rc = output < 0 ? err_sys(err, "open /dev/null") : 0;

	for (int i = 0; rc == 0 && i < COST_PAIRS; i++) {
		rc = run_plain(argv, output, &without[i], err);
		if (rc == 0)
			rc = run_traced(argv, output, &with[i], err);
	}
	if (rc < 0)
		return rc;
	statistics_summarize(with, COST_PAIRS, &on);
	statistics_summarize(without, COST_PAIRS, &off);
	strbuf_printf(out,
		      "\nThe cost of tracing, %d runs each, by turns: median %.2f ms with, %.2f ms "
		      "without (%+.1f%%)\n",
		      COST_PAIRS, on.median, off.median, 100.0 * (on.median / off.median - 1.0));
	return 0;
}

static int trace(const struct trace_command_options *o, const char *const *argv, int *exit_code,
		 struct err *err)
{
	const struct trace_options options = {.output_fd = -1};
	auto_strbuf struct strbuf text = {0};
	auto_strbuf struct strbuf json = {0};
	auto_strbuf struct strbuf svg = {0};
	auto_trace struct trace *t = NULL;
	int rc = output_file_check(o->json, err);

	if (rc == 0)
		rc = output_file_check(o->svg, err);
	if (rc == 0)
		rc = trace_record(&options, argv, &t, err);
	if (rc < 0)
		return rc;
	*exit_code = t->exit_code;
	trace_text(t, o->calls, &text);
	if (o->cost)
		rc = check_end(argv[0], t->exit_code - 128, err);
	if (o->cost && rc == 0)
		rc = show_cost(argv, &text, err);
	if (fd_write_all(STDERR_FILENO, strbuf_str(&text), text.len) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "write the trace to standard error");
	if (rc == 0 && o->json) {
		trace_json(t, &json);
		rc = output_file_write(o->json, strbuf_str(&json), json.len, err);
	}
	if (rc == 0 && o->svg) {
		trace_svg(t, &svg);
		rc = output_file_write(o->svg, strbuf_str(&svg), svg.len, err);
	}
	return rc;
}

static int cmd_trace(struct cli_context *ctx, int argc, char **argv)
{
	struct trace_command_options o = {.json = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int exit_code = 0, rc;

	rc = cli_parse(ctx, &o, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	/* Who is asked to end is the command; its trace is shown all the same. */
	set_signals(SIG_IGN);
	rc = trace(&o, (const char *const *)args.items, &exit_code, &err);
	if (rc == 0)
		return exit_code;
	rc = cli_fail(&err);
	if (err.kind == ERR_NO_COMMAND)
		return EXIT_NO_COMMAND;
	return err.kind == ERR_NO_EXEC ? EXIT_NO_EXEC : rc;
}

const struct command command_trace = {
	.paths = {"trace"},
	.arguments = "COMMAND [ARG...]",
	.summary = TRACE_SUMMARY,
	.run = cmd_trace,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* cloche-runtime: an OCI runtime with runc's command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "oci/runtime_config.h"
#include "runtime/cli/command.h"

#define DEFAULT_ROOT "/run/cloche-runtime"

enum global_option {
	GLOBAL_ROOT,
	GLOBAL_LOG,
	GLOBAL_LOG_FORMAT,
	GLOBAL_SYSTEMD_CGROUP,
	GLOBAL_ROOTLESS,
	GLOBAL_CRIU,
	GLOBAL_DEBUG,
	GLOBAL_VERSION,
	GLOBAL_HELP,
	GLOBAL_COUNT
};

static const struct option_row globals[GLOBAL_COUNT] = {
	[GLOBAL_ROOT] = {"root", 0, "DIR", "where the state of containers is kept", NULL},
	[GLOBAL_LOG] = {"log", 0, "FILE", "where messages go instead of standard error", NULL},
	[GLOBAL_LOG_FORMAT] = {"log-format", 0, "text|json", "form of the messages", NULL},
	[GLOBAL_SYSTEMD_CGROUP] = {"systemd-cgroup", 0, NULL, "make cgroups through systemd",
				   "the systemd cgroup manager is not there yet"},
	[GLOBAL_ROOTLESS] = {"rootless", 0, "auto|true|false", "ignored: root is needed", NULL},
	[GLOBAL_CRIU] = {"criu", 0, "PROGRAM", "ignored", NULL},
	[GLOBAL_DEBUG] = {"debug", 0, NULL, "more messages", NULL},
	[GLOBAL_VERSION] = {"version", 'v', NULL, "print the version", NULL},
	[GLOBAL_HELP] = {"help", 'h', NULL, "print this text", NULL},
};

static const struct command *const commands[] = {
	&command_create_row, &command_delete_row, &command_features_row, &command_kill_row,
	&command_list_row,   &command_pause_row,  &command_ps_row,       &command_resume_row,
	&command_run_row,    &command_spec_row,   &command_start_row,    &command_state_row,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_options(const struct option_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s%s%c", rows[i].name, rows[i].value ? " " : "",
			 rows[i].value ? rows[i].value : "", rows[i].letter ? ", -" : "",
			 rows[i].letter ? rows[i].letter : ' ');
		printf("  %-32s %s\n", left, rows[i].help);
	}
}

static void print_help(void)
{
	printf("Usage: cloche-runtime [OPTIONS] COMMAND [ARG...]\n\n"
	       "Runs containers from OCI bundles.\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->help);
	printf("\nOptions:\n");
	print_options(globals, GLOBAL_COUNT);
}

static void print_command_help(const struct command *c)
{
	printf("Usage: cloche-runtime %s [OPTIONS] %s\n\n%s\n", c->name, c->positional, c->help);
	if (c->option_count) {
		printf("\nOptions:\n");
		print_options(c->options, c->option_count);
	}
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (str_eq(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static bool asks_for_help(int argc, char *const argv[])
{
	return argc == 1 && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h"));
}

static int run_command(struct runtime *rt, int argc, char *const argv[], struct err *err)
{
	const struct command *c = find_command(argv[0]);
	struct arguments args;
	int r;

	if (!c)
		return err_set(err, ERR_INVALID, EINVAL, "No help topic for '%s'", argv[0]);
	rt->command = c->name;
	if (asks_for_help(argc - 1, argv + 1)) {
		print_command_help(c);
		return 0;
	}
	r = arguments_parse(c->options, c->option_count, argc - 1, argv + 1, false, &args, err);
	if (r < 0)
		return r;
	if (args.count < c->min || args.count > c->max)
		return err_set(err, ERR_INVALID, EINVAL, "usage: cloche-runtime %s [OPTIONS] %s",
			       c->name, c->positional);
	return c->run(rt, &args, err);
}

static int take_globals(struct runtime *rt, const struct arguments *g, struct err *err)
{
	const char *format = g->values[GLOBAL_LOG_FORMAT];

	if (g->values[GLOBAL_ROOT])
		rt->root = g->values[GLOBAL_ROOT];
	if (rt->root[0] != '/')
		return err_set(err, ERR_INVALID, EINVAL, "--root must be an absolute path");
	rt->debug = g->values[GLOBAL_DEBUG];
	if (!format || str_eq(format, "text"))
		return 0;
	if (!str_eq(format, "json"))
		return err_set(err, ERR_INVALID, EINVAL, "invalid log-format: \"%s\"", format);
	rt->log_json = true;
	return 0;
}

int main(int argc, char *argv[])
{
	struct runtime rt = {.root = DEFAULT_ROOT, .command = ""};
	struct arguments g;
	struct err err = ERR_INIT;
	int r = arguments_parse(globals, GLOBAL_COUNT, argc - 1, argv + 1, true, &g, &err);

	signal(SIGPIPE, SIG_IGN);
	rt.log_path = g.values[GLOBAL_LOG];
	if (r >= 0 && g.values[GLOBAL_VERSION]) {
		printf("cloche-runtime version " CLOCHE_VERSION "\nspec: " OCI_VERSION "\n");
		return 0;
	}
	if (r >= 0 && (g.values[GLOBAL_HELP] || r + 1 >= argc)) {
		print_help();
		return 0;
	}
	if (r >= 0) {
		int used = r;

		r = take_globals(&rt, &g, &err);
		if (r == 0)
			r = run_command(&rt, argc - 1 - used, argv + 1 + used, &err);
	}
	if (r >= 0)
		return r;
	report_error(&rt, &err);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche`, the command line. Owns the global flags and nothing else. Does no work before it is
 * needed: no locale, no configuration file, no name service; a container start pays for every
 * microsecond spent here.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"

#define FIELD(field) offsetof(struct cli_context, field)

static const struct option global_rows[] = {
	{"config", 0, &option_later, 0, NULL, NULL},
	{"context", 'c', &option_later, 0, NULL, NULL},
	{"debug", 'D', &option_bool, FIELD(debug), "Enable debug mode", NULL},
	{"host", 'H', &option_later, 0, NULL, NULL},
	{"log-level", 'l', &option_text, FIELD(log_level),
	 "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")", "\"warn\""},
	{"root", 0, &option_text, FIELD(root), "Data root", "\"/var/lib/cloche\""},
	{"run-root", 0, &option_text, FIELD(run_root), "Run root", "\"/run/cloche\""},
	{"tls", 0, &option_later_bool, 0, NULL, NULL},
	{"tlscacert", 0, &option_later, 0, NULL, NULL},
	{"tlscert", 0, &option_later, 0, NULL, NULL},
	{"tlskey", 0, &option_later, 0, NULL, NULL},
	{"tlsverify", 0, &option_later_bool, 0, NULL, NULL},
	{"version", 'v', &option_bool, FIELD(show_version), "Print version information and quit",
	 NULL},
};
const struct option_table global_options = {OPTION_ROWS(global_rows), .stop_at_positional = true};

/* A caller may have closed any of the three: a file of ours must never become its "stdout". */
static void open_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EXIT_USAGE);
	}
}

/* A caller's shell may ignore the end of children, whose status we want; and a limit on the size of
 * files is to be an error with words. */
static void set_signals(void)
{
	signal(SIGCHLD, SIG_DFL);
	signal(SIGXFSZ, SIG_IGN);
}

/* The log level travels in the environment, where the library and the monitor find it. */
static int apply_log_level(const struct cli_context *ctx)
{
	static const char *const names[][2] = {
		{"debug", "debug"}, {"info", "info"},   {"warn", "warn"},  {"warning", "warn"},
		{"error", "error"}, {"fatal", "error"}, {"panic", "error"}};
	const char *level = ctx->debug ? "debug" : ctx->log_level;

	for (size_t i = 0; level && i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(level, names[i][0]))
			return setenv("CLOCHE_LOG_LEVEL", names[i][1], 1);
	}
	if (level)
		cli_note("Unable to parse logging level: %s", level);
	return level ? EXIT_FAILED : 0;
}

static int usage_error(const struct err *err)
{
	cli_note("%s%s\n\nUsage:  cloche [OPTIONS] COMMAND [ARG...]\n\n"
		 "Run 'cloche --help' for more information",
		 err->kind == ERR_UNSUPPORTED ? "cloche: " : "", err->msg);
	return EXIT_USAGE;
}

static int print_program_help(void)
{
	auto_strbuf struct strbuf out = {0};

	help_program(&out);
	return cli_print(&out);
}

static int print_version(void)
{
	auto_strbuf struct strbuf out = {0};

	strbuf_puts(&out, "Cloche version " CLOCHE_VERSION "\n");
	return cli_print(&out);
}

static int run(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv words = {0};
	struct err err = ERR_INIT;
	bool help;
	int rc = options_parse(&global_options, ctx, argc - 1, argv + 1, &words, &help, &err);

	if (rc < 0)
		return usage_error(&err);
	if (help || (!words.count && !ctx->show_version))
		return print_program_help();
	if (ctx->show_version)
		return print_version();
	rc = apply_log_level(ctx);
	if (rc)
		return rc;
	return command_dispatch(ctx, (int)words.count, words.items);
}

int main(int argc, char **argv)
{
	struct cli_context ctx = {.main_ns = clock_now_ns(), .argv = argv};
	int rc;

	ctx.main_cpu_ns = clock_cpu_ns();
	open_standard_fds();
	set_signals();
	rc = run(&ctx, argc, argv);
	cli_engine_close(&ctx);
	return rc;
}

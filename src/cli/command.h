/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command shares: the context it runs in, its row in the command table, parsing by that
 * row, and the one way to report. Only this folder prints.
 */
#ifndef CLOCHE_CLI_COMMAND_H
#define CLOCHE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/options.h"

#define EXIT_FAILED 1  /* the engine refused, or arguments are missing */
#define EXIT_USAGE 125 /* a bad flag; for run and create: any error before the container starts */
#define COMMAND_PATHS_MAX 5

struct command;
struct engine;

struct cli_context {
	uint64_t main_ns;     /* monotonic clock at the first line of main() */
	uint64_t main_cpu_ns; /* processor time used until then: exec and start-up code */
	char **argv;          /* the whole command line, for --timeline */
	int timeline_fd;      /* of the inner process of --timeline (timeline_run.h); 0: none */
	/* global flags */
	const char *root, *run_root; /* NULL: not given */
	const char *log_level;
	bool debug, show_version;
	/* the command being run */
	const struct command *command;
	const char *path;      /* as it was called: "run", "container run" */
	struct engine *engine; /* NULL until cli_engine() */
};

struct command {
	const char
		*paths[COMMAND_PATHS_MAX]; /* "container ls", "ps": in Docker's order of aliases */
	const char *arguments; /* after [OPTIONS], or NULL: "CONTAINER [CONTAINER...]" */
	const char *summary;
	int (*run)(struct cli_context *ctx, int argc, char **argv); /* returns the exit code */
	const struct option_table *options;                         /* NULL: --help alone */
	int min_args, max_args;                                     /* max -1: any number */
	bool common; /* among the first in `cloche --help` */
	bool hidden;
};

struct command_group {
	const char *name, *summary;
};

/* The tables (commands.c). */
extern const struct command *const commands[];
extern const size_t commands_count;
extern const struct command_group command_groups[];
extern const size_t command_groups_count;

/* Runs the command that argv[0..argc) names. Returns the exit code. */
int command_dispatch(struct cli_context *ctx, int argc, char **argv);

/* The first thing a command does: fills fields and args by its row. -1: go on; otherwise the exit
 * code, everything said already (help was asked for, or a usage error). */
#define CLI_GO_ON (-1)
int must_check cli_parse(struct cli_context *ctx, void *fields, int argc, char **argv,
			 struct strv *args);
/* A usage error found after parsing, in the parser's form; returns EXIT_USAGE. */
int cli_usage_error(const struct cli_context *ctx, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What stands before a message. Scripts look for the words of Docker's daemon, so what that would have
 * said (malformed, no such thing, a conflict, never) is said in its name; all else begins with "cloche: ". */
const char *cli_answer_prefix(const struct err *err);
/* Prints the message with its prefix; returns EXIT_FAILED. */
int cli_fail(const struct err *err);
/* The same with the pointer to --help that run and create end with; returns 125, 126 or 127. */
int cli_fail_start(const struct cli_context *ctx, const struct err *err);
/* Writes finished output to stdout and empties it. 0, or EXIT_FAILED with the reason said (nothing
 * for a reader that has gone). */
int must_check cli_print(struct strbuf *out);
/* One line to stderr, as it is. */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Columns to wrap help to: the terminal's, 80 without one. */
int cli_width(void);

/* Opens the engine at first use. */
int must_check cli_engine(struct cli_context *ctx, struct engine **engine, struct err *err);
void cli_engine_close(struct cli_context *ctx);

/* Help texts. */
void help_program(struct strbuf *out);
void help_group(const struct command_group *group, struct strbuf *out);
void help_command(const struct cli_context *ctx, struct strbuf *out);
void help_usage_line(const struct cli_context *ctx, struct strbuf *out);
extern const struct option_table global_options;
int cmd_help(struct cli_context *ctx, int argc, char **argv);

#endif

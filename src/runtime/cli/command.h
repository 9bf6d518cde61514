/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of cloche-runtime: runc's commands and options, by tables. Commands return an
 * exit code (0 or more) or -errno with *err set, which main reports.
 */
#ifndef CLOCHE_RUNTIME_CLI_COMMAND_H
#define CLOCHE_RUNTIME_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define COMMAND_OPTIONS_MAX 16
#define COMMAND_POSITIONAL_MAX 64

/* One option. A flag has no value name. */
struct option_row {
	const char *name;  /* "pid-file" */
	char letter;       /* 0 none */
	const char *value; /* "FILE"; NULL for a flag */
	const char *help;
	const char *refused; /* why it is not supported; NULL: it is */
};

/* What was given, by position in the command's table. A flag that is on has "true". */
struct arguments {
	const char *values[COMMAND_OPTIONS_MAX];
	const char *positional[COMMAND_POSITIONAL_MAX];
	size_t count;
};

/* What the global options say. */
struct runtime {
	const char *root;     /* "/run/cloche-runtime" */
	const char *log_path; /* NULL: standard error */
	bool log_json, debug;
	const char *command; /* for messages */
};

struct command {
	const char *name;
	const char *positional; /* "CONTAINER [SIGNAL]" */
	const char *help;
	const struct option_row *options;
	size_t option_count;
	size_t min, max; /* of positional arguments */
	int (*run)(const struct runtime *rt, const struct arguments *args, struct err *err);
};

/* Fills *out from argv[0 .. argc-1]; parsing stops at the first word that is no option when
 * stop_early. Returns how many words were used, or -EINVAL. */
int must_check arguments_parse(const struct option_row *rows, size_t row_count, int argc,
			       char *const argv[], bool stop_early, struct arguments *out,
			       struct err *err);

/* The commands, one file per group. */
int command_create(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_run(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_start(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_state(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_list(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_kill(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_delete(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_pause(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_resume(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_ps(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_spec(const struct runtime *rt, const struct arguments *args, struct err *err);
int command_features(const struct runtime *rt, const struct arguments *args, struct err *err);

extern const struct command command_create_row, command_run_row, command_start_row,
	command_state_row, command_list_row, command_kill_row, command_delete_row,
	command_pause_row, command_resume_row, command_ps_row, command_spec_row,
	command_features_row;

/* Messages, to --log or standard error, as runc words them. */
void report_error(const struct runtime *rt, const struct err *err);
void report_warning(const struct runtime *rt, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line flags by table, with the grammar that Docker's users know (Go's pflag):
 * --flag=value, --flag value, -f value, -fvalue, -f=value, clusters of one-letter flags, "--" ends
 * the flags. A boolean takes a value only after '='. Unknown and malformed flags are errors with
 * pflag's words.
 */
#ifndef CLOCHE_CLI_OPTIONS_H
#define CLOCHE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

struct option;

struct option_type {
	const char *value_name; /* what help puts after the flag's name; "" for none */
	bool is_bool;           /* a value only after '='; "true" without */
	/* Stores value in field. The message of *err is the reason alone; the parser puts
	 * `invalid argument "x" for "-m, --memory" flag: ` in front, except for ERR_UNSUPPORTED,
	 * ERR_CONFLICT (what Docker's client refuses only after parsing) and ERR_FORBIDDEN (what its
	 * daemon refuses): there it is the whole sentence. */
	int (*set)(void *field, const char *value, const struct option *option, struct err *err);
};

struct option {
	const char *name; /* long name, without dashes */
	char letter;      /* one-letter form, or 0 */
	const struct option_type *type;
	size_t offset;             /* of the field in the struct that options_parse() fills */
	const char *help;          /* may hold newlines; NULL hides the flag */
	const char *shown_default; /* as help prints it after "default ", or NULL */
};

struct option_table {
	const struct option *rows;
	size_t count;
	const struct option_table *also; /* more rows for the same struct, or NULL */
	bool stop_at_positional; /* the first positional argument ends the flags (run, create) */
};

#define OPTION_ROWS(array) .rows = (array), .count = sizeof(array) / sizeof((array)[0])

/* Parses argv[0..argc) (without the command's name) into fields, positional arguments into *args.
 * *help is set when --help or -h was given. 0, or -errno with the finished sentence. Every table
 * has --help built in. */
int must_check options_parse(const struct option_table *table, void *fields, int argc, char **argv,
			     struct strv *args, bool *help, struct err *err);

/* The list of flags as help prints it, wrapped to width columns. */
void options_describe(const struct option_table *table, int width, struct strbuf *out);

/* The listed rows by name, or with later those that are refused by name. The caller frees *out, the
 * array; returns its length. */
size_t options_sorted(const struct option_table *table, bool later, const struct option ***out);

/* Field types. "text" borrows the argument (const char *), "string" owns a copy (char *). */
extern const struct option_type option_bool;    /* bool */
extern const struct option_type option_text;    /* const char * */
extern const struct option_type option_string;  /* char *, freed by the struct's owner */
extern const struct option_type option_list;    /* struct strv */
extern const struct option_type option_strings; /* struct strv, "a,b" being two */
extern const struct option_type option_map;     /* struct strv of KEY=VALUE, each key once */
extern const struct option_type option_filter;  /* struct strv of KEY=VALUE */
extern const struct option_type option_int;     /* int64_t */
extern const struct option_type option_uint16;  /* int64_t */
extern const struct option_type option_bytes;   /* int64_t: Docker's sizes */
extern const struct option_type option_cpus;    /* int64_t: billionths of a processor */
/* Flags Docker has and this version does not: with a value, and without. */
extern const struct option_type option_later;
extern const struct option_type option_later_bool;

/* Docker's sizes ("64m", "1.5 GiB", "512") in bytes, with Docker's words in *err. */
int must_check option_parse_bytes(const char *value, int64_t *out, struct err *err);
/* What Go's strconv.ParseInt(value, 0, 64) takes, with its words in *err. */
int must_check option_parse_int(const char *value, int64_t *out, struct err *err);

#endif

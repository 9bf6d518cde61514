/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a command by its words, parsing by its row, and reporting. Must stay cheap: this runs
 * before every container starts.
 */
#include "cli/command.h"
#include "cli/commands.h"

#include <stdarg.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/log.h"

static const struct command_group *find_group(const char *name)
{
	for (size_t i = 0; i < command_groups_count; i++) {
		if (str_eq(command_groups[i].name, name))
			return &command_groups[i];
	}
	return NULL;
}

static const struct command *find_command(struct cli_context *ctx, const char *path)
{
	for (size_t i = 0; i < commands_count; i++) {
		for (size_t j = 0; j < COMMAND_PATHS_MAX && commands[i]->paths[j]; j++) {
			if (str_eq(commands[i]->paths[j], path)) {
				ctx->path = commands[i]->paths[j];
				return commands[i];
			}
		}
	}
	return NULL;
}

static int run_command(struct cli_context *ctx, const struct command *c, int argc, char **argv)
{
	ctx->command = c;
	return c->run(ctx, argc, argv);
}

/* What Docker has and this version has not. */
static bool comes_later(const char *group, const char *word)
{
	static const char *const words[] = {
		"build",    "builder", "checkpoint", "commit",  "config", "context", "cp",
		"diff",     "df",      "export",     "import",  "login",  "logout",  "logs",
		"manifest", "node",    "plugin",     "port",    "prune",  "pull",    "push",
		"save",     "search",  "secret",     "service", "stack",  "stats",   "swarm",
		"top",      "trust",   "volume"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(words[i], word)) {
			cli_note("cloche: '%s%s%s' is not supported yet\n\n"
				 "Run 'cloche --help' to see what this version can do",
				 group ? group : "", group ? " " : "", word);
			return true;
		}
	}
	return false;
}

/* Docker shows what follows of one of its groups only. */
static const char *group_operand(const char *group)
{
	return str_eq(group, "volume") ? " COMMAND" : "";
}

static int unknown_command(const char *group, const char *word)
{
	if (comes_later(group, word))
		return EXIT_FAILED;
	if (group)
		cli_note("cloche: unknown command: cloche %s %s\n\nUsage:  cloche %s%s\n\n"
			 "Run 'cloche %s --help' for more information",
			 group, word, group, group_operand(group), group);
	else
		cli_note("cloche: unknown command: cloche %s\n\n"
			 "Run 'cloche --help' for more information",
			 word);
	return EXIT_FAILED;
}

/* `cloche container`, `cloche container --help`, `cloche container ls ...` */
static int dispatch_group(struct cli_context *ctx, const struct command_group *group, int argc,
			  char **argv)
{
	auto_strbuf struct strbuf path = {0}, out = {0};
	const struct command *c;

	if (!argc || str_eq(argv[0], "--help") || str_eq(argv[0], "-h")) {
		help_group(group, &out);
		if (argc)
			return cli_print(&out);
		cli_note("%.*s", (int)out.len - 1,
			 strbuf_str(&out)); /* as Docker: not the answer */
		return 0;
	}
	if (argv[0][0] == '-') {
		auto_free char *what = argv[0][1] == '-' ? xasprintf("flag: %s", argv[0])
							 : xasprintf("shorthand flag: '%c' in %s",
								     argv[0][1], argv[0]);

		cli_note("unknown %s\n\nUsage:  cloche %s%s\n\n"
			 "Run 'cloche %s --help' for more information",
			 what, group->name, group_operand(group->name), group->name);
		return EXIT_USAGE;
	}
	strbuf_printf(&path, "%s %s", group->name, argv[0]);
	c = find_command(ctx, strbuf_str(&path));
	if (!c)
		return unknown_command(group->name, argv[0]);
	return run_command(ctx, c, argc - 1, argv + 1);
}

int command_dispatch(struct cli_context *ctx, int argc, char **argv)
{
	const struct command *c = find_command(ctx, argv[0]);
	const struct command_group *group;

	if (c)
		return run_command(ctx, c, argc - 1, argv + 1);
	group = find_group(argv[0]);
	if (group)
		return dispatch_group(ctx, group, argc - 1, argv + 1);
	return unknown_command(NULL, argv[0]);
}

/* "requires at least 1 argument", "accepts no arguments", ...; 0 when the number is right. */
static int check_count(const struct cli_context *ctx, size_t count)
{
	const struct command *c = ctx->command;
	auto_strbuf struct strbuf usage = {0}, wants = {0};
	const char *see = "Run";
	int number;

	if ((int)count >= c->min_args && (c->max_args < 0 || (int)count <= c->max_args))
		return 0;
	help_usage_line(ctx, &usage);
	strbuf_printf(&usage, "\n\n");
	if (c->max_args == 0) {
		cli_note(
			"cloche: 'cloche %s' accepts no arguments\n\n%s%s 'cloche %s --help' for more "
			"information",
			ctx->path, strbuf_str(&usage), see, ctx->path);
		return EXIT_FAILED;
	}
	if (c->min_args && c->max_args > c->min_args)
		strbuf_printf(&wants, "at least %d and at most ", c->min_args);
	else if (c->max_args != c->min_args)
		strbuf_puts(&wants, c->max_args < 0 ? "at least " : "at most ");
	number = c->max_args > c->min_args ? c->max_args : c->min_args;
	cli_note("cloche: 'cloche %s' requires %s%d argument%s\n\n%s%s 'cloche %s --help' for more "
		 "information",
		 ctx->path, strbuf_str(&wants), number, number == 1 ? "" : "s", strbuf_str(&usage),
		 c->max_args < 0 ? "See" : see, ctx->path);
	return EXIT_FAILED;
}

int cli_parse(struct cli_context *ctx, void *fields, int argc, char **argv, struct strv *args)
{
	static const struct option_table none = {.count = 0};
	const struct option_table *table = ctx->command->options ? ctx->command->options : &none;
	struct err err = ERR_INIT;
	bool help;
	int rc = options_parse(table, fields, argc, argv, args, &help, &err);

	if (rc < 0 && err.kind == ERR_UNSUPPORTED) {
		cli_note("cloche: %s\n\nRun 'cloche %s --help' to see what this version can do",
			 err.msg, ctx->path);
		return EXIT_USAGE;
	}
	if (rc < 0 && err.kind == ERR_FORBIDDEN)
		return ctx->command == &command_create ? cli_fail(&err) : cli_fail_start(ctx, &err);
	if (rc < 0 && err.kind == ERR_CONFLICT) {
		cli_note("cloche: %s\n\nRun 'cloche %s --help' for more information", err.msg,
			 ctx->path);
		return EXIT_USAGE;
	}
	if (rc < 0)
		return cli_usage_error(ctx, "%s", err.msg);
	if (help) {
		auto_strbuf struct strbuf out = {0};

		help_command(ctx, &out);
		return cli_print(&out);
	}
	rc = check_count(ctx, args->count);
	return rc ? rc : CLI_GO_ON;
}

int cli_usage_error(const struct cli_context *ctx, const char *fmt, ...)
{
	auto_strbuf struct strbuf usage = {0};
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	help_usage_line(ctx, &usage);
	cli_note("%s\n\n%s\n\nRun 'cloche %s --help' for more information", text,
		 strbuf_str(&usage), ctx->path);
	return EXIT_USAGE;
}

const char *cli_answer_prefix(const struct err *err)
{
	switch (err->kind) {
	case ERR_INVALID:
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_FORBIDDEN:
	case ERR_NO_COMMAND:
	case ERR_NO_EXEC:
		return "Error response from daemon: ";
	default:
		return "cloche: ";
	}
}

int cli_fail(const struct err *err)
{
	cli_note("%s%s", cli_answer_prefix(err), err->msg);
	return EXIT_FAILED;
}

int cli_fail_start(const struct cli_context *ctx, const struct err *err)
{
	static const struct {
		enum err_kind kind;
		int code;
	} codes[] = {{ERR_NO_COMMAND, 127}, {ERR_NO_EXEC, 126}};

	const char *prefix = cli_answer_prefix(err);

	cli_note("cloche: %s%s\n\nRun 'cloche %s --help' for more information",
		 str_starts(prefix, "cloche") ? "" : prefix, err->msg, ctx->path);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].kind == err->kind)
			return codes[i].code;
	}
	return EXIT_USAGE;
}

int cli_print(struct strbuf *out)
{
	int rc = out->len ? fd_write_all(STDOUT_FILENO, out->data, out->len) : 0;

	out->len = 0;
	if (rc < 0 && rc != -EPIPE)
		cli_note("cloche: write to standard output: %s", err_errno_text(-rc));
	return rc < 0 ? EXIT_FAILED : 0;
}

void cli_note(const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	text = xrealloc(text, (size_t)n + 2);
	text[n] = '\n';
	/* There is nowhere to report a failure to report. */
	(void)!fd_write_all(STDERR_FILENO, text, (size_t)n + 1);
}

int cli_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return 80;
}

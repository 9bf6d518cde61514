/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, made from the tables alone: what is listed is what is there. */
#include "cli/command.h"

#include <stdlib.h>

/* The word after the group, "" when the path is of another group (or of none). */
static const char *word_in_group(const char *path, const char *group)
{
	size_t len = strlen(group);

	return strncmp(path, group, len) == 0 && path[len] == ' ' ? path + len + 1 : "";
}

/* The name under which a command is listed on the first page, or NULL. */
static const char *top_name(const struct command *c)
{
	for (size_t i = 0; i < COMMAND_PATHS_MAX && c->paths[i]; i++) {
		if (!strchr(c->paths[i], ' '))
			return c->paths[i];
	}
	return NULL;
}

static const char *group_name(const struct command *c, const char *group)
{
	for (size_t i = 0; i < COMMAND_PATHS_MAX && c->paths[i]; i++) {
		if (*word_in_group(c->paths[i], group))
			return word_in_group(c->paths[i], group);
	}
	return NULL;
}

static void put_line(struct strbuf *out, const char *name, const char *summary)
{
	strbuf_printf(out, "  %-11s %s\n", name, summary);
}

struct listed {
	const char *name, *summary;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static void put_sorted(struct strbuf *out, struct listed *rows, size_t count)
{
	qsort(rows, count, sizeof(*rows), by_name);
	for (size_t i = 0; i < count; i++)
		put_line(out, rows[i].name, rows[i].summary);
}

static void put_common(struct strbuf *out)
{
	strbuf_puts(out, "Common Commands:\n");
	for (size_t i = 0; i < commands_count; i++) {
		if (commands[i]->common)
			put_line(out, top_name(commands[i]), commands[i]->summary);
	}
}

static void put_others(struct strbuf *out)
{
	struct listed *rows = xcalloc(commands_count, sizeof(*rows));
	size_t count = 0;

	strbuf_puts(out, "\nCommands:\n");
	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = commands[i];

		if (!c->common && !c->hidden && top_name(c))
			rows[count++] = (struct listed){top_name(c), c->summary};
	}
	put_sorted(out, rows, count);
	free(rows);
}

void help_program(struct strbuf *out)
{
	strbuf_puts(out, "Usage:  cloche [OPTIONS] COMMAND\n\n"
			 "A container engine you can see through\n\n");
	put_common(out);
	strbuf_puts(out, "\nManagement Commands:\n");
	for (size_t i = 0; i < command_groups_count; i++)
		put_line(out, command_groups[i].name, command_groups[i].summary);
	put_others(out);
	strbuf_puts(out, "\nGlobal Options:\n");
	options_describe(&global_options, cli_width() - 1, out);
	strbuf_puts(out, "\nRun 'cloche COMMAND --help' for more information on a command.\n");
}

void help_group(const struct command_group *group, struct strbuf *out)
{
	struct listed *rows = xcalloc(commands_count, sizeof(*rows));
	size_t count = 0;

	strbuf_printf(out, "Usage:  cloche %s COMMAND\n\n%s\n\nCommands:\n", group->name,
		      group->summary);
	for (size_t i = 0; i < commands_count; i++) {
		const char *name = group_name(commands[i], group->name);

		if (name && !commands[i]->hidden)
			rows[count++] = (struct listed){name, commands[i]->summary};
	}
	put_sorted(out, rows, count);
	free(rows);
	strbuf_printf(out, "\nRun 'cloche %s COMMAND --help' for more information on a command.\n",
		      group->name);
}

void help_usage_line(const struct cli_context *ctx, struct strbuf *out)
{
	const struct command *c = ctx->command;

	strbuf_printf(out, "Usage:  cloche %s", ctx->path);
	if (c->options && c->options->count)
		strbuf_puts(out, " [OPTIONS]");
	if (c->arguments)
		strbuf_printf(out, " %s", c->arguments);
}

/* What Docker has here and this version has not: said, so that nobody has to try. */
static void put_later(const struct option_table *table, struct strbuf *out)
{
	auto_free const struct option **rows = NULL;
	size_t count = options_sorted(table, true, &rows), column = 0;
	size_t width = (size_t)cli_width() - 1;

	if (count)
		strbuf_puts(out, "\nNot supported yet:");
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(rows[i]->name) + 3;

		if (!i || column + len > width) {
			strbuf_puts(out, "\n ");
			column = 1;
		}
		strbuf_printf(out, " --%s", rows[i]->name);
		column += len;
	}
	if (count)
		strbuf_putc(out, '\n');
}

void help_command(const struct cli_context *ctx, struct strbuf *out)
{
	const struct command *c = ctx->command;

	help_usage_line(ctx, out);
	strbuf_printf(out, "\n\n%s\n", c->summary);
	if (c->paths[1]) {
		strbuf_puts(out, "\nAliases:\n  ");
		for (size_t i = 0; i < COMMAND_PATHS_MAX && c->paths[i]; i++)
			strbuf_printf(out, "%scloche %s", i ? ", " : "", c->paths[i]);
		strbuf_puts(out, "\n");
	}
	if (c->options && c->options->count) {
		strbuf_puts(out, "\nOptions:\n");
		options_describe(c->options, cli_width() - 1, out);
		put_later(c->options, out);
	}
}

/* `cloche help [COMMAND]` */
int cmd_help(struct cli_context *ctx, int argc, char **argv)
{
	static char flag[] = "--help";
	char **words = argv;
	auto_strbuf struct strbuf out = {0};

	if (!argc || str_starts(argv[0], "--")) {
		help_program(&out);
		return cli_print(&out);
	}
	words = xcalloc((size_t)argc + 1, sizeof(*words));
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[argc] = flag;
	argc = command_dispatch(ctx, argc + 1, words);
	free(words);
	return argc;
}

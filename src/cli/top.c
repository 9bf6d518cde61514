/* SPDX-License-Identifier: Apache-2.0 */
/* top: the processes of a container, by default or by the user's arguments for ps. */
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "engine/top.h"

#define COLUMN_MIN 20
#define PADDING 3

/* Go's tabwriter with Docker's settings; the last cell of a line is not padded. */
static void put_row(const struct strv *row, const size_t *widths, struct strbuf *out)
{
	for (size_t i = 0; i < row->count; i++) {
		const char *cell = row->items[i];
		size_t len = strlen(cell);

		strbuf_add(out, cell, len);
		if (i + 1 < row->count)
			strbuf_printf(out, "%*s", (int)(widths[i] - utf8_count(cell, len)), "");
	}
	strbuf_putc(out, '\n');
}

static void widen(const struct strv *row, size_t *widths)
{
	for (size_t i = 0; i < row->count; i++) {
		size_t width = utf8_count(row->items[i], strlen(row->items[i])) + PADDING;

		widths[i] = width > widths[i] ? width : widths[i];
	}
}

static int print_table(const struct top_table *t)
{
	auto_free size_t *widths = xcalloc(t->titles.count + 1, sizeof(*widths));
	auto_strbuf struct strbuf out = {0};

	for (size_t i = 0; i < t->titles.count; i++)
		widths[i] = COLUMN_MIN;
	widen(&t->titles, widths);
	for (size_t i = 0; i < t->row_count; i++)
		widen(&t->rows[i], widths);
	put_row(&t->titles, widths, &out);
	for (size_t i = 0; i < t->row_count; i++)
		put_row(&t->rows[i], widths, &out);
	return cli_print(&out);
}

static int top_of(struct cli_context *ctx, const struct strv *args)
{
	auto_strbuf struct strbuf ps_args = {0};
	auto_container struct container c;
	auto_top struct top_table t = {.rows = NULL};
	struct err err = ERR_INIT;
	struct engine *e;

	for (size_t i = 1; i < args->count; i++)
		strbuf_printf(&ps_args, "%s%s", i > 1 ? " " : "", args->items[i]);
	container_init(&c);
	if (cli_engine(ctx, &e, &err) < 0 || container_find(e, args->items[0], &c, &err) < 0 ||
	    container_top(e, &c, strbuf_str(&ps_args), &t, &err) < 0)
		return cli_fail(&err);
	return print_table(&t);
}

static int cmd_top(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : top_of(ctx, &args);
}

/* What follows the container is for ps. */
static const struct option_table table = {.stop_at_positional = true};

const struct command command_top = {
	.paths = {"container top", "top"},
	.arguments = "CONTAINER [ps OPTIONS]",
	.summary = "Display the running processes of a container",
	.run = cmd_top,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* why: how a container came to stand as it does, in plain words. */
#include "engine/why.h"

#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/list_output.h"

struct why_options {
	const char *format;
	int64_t lines;
	int code; /* of a template that failed */
};
#define FIELD(field) offsetof(struct why_options, field)

static const struct option rows[] = {
	{"format", 'f', &option_text, FIELD(format),
	 "Format output using a custom template:\n"
	 "'json':             Print in JSON format\n"
	 "'TEMPLATE':         Print output using the given Go template.",
	 NULL},
	{"tail", 'n', &option_int, FIELD(lines), "Number of lines of its output to show", "5"},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static void put_text(const struct container *c, const struct why *why, struct strbuf *out)
{
	strbuf_printf(out, "%s %s.\n", c->name, why->summary);
	for (size_t i = 0; i < why->hints.count; i++)
		strbuf_printf(out, "  %s\n", why->hints.items[i]);
	for (size_t i = 0; i < why->evidence.count; i++)
		strbuf_printf(out, "  %s\n", why->evidence.items[i]);
	if (why->output.count)
		strbuf_puts(out, "  last output:\n");
	for (size_t i = 0; i < why->output.count; i++)
		strbuf_printf(out, "    %s\n", why->output.items[i]);
}

static int format_why(const struct container *c, const struct why *why, struct why_options *o,
		      struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	auto_json struct json_object *object = NULL;
	int rc;

	json_write_begin(&w, NULL, '{');
	json_write_string(&w, "Id", c->id);
	json_write_string(&w, "Name", c->name);
	why_write(why, "Why", &w);
	json_write_end(&w, '}');
	rc = json_parse(text.data, text.len, "why", &object, err);
	if (rc < 0)
		return rc;
	rc = list_print_object(o->format, object, &(struct template_model){.root_type = "why.Why"});
	o->code = rc ? rc : o->code;
	return 0;
}

static int explain(struct engine *e, struct container *c, const char *name, void *context,
		   struct strbuf *out, struct err *err)
{
	struct why_options *o = context;
	auto_why struct why why = {.cause = NULL};
	int rc = container_why(e, c, WHY_SEARCHED, o->lines > 0 ? (size_t)o->lines : 0, &why, err);

	(void)name;
	if (rc < 0)
		return rc;
	if (o->format && *o->format)
		return format_why(c, &why, o, err);
	put_text(c, &why, out);
	return 0;
}

static int cmd_why(struct cli_context *ctx, int argc, char **argv)
{
	struct why_options o = {.lines = 5};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_each_container(ctx, &args, explain, &o);
	return rc ? rc : o.code;
}

const struct command command_why = {
	.paths = {"container why", "why"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Say why containers ended or do not run, with evidence",
	.run = cmd_why,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

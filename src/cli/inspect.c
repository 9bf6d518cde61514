/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing inspected objects. What was found is printed before anything is said of what was not, and
 * a template that finds nothing prints an empty line: scripts rely on both.
 */
#include "cli/inspect.h"

#include <errno.h>

#include "base/json.h"
#include "cli/engine_door.h"

#define EXIT_TEMPLATE 64 /* a template that does not parse, as Docker's client ends */

struct inspection {
	const struct template *template; /* NULL: JSON */
	bool json_line;                  /* --format json */
	struct strbuf out;
	struct strbuf failures; /* lines for stderr */
	size_t shown;
	bool sized; /* sizes are asked for */
};

static int find_object(struct engine *e, const struct inspector *const *inspectors, size_t count,
		       const char *name, const struct inspector **which, struct json_object **out,
		       struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		int rc = inspectors[i]->find(e, name, out, err);

		*which = inspectors[i];
		if (rc == 0 || (err->kind != ERR_NOT_FOUND && count == 1))
			return rc;
		/* A name that cannot be one of this kind may be one of the next. */
		if (err->kind != ERR_NOT_FOUND && err->kind != ERR_INVALID)
			return rc;
	}
	if (count > 1 && !*name)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid container name or ID: value is empty");
	return count == 1 ? err_code(err)
			  : err_set(err, ERR_NOT_FOUND, 0, "Error: No such object: %s", name);
}

static void show_json(struct inspection *in, struct json_object *object)
{
	auto_free char *text = NULL;

	if (in->json_line) {
		strbuf_printf(&in->out, "%s%s", in->shown ? "," : "[", json_text(object));
		return;
	}
	text = json_text_indented(object);
	strbuf_puts(&in->out, in->shown ? ",\n    " : "[\n    ");
	for (const char *p = text; *p; p++) {
		strbuf_putc(&in->out, *p);
		if (*p == '\n')
			strbuf_puts(&in->out, "    ");
	}
}

static int show_one(struct inspection *in, const struct inspector *which,
		    struct json_object *object, struct err *err)
{
	auto_strbuf struct strbuf line = {0};
	int rc;

	if (in->sized && !which->sized)
		cli_note("WARNING: --size ignored for %s", which->type);
	if (!in->template) {
		show_json(in, object);
		in->shown++;
		return 0;
	}
	rc = template_execute(in->template, object, which->model, &line, err);
	if (rc < 0)
		return err_wrap(err, "template parsing error");
	strbuf_printf(&in->out, "%s\n", strbuf_str(&line));
	in->shown++;
	return 0;
}

static void end_output(struct inspection *in)
{
	if (in->template) {
		if (!in->out.len)
			strbuf_putc(&in->out, '\n');
		return;
	}
	if (!in->shown)
		strbuf_puts(&in->out, "[]\n");
	else
		strbuf_puts(&in->out, in->json_line ? "]\n" : "\n]\n");
}

static int inspect_all(struct engine *e, const struct inspector *const *inspectors, size_t count,
		       struct inspection *in, const struct strv *names)
{
	int code = 0;

	for (size_t i = 0; i < names->count; i++) {
		auto_json struct json_object *object = NULL;
		const struct inspector *which = NULL;
		struct err err = ERR_INIT;
		int rc = find_object(e, inspectors, count, names->items[i], &which, &object, &err);
		bool found = rc == 0;

		if (found)
			rc = show_one(in, which, object, &err);
		if (rc == 0)
			continue;
		code = EXIT_FAILED;
		strbuf_printf(&in->failures, "%s%s\n",
			      found || count > 1 ? "" : cli_answer_prefix(&err), err.msg);
		if (found)
			break; /* the template would fail on the others too */
	}
	return code;
}

int inspect_names(struct cli_context *ctx, const struct inspector *const *inspectors, size_t count,
		  const char *format, const struct strv *names)
{
	auto_template struct template *t = NULL;
	struct inspection in = {.json_line = format && str_eq(format, "json"),
				.sized = inspectors[0]->sized};
	struct err err = ERR_INIT;
	struct engine *e;
	int code;

	if (format && *format && !in.json_line &&
	    template_parse(format, strlen(format), &t, &err) < 0) {
		cli_note("template parsing error: %s", err.msg);
		return EXIT_TEMPLATE;
	}
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	in.template = t;
	code = inspect_all(e, inspectors, count, &in, names);
	end_output(&in);
	if (cli_print(&in.out))
		code = EXIT_FAILED;
	if (in.failures.len)
		cli_note("%.*s", (int)in.failures.len - 1, in.failures.data);
	strbuf_free(&in.out);
	strbuf_free(&in.failures);
	return code;
}

struct format_options {
	const char *format;
};

static const struct option format_rows[] = {
	{"format", 'f', &option_text, offsetof(struct format_options, format), INSPECT_FORMAT_HELP,
	 NULL},
};
const struct option_table inspect_format_table = {OPTION_ROWS(format_rows)};

int inspect_by_format(struct cli_context *ctx, int argc, char **argv, const struct inspector *which)
{
	struct format_options o = {.format = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : inspect_names(ctx, &which, 1, o.format, &args);
}

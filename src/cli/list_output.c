/* SPDX-License-Identifier: Apache-2.0 */
/* Lists through templates: the default table is a template like any other. */
#include "cli/list_output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/quote.h"
#include "cli/command.h"
#include "cli/table.h"

#define CONFIG_MAX_BYTES (1u << 20)
#define EXIT_TEMPLATE 64 /* a template that does not parse, as Docker's client ends */

struct parsed_format {
	bool table;
	char *template; /* heap */
};

static void put_unescaped(const char *text, struct strbuf *out)
{
	for (; *text; text++) {
		if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n'))
			strbuf_putc(out, *++text == 't' ? '\t' : '\n');
		else
			strbuf_putc(out, *text);
	}
}

static struct parsed_format parse_format(const struct list_layout *layout, const char *format)
{
	struct parsed_format p = {.table = !format || !*format || str_starts(format, "table")};
	auto_strbuf struct strbuf text = {0};

	if (format && p.table)
		format += strlen(*format ? "table" : "");
	if (format && p.table)
		format += strspn(format, " ");
	if (p.table && (!format || !*format))
		format = layout->table;
	put_unescaped(str_eq(format, "json") ? "{{json .}}" : format, &text);
	p.template = strbuf_take(&text);
	return p;
}

const char *list_format(const char *given, const char *key, char **hold)
{
	const char *directory = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	auto_free char *path = NULL;
	auto_json struct json_object *o = NULL;
	struct err ignored = ERR_INIT;
	const char *format;

	if (given && *given)
		return given;
	if (directory && *directory)
		path = xasprintf("%s/config.json", directory);
	else if (home && *home)
		path = xasprintf("%s/.docker/config.json", home);
	if (!path || json_read_at(AT_FDCWD, path, CONFIG_MAX_BYTES, &o, &ignored) < 0 ||
	    json_get_string(o, key, &format) < 0 || !*format)
		return NULL;
	*hold = xstrdup(format);
	return *hold;
}

bool list_wants(const char *format, const char *field)
{
	return format &&
	       (strstr(format, field) || strstr(format, "json") || strstr(format, "{{.}}"));
}

/* `.Label "a.b-c"` in a heading: the last part, with blanks. */
static int header_method(struct json_object *row, const char *name, const char *argument,
			 struct json_object **result)
{
	auto_strbuf struct strbuf text = {0};
	const char *last;

	(void)row;
	if (!argument || !str_eq(name, "Label"))
		return 0;
	last = strrchr(argument, '.') ? strrchr(argument, '.') + 1 : argument;
	for (; *last; last++)
		strbuf_putc(&text, *last == '-' || *last == '_' ? ' ' : *last);
	*result = json_object_new_string(strbuf_str(&text));
	return 1;
}

static int put_header(const struct list_layout *layout, const struct template *t,
		      struct strbuf *out, struct err *err)
{
	const struct template_model model = {
		.root_type = layout->go_type, .method = header_method, .heading = true};
	auto_json struct json_object *row = json_object_new_object();

	for (size_t i = 0; i < layout->field_count; i++)
		json_add_string(row, layout->fields[i].name, layout->fields[i].header);
	return template_execute(t, row, &model, out, err);
}

static int put_rows(const struct list_layout *layout, const struct parsed_format *p,
		    struct json_object *const *rows, size_t count, struct strbuf *out,
		    struct err *err)
{
	const struct template_model model = {
		.root_type = layout->go_type, .method = layout->method, .escaped = true};
	auto_template struct template *t = NULL;
	auto_strbuf struct strbuf body = {0};
	int rc = template_parse(p->template, strlen(p->template), &t, err);

	if (rc < 0)
		return err_wrap(err, layout->tried ? "failed to parse template"
						   : "template parsing error");
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = template_execute(t, rows[i], &model, &body, err);
		strbuf_putc(&body, '\n');
	}
	if (rc == 0 && p->table) {
		rc = put_header(layout, t, out, err);
		strbuf_putc(out, '\n');
	}
	if (rc < 0)
		return err_wrap(err, layout->tried ? "failed to execute template"
						   : "template parsing error");
	strbuf_add(out, strbuf_str(&body), body.len);
	return 0;
}

int list_render(const struct list_layout *layout, const char *format,
		struct json_object *const *rows, size_t count, struct strbuf *out)
{
	struct parsed_format p = parse_format(layout, format);
	auto_strbuf struct strbuf text = {0};
	struct err err = ERR_INIT;
	int rc = put_rows(layout, &p, rows, count, &text, &err);

	free(p.template);
	if (rc < 0) {
		cli_note("%s", err.msg);
		return EXIT_FAILED;
	}
	if (p.table)
		table_align(strbuf_str(&text), out);
	else
		strbuf_add(out, strbuf_str(&text), text.len);
	return 0;
}

int list_print(const struct list_layout *layout, const char *format,
	       struct json_object *const *rows, size_t count)
{
	auto_strbuf struct strbuf text = {0};
	int code = list_render(layout, format, rows, count, &text);

	return code ? code : cli_print(&text);
}

int list_print_object(const char *format, struct json_object *object,
		      const struct template_model *model)
{
	auto_template struct template *t = NULL;
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;
	int rc;

	if (str_eq(format, "json"))
		format = "{{json .}}";
	rc = template_parse(format, strlen(format), &t, &err);
	if (rc < 0) {
		cli_note("template parsing error: %s", err.msg);
		return EXIT_TEMPLATE;
	}
	rc = template_execute(t, object, model, &out, &err);
	strbuf_putc(&out, '\n');
	if (cli_print(&out))
		return EXIT_FAILED;
	if (rc == 0)
		return 0;
	cli_note("%s", err.msg);
	return EXIT_FAILED;
}

int list_label_method(struct json_object *row, const char *name, const char *argument,
		      struct json_object **result)
{
	auto_free char *labels = NULL, *key = NULL;
	const char *text = json_object_get_string(json_object_object_get(row, "Labels"));
	char *rest, *pair;

	if (!argument || !str_eq(name, "Label"))
		return 0;
	labels = xstrdup(text ? text : "");
	key = xasprintf("%s=", argument);
	rest = labels;
	while ((pair = strsep(&rest, ",")) != NULL) {
		if (str_starts(pair, key)) {
			*result = json_object_new_string(pair + strlen(key));
			return 1;
		}
	}
	*result = json_object_new_string("");
	return 1;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void list_put_labels(const struct strv *labels, struct strbuf *out)
{
	auto_free char **sorted = xcalloc(labels->count + 1, sizeof(char *));

	if (!labels->count)
		return;
	memcpy(sorted, labels->items, labels->count * sizeof(char *));
	qsort(sorted, labels->count, sizeof(char *), compare_labels);
	for (size_t i = 0; i < labels->count; i++) {
		if (i)
			strbuf_putc(out, ',');
		strbuf_puts(out, sorted[i]);
	}
}

void list_put_cut(const char *text, size_t width, bool cut, struct strbuf *out)
{
	size_t len = strlen(text), at = 0;

	if (!cut || utf8_count(text, len) <= width) {
		strbuf_puts(out, text);
		return;
	}
	for (size_t i = 1; i < width; i++) {
		uint32_t code;
		int valid;

		at += utf8_decode(text + at, len - at, &code, &valid);
	}
	strbuf_add(out, text, at);
	strbuf_puts(out, "…");
}

void list_put_time(uint64_t wall_ns, struct strbuf *out)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	strbuf_puts(out, text);
}

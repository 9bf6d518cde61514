/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flag parser. Walks the arguments once; knows nothing of what a flag means. A value is stored
 * the moment it is met, so of two equal flags the later wins, as with Docker.
 */
#include "cli/options.h"

#include "base/quote.h"

static const struct option help_row = {.name = "help", .letter = 'h', .type = &option_bool};

struct parser {
	const struct option_table *table;
	void *fields;
	char **argv;
	int argc, next;
	bool *help;
};

static const struct option *find_long(const struct option_table *t, const char *name, size_t len)
{
	for (; t; t = t->also) {
		for (size_t i = 0; i < t->count; i++) {
			if (strlen(t->rows[i].name) == len &&
			    memcmp(t->rows[i].name, name, len) == 0)
				return &t->rows[i];
		}
	}
	return len == 4 && memcmp(name, "help", 4) == 0 ? &help_row : NULL;
}

static const struct option *find_letter(const struct option_table *t, char letter)
{
	for (; t; t = t->also) {
		for (size_t i = 0; i < t->count; i++) {
			if (t->rows[i].letter == letter)
				return &t->rows[i];
		}
	}
	return letter == 'h' ? &help_row : NULL;
}

/* `invalid argument "x" for "-m, --memory" flag: <reason>` */
static int explain(const struct option *o, const char *value, struct err *err)
{
	auto_strbuf struct strbuf text = {0}, flag = {0};

	if (o->letter && o != &help_row)
		strbuf_printf(&flag, "-%c, ", o->letter);
	strbuf_printf(&flag, "--%s", o->name);
	strbuf_puts(&text, "invalid argument ");
	quote_go(&text, value, strlen(value));
	strbuf_puts(&text, " for ");
	quote_go(&text, strbuf_str(&flag), flag.len);
	strbuf_printf(&text, " flag: %s", err->msg);
	return err_set(err, ERR_USAGE, EINVAL, "%s", strbuf_str(&text));
}

static int store(struct parser *p, const struct option *o, const char *value, struct err *err)
{
	void *field = o == &help_row ? (void *)p->help : (char *)p->fields + o->offset;
	int rc = o->type->set(field, value, o, err);

	if (rc < 0 && err->kind != ERR_UNSUPPORTED && err->kind != ERR_CONFLICT &&
	    err->kind != ERR_FORBIDDEN)
		return explain(o, value, err);
	return rc;
}

static int parse_long(struct parser *p, const char *arg, struct err *err)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *o;

	if (!len || *name == '-')
		return err_set(err, ERR_USAGE, 0, "bad flag syntax: %s", arg);
	o = find_long(p->table, name, len);
	if (!o)
		return err_set(err, ERR_USAGE, 0, "unknown flag: --%.*s", (int)len, name);
	if (equals)
		return store(p, o, equals + 1, err);
	if (o->type->is_bool)
		return store(p, o, "true", err);
	if (p->next == p->argc)
		return err_set(err, ERR_USAGE, 0, "flag needs an argument: --%s", o->name);
	return store(p, o, p->argv[p->next++], err);
}

/* letters: what follows the dash. */
static int parse_letters(struct parser *p, const char *letters, struct err *err)
{
	for (; *letters; letters++) {
		const struct option *o = find_letter(p->table, *letters);
		int rc;

		if (!o)
			return err_set(err, ERR_USAGE, 0, "unknown shorthand flag: '%c' in -%s",
				       *letters, letters);
		if (letters[1] == '=')
			return store(p, o, letters + 2, err);
		if (!o->type->is_bool) {
			if (letters[1])
				return store(p, o, letters + 1, err);
			if (p->next == p->argc)
				return err_set(err, ERR_USAGE, 0,
					       "flag needs an argument: '%c' in -%s", *letters,
					       letters);
			return store(p, o, p->argv[p->next++], err);
		}
		rc = store(p, o, "true", err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int options_parse(const struct option_table *table, void *fields, int argc, char **argv,
		  struct strv *args, bool *help, struct err *err)
{
	struct parser p = {
		.table = table, .fields = fields, .argv = argv, .argc = argc, .help = help};

	*help = false;
	while (p.next < p.argc) {
		const char *arg = p.argv[p.next++];
		int rc;

		if (str_eq(arg, "--"))
			break;
		if (arg[0] != '-' || !arg[1]) {
			strv_add(args, arg);
			if (table->stop_at_positional)
				break;
			continue;
		}
		rc = arg[1] == '-' ? parse_long(&p, arg, err) : parse_letters(&p, arg + 1, err);
		if (rc < 0)
			return rc;
	}
	while (p.next < p.argc)
		strv_add(args, p.argv[p.next++]);
	return 0;
}

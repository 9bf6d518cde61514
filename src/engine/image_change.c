/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of the instructions is Docker's: docs.docker.com/reference/dockerfile. */
#include "engine/image_change.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/signal_name.h"
#include "base/str.h"
#include "engine/archive.h"

struct change {
	struct json_object *config;
	const char *name; /* "CMD" */
	const char *rest; /* what follows, trimmed */
	bool *command_set;
};

static int invalid(struct err *err, const char *what, const char *how)
{
	return err_set(err, ERR_INVALID, 0, "%s %s", what, how);
}

/* Takes the next word off *text; quotes group, a backslash keeps the next character. NULL at the end.
 * The caller frees. */
static char *next_word(const char **text)
{
	struct strbuf word = {0};
	const char *p = *text;
	char quote = 0;

	p += strspn(p, " \t");
	if (!*p)
		return NULL;
	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (*p == '\\' && p[1] && quote != '\'')
			strbuf_putc(&word, *++p);
		else if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else
			strbuf_putc(&word, *p);
	}
	*text = p;
	return strbuf_take(&word);
}

static void split_words(const char *text, struct strv *out)
{
	char *word;

	while ((word = next_word(&text)) != NULL)
		strv_add_taken(out, word);
}

/* The exec form, a JSON array of strings. False for anything else. */
static bool parse_list(const char *text, struct strv *out)
{
	auto_json struct json_object *list = NULL;
	struct err ignored;

	if (text[0] != '[' || json_parse(text, strlen(text), "list", &list, &ignored) < 0)
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (!json_object_is_type(item, json_type_string))
			return false;
		strv_add(out, json_object_get_string(item));
	}
	return true;
}

/* CMD and ENTRYPOINT: the exec form, or a line for the shell. */
static void parse_command(const struct change *c, struct strv *out)
{
	if (parse_list(c->rest, out))
		return;
	if (json_get_strv(c->config, "Shell", out) < 0 || !out->count) {
		strv_add(out, "/bin/sh");
		strv_add(out, "-c");
	}
	if (*c->rest)
		strv_add(out, c->rest);
}

static int change_cmd(const struct change *c, struct err *err)
{
	auto_strv struct strv words = {0};

	(void)err;
	parse_command(c, &words);
	*c->command_set = true;
	if (words.count)
		json_add_strv(c->config, "Cmd", &words, true);
	return 0;
}

static int change_entrypoint(const struct change *c, struct err *err)
{
	auto_strv struct strv words = {0};

	(void)err;
	parse_command(c, &words);
	json_add_strv(c->config, "Entrypoint", &words, true);
	/* what was there was meant for another program */
	if (!*c->command_set)
		json_object_object_add(c->config, "Cmd", NULL);
	return 0;
}

/* ENV and LABEL: KEY=VALUE..., or KEY and the rest of the line. */
static int parse_pairs(const struct change *c, struct strv *out, struct err *err)
{
	const char *rest = c->rest;
	auto_free char *first = next_word(&rest);

	if (!first)
		return invalid(err, c->name, "requires at least one argument");
	if (!strchr(first, '=')) {
		rest += strspn(rest, " \t");
		if (!*rest)
			return invalid(err, c->name, "must have two arguments");
		strv_add_taken(out, xasprintf("%s=%s", first, rest));
		return 0;
	}
	split_words(c->rest, out);
	for (size_t i = 0; i < out->count; i++) {
		if (!strchr(out->items[i], '='))
			return err_set(
				err, ERR_INVALID, 0,
				"Syntax error - can't find = in \"%s\". Must be of the form: "
				"name=value",
				out->items[i]);
		if (out->items[i][0] == '=')
			return invalid(err, c->name, "names can not be blank");
	}
	return 0;
}

static int change_env(const struct change *c, struct err *err)
{
	auto_strv struct strv pairs = {0}, env = {0};
	int rc = parse_pairs(c, &pairs, err);

	if (rc < 0)
		return rc;
	rc = json_get_strv(c->config, "Env", &env);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_CORRUPT, -rc, "Config.Env is no list");
	for (size_t i = 0; i < pairs.count; i++)
		strv_set_env(&env, pairs.items[i]);
	json_add_strv(c->config, "Env", &env, true);
	return 0;
}

/* The object member `key`, made when it is null or missing. */
static struct json_object *map_of(struct json_object *config, const char *key)
{
	struct json_object *map;

	if (json_get_object(config, key, &map) == 0)
		return map;
	map = json_object_new_object();
	json_object_object_add(config, key, map);
	return map;
}

static int change_label(const struct change *c, struct err *err)
{
	auto_strv struct strv pairs = {0};
	int rc = parse_pairs(c, &pairs, err);

	for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
		char *value = strchr(pairs.items[i], '=');

		*value++ = '\0';
		json_add_string(map_of(c->config, "Labels"), pairs.items[i], value);
	}
	return rc;
}

static bool is_port(const char *text)
{
	uint64_t n;

	return str_to_u64(text, &n) == 0 && n <= 65535;
}

static int add_port(const struct change *c, const char *word, struct err *err)
{
	const char *slash = strchr(word, '/'), *dash;
	auto_free char *ports = slash ? xstrndup(word, (size_t)(slash - word)) : xstrdup(word);
	const char *protocol = slash ? slash + 1 : "tcp";
	uint64_t from = 0, to;

	if (!str_eq(protocol, "tcp") && !str_eq(protocol, "udp") && !str_eq(protocol, "sctp"))
		return err_set(err, ERR_INVALID, 0, "Invalid proto: %s", protocol);
	dash = strchr(ports, '-');
	if (dash)
		ports[dash - ports] = '\0';
	if (!is_port(ports) || (dash && !is_port(dash + 1)) || str_to_u64(ports, &from) < 0 ||
	    str_to_u64(dash ? dash + 1 : ports, &to) < 0 || to < from)
		return err_set(err, ERR_INVALID, 0, "Invalid containerPort: %s", word);
	for (; from <= to; from++) {
		auto_free char *key = xasprintf("%llu/%s", (unsigned long long)from, protocol);

		json_object_object_add(map_of(c->config, "ExposedPorts"), key,
				       json_object_new_object());
	}
	return 0;
}

static int change_expose(const struct change *c, struct err *err)
{
	auto_strv struct strv words = {0};
	int rc = 0;

	split_words(c->rest, &words);
	if (!words.count)
		return invalid(err, c->name, "requires at least one argument");
	for (size_t i = 0; rc == 0 && i < words.count; i++)
		rc = add_port(c, words.items[i], err);
	return rc;
}

static int change_volume(const struct change *c, struct err *err)
{
	auto_strv struct strv words = {0};

	if (!parse_list(c->rest, &words))
		split_words(c->rest, &words);
	if (!words.count)
		return invalid(err, c->name, "requires at least one argument");
	for (size_t i = 0; i < words.count; i++)
		json_object_object_add(map_of(c->config, "Volumes"), words.items[i],
				       json_object_new_object());
	return 0;
}

static int one_argument(const struct change *c, struct err *err)
{
	return *c->rest ? 0 : invalid(err, c->name, "requires exactly one argument");
}

static int change_user(const struct change *c, struct err *err)
{
	int rc = one_argument(c, err);

	if (rc == 0)
		json_add_string(c->config, "User", c->rest);
	return rc;
}

static int change_stopsignal(const struct change *c, struct err *err)
{
	int number, rc = one_argument(c, err);

	if (rc == 0)
		rc = signal_parse(c->rest, &number, err);
	if (rc == 0)
		json_add_string(c->config, "StopSignal", c->rest);
	return rc;
}

static int change_workdir(const struct change *c, struct err *err)
{
	const char *before = NULL;
	auto_free char *whole = NULL;
	char clean[PATH_MAX];
	int rc = one_argument(c, err);

	if (rc < 0)
		return rc;
	if (c->rest[0] == '/' || json_get_string(c->config, "WorkingDir", &before) < 0)
		before = "";
	whole = xasprintf("%s/%s", before, c->rest);
	if (archive_clean_path(whole, clean) < 0)
		return invalid(err, c->name, "is too long");
	json_add_string(c->config, "WorkingDir", clean);
	return 0;
}

static int change_onbuild(const struct change *c, struct err *err)
{
	auto_strv struct strv list = {0};
	const char *rest = c->rest;
	auto_free char *first = next_word(&rest);
	int rc;

	if (!first)
		return invalid(err, c->name, "requires at least one argument");
	if (strcasecmp(first, "ONBUILD") == 0)
		return err_set(err, ERR_INVALID, 0,
			       "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (strcasecmp(first, "MAINTAINER") == 0 || strcasecmp(first, "FROM") == 0)
		return err_set(err, ERR_INVALID, 0, "%s isn't allowed as an ONBUILD trigger",
			       strcasecmp(first, "FROM") == 0 ? "FROM" : "MAINTAINER");
	rc = json_get_strv(c->config, "OnBuild", &list);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_CORRUPT, -rc, "Config.OnBuild is no list");
	strv_add(&list, c->rest);
	json_add_strv(c->config, "OnBuild", &list, true);
	return 0;
}

/* --interval=5s and the like, into the object. 1: no such option. */
static int health_option(struct json_object *health, const char *word, struct err *err)
{
	static const struct {
		const char *prefix, *key;
		bool count;
	} options[] = {
		{"--interval=", "Interval", false},
		{"--timeout=", "Timeout", false},
		{"--start-period=", "StartPeriod", false},
		{"--start-interval=", "StartInterval", false},
		{"--retries=", "Retries", true},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *value = word + strlen(options[i].prefix);
		int64_t n;

		if (!str_starts(word, options[i].prefix))
			continue;
		if ((options[i].count ? str_to_i64(value, &n) : str_to_duration(value, &n)) < 0 ||
		    n < 0)
			return err_set(err, ERR_INVALID, 0, "invalid value for %s%s",
				       options[i].prefix, value);
		json_add_i64(health, options[i].key, n);
		return 0;
	}
	return err_set(err, ERR_INVALID, 0, "Unknown flag: %s", word);
}

static int change_healthcheck(const struct change *c, struct err *err)
{
	auto_json struct json_object *health = json_object_new_object();
	auto_strv struct strv test = {0};
	const char *rest = c->rest;
	auto_free char *kind = NULL;
	int rc = 0;

	/* the command comes first in the object */
	json_object_object_add(health, "Test", NULL);
	while (rc == 0 && (kind = next_word(&rest)) != NULL && str_starts(kind, "--")) {
		rc = health_option(health, kind, err);
		free(take_ptr(&kind));
	}
	if (rc < 0)
		return rc;
	if (!kind)
		return invalid(err, c->name, "requires an argument");
	rest += strspn(rest, " \t");
	if (strcasecmp(kind, "NONE") == 0) {
		if (*rest)
			return err_set(err, ERR_INVALID, 0, "HEALTHCHECK NONE takes no arguments");
		strv_add(&test, "NONE");
	} else if (strcasecmp(kind, "CMD") != 0) {
		for (char *p = kind; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		return err_set(err, ERR_INVALID, 0, "Unknown type \"%s\" in HEALTHCHECK (try CMD)",
			       kind);
	} else if (!*rest) {
		return err_set(err, ERR_INVALID, 0, "Missing command after HEALTHCHECK CMD");
	} else {
		strv_add(&test, "CMD");
		if (!parse_list(rest, &test)) {
			strv_free(&test);
			strv_add(&test, "CMD-SHELL");
			strv_add(&test, rest);
		}
	}
	json_add_strv(health, "Test", &test, false);
	json_object_object_add(c->config, "Healthcheck", json_object_get(health));
	return 0;
}

static const struct {
	const char *name;
	int (*apply)(const struct change *c, struct err *err);
} instructions[] = {
	{"CMD", change_cmd},         {"ENTRYPOINT", change_entrypoint},   {"ENV", change_env},
	{"EXPOSE", change_expose},   {"HEALTHCHECK", change_healthcheck}, {"LABEL", change_label},
	{"ONBUILD", change_onbuild}, {"STOPSIGNAL", change_stopsignal},   {"USER", change_user},
	{"VOLUME", change_volume},   {"WORKDIR", change_workdir},
};

static int apply_one(struct json_object *config, const char *text, bool *command_set,
		     struct err *err)
{
	auto_free char *line = xstrdup(text + strspn(text, " \t\n"));
	size_t n = strcspn(line, " \t"), end = strlen(line);
	struct change c = {.config = config, .command_set = command_set};

	while (end > 0 && isspace((unsigned char)line[end - 1]))
		line[--end] = '\0';
	n = n < end ? n : end;
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
		if (strlen(instructions[i].name) != n ||
		    strncasecmp(instructions[i].name, line, n) != 0)
			continue;
		c.name = instructions[i].name;
		c.rest = line + n + strspn(line + n, " \t");
		return instructions[i].apply(&c, err);
	}
	for (size_t i = 0; i < n; i++)
		line[i] = (char)tolower((unsigned char)line[i]);
	return err_set(err, ERR_INVALID, 0, "%.*s is not a valid change command", (int)n, line);
}

int image_changes_apply(struct json_object *config, const struct strv *changes, struct err *err)
{
	bool command_set = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < changes->count; i++)
		rc = apply_one(config, changes->items[i], &command_set, err);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https://docs.docker.com/engine/logging/log_tags/ and .../drivers/json-file/#options. Expressions are
 * POSIX extended ones, searched anywhere in the name as Go does; a tag is a template over the container.
 */
#include "engine/log_attributes.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/template.h"
#include "base/str.h"

#define SHORT_ID 12

static void add_listed(struct strv *pairs, const char *names, const struct strv *source)
{
	auto_free char *copy = xstrdup(names ? names : "");
	char *rest = copy, *name;

	while ((name = strsep(&rest, ",")) != NULL) {
		const char *value = *name ? strv_get_env(source, name) : NULL;
		auto_free char *pair = value ? xasprintf("%s=%s", name, value) : NULL;

		if (pair)
			strv_set_env(pairs, pair);
	}
}

static int add_matching(struct strv *pairs, const char *expression, const struct strv *source,
			struct err *err)
{
	regex_t regex;

	if (!expression || !*expression)
		return 0;
	if (regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB))
		return err_set(err, ERR_INVALID, EINVAL, "error parsing regexp: `%s`", expression);
	for (size_t i = 0; i < source->count; i++) {
		auto_free char *name = xstrndup(source->items[i], strcspn(source->items[i], "="));

		if (regexec(&regex, name, 0, NULL, 0) == 0)
			strv_set_env(pairs, source->items[i]);
	}
	regfree(&regex);
	return 0;
}

/* What a tag's template may ask for. */
static struct json_object *tag_data(const struct container *c)
{
	struct json_object *o = json_object_new_object();
	const char *image_hex = c->image_id ? strchr(c->image_id, ':') : NULL;
	auto_free char *short_id = xstrndup(c->id, SHORT_ID);
	auto_free char *short_image = xstrndup(image_hex ? image_hex + 1 : "", SHORT_ID);
	auto_strbuf struct strbuf command = {0};

	for (size_t i = 0; i < c->argv.count; i++)
		strbuf_printf(&command, "%s%s", i ? " " : "", c->argv.items[i]);
	json_add_string(o, "ID", short_id);
	json_add_string(o, "FullID", c->id);
	json_add_string(o, "Name", c->name);
	json_add_string(o, "ContainerID", c->id);
	json_add_string(o, "ContainerName", c->name);
	json_add_string(o, "ImageID", short_image);
	json_add_string(o, "ImageFullID", c->image_id ? c->image_id : "");
	json_add_string(o, "ImageName", c->config.image ? c->config.image : "");
	json_add_string(o, "Command", strbuf_str(&command));
	json_add_string(o, "Hostname", c->config.hostname ? c->config.hostname : short_id);
	json_add_string(o, "DaemonName", "docker");
	return o;
}

/* A tag takes the place of a label of that name, as with Docker. */
static int add_tag(struct strv *pairs, const char *text, const struct container *c, struct err *err)
{
	auto_json struct json_object *data = NULL;
	auto_template struct template *t = NULL;
	auto_strbuf struct strbuf pair = {0};

	if (!text || !*text)
		return 0;
	data = tag_data(c);
	strbuf_puts(&pair, "tag=");
	if (template_parse(text, strlen(text), &t, err) < 0 ||
	    template_execute(t, data, NULL, &pair, err) < 0)
		return err_wrap(err, "log opt tag");
	if (pair.len > strlen("tag="))
		strv_set_env(pairs, strbuf_str(&pair));
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct json_object *as_object(struct strv *pairs)
{
	struct json_object *o = json_object_new_object();

	if (pairs->count)
		qsort(pairs->items, pairs->count, sizeof(char *), by_text);
	for (size_t i = 0; i < pairs->count; i++) {
		const char *value = strchr(pairs->items[i], '=');
		auto_free char *name = xstrndup(pairs->items[i], strcspn(pairs->items[i], "="));

		json_add_string(o, name, value ? value + 1 : "");
	}
	return o;
}

int log_attributes(const struct container *c, char **out, struct err *err)
{
	const struct strv *options = &c->config.log_options;
	auto_json struct json_object *o = NULL;
	auto_strv struct strv pairs = {0};

	*out = NULL;
	if (!options->count)
		return 0;
	add_listed(&pairs, strv_get_env(options, "labels"), &c->config.labels);
	add_listed(&pairs, strv_get_env(options, "env"), &c->env);
	if (add_matching(&pairs, strv_get_env(options, "labels-regex"), &c->config.labels, err) <
		    0 ||
	    add_matching(&pairs, strv_get_env(options, "env-regex"), &c->env, err) < 0 ||
	    add_tag(&pairs, strv_get_env(options, "tag"), c, err) < 0)
		return err_wrap(err, "failed to initialize logging driver");
	o = as_object(&pairs);
	if (!json_object_object_length(o))
		return 0;
	if (strlen(json_text(o)) > LOG_ATTRIBUTES_MAX)
		return err_set(err, ERR_INVALID, E2BIG,
			       "labels and variables that log options name take %zu bytes in every "
			       "line of the log, more than %d; name fewer",
			       strlen(json_text(o)), LOG_ATTRIBUTES_MAX);
	*out = xstrdup(json_text(o));
	return 0;
}

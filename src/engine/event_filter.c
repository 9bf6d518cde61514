/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's filters of events (moby: daemon/events/filter.go), by table. */
#include "base/json.h"
#include "base/str.h"
#include "engine/event_read.h"

/* What filters look at; all borrowed from the event, "" when absent. */
struct looked_at {
	const char *type, *action, *scope, *id;
	const char *name, *image; /* attributes */
	struct json_object *attributes;
};

static const char *text_of(struct json_object *o, const char *key)
{
	const char *text;

	return o && json_get_string(o, key, &text) == 0 ? text : "";
}

static struct looked_at look_at(struct json_object *event)
{
	struct looked_at l = {.type = text_of(event, "Type"),
			      .action = text_of(event, "Action"),
			      .scope = text_of(event, "scope"),
			      .id = ""};
	struct json_object *actor;

	if (json_get_object(event, "Actor", &actor) == 0) {
		l.id = text_of(actor, "ID");
		if (json_get_object(actor, "Attributes", &l.attributes) < 0)
			l.attributes = NULL;
	}
	l.name = text_of(l.attributes, "name");
	l.image = str_eq(l.type, "image") ? l.name : text_of(l.attributes, "image");
	return l;
}

static bool by_type(const struct looked_at *l, const char *value)
{
	return str_eq(l->type, value);
}

static bool by_scope(const struct looked_at *l, const char *value)
{
	return str_eq(l->scope, value);
}

/* Those with a text after a colon may be asked for without it. */
static bool by_event(const struct looked_at *l, const char *value)
{
	static const char *const prefixes[] = {"exec_create", "exec_start", "health_status"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (str_eq(prefixes[i], value))
			return str_starts(l->action, value);
	}
	return str_eq(l->action, value);
}

/* Docker does not ask what type the object is: its id or its name begins so. */
static bool by_object(const struct looked_at *l, const char *value)
{
	return str_starts(l->id, value) || str_starts(l->name, value);
}

static bool equals_without_tag(const char *name, const char *value)
{
	const char *slash = strrchr(name, '/'), *tag = strrchr(slash ? slash : name, ':');
	size_t n = strcspn(name, "@");

	if (tag && (size_t)(tag - name) < n)
		n = (size_t)(tag - name);
	return strlen(value) == n && strncmp(name, value, n) == 0;
}

static bool by_image(const struct looked_at *l, const char *value)
{
	return str_eq(l->id, value) || str_eq(l->image, value) ||
	       equals_without_tag(l->id, value) || equals_without_tag(l->image, value);
}

static bool by_label(const struct looked_at *l, const char *value)
{
	const char *equals = strchr(value, '=');
	auto_free char *key = xstrndup(value, equals ? (size_t)(equals - value) : strlen(value));
	struct json_object *found;

	if (!l->attributes || !json_object_object_get_ex(l->attributes, key, &found))
		return false;
	return !equals || str_eq(text_of(l->attributes, key), equals + 1);
}

static const struct row {
	const char *key;
	bool (*passes)(const struct looked_at *l, const char *value);
	bool every; /* all values must pass, not any */
} rows[] = {
	{"type", by_type, false},     {"event", by_event, false},      {"scope", by_scope, false},
	{"daemon", by_object, false}, {"container", by_object, false}, {"plugin", by_object, false},
	{"volume", by_object, false}, {"network", by_object, false},   {"image", by_image, false},
	{"label", by_label, true},
};

static bool passes_row(const struct row *row, const struct looked_at *l, const struct strv *filters)
{
	size_t len = strlen(row->key);
	bool asked = false, any = false;

	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i];
		bool passes;

		if (strncmp(filter, row->key, len) != 0 || filter[len] != '=')
			continue;
		passes = row->passes(l, filter + len + 1);
		if (!passes && row->every)
			return false;
		asked = true;
		any = any || passes;
	}
	return !asked || any;
}

bool event_matches(struct json_object *event, const struct strv *filters)
{
	struct looked_at l;

	if (!filters || !filters->count)
		return true;
	l = look_at(event);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!passes_row(&rows[i], &l, filters))
			return false;
	}
	return true;
}

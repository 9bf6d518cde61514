/* SPDX-License-Identifier: Apache-2.0 */
/* Values of templates: truth, printing as Go's %v, and what Go would call their type. */
#include <math.h>

#include "base/template_internal.h"

#define EXPONENT_FROM 6

const struct template_member *model_member(const struct template_model *m, const char *key)
{
	for (size_t i = 0; m && i < m->member_count; i++) {
		if (str_eq(m->members[i].key, key))
			return &m->members[i];
	}
	return NULL;
}

/* With a model, what it does not name is a struct or a scalar; without one, everything is decoded
 * JSON. */
static enum template_type default_type(const struct template_model *m)
{
	return m && m->member_count ? TEMPLATE_POINTER : TEMPLATE_ANY;
}

static const char *scope_of(const struct value *v)
{
	return v->root ? "" : v->scope;
}

/* The optional of that JSON key in v. */
static const struct template_optional *find_optional(const struct template_model *m,
						     const struct value *v, const char *key)
{
	const char *scope = scope_of(v);

	for (size_t i = 0; m && scope && i < m->optional_count; i++) {
		if (str_eq(m->optionals[i].within, scope) && str_eq(m->optionals[i].key, key))
			return &m->optionals[i];
	}
	return NULL;
}

/* The model's own string for the scope that a member opens, which outlives every value. */
static const char *scope_named(const struct template_model *m, const char *key)
{
	for (size_t i = 0; m && i < m->optional_count; i++) {
		if (str_eq(m->optionals[i].within, key))
			return m->optionals[i].within;
	}
	return NULL;
}

bool value_omitted(const struct template_model *m, const struct value *v, const char *name,
		   struct value *out)
{
	const char *scope = scope_of(v);

	for (size_t i = 0; m && scope && i < m->optional_count; i++) {
		const struct template_optional *o = &m->optionals[i];

		if (!str_eq(o->within, scope) ||
		    (!str_eq(o->key, name) && !(o->name && str_eq(o->name, name))))
			continue;
		*out = (struct value){.type = o->type, .omitted = o->key};
		if (o->type == TEMPLATE_TEXT || o->type == TEMPLATE_TIME)
			out->json = json_object_new_string("");
		else if (o->type == TEMPLATE_FLAG)
			out->json = json_object_new_boolean(false);
		else if (o->type == TEMPLATE_NUMBER || o->type == TEMPLATE_DURATION)
			out->json = json_object_new_int64(0);
		return true;
	}
	return false;
}

struct value value_member(const struct template_model *m, const struct value *v, const char *key,
			  struct json_object *member)
{
	struct value out = {.json = json_object_get(member), .type = TEMPLATE_ANY};
	const struct template_optional *optional = find_optional(m, v, key);
	const struct template_member *row;

	if (v->type == TEMPLATE_STRUCT || v->type == TEMPLATE_POINTER) {
		row = model_member(m, key);
		out.type = optional ? optional->type : row ? row->type : default_type(m);
		out.scope = scope_named(m, key);
		return out;
	}
	json_object_put(out.json);
	return value_element(m, v, member);
}

struct value value_element(const struct template_model *m, const struct value *v,
			   struct json_object *element)
{
	struct value out = {
		.json = json_object_get(element), .type = TEMPLATE_ANY, .scope = v->scope};

	if (v->type == TEMPLATE_LIST_MAP)
		out.type = TEMPLATE_LIST;
	else if (v->type != TEMPLATE_ANY)
		out.type = default_type(m);
	return out;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **object_sorted_keys(struct json_object *o, size_t *count)
{
	size_t n = (size_t)json_object_object_length(o), i = 0;
	const char **keys = xcalloc(n, sizeof(*keys));

	json_object_object_foreach(o, key, member) {
		(void)member;
		keys[i++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_key);
	*count = n;
	return keys;
}

bool value_is_true(const struct value *v)
{
	if (v->absent || !v->json)
		return false;
	switch (json_object_get_type(v->json)) {
	case json_type_boolean:
		return json_object_get_boolean(v->json);
	case json_type_int:
		return json_object_get_int64(v->json) != 0;
	case json_type_double:
		return json_object_get_double(v->json) != 0;
	case json_type_string:
		return json_object_get_string_len(v->json) > 0;
	case json_type_array:
		return json_object_array_length(v->json) > 0;
	case json_type_object:
		return v->type == TEMPLATE_STRUCT || v->type == TEMPLATE_POINTER ||
		       json_object_object_length(v->json) > 0;
	default:
		return false;
	}
}

const char *value_type_name(const struct value *v)
{
	if (v->absent || !v->json)
		return "nil";
	switch (json_object_get_type(v->json)) {
	case json_type_boolean:
		return "bool";
	case json_type_int:
		return "int";
	case json_type_double:
		return "float64";
	case json_type_string:
		return "string";
	case json_type_array:
		return "[]interface {}";
	default:
		return v->type == TEMPLATE_STRING_MAP ? "map[string]string"
						      : "map[string]interface {}";
	}
}

/* The shortest digits that read back as the same number; an exponent from 1e6 on, as Go's %v. */
void value_print_float(double d, struct strbuf *out)
{
	char text[40];
	int exponent = 0;

	if (isnan(d) || isinf(d)) {
		strbuf_puts(out, isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int precision = 0; precision < 18; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, d);
		if (strtod(text, NULL) == d) {
			exponent = atoi(strchr(text, 'e') + 1);
			if (exponent < -4 || exponent >= EXPONENT_FROM)
				break;
			snprintf(text, sizeof(text), "%.*f",
				 precision > exponent ? precision - exponent : 0, d);
			break;
		}
	}
	strbuf_puts(out, text);
}

static void print_null(const struct value *v, bool nested, struct strbuf *out)
{
	switch (v->type) {
	case TEMPLATE_LIST:
		strbuf_puts(out, "[]");
		break;
	case TEMPLATE_STRING_MAP:
	case TEMPLATE_LIST_MAP:
	case TEMPLATE_POINTER_MAP:
		strbuf_puts(out, "map[]");
		break;
	case TEMPLATE_ANY:
		strbuf_puts(out, nested ? "<nil>" : "<no value>");
		break;
	default:
		strbuf_puts(out, "<nil>");
	}
}

static void print_map(const struct value *v, const struct template_model *m, struct strbuf *out)
{
	size_t count;
	auto_free const char **keys = object_sorted_keys(v->json, &count);

	strbuf_puts(out, "map[");
	for (size_t i = 0; i < count; i++) {
		auto_value struct value e =
			value_element(m, v, json_object_object_get(v->json, keys[i]));

		strbuf_printf(out, "%s%s:", i ? " " : "", keys[i]);
		value_print(&e, m, true, out);
	}
	strbuf_putc(out, ']');
}

static void print_struct(const struct value *v, const struct template_model *m, struct strbuf *out)
{
	const char *separator = "";

	strbuf_putc(out, '{');
	json_object_object_foreach(v->json, key, member) {
		auto_value struct value e = value_member(m, v, key, member);

		strbuf_puts(out, separator);
		value_print(&e, m, true, out);
		separator = " ";
	}
	strbuf_putc(out, '}');
}

/* time.Duration.String(). */
static void print_duration(int64_t ns, struct strbuf *out)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
	uint64_t left = ns < 0 ? -(uint64_t)ns : (uint64_t)ns, minutes = left / 60000000000u;
	size_t unit = 0;

	strbuf_puts(out, ns < 0 ? "-" : "");
	if (minutes >= 60)
		strbuf_printf(out, "%lluh", (unsigned long long)(minutes / 60));
	if (minutes)
		strbuf_printf(out, "%llum", (unsigned long long)(minutes % 60));
	while (!minutes && left && (double)left < units[unit].ns)
		unit++;
	left %= 60000000000u;
	strbuf_printf(out, "%.11g%s", (double)left / units[unit].ns, units[unit].name);
}

/* time.Time.String() of "2023-11-14T22:13:20.5Z". */
static void print_time(const char *text, struct strbuf *out)
{
	const char *t = strchr(text, 'T'), *zone = t ? t + strcspn(t, "Z+-") : text;
	auto_strbuf struct strbuf offset = {0};

	if (!t || !*zone) {
		strbuf_puts(out, text);
		return;
	}
	for (const char *p = zone; *p; p++) {
		if (*p != ':')
			strbuf_putc(&offset, *p);
	}
	strbuf_printf(out, "%.*s %.*s ", (int)(t - text), text, (int)(zone - t - 1), t + 1);
	if (*zone == 'Z')
		strbuf_puts(out, "+0000 UTC");
	else
		strbuf_printf(out, "%s %s", strbuf_str(&offset), strbuf_str(&offset));
}

void value_print(const struct value *v, const struct template_model *m, bool nested,
		 struct strbuf *out)
{
	if (v->absent || !v->json) {
		if (v->absent)
			strbuf_puts(out, nested ? "<nil>" : "<no value>");
		else
			print_null(v, nested, out);
		return;
	}
	switch (json_object_get_type(v->json)) {
	case json_type_double:
		value_print_float(json_object_get_double(v->json), out);
		break;
	case json_type_int:
		if (v->type == TEMPLATE_DURATION)
			print_duration(json_object_get_int64(v->json), out);
		else
			strbuf_puts(out, json_object_to_json_string(v->json));
		break;
	case json_type_string:
		if (v->type == TEMPLATE_TIME) {
			print_time(json_object_get_string(v->json), out);
			break;
		}
		strbuf_add(out, json_object_get_string(v->json),
			   (size_t)json_object_get_string_len(v->json));
		break;
	case json_type_array:
		strbuf_putc(out, '[');
		for (size_t i = 0; i < json_object_array_length(v->json); i++) {
			auto_value struct value e =
				value_element(m, v, json_object_array_get_idx(v->json, i));

			if (i)
				strbuf_putc(out, ' ');
			value_print(&e, m, true, out);
		}
		strbuf_putc(out, ']');
		break;
	case json_type_object:
		if (v->type == TEMPLATE_STRUCT || v->type == TEMPLATE_POINTER)
			print_struct(v, m, out);
		else
			print_map(v, m, out);
		break;
	default:
		strbuf_puts(out, json_object_to_json_string(v->json));
	}
}

static void print_json_member(const struct value *v, const struct template_model *m,
			      const char *key, struct json_object *member, bool first,
			      struct strbuf *out)
{
	auto_value struct value e = value_member(m, v, key, member);
	auto_json struct json_object *name = json_object_new_string(key);

	strbuf_printf(out, "%s%s:", first ? "" : ",", json_text(name));
	value_print_json(&e, m, out);
}

static void print_json_object(const struct value *v, const struct template_model *m,
			      struct strbuf *out)
{
	bool is_struct = v->type == TEMPLATE_STRUCT || v->type == TEMPLATE_POINTER, first = true;
	auto_free const char **keys = NULL;
	size_t count = 0;

	strbuf_putc(out, '{');
	if (is_struct) {
		json_object_object_foreach(v->json, key, member) {
			print_json_member(v, m, key, member, first, out);
			first = false;
		}
	} else {
		keys = object_sorted_keys(v->json, &count);
	}
	for (size_t i = 0; i < count; i++)
		print_json_member(v, m, keys[i], json_object_object_get(v->json, keys[i]), i == 0,
				  out);
	strbuf_putc(out, '}');
}

void value_print_json(const struct value *v, const struct template_model *m, struct strbuf *out)
{
	if (json_object_is_type(v->json, json_type_object)) {
		print_json_object(v, m, out);
	} else if (json_object_is_type(v->json, json_type_array)) {
		strbuf_putc(out, '[');
		for (size_t i = 0; i < json_object_array_length(v->json); i++) {
			auto_value struct value e =
				value_element(m, v, json_object_array_get_idx(v->json, i));

			if (i)
				strbuf_putc(out, ',');
			value_print_json(&e, m, out);
		}
		strbuf_putc(out, ']');
	} else {
		strbuf_puts(out, v->json ? json_text(v->json) : "null");
	}
}

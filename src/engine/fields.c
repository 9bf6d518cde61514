/* SPDX-License-Identifier: Apache-2.0 */
/* The two directions of fields.h. Owns no table. */
#include "engine/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SORT_ON_STACK 64

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void write_map_entry(struct json_writer *w, const char *entry, bool is_map)
{
	auto_free char *copy = NULL;
	char *value;

	if (!is_map) {
		json_write_raw(w, entry, "{}");
		return;
	}
	copy = xstrdup(entry);
	value = strchr(copy, '=');
	if (value)
		*value++ = '\0';
	json_write_string(w, copy, value ? value : "");
}

static void write_map(struct json_writer *w, const struct field *f, const struct strv *v)
{
	char *on_stack[SORT_ON_STACK];
	auto_free char **on_heap = NULL;
	char **sorted = on_stack;

	if (v->count > SORT_ON_STACK)
		sorted = on_heap = xcalloc(v->count, sizeof(char *));
	if (v->count) {
		memcpy(sorted, v->items, v->count * sizeof(char *));
		qsort(sorted, v->count, sizeof(char *), compare_strings);
	}
	json_write_begin(w, f->key, '{');
	for (size_t i = 0; i < v->count; i++)
		write_map_entry(w, sorted[i], f->type == FIELD_MAP);
	json_write_end(w, '}');
}

static bool is_empty(const struct field *f, const void *value)
{
	switch (f->type) {
	case FIELD_STRING: {
		const char *s = *(char *const *)value;

		return !s || !*s;
	}
	case FIELD_BOOL:
		return !*(const bool *)value;
	case FIELD_I64:
		return *(const int64_t *)value == f->unset;
	case FIELD_STRV:
	case FIELD_SET:
	case FIELD_MAP:
		return ((const struct strv *)value)->count == 0;
	default:
		return false;
	}
}

static void write_value(struct json_writer *w, const struct field *f, const void *base,
			const void *value)
{
	switch (f->type) {
	case FIELD_STRING: {
		const char *s = *(char *const *)value;

		json_write_string(w, f->key, s ? s : "");
		break;
	}
	case FIELD_BOOL:
		json_write_bool(w, f->key, *(const bool *)value);
		break;
	case FIELD_I64:
		json_write_i64(w, f->key, *(const int64_t *)value);
		break;
	case FIELD_STRV:
		json_write_strv(w, f->key, value);
		break;
	case FIELD_SET:
	case FIELD_MAP:
		write_map(w, f, value);
		break;
	case FIELD_OBJECT:
		if (f->key)
			json_write_begin(w, f->key, '{');
		fields_write(w, f->members, f->member_count, base);
		if (f->key)
			json_write_end(w, '}');
		break;
	case FIELD_LITERAL:
		json_write_raw(w, f->key, f->literal);
		break;
	case FIELD_CUSTOM:
		f->write(w, f->key, base);
		break;
	}
}

void fields_write(struct json_writer *w, const struct field *fields, size_t count, const void *base)
{
	for (size_t i = 0; i < count; i++) {
		const struct field *f = &fields[i];
		const void *value = (const char *)base + f->offset;

		if (f->empty != EMPTY_PLAIN && is_empty(f, value)) {
			if (f->empty == EMPTY_NULL)
				json_write_raw(w, f->key, "null");
			continue;
		}
		write_value(w, f, base, value);
	}
}

static int read_string(struct json_object *o, const char *key, char **out)
{
	const char *s;
	int rc = json_get_string(o, key, &s);

	if (rc < 0)
		return rc;
	free(*out);
	*out = *s ? xstrdup(s) : NULL;
	return 0;
}

static int read_map(struct json_object *o, const struct field *f, struct strv *out)
{
	struct json_object *map;
	int rc = json_get_object(o, f->key, &map);

	if (rc < 0)
		return rc;
	json_object_object_foreach(map, key, value) {
		if (f->type == FIELD_SET)
			strv_add(out, key);
		else if (json_object_is_type(value, json_type_string))
			strv_add_taken(out, xasprintf("%s=%s", key, json_object_get_string(value)));
		else
			return -EINVAL;
	}
	return 0;
}

static int read_custom(struct json_object *o, const struct field *f, void *base)
{
	struct json_object *v;

	if (!f->read || !json_object_object_get_ex(o, f->key, &v) || !v)
		return -ENOENT;
	return f->read(v, base);
}

static int read_value(const struct field *f, struct json_object *o, void *base, const char *what,
		      struct err *err)
{
	void *value = (char *)base + f->offset;
	struct json_object *nested;
	int rc;

	switch (f->type) {
	case FIELD_STRING:
		return read_string(o, f->key, value);
	case FIELD_BOOL:
		return json_get_bool(o, f->key, value);
	case FIELD_I64:
		return json_get_i64(o, f->key, value);
	case FIELD_STRV:
		return json_get_strv(o, f->key, value);
	case FIELD_SET:
	case FIELD_MAP:
		return read_map(o, f, value);
	case FIELD_OBJECT:
		nested = o;
		rc = f->key ? json_get_object(o, f->key, &nested) : 0;
		if (rc == 0)
			rc = fields_read(f->members, f->member_count, nested, base, what, err);
		return rc;
	case FIELD_LITERAL:
		return 0;
	case FIELD_CUSTOM:
		return read_custom(o, f, base);
	}
	return -EINVAL;
}

int fields_read(const struct field *fields, size_t count, struct json_object *o, void *base,
		const char *what, struct err *err)
{
	/* A nested object names its own bad member. */
	err->kind = ERR_NONE;
	for (size_t i = 0; i < count; i++) {
		int rc = read_value(&fields[i], o, base, what, err);

		if (rc < 0 && rc != -ENOENT)
			return err->kind == ERR_CORRUPT
				       ? rc
				       : err_set(err, ERR_CORRUPT, EUCLEAN,
						 "%s: bad value for \"%s\"", what, fields[i].key);
	}
	return 0;
}

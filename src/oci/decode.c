/* SPDX-License-Identifier: Apache-2.0 */
/* The machine behind the decoding tables. */
#include "oci/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define LIST_MAX 65536

int decode_refuse(struct decode *d, enum err_kind kind, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(d->err, kind, 0, "%s: %s%s%s", d->what, d->path, d->path_len ? ": " : "",
		       text);
}

/* Appends to the path; returns the length to go back to. */
static size_t enter(struct decode *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static size_t enter(struct decode *d, const char *fmt, ...)
{
	size_t before = d->path_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(d->path + before, sizeof(d->path) - before, fmt, ap);
	va_end(ap);
	d->path_len = n < 0 ? before : before + (size_t)n;
	if (d->path_len >= sizeof(d->path))
		d->path_len = sizeof(d->path) - 1;
	return before;
}

static void leave(struct decode *d, size_t before)
{
	d->path_len = before;
	d->path[before] = '\0';
}

static int plain_string(struct decode *d, struct json_object *v, const char **out)
{
	if (!json_object_is_type(v, json_type_string))
		return decode_refuse(d, ERR_INVALID, "must be a string");
	*out = json_object_get_string(v);
	if (strlen(*out) != (size_t)json_object_get_string_len(v))
		return decode_refuse(d, ERR_INVALID, "contains a NUL");
	return 0;
}

static int decode_string(struct decode *d, struct json_object *v, char **out)
{
	const char *s;
	int r = plain_string(d, v, &s);

	if (r)
		return r;
	free(*out);
	*out = s[0] ? xstrdup(s) : NULL;
	return 0;
}

static int decode_unsigned(struct decode *d, struct json_object *v, uint64_t max, uint64_t *out)
{
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return decode_refuse(d, ERR_INVALID, "must be a whole number, not negative");
	*out = json_object_get_uint64(v);
	if (*out > max)
		return decode_refuse(d, ERR_INVALID, "is too large");
	return 0;
}

static int decode_signed(struct decode *d, struct json_object *v, int64_t *out)
{
	if (!json_object_is_type(v, json_type_int))
		return decode_refuse(d, ERR_INVALID, "must be a whole number");
	*out = json_object_get_int64(v);
	if (*out == INT64_MAX && json_object_get_uint64(v) != (uint64_t)INT64_MAX)
		return decode_refuse(d, ERR_INVALID, "is too large");
	return 0;
}

static int check_array(struct decode *d, struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array))
		return decode_refuse(d, ERR_INVALID, "must be a list");
	if (json_object_array_length(v) > LIST_MAX)
		return decode_refuse(d, ERR_INVALID, "has more than %d entries", LIST_MAX);
	return 0;
}

static int decode_strv(struct decode *d, struct json_object *v, struct strv *out)
{
	int r = check_array(d, v);

	for (size_t i = 0; r == 0 && i < json_object_array_length(v); i++) {
		size_t before = enter(d, "[%zu]", i);
		const char *s;

		r = plain_string(d, json_object_array_get_idx(v, i), &s);
		if (r == 0)
			strv_add(out, s);
		leave(d, before);
	}
	return r;
}

static int decode_array(struct decode *d, struct json_object *v, decode_fn fn, void *out)
{
	int r = check_array(d, v);

	for (size_t i = 0; r == 0 && i < json_object_array_length(v); i++) {
		struct json_object *element = json_object_array_get_idx(v, i);
		size_t before = enter(d, "[%zu]", i);

		r = element ? fn(d, element, out)
			    : decode_refuse(d, ERR_INVALID, "must not be null");
		leave(d, before);
	}
	return r;
}

static int decode_map(struct decode *d, struct json_object *v,
		      int (*pair)(struct decode *d, const char *key, const char *value, void *out),
		      void *out)
{
	if (!json_object_is_type(v, json_type_object))
		return decode_refuse(d, ERR_INVALID, "must be an object");
	if (json_object_object_length(v) > LIST_MAX)
		return decode_refuse(d, ERR_INVALID, "has more than %d entries", LIST_MAX);
	json_object_object_foreach(v, key, value) {
		size_t before = enter(d, ".%.60s", key);
		const char *s;
		int r = plain_string(d, value, &s);

		if (r == 0)
			r = pair(d, key, s, out);
		leave(d, before);
		if (r)
			return r;
	}
	return 0;
}

static bool is_empty(struct json_object *v)
{
	if (json_object_is_type(v, json_type_array))
		return json_object_array_length(v) == 0;
	if (json_object_is_type(v, json_type_object))
		return json_object_object_length(v) == 0;
	if (json_object_is_type(v, json_type_string))
		return json_object_get_string_len(v) == 0;
	return json_object_is_type(v, json_type_boolean) && !json_object_get_boolean(v);
}

static int decode_number(struct decode *d, const struct decode_field *f, struct json_object *v,
			 void *place)
{
	uint64_t max = f->type == DECODE_U16   ? UINT16_MAX
		       : f->type == DECODE_U32 ? UINT32_MAX
					       : UINT64_MAX;
	uint64_t number = 0;
	int r = decode_unsigned(d, v, max, &number);

	if (r)
		return r;
	if (f->type == DECODE_U16)
		*(uint16_t *)place = (uint16_t)number;
	else if (f->type == DECODE_U32)
		*(uint32_t *)place = (uint32_t)number;
	else
		*(uint64_t *)place = number;
	return 0;
}

static int decode_value(struct decode *d, const struct decode_field *f, struct json_object *v,
			void *out)
{
	void *place = (char *)out + f->offset;

	switch (f->type) {
	case DECODE_STRING:
		return decode_string(d, v, place);
	case DECODE_BOOL:
		if (!json_object_is_type(v, json_type_boolean))
			return decode_refuse(d, ERR_INVALID, "must be true or false");
		*(bool *)place = json_object_get_boolean(v);
		return 0;
	case DECODE_U16:
	case DECODE_U32:
	case DECODE_U64:
		return decode_number(d, f, v, place);
	case DECODE_I64:
		return decode_signed(d, v, place);
	case DECODE_STRV:
		return decode_strv(d, v, place);
	case DECODE_OBJECT:
		if (!json_object_is_type(v, json_type_object))
			return decode_refuse(d, ERR_INVALID, "must be an object");
		return f->fn(d, v, place);
	case DECODE_ARRAY:
		return decode_array(d, v, f->fn, place);
	case DECODE_STRING_MAP:
		return decode_map(d, v, f->pair, place);
	case DECODE_UNSUPPORTED:
		return is_empty(v) ? 0
				   : decode_refuse(d, ERR_UNSUPPORTED,
						   "is not supported by this version");
	}
	return -EINVAL;
}

int decode_object(struct decode *d, struct json_object *o, const struct decode_field *fields,
		  size_t count, void *out)
{
	if (!json_object_is_type(o, json_type_object))
		return decode_refuse(d, ERR_INVALID, "must be an object");
	for (size_t i = 0; i < count; i++) {
		const struct decode_field *f = &fields[i];
		struct json_object *v = NULL;
		size_t before = enter(d, d->path_len ? ".%s" : "%s", f->name);
		int r = 0;

		if (json_object_object_get_ex(o, f->name, &v) && v)
			r = decode_value(d, f, v, out);
		else if (f->required)
			r = decode_refuse(d, ERR_INVALID, "is missing");
		leave(d, before);
		if (r)
			return r;
		if (v && f->has_offset != DECODE_NO_FLAG)
			*(bool *)((char *)out + f->has_offset) = true;
	}
	return 0;
}

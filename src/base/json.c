/* SPDX-License-Identifier: Apache-2.0 */
/* JSON through json-c. */
#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

int json_parse(const char *text, size_t len, const char *what, struct json_object **out,
	       struct err *err)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error status;

	if (len > INT_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "%s: too large", what);
	tok = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!tok)
		return err_set(err, ERR_SYSTEM, ENOMEM, "%s: out of memory", what);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text, (int)len);
	status = json_tokener_get_error(tok);
	/* A bare number at the end of input is only complete once the parser sees the end. */
	if (status == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "", 1);
		status = json_tokener_get_error(tok);
	}
	json_tokener_free(tok);
	if (status != json_tokener_success) {
		if (o)
			json_object_put(o);
		return err_set(err, ERR_INVALID, EINVAL, "%s: invalid JSON: %s", what,
			       json_tokener_error_desc(status));
	}
	*out = o;
	return 0;
}

int json_read_at(int dirfd, const char *path, size_t max, struct json_object **out, struct err *err)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int rc = file_read_at(dirfd, path, max, &text, &len);

	if (rc < 0)
		return err_set(err, rc == -ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, -rc, "read %s: %s",
			       path, err_errno_text(-rc));
	return json_parse(text, len, path, out, err);
}

static int get_typed(struct json_object *o, const char *key, json_type type,
		     struct json_object **out)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object))
		return -EINVAL;
	if (!json_object_object_get_ex(o, key, &v) || !v)
		return -ENOENT;
	if (!json_object_is_type(v, type))
		return -EINVAL;
	*out = v;
	return 0;
}

int json_get_object(struct json_object *o, const char *key, struct json_object **out)
{
	return get_typed(o, key, json_type_object, out);
}

int json_get_array(struct json_object *o, const char *key, struct json_object **out)
{
	return get_typed(o, key, json_type_array, out);
}

/* A string with an embedded NUL would be cut silently: refuse it. */
static int plain_string(struct json_object *v, const char **out)
{
	const char *s = json_object_get_string(v);

	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return -EINVAL;
	*out = s;
	return 0;
}

int json_get_string(struct json_object *o, const char *key, const char **out)
{
	struct json_object *v;
	int rc = get_typed(o, key, json_type_string, &v);

	return rc < 0 ? rc : plain_string(v, out);
}

int json_get_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *v;
	int rc = get_typed(o, key, json_type_boolean, &v);

	if (rc == 0)
		*out = json_object_get_boolean(v);
	return rc;
}

int json_get_i64(struct json_object *o, const char *key, int64_t *out)
{
	struct json_object *v;
	int rc = get_typed(o, key, json_type_int, &v);

	if (rc < 0)
		return rc;
	errno = 0;
	*out = json_object_get_int64(v);
	/* json-c clamps an unsigned value that does not fit. */
	if (*out == INT64_MAX && json_object_get_uint64(v) != (uint64_t)INT64_MAX)
		return -ERANGE;
	return 0;
}

int json_get_u64(struct json_object *o, const char *key, uint64_t *out)
{
	struct json_object *v;
	int rc = get_typed(o, key, json_type_int, &v);

	if (rc < 0)
		return rc;
	if (json_object_get_int64(v) < 0)
		return -ERANGE;
	*out = json_object_get_uint64(v);
	return 0;
}

int json_get_strv(struct json_object *o, const char *key, struct strv *out)
{
	struct json_object *a;
	int rc = json_get_array(o, key, &a);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		struct json_object *v = json_object_array_get_idx(a, i);
		const char *s;

		if (!json_object_is_type(v, json_type_string) || plain_string(v, &s) < 0)
			return -EINVAL;
		strv_add(out, s);
	}
	return 0;
}

void json_add_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void json_add_i64(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void json_add_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_add_strv(struct json_object *o, const char *key, const struct strv *v, bool null_if_empty)
{
	struct json_object *a = NULL;

	if (v->count || !null_if_empty) {
		a = json_object_new_array_ext((int)v->count + 1);
		for (size_t i = 0; i < v->count; i++)
			json_object_array_add(a, json_object_new_string(v->items[i]));
	}
	json_object_object_add(o, key, a);
}

const char *json_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void indent(struct strbuf *b, int depth)
{
	strbuf_putc(b, '\n');
	for (int i = 0; i < depth; i++)
		strbuf_puts(b, "    ");
}

static void print_indented(struct strbuf *b, struct json_object *o, int depth)
{
	if (json_object_is_type(o, json_type_object) && json_object_object_length(o)) {
		const char *sep = "";

		strbuf_putc(b, '{');
		json_object_object_foreach(o, key, value) {
			auto_json struct json_object *name = json_object_new_string(key);

			strbuf_puts(b, sep);
			indent(b, depth + 1);
			strbuf_printf(b, "%s: ", json_text(name));
			print_indented(b, value, depth + 1);
			sep = ",";
		}
		indent(b, depth);
		strbuf_putc(b, '}');
	} else if (json_object_is_type(o, json_type_array) && json_object_array_length(o)) {
		strbuf_putc(b, '[');
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			if (i)
				strbuf_putc(b, ',');
			indent(b, depth + 1);
			print_indented(b, json_object_array_get_idx(o, i), depth + 1);
		}
		indent(b, depth);
		strbuf_putc(b, ']');
	} else {
		strbuf_puts(b, o ? json_text(o) : "null");
	}
}

char *json_text_indented(struct json_object *o)
{
	auto_strbuf struct strbuf b = {0};

	print_indented(&b, o, 0);
	return strbuf_take(&b);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions a template can call, by table. An error of kind ERR_CORRUPT means arguments of a
 * wrong type (reported at the name, as Go does); any other is the function's own.
 */
#include <ctype.h>
#include <math.h>

#include "base/quote.h"
#include "base/template_internal.h"

#define SPLIT_MAX 65536 /* bytes of a string that may become a list */

static json_type type_of(const struct value *v)
{
	return v->absent || !v->json ? json_type_null : json_object_get_type(v->json);
}

static void put_text(struct value *out, const struct strbuf *text)
{
	*out = (struct value){.json = json_object_new_string_len(strbuf_str(text), (int)text->len)};
}

static void put_bool(struct value *out, bool b)
{
	*out = (struct value){.json = json_object_new_boolean(b)};
}

static int wrong_type(const struct call *c, size_t i, const char *expected, struct err *err)
{
	const struct value *v = &c->args[i];

	*c->wrong = i;
	if (type_of(v) == json_type_null)
		return err_set(err, ERR_CORRUPT, EINVAL, "invalid value; expected %s", expected);
	return err_set(err, ERR_CORRUPT, EINVAL, "wrong type for value; expected %s; got %s",
		       expected, value_type_name(v));
}

static int want_string(const struct call *c, size_t i, const char **out, struct err *err)
{
	if (type_of(&c->args[i]) != json_type_string)
		return wrong_type(c, i, "string", err);
	*out = json_object_get_string(c->args[i].json);
	return 0;
}

static int want_int(const struct call *c, size_t i, int64_t *out, struct err *err)
{
	if (type_of(&c->args[i]) != json_type_int)
		return wrong_type(c, i, "int", err);
	*out = json_object_get_int64(c->args[i].json);
	return 0;
}

/* ---- Docker's ---- */

/* What Go's encoder does to JSON that may end up in a page. */
static void escape_markup(struct strbuf *text)
{
	auto_strbuf struct strbuf plain = *text;

	*text = (struct strbuf){0};
	for (size_t i = 0; i < plain.len; i++) {
		if (strchr("<>&", plain.data[i]) && plain.data[i])
			strbuf_printf(text, "\\u%04x", (unsigned char)plain.data[i]);
		else
			strbuf_putc(text, plain.data[i]);
	}
}

static int fn_json(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};

	(void)err;
	value_print_json(&c->args[0], c->model, &text);
	if (c->args[0].root && c->model && c->model->escaped)
		escape_markup(&text);
	put_text(out, &text);
	return 0;
}

static int fn_split(const struct call *c, struct value *out, struct err *err)
{
	struct json_object *list;
	const char *text = "", *separator = "", *at;
	int rc = want_string(c, 0, &text, err);

	rc = rc < 0 ? rc : want_string(c, 1, &separator, err);
	if (rc < 0)
		return rc;
	if (strlen(text) > SPLIT_MAX)
		return err_set(err, ERR_INVALID, EINVAL, "value is too large");
	list = json_object_new_array();
	while (*separator && (at = strstr(text, separator)) != NULL) {
		json_object_array_add(list, json_object_new_string_len(text, (int)(at - text)));
		text = at + strlen(separator);
	}
	if (*separator) {
		json_object_array_add(list, json_object_new_string(text));
	} else {
		for (size_t n, left = strlen(text); left; text += n, left -= n) {
			uint32_t code;
			int valid;

			n = utf8_decode(text, left, &code, &valid);
			json_object_array_add(list, json_object_new_string_len(text, (int)n));
		}
	}
	*out = (struct value){.json = list};
	return 0;
}

static int fn_join(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	const char *separator = "";
	int rc = want_string(c, 1, &separator, err);

	if (rc < 0)
		return rc;
	if (type_of(&c->args[0]) != json_type_array &&
	    !(type_of(&c->args[0]) == json_type_null && c->args[0].type == TEMPLATE_LIST))
		return wrong_type(c, 0, "[]string", err);
	for (size_t i = 0; c->args[0].json && i < json_object_array_length(c->args[0].json); i++) {
		struct json_object *e = json_object_array_get_idx(c->args[0].json, i);

		if (!json_object_is_type(e, json_type_string))
			return wrong_type(c, 0, "[]string", err);
		strbuf_printf(&text, "%s%s", i ? separator : "", json_object_get_string(e));
	}
	put_text(out, &text);
	return 0;
}

static int map_case(const struct call *c, int (*convert)(int), bool title, struct value *out,
		    struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	const char *s = "";
	bool start = true;
	int rc = want_string(c, 0, &s, err);

	if (rc < 0)
		return rc;
	for (; *s; s++) {
		unsigned char b = (unsigned char)*s;

		strbuf_putc(&text, (char)(b < 0x80 && (start || !title) ? convert(b) : b));
		start = !isalnum(b) && b != '_' && b != '\'' && b < 0x80;
	}
	put_text(out, &text);
	return 0;
}

static int fn_title(const struct call *c, struct value *out, struct err *err)
{
	return map_case(c, toupper, true, out, err);
}

static int fn_lower(const struct call *c, struct value *out, struct err *err)
{
	return map_case(c, tolower, false, out, err);
}

static int fn_upper(const struct call *c, struct value *out, struct err *err)
{
	return map_case(c, toupper, false, out, err);
}

static int fn_pad(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	int64_t before = 0, after = 0;
	const char *s = "";
	int rc = want_string(c, 0, &s, err);

	rc = rc < 0 ? rc : want_int(c, 1, &before, err);
	rc = rc < 0 ? rc : want_int(c, 2, &after, err);
	if (rc < 0)
		return rc;
	if (before < 0 || after < 0 || before > 65536 || after > 65536)
		return err_set(err, ERR_INVALID, EINVAL, "padding out of range");
	if (*s)
		strbuf_printf(&text, "%*s%s%*s", (int)before, "", s, (int)after, "");
	put_text(out, &text);
	return 0;
}

static int fn_truncate(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	const char *s = "";
	int64_t limit = 0;
	size_t n = 0, len;
	int rc = want_string(c, 0, &s, err);

	rc = rc < 0 ? rc : want_int(c, 1, &limit, err);
	if (rc < 0)
		return rc;
	len = strlen(s);
	for (; limit > 0 && n < len; limit--) {
		uint32_t code;
		int valid;

		n += utf8_decode(s + n, len - n, &code, &valid);
	}
	strbuf_add(&text, s, n);
	put_text(out, &text);
	return 0;
}

/* ---- printing ---- */

static int fn_print(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};

	(void)err;
	for (size_t i = 0; i < c->count; i++) {
		if (i && type_of(&c->args[i]) != json_type_string &&
		    type_of(&c->args[i - 1]) != json_type_string)
			strbuf_putc(&text, ' ');
		value_print(&c->args[i], c->model, true, &text);
	}
	put_text(out, &text);
	return 0;
}

static int fn_println(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};

	(void)err;
	for (size_t i = 0; i < c->count; i++) {
		if (i)
			strbuf_putc(&text, ' ');
		value_print(&c->args[i], c->model, true, &text);
	}
	strbuf_putc(&text, '\n');
	put_text(out, &text);
	return 0;
}

static int fn_printf(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	const char *format;
	int rc = want_string(c, 0, &format, err);

	if (rc < 0)
		return rc;
	template_sprintf(c, &text);
	put_text(out, &text);
	return 0;
}

/* ---- escaping ---- */

static void print_all(const struct call *c, struct strbuf *out)
{
	struct value text = {.absent = true};
	struct err err = ERR_INIT;

	if (c->count == 1) {
		value_print(&c->args[0], c->model, false, out);
		return;
	}
	if (fn_print(c, &text, &err) == 0)
		strbuf_puts(out, json_object_get_string(text.json));
	value_clear(&text);
}

static int fn_html(const struct call *c, struct value *out, struct err *err)
{
	static const char *const escapes[] = {
		['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&#34;", ['\''] = "&#39;"};
	auto_strbuf struct strbuf plain = {0}, text = {0};

	(void)err;
	print_all(c, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		unsigned char b = (unsigned char)plain.data[i];

		if (b < sizeof(escapes) / sizeof(escapes[0]) && escapes[b])
			strbuf_puts(&text, escapes[b]);
		else
			strbuf_putc(&text, (char)b);
	}
	put_text(out, &text);
	return 0;
}

static int fn_js(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf plain = {0}, text = {0};

	(void)err;
	print_all(c, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		char b = plain.data[i];

		if (strchr("\\'\"", b) && b)
			strbuf_printf(&text, "\\%c", b);
		else if ((b && strchr("<>&=", b)) || (unsigned char)b < 0x20)
			strbuf_printf(&text, "\\u%04X", (unsigned char)b);
		else
			strbuf_putc(&text, b);
	}
	put_text(out, &text);
	return 0;
}

static int fn_urlquery(const struct call *c, struct value *out, struct err *err)
{
	auto_strbuf struct strbuf plain = {0}, text = {0};

	(void)err;
	print_all(c, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		unsigned char b = (unsigned char)plain.data[i];

		if (b < 0x80 && (isalnum(b) || strchr("-_.~", b)) && b)
			strbuf_putc(&text, (char)b);
		else if (b == ' ')
			strbuf_putc(&text, '+');
		else
			strbuf_printf(&text, "%%%02X", b);
	}
	put_text(out, &text);
	return 0;
}

/* ---- access ---- */

/* Of a list its elements, of a string its bytes. */
static int index_list(const struct call *c, const struct value *v, const struct value *key,
		      struct value *out, struct err *err)
{
	bool text = type_of(v) == json_type_string;
	size_t len = text ? (size_t)json_object_get_string_len(v->json)
			  : json_object_array_length(v->json);
	int64_t i;

	if (type_of(key) == json_type_null)
		return err_set(err, ERR_INVALID, EINVAL, "cannot index slice/array with nil");
	if (type_of(key) != json_type_int)
		return err_set(err, ERR_INVALID, EINVAL, "cannot index slice/array with type %s",
			       value_type_name(key));
	i = json_object_get_int64(key->json);
	if (i < 0 || (uint64_t)i >= len)
		return err_set(err, ERR_INVALID, EINVAL, "index out of range: %lld", (long long)i);
	if (text)
		*out = (struct value){.json = json_object_new_int64(
					      (unsigned char)json_object_get_string(v->json)[i])};
	else
		*out = value_element(c->model, v, json_object_array_get_idx(v->json, (size_t)i));
	return 0;
}

static int index_map(const struct call *c, const struct value *v, const struct value *key,
		     struct value *out, struct err *err)
{
	struct json_object *member;
	const char *name;

	if (type_of(key) != json_type_string)
		return err_set(err, ERR_INVALID, EINVAL, "value has type %s; should be string",
			       value_type_name(key));
	name = json_object_get_string(key->json);
	if (json_object_object_get_ex(v->json, name, &member)) {
		*out = value_member(c->model, v, name, member);
		return 0;
	}
	*out = value_element(c->model, v, NULL);
	if (v->type == TEMPLATE_STRING_MAP)
		out->json = json_object_new_string("");
	return 0;
}

static int index_once(const struct call *c, const struct value *v, const struct value *key,
		      struct value *out, struct err *err)
{
	switch (type_of(v)) {
	case json_type_array:
	case json_type_string:
		return index_list(c, v, key, out, err);
	case json_type_object:
		return index_map(c, v, key, out, err);
	case json_type_null:
		if (v->type == TEMPLATE_STRING_MAP || v->type == TEMPLATE_LIST_MAP ||
		    v->type == TEMPLATE_POINTER_MAP)
			return index_map(c, v, key, out, err);
		return err_set(err, ERR_INVALID, EINVAL, "index of untyped nil");
	default:
		return err_set(err, ERR_INVALID, EINVAL, "can't index item of type %s",
			       value_type_name(v));
	}
}

static int fn_index(const struct call *c, struct value *out, struct err *err)
{
	struct value v = value_copy(&c->args[0]);

	for (size_t i = 1; i < c->count; i++) {
		struct value next = {.absent = true};
		int rc = index_once(c, &v, &c->args[i], &next, err);

		value_clear(&v);
		if (rc < 0)
			return rc;
		v = next;
	}
	*out = v;
	return 0;
}

static int fn_len(const struct call *c, struct value *out, struct err *err)
{
	const struct value *v = &c->args[0];
	size_t n = 0;

	switch (type_of(v)) {
	case json_type_array:
		n = json_object_array_length(v->json);
		break;
	case json_type_object:
		n = (size_t)json_object_object_length(v->json);
		break;
	case json_type_string:
		n = (size_t)json_object_get_string_len(v->json);
		break;
	case json_type_null:
		if (v->type == TEMPLATE_ANY || v->type == TEMPLATE_POINTER)
			return err_set(err, ERR_INVALID, EINVAL, "len of nil pointer");
		break;
	default:
		return err_set(err, ERR_INVALID, EINVAL, "len of type %s", value_type_name(v));
	}
	*out = (struct value){.json = json_object_new_int64((int64_t)n)};
	return 0;
}

static int fn_slice(const struct call *c, struct value *out, struct err *err)
{
	const struct value *v = &c->args[0];
	bool text = type_of(v) == json_type_string;
	int64_t bounds[3] = {0};
	size_t len;

	if (!text && type_of(v) != json_type_array)
		return err_set(err, ERR_INVALID, EINVAL,
			       type_of(v) == json_type_null ? "slice of untyped nil"
							    : "can't slice item of type %s",
			       value_type_name(v));
	len = text ? (size_t)json_object_get_string_len(v->json)
		   : json_object_array_length(v->json);
	bounds[1] = (int64_t)len;
	if (text && c->count > 3)
		return err_set(err, ERR_INVALID, EINVAL, "cannot 3-index slice a string");
	for (size_t i = 1; i < c->count; i++) {
		if (type_of(&c->args[i]) != json_type_int)
			return err_set(err, ERR_INVALID, EINVAL,
				       "cannot index slice/array with type %s",
				       value_type_name(&c->args[i]));
		bounds[i - 1] = json_object_get_int64(c->args[i].json);
		if (bounds[i - 1] < 0 || bounds[i - 1] > (int64_t)len)
			return err_set(err, ERR_INVALID, EINVAL, "index out of range: %lld",
				       (long long)bounds[i - 1]);
	}
	if (bounds[0] > bounds[1])
		return err_set(err, ERR_INVALID, EINVAL, "invalid slice index: %lld > %lld",
			       (long long)bounds[0], (long long)bounds[1]);
	if (text) {
		*out = (struct value){.json = json_object_new_string_len(
					      json_object_get_string(v->json) + bounds[0],
					      (int)(bounds[1] - bounds[0]))};
		return 0;
	}
	*out = (struct value){.json = json_object_new_array(), .type = v->type};
	for (int64_t i = bounds[0]; i < bounds[1]; i++)
		json_object_array_add(
			out->json, json_object_get(json_object_array_get_idx(v->json, (size_t)i)));
	return 0;
}

static int fn_call(const struct call *c, struct value *out, struct err *err)
{
	(void)out;
	if (type_of(&c->args[0]) == json_type_null)
		return err_set(err, ERR_INVALID, EINVAL, "call of nil");
	return err_set(err, ERR_INVALID, EINVAL, "non-function of type %s",
		       value_type_name(&c->args[0]));
}

/* ---- logic and comparison ---- */

static int fn_not(const struct call *c, struct value *out, struct err *err)
{
	(void)err;
	put_bool(out, !value_is_true(&c->args[0]));
	return 0;
}

/* and, or are evaluated by the walker, which must not evaluate what is not needed. */
static int fn_never(const struct call *c, struct value *out, struct err *err)
{
	(void)c, (void)out;
	return err_set(err, ERR_INVALID, EINVAL, "not a function of values");
}

static bool is_collection(const struct value *v)
{
	return type_of(v) == json_type_array || type_of(v) == json_type_object;
}

/* -1, 0, 1 in *order for two values of one scalar type. */
static int compare(const struct value *a, const struct value *b, int *order, struct err *err)
{
	json_type type = type_of(a);

	if (type != type_of(b))
		return err_set(err, ERR_INVALID, EINVAL, "incompatible types for comparison");
	if (type == json_type_string) {
		int n = strcmp(json_object_get_string(a->json), json_object_get_string(b->json));

		*order = (n > 0) - (n < 0);
	} else if (type == json_type_double) {
		double x = json_object_get_double(a->json), y = json_object_get_double(b->json);

		*order = (x > y) - (x < y);
	} else if (type == json_type_int) {
		int64_t x = json_object_get_int64(a->json), y = json_object_get_int64(b->json);
		uint64_t ux = json_object_get_uint64(a->json), uy = json_object_get_uint64(b->json);

		*order = x >= 0 && y >= 0 ? (ux > uy) - (ux < uy) : (x > y) - (x < y);
	} else if (type == json_type_boolean) {
		*order = json_object_get_boolean(a->json) - json_object_get_boolean(b->json);
	} else {
		*order = 0;
	}
	return 0;
}

static int not_comparable(const struct value *v, struct err *err)
{
	auto_strbuf struct strbuf text = {0};

	value_print(v, NULL, true, &text);
	return err_set(err, ERR_INVALID, EINVAL, "non-comparable type %s: %s", strbuf_str(&text),
		       value_type_name(v));
}

static int equal(const struct value *a, const struct value *b, bool *same, struct err *err)
{
	int order = 0, rc;

	if (is_collection(a) || is_collection(b))
		return not_comparable(is_collection(a) ? a : b, err);
	if (type_of(a) == json_type_null || type_of(b) == json_type_null) {
		*same = type_of(a) == type_of(b);
		return 0;
	}
	rc = compare(a, b, &order, err);
	*same = order == 0;
	return rc;
}

static int fn_eq(const struct call *c, struct value *out, struct err *err)
{
	if (c->count < 2)
		return err_set(err, ERR_INVALID, EINVAL, "missing argument for comparison");
	for (size_t i = 1; i < c->count; i++) {
		bool same;
		int rc = equal(&c->args[0], &c->args[i], &same, err);

		if (rc < 0)
			return rc;
		if (same) {
			put_bool(out, true);
			return 0;
		}
	}
	put_bool(out, false);
	return 0;
}

static int fn_ne(const struct call *c, struct value *out, struct err *err)
{
	bool same;
	int rc = equal(&c->args[0], &c->args[1], &same, err);

	if (rc == 0)
		put_bool(out, !same);
	return rc;
}

static int ordered(const struct call *c, int low, int high, struct value *out, struct err *err)
{
	json_type type = type_of(&c->args[0]);
	int order, rc;

	if (type != json_type_string && type != json_type_int && type != json_type_double)
		return err_set(err, ERR_INVALID, EINVAL, "invalid type for comparison");
	rc = compare(&c->args[0], &c->args[1], &order, err);
	if (rc == 0)
		put_bool(out, order >= low && order <= high);
	return rc;
}

static int fn_lt(const struct call *c, struct value *out, struct err *err)
{
	return ordered(c, -1, -1, out, err);
}

static int fn_le(const struct call *c, struct value *out, struct err *err)
{
	return ordered(c, -1, 0, out, err);
}

static int fn_gt(const struct call *c, struct value *out, struct err *err)
{
	return ordered(c, 1, 1, out, err);
}

static int fn_ge(const struct call *c, struct value *out, struct err *err)
{
	return ordered(c, 0, 1, out, err);
}

static const struct function functions[] = {
	{"and", 1, -1, fn_never, false},
	{"or", 1, -1, fn_never, false},
	{"call", 1, -1, fn_call, false},
	{"eq", 1, -1, fn_eq, false},
	{"ge", 2, 2, fn_ge, false},
	{"gt", 2, 2, fn_gt, false},
	{"html", 0, -1, fn_html, false},
	{"index", 1, -1, fn_index, false},
	{"join", 2, 2, fn_join, false},
	{"js", 0, -1, fn_js, false},
	{"json", 1, 1, fn_json, true},
	{"le", 2, 2, fn_le, false},
	{"len", 1, 1, fn_len, false},
	{"lower", 1, 1, fn_lower, true},
	{"lt", 2, 2, fn_lt, false},
	{"ne", 2, 2, fn_ne, false},
	{"not", 1, 1, fn_not, false},
	{"pad", 3, 3, fn_pad, false},
	{"print", 0, -1, fn_print, false},
	{"printf", 1, -1, fn_printf, false},
	{"println", 0, -1, fn_println, false},
	{"slice", 1, 4, fn_slice, false},
	{"split", 2, 2, fn_split, false},
	{"title", 1, 1, fn_title, true},
	{"truncate", 2, 2, fn_truncate, true},
	{"upper", 1, 1, fn_upper, true},
	{"urlquery", 0, -1, fn_urlquery, false},
};

const struct function *template_function(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
			return &functions[i];
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's text/template over JSON values, as far as Docker's --format uses it: actions if, range,
 * with, define, template, block, break, continue; variables, pipelines, trim markers, comments; Go's
 * built-in functions and Docker's (json split join title lower upper pad truncate). Error texts are
 * Go's, since scripts look for them. Pure: reads nothing but its arguments; a hostile template can
 * cost at most TEMPLATE_STEPS_MAX steps, and bytes within the limits below.
 */
#ifndef CLOCHE_BASE_TEMPLATE_H
#define CLOCHE_BASE_TEMPLATE_H

#include <json-c/json.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define TEMPLATE_STEPS_MAX 1000000
#define TEMPLATE_OUTPUT_MAX (64u << 20)
#define TEMPLATE_DEPTH_MAX 128
#define TEMPLATE_VALUE_MAX (1u << 20)      /* bytes of one string a function makes */
#define TEMPLATE_PRODUCED_MAX (128u << 20) /* bytes all functions together may make */

struct template;

/* What Go would have typed a JSON member as: decides how null and objects print, and what a map
 * gives for a key it has not. */
enum template_type {
	TEMPLATE_ANY,        /* null: <no value>; object: map */
	TEMPLATE_POINTER,    /* null: <nil>; object: struct */
	TEMPLATE_STRUCT,     /* object: its values in braces */
	TEMPLATE_LIST,       /* null: [] */
	TEMPLATE_STRING_MAP, /* null: map[]; absent key: "" for index */
	TEMPLATE_LIST_MAP,
	TEMPLATE_POINTER_MAP,
	TEMPLATE_TEXT,
	TEMPLATE_NUMBER,
	TEMPLATE_FLAG,
	TEMPLATE_DURATION, /* a number of nanoseconds: 1m30s */
	TEMPLATE_TIME,     /* an RFC 3339 string: 2023-11-14 22:13:20 +0000 UTC */
};

struct template_member {
	const char *key;  /* of the JSON object */
	const char *name; /* Go's name when it differs, also accepted; or NULL */
	enum template_type type;
};

/* A member that Go knows and leaves out of JSON when it is empty: a template that asks for it gets
 * its type's zero, one that asks for something of it the error of a missing key. Its type goes before
 * that of a member of the same key elsewhere. */
struct template_optional {
	const char *within;     /* the key of the object, or of the list of objects; "": the data */
	const char *key, *name; /* as of a member */
	enum template_type type;
};

/* What is known of the data. NULL members: plain decoded JSON. */
struct template_model {
	const struct template_member *members;
	size_t member_count;
	const struct template_optional *optionals;
	size_t optional_count;
	/* The data is a table's heading, whose texts json, lower, upper, title and truncate leave. */
	bool heading;
	bool escaped; /* the data's own JSON has \u003c for <, as what Go marshals by itself */
	/* Go's name of the data's type, for "can't evaluate field X in type T"; NULL: the data is a
	 * map, and the error is `map has no entry for key "X"`. */
	const char *root_type;
	/* Calls a method of the data (`.Label "k"`). Returns 1 and *result (a new reference), 0 when
	 * there is no such method. */
	int (*method)(struct json_object *data, const char *name, const char *argument,
		      struct json_object **result);
};

/* Parses text. 0 or -EINVAL with "template: :1: ..."; the caller ends it with template_free(). */
int must_check template_parse(const char *text, size_t len, struct template **out, struct err *err);
void template_free(struct template *t);

static inline void cleanup_template(struct template **t)
{
	template_free(*t);
}
#define auto_template __attribute__((cleanup(cleanup_template)))

/* Appends the result to *out; what was written before an error stays there. model may be NULL. 0 or
 * -EINVAL with "template: :1:2: executing ...". */
int must_check template_execute(const struct template *t, struct json_object *data,
				const struct template_model *model, struct strbuf *out,
				struct err *err);

#endif

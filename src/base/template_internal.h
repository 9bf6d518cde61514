/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the template engine share: tokens, nodes, values. */
#ifndef CLOCHE_BASE_TEMPLATE_INTERNAL_H
#define CLOCHE_BASE_TEMPLATE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/strv.h"
#include "base/template.h"

/* ---- tokens ---- */

enum token_kind {
	TOKEN_EOF,
	TOKEN_ERROR, /* text is the message */
	TOKEN_TEXT,
	TOKEN_LEFT,
	TOKEN_RIGHT,
	TOKEN_SPACE,
	TOKEN_FIELD,    /* ".name" */
	TOKEN_VARIABLE, /* "$name" or "$" */
	TOKEN_IDENTIFIER,
	TOKEN_KEYWORD,
	TOKEN_DOT,
	TOKEN_NIL,
	TOKEN_BOOL,
	TOKEN_NUMBER,
	TOKEN_CHARACTER, /* 'x' */
	TOKEN_STRING,
	TOKEN_RAW_STRING,
	TOKEN_PIPE,
	TOKEN_DECLARE,
	TOKEN_ASSIGN,
	TOKEN_LEFT_PAREN,
	TOKEN_RIGHT_PAREN,
	TOKEN_OTHER,
};

struct token {
	enum token_kind kind;
	const char *text; /* borrowed from the template's text, or static for errors */
	size_t len, pos;
	int line;
	char *owned; /* text of an error that was composed */
};

struct token_list {
	struct token *items;
	size_t count;
};

/* Splits text; the list ends with TOKEN_EOF or TOKEN_ERROR. */
void template_lex(const char *text, size_t len, struct token_list *out);
void token_list_free(struct token_list *list);

/* ---- nodes ---- */

enum node_kind {
	NODE_LIST,
	NODE_TEXT,
	NODE_ACTION,
	NODE_IF,
	NODE_RANGE,
	NODE_WITH,
	NODE_TEMPLATE,
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_END,  /* only while parsing */
	NODE_ELSE, /* only while parsing */
	NODE_PIPE,
	NODE_COMMAND,
	NODE_FIELD,
	NODE_VARIABLE,
	NODE_CHAIN,
	NODE_IDENTIFIER,
	NODE_DOT,
	NODE_NIL,
	NODE_LITERAL, /* bool, number, string */
};

/* Children by kind: LIST its nodes; ACTION pipe; IF RANGE WITH pipe, list, else (may be missing);
 * TEMPLATE pipe (may be missing); PIPE commands; COMMAND arguments; CHAIN the operand. */
struct node {
	enum node_kind kind;
	size_t pos;
	struct strv
		names; /* FIELD, CHAIN: fields; VARIABLE: "$x" then fields; PIPE: variables set */
	bool assign;   /* PIPE: "=" and not ":=" */
	char *text;    /* TEXT, IDENTIFIER, TEMPLATE's name; LITERAL as written */
	size_t text_len;
	struct json_object *literal;
	struct node **children;
	size_t count;
};

struct node *node_new(enum node_kind kind, size_t pos);
void node_add(struct node *parent, struct node *child);
void node_free(struct node *n);
/* The source form of a node, for error texts. */
void node_describe(const struct node *n, struct strbuf *out);

struct definition {
	char *name;
	struct node *body;
};

struct template
{
	char *text;
	struct node *body;
	struct definition *definitions;
	size_t definition_count;
};

/* ---- values ---- */

struct value {
	struct json_object *json; /* owned reference; NULL is null */
	bool absent;              /* no value at all */
	bool root;                /* the data itself */
	enum template_type type;
	const char *scope; /* what the model calls the object it is or is an element of; or NULL */
	const char *omitted; /* the key that JSON has not, of a zero in its place; or NULL */
};

static inline void value_clear(struct value *v)
{
	json_object_put(v->json);
	*v = (struct value){.absent = true};
}
#define auto_value __attribute__((cleanup(value_clear)))

static inline struct value value_copy(const struct value *v)
{
	struct value out = *v;

	json_object_get(out.json);
	return out;
}

bool value_is_true(const struct value *v);
/* Go's %v. nested: inside a list or map, where an untyped null is <nil>. */
void value_print(const struct value *v, const struct template_model *m, bool nested,
		 struct strbuf *out);
/* Go's name of the value's type. */
const char *value_type_name(const struct value *v);
/* The member row of a key, or NULL. */
const struct template_member *model_member(const struct template_model *m, const char *key);
/* The value of a member of the object v; v must hold it. */
struct value value_member(const struct template_model *m, const struct value *v, const char *key,
			  struct json_object *member);
/* What stands for the member of the object v that JSON left out. False: there is none of that name. */
bool value_omitted(const struct template_model *m, const struct value *v, const char *name,
		   struct value *out);
/* An element of the list or map v. */
struct value value_element(const struct template_model *m, const struct value *v,
			   struct json_object *element);
void value_print_float(double d, struct strbuf *out);
/* Compact JSON: maps by key, structs in their own order, as Go's encoder does. */
void value_print_json(const struct value *v, const struct template_model *m, struct strbuf *out);
/* Keys of an object in byte order; borrowed from it. The caller frees the array. */
const char **object_sorted_keys(struct json_object *o, size_t *count);

/* ---- functions ---- */

struct call {
	const struct template_model *model;
	const char *name;
	const struct value *args;
	size_t count;
	size_t *wrong; /* set to the argument that has the wrong type, with ERR_CORRUPT */
};

struct function {
	const char *name;
	int min, max; /* number of arguments; max -1: any */
	int (*fn)(const struct call *c, struct value *out, struct err *err);
	bool leaves_heading;
};

const struct function *template_function(const char *name, size_t len);
/* fmt.Sprintf over values. */
void template_sprintf(const struct call *c, struct strbuf *out);

#endif

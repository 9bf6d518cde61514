/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the tree. Every value is a reference to JSON; nothing is written outside *out, and the
 * number of steps and bytes is bounded whatever the template says.
 */
#include <stdarg.h>

#include "base/quote.h"
#include "base/template_internal.h"

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_ERROR };

struct binding {
	char *name;
	struct value value;
};

struct state {
	const struct template *t;
	const struct template_model *model;
	struct strbuf *out;
	size_t out_start;
	struct binding *bindings;
	size_t binding_count;
	size_t frame; /* bindings below it belong to a caller and are not seen */
	long steps;
	size_t produced; /* bytes that functions have made */
	int depth;
	struct err *err;
};

/* "template: :LINE:COLUMN: executing "" at <node>: reason". Always FLOW_ERROR. */
__attribute__((format(printf, 3, 4))) static enum flow fail(struct state *s, const struct node *n,
							    const char *fmt, ...)
{
	auto_strbuf struct strbuf source = {0};
	size_t line = 1, column = n->pos;
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < n->pos; i++) {
		if (s->t->text[i] == '\n') {
			line++;
			column = n->pos - i - 1;
		}
	}
	node_describe(n, &source);
	(void)!err_set(s->err, ERR_INVALID, EINVAL,
		       "template: :%zu:%zu: executing \"\" at <%s>: %s", line, column,
		       strbuf_str(&source), text);
	return FLOW_ERROR;
}

static bool within_budget(struct state *s, const struct node *n)
{
	if (++s->steps > TEMPLATE_STEPS_MAX)
		fail(s, n, "template runs too long");
	else if (s->out->len - s->out_start > TEMPLATE_OUTPUT_MAX)
		fail(s, n, "output is too large");
	else
		return true;
	return false;
}

/* ---- variables ---- */

static void bind(struct state *s, const char *name, const struct value *v)
{
	s->bindings = xrealloc(s->bindings, (s->binding_count + 1) * sizeof(*s->bindings));
	s->bindings[s->binding_count++] =
		(struct binding){.name = xstrdup(name), .value = value_copy(v)};
}

static void unbind(struct state *s, size_t keep)
{
	while (s->binding_count > keep) {
		struct binding *b = &s->bindings[--s->binding_count];

		free(b->name);
		value_clear(&b->value);
	}
}

static struct value *lookup(struct state *s, const char *name)
{
	for (size_t i = s->binding_count; i > s->frame; i--) {
		if (str_eq(s->bindings[i - 1].name, name))
			return &s->bindings[i - 1].value;
	}
	return NULL;
}

/* ---- fields ---- */

/* The JSON key a name stands for in an object: itself, or the one with that Go name. */
static struct json_object *find_member(const struct template_model *m, struct json_object *o,
				       const char **name, bool *found)
{
	struct json_object *member;

	*found = json_object_object_get_ex(o, *name, &member);
	for (size_t i = 0; m && !*found && i < m->member_count; i++) {
		if (m->members[i].name && str_eq(m->members[i].name, *name)) {
			*found = json_object_object_get_ex(o, m->members[i].key, &member);
			if (*found)
				*name = m->members[i].key;
		}
	}
	return *found ? member : NULL;
}

static bool is_map(const struct value *v)
{
	return v->type == TEMPLATE_STRING_MAP || v->type == TEMPLATE_LIST_MAP ||
	       v->type == TEMPLATE_POINTER_MAP;
}

static enum flow missing_key(struct state *s, const struct node *n, const char *name)
{
	auto_strbuf struct strbuf quoted = {0};

	quote_go(&quoted, name, strlen(name));
	return fail(s, n, "map has no entry for key %s", strbuf_str(&quoted));
}

static enum flow missing_field(struct state *s, const struct node *n, const struct value *v,
			       const char *name, struct value *out)
{
	if (is_map(v)) {
		*out = (struct value){.absent = true};
		return FLOW_NEXT;
	}
	if (s->model && s->model->root_type)
		return fail(s, n, "can't evaluate field %s in type %s", name,
			    v->root ? s->model->root_type : value_type_name(v));
	return missing_key(s, n, name);
}

/* One field of v. argument: what stands behind a method's name, or NULL. */
static enum flow field(struct state *s, const struct node *n, const struct value *v,
		       const char *name, const char *argument, struct value *out)
{
	struct json_object *member;
	bool found;

	if (v->root && s->model && s->model->method) {
		struct json_object *result = NULL;

		if (s->model->method(v->json, name, argument, &result)) {
			*out = (struct value){.json = result};
			return FLOW_NEXT;
		}
	}
	if (argument)
		return fail(s, n, "%s has arguments but cannot be invoked as function", name);
	if (v->omitted && !is_map(v))
		return missing_key(s, n, v->omitted);
	if (v->omitted)
		return missing_field(s, n, v, name, out);
	/* What a map had not has nothing in it either: <no value>. */
	if (v->absent && s->model && s->model->member_count) {
		*out = (struct value){.absent = true};
		return FLOW_NEXT;
	}
	if (v->absent || !v->json)
		return fail(s, n, "nil pointer evaluating interface {}.%s", name);
	if (!json_object_is_type(v->json, json_type_object))
		return fail(s, n, "can't evaluate field %s in type %s", name,
			    s->model && s->model->root_type ? value_type_name(v) : "interface {}");
	member = find_member(s->model, v->json, &name, &found);
	if (!found)
		return value_omitted(s->model, v, name, out) ? FLOW_NEXT
							     : missing_field(s, n, v, name, out);
	*out = value_member(s->model, v, name, member);
	return FLOW_NEXT;
}

/* v.a.b.c; consumes v. */
static enum flow fields(struct state *s, const struct node *n, struct value v, size_t from,
			const char *argument, struct value *out)
{
	for (size_t i = from; i < n->names.count; i++) {
		bool last = i + 1 == n->names.count;
		struct value next = {.absent = true};
		enum flow f = field(s, n, &v, n->names.items[i], last ? argument : NULL, &next);

		value_clear(&v);
		if (f != FLOW_NEXT)
			return f;
		v = next;
	}
	*out = v;
	return FLOW_NEXT;
}

/* ---- operands and pipelines ---- */

static enum flow pipeline(struct state *s, const struct node *n, const struct value *dot,
			  struct value *out);
static enum flow call(struct state *s, const struct node *cmd, const struct node *name,
		      const struct value *dot, const struct value *final, struct value *out);

static enum flow variable(struct state *s, const struct node *n, const char *argument,
			  struct value *out)
{
	struct value *v = lookup(s, n->names.items[0]);

	if (!v)
		return fail(s, n, "undefined variable: %s", n->names.items[0]);
	return fields(s, n, value_copy(v), 1, argument, out);
}

static enum flow chain(struct state *s, const struct node *n, const struct value *dot,
		       const char *argument, struct value *out)
{
	struct value v = {.absent = true};
	enum flow f;

	if (n->children[0]->kind == NODE_PIPE)
		f = pipeline(s, n->children[0], dot, &v);
	else
		f = call(s, n->children[0], n->children[0], dot, NULL, &v);
	if (f != FLOW_NEXT) {
		value_clear(&v);
		return f;
	}
	return fields(s, n, v, 0, argument, out);
}

/* One argument of a command, evaluated. */
static enum flow operand(struct state *s, const struct node *n, const struct value *dot,
			 const char *argument, struct value *out)
{
	switch (n->kind) {
	case NODE_DOT:
		*out = value_copy(dot);
		return FLOW_NEXT;
	case NODE_NIL:
		*out = (struct value){.type = TEMPLATE_ANY};
		return FLOW_NEXT;
	case NODE_LITERAL:
		*out = (struct value){.json = json_object_get(n->literal)};
		return FLOW_NEXT;
	case NODE_FIELD:
		return fields(s, n, value_copy(dot), 0, argument, out);
	case NODE_VARIABLE:
		return variable(s, n, argument, out);
	case NODE_CHAIN:
		return chain(s, n, dot, argument, out);
	case NODE_PIPE:
		return pipeline(s, n, dot, out);
	default:
		return call(s, n, n, dot, NULL, out);
	}
}

static enum flow check_count(struct state *s, const struct node *n, const struct function *f,
			     size_t count)
{
	if (count < (size_t)f->min && f->max < 0)
		return fail(s, n, "wrong number of args for %s: want at least %d got %zu", f->name,
			    f->min, count);
	if (count < (size_t)f->min || (f->max >= 0 && count > (size_t)f->max))
		return fail(s, n, "wrong number of args for %s: want %d got %zu", f->name,
			    count < (size_t)f->min ? f->min : f->max, count);
	return FLOW_NEXT;
}

/* and, or: evaluate no further than needed. */
static enum flow short_circuit(struct state *s, const struct node *cmd, bool stop_at,
			       const struct value *dot, const struct value *final,
			       struct value *out)
{
	for (size_t i = 1; i < cmd->count; i++) {
		enum flow f;

		value_clear(out);
		f = operand(s, cmd->children[i], dot, NULL, out);
		if (f != FLOW_NEXT || value_is_true(out) == stop_at)
			return f;
	}
	if (final) {
		value_clear(out);
		*out = value_copy(final);
	}
	return FLOW_NEXT;
}

static size_t value_size(const struct value *v)
{
	if (json_object_is_type(v->json, json_type_string))
		return (size_t)json_object_get_string_len(v->json);
	return json_object_is_type(v->json, json_type_array)
		       ? 64 * json_object_array_length(v->json)
		       : 0;
}

/* What a function gets is bounded too: `print $x $x ...` would grow without end in one call. */
static bool args_fit(const struct value *args, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count && total <= 8 * TEMPLATE_VALUE_MAX; i++)
		total += value_size(&args[i]);
	return total <= 8 * TEMPLATE_VALUE_MAX;
}

static enum flow account(struct state *s, const struct node *n, const struct value *made)
{
	size_t size = value_size(made);

	s->produced += size;
	if (size > 8 * TEMPLATE_VALUE_MAX || s->produced > TEMPLATE_PRODUCED_MAX)
		return fail(s, n, "value is too large");
	return FLOW_NEXT;
}

/* A literal is refused for what it is, a value for its type. */
static enum flow wrong_argument(struct state *s, const struct node *n, const char *message)
{
	const char *expected = strstr(message, "expected "), *end = strstr(message, "; got");

	if (n->kind != NODE_LITERAL || !expected || !end)
		return fail(s, n, "%s", message);
	if (strncmp(expected, "expected int;", 13) == 0)
		return fail(s, n, "expected integer; found %s", n->text);
	return fail(s, n, "%.*s; found %s", (int)(end - expected), expected, n->text);
}

static enum flow invoke(struct state *s, const struct node *cmd, const struct node *name,
			const struct function *fn, const struct value *args, size_t count,
			struct value *out)
{
	size_t wrong = count;
	struct call c = {
		.model = s->model, .name = fn->name, .args = args, .count = count, .wrong = &wrong};
	struct err inner = ERR_INIT;

	if (fn->leaves_heading && s->model && s->model->heading) {
		*out = value_copy(&args[0]);
		return FLOW_NEXT;
	}
	if (!args_fit(args, count))
		return fail(s, cmd, "error calling %s: value is too large", fn->name);
	if (fn->fn(&c, out, &inner) == 0)
		return account(s, cmd, out);
	/* Arguments of a wrong type are the template's fault, anything else the function's. */
	if (inner.kind == ERR_CORRUPT)
		return wrong_argument(
			s, cmd != name && wrong + 1 < cmd->count ? cmd->children[wrong + 1] : name,
			inner.msg);
	return fail(s, cmd, "error calling %s: %s", fn->name, inner.msg);
}

/* name ARGS... | ; cmd is name itself when there are no arguments of its own. */
static enum flow call(struct state *s, const struct node *cmd, const struct node *name,
		      const struct value *dot, const struct value *final, struct value *out)
{
	const struct function *fn = template_function(name->text, strlen(name->text));
	size_t own = cmd == name ? 0 : cmd->count - 1, count = own + (final != NULL), ready = 0;
	struct value *args;
	enum flow f = check_count(s, name, fn, count);

	if (f != FLOW_NEXT)
		return f;
	if (str_eq(fn->name, "and") || str_eq(fn->name, "or"))
		return short_circuit(s, cmd, str_eq(fn->name, "or"), dot, final, out);
	args = xcalloc(count, sizeof(*args));
	for (; ready < own && f == FLOW_NEXT; ready++) {
		args[ready].absent = true;
		f = operand(s, cmd->children[ready + 1], dot, NULL, &args[ready]);
	}
	if (f == FLOW_NEXT && final)
		args[ready++] = value_copy(final);
	if (f == FLOW_NEXT)
		f = invoke(s, cmd, name, fn, args, count, out);
	while (ready)
		value_clear(&args[--ready]);
	free(args);
	return f;
}

/* A method's only argument, as a string; the value is kept in *hold. */
static enum flow method_argument(struct state *s, const struct node *n, const struct value *dot,
				 struct value *hold, const char **out)
{
	enum flow f = operand(s, n, dot, NULL, hold);

	if (f != FLOW_NEXT)
		return f;
	if (!json_object_is_type(hold->json, json_type_string))
		return fail(s, n, "expected string; found %s", value_type_name(hold));
	*out = json_object_get_string(hold->json);
	return FLOW_NEXT;
}

static enum flow command(struct state *s, const struct node *cmd, const struct value *dot,
			 const struct value *final, struct value *out)
{
	const struct node *first = cmd->children[0];
	bool is_field = first->kind == NODE_FIELD || first->kind == NODE_VARIABLE ||
			first->kind == NODE_CHAIN;
	auto_value struct value hold = {.absent = true};
	const char *argument = NULL;
	enum flow f;

	if (!within_budget(s, cmd))
		return FLOW_ERROR;
	if (first->kind == NODE_IDENTIFIER)
		return call(s, cmd, first, dot, final, out);
	if (is_field && cmd->count > 1 && !(s->model && s->model->method))
		return fail(s, first, "%s is not a method but has arguments",
			    first->names.items[first->names.count - 1]);
	if (is_field && cmd->count == 2) {
		f = method_argument(s, cmd->children[1], dot, &hold, &argument);
		if (f != FLOW_NEXT)
			return f;
	} else if (cmd->count > 1 || (final && !is_field)) {
		return fail(s, first, "can't give argument to non-function %s",
			    first->text ? first->text : "pipeline");
	} else if (final && is_field) {
		if (!json_object_is_type(final->json, json_type_string))
			return fail(s, first, "expected string; found %s", value_type_name(final));
		argument = json_object_get_string(final->json);
	}
	if (first->kind == NODE_NIL)
		return fail(s, first, "nil is not a command");
	return operand(s, first, dot, argument, out);
}

static enum flow assign(struct state *s, const struct node *n, const struct value *v)
{
	for (size_t i = 0; i < n->names.count; i++) {
		struct value *slot = n->assign ? lookup(s, n->names.items[i]) : NULL;

		if (n->assign && !slot)
			return fail(s, n, "undefined variable: %s", n->names.items[i]);
		if (!slot) {
			bind(s, n->names.items[i], v);
			continue;
		}
		value_clear(slot);
		*slot = value_copy(v);
	}
	return FLOW_NEXT;
}

/* The commands alone, without setting variables. */
static enum flow evaluate(struct state *s, const struct node *n, const struct value *dot,
			  struct value *out)
{
	for (size_t i = 0; i < n->count; i++) {
		struct value next = {.absent = true};
		enum flow f = command(s, n->children[i], dot, i ? out : NULL, &next);

		value_clear(out);
		*out = next;
		if (f != FLOW_NEXT)
			return f;
	}
	return FLOW_NEXT;
}

static enum flow pipeline(struct state *s, const struct node *n, const struct value *dot,
			  struct value *out)
{
	enum flow f;

	if (++s->depth > 8 * TEMPLATE_DEPTH_MAX)
		f = fail(s, n, "exceeded maximum template depth");
	else
		f = evaluate(s, n, dot, out);
	s->depth--;
	if (f == FLOW_NEXT && n->names.count)
		f = assign(s, n, out);
	return f;
}

/* ---- actions ---- */

static enum flow walk(struct state *s, const struct node *n, const struct value *dot);

static enum flow choose(struct state *s, const struct node *n, const struct value *dot)
{
	auto_value struct value v = {.absent = true};
	size_t scope = s->binding_count;
	enum flow f = pipeline(s, n->children[0], dot, &v);

	if (f == FLOW_NEXT) {
		if (value_is_true(&v))
			f = walk(s, n->children[1], n->kind == NODE_WITH ? &v : dot);
		else if (n->count > 2)
			f = walk(s, n->children[2], dot);
	}
	unbind(s, scope);
	return f;
}

/* One turn of a range, with its variables. */
static enum flow turn(struct state *s, const struct node *n, const struct value *index,
		      const struct value *element)
{
	const struct strv *names = &n->children[0]->names;
	size_t scope = s->binding_count;
	enum flow f = FLOW_NEXT;

	if (!within_budget(s, n->children[0]))
		return FLOW_ERROR;
	for (size_t i = 0; i < names->count; i++) {
		const struct value *v = i + 1 == names->count ? element : index;
		struct value *slot = n->children[0]->assign ? lookup(s, names->items[i]) : NULL;

		if (!slot) {
			bind(s, names->items[i], v);
			continue;
		}
		value_clear(slot);
		*slot = value_copy(v);
	}
	f = walk(s, n->children[1], element);
	unbind(s, scope);
	return f == FLOW_CONTINUE ? FLOW_NEXT : f;
}

static enum flow range_list(struct state *s, const struct node *n, const struct value *v)
{
	enum flow f = FLOW_NEXT;

	for (size_t i = 0; i < json_object_array_length(v->json) && f == FLOW_NEXT; i++) {
		auto_value struct value index = {.json = json_object_new_int64((int64_t)i)};
		auto_value struct value e =
			value_element(s->model, v, json_object_array_get_idx(v->json, i));

		f = turn(s, n, &index, &e);
	}
	return f;
}

static enum flow range_map(struct state *s, const struct node *n, const struct value *v)
{
	size_t count;
	auto_free const char **keys = object_sorted_keys(v->json, &count);
	enum flow f = FLOW_NEXT;

	for (size_t i = 0; i < count && f == FLOW_NEXT; i++) {
		auto_value struct value key = {.json = json_object_new_string(keys[i])};
		auto_value struct value e = value_member(s->model, v, keys[i],
							 json_object_object_get(v->json, keys[i]));

		f = turn(s, n, &key, &e);
	}
	return f;
}

static enum flow range_count(struct state *s, const struct node *n, const struct value *v)
{
	int64_t count = json_object_get_int64(v->json);
	enum flow f = FLOW_NEXT;

	for (int64_t i = 0; i < count && f == FLOW_NEXT; i++) {
		auto_value struct value index = {.json = json_object_new_int64(i)};

		f = turn(s, n, &index, &index);
	}
	return f;
}

static enum flow range_value(struct state *s, const struct node *n, const struct value *v)
{
	auto_strbuf struct strbuf text = {0};

	switch (v->json ? json_object_get_type(v->json) : json_type_null) {
	case json_type_array:
		return range_list(s, n, v);
	case json_type_object:
		return range_map(s, n, v);
	case json_type_int:
		return range_count(s, n, v);
	default:
		value_print(v, s->model, true, &text);
		return fail(s, n->children[0], "range can't iterate over %s", strbuf_str(&text));
	}
}

static enum flow range(struct state *s, const struct node *n, const struct value *dot)
{
	auto_value struct value v = {.absent = true};
	size_t scope = s->binding_count;
	enum flow f = evaluate(s, n->children[0], dot, &v);

	if (f == FLOW_NEXT) {
		if (value_is_true(&v) ||
		    (v.json && (json_object_is_type(v.json, json_type_string) ||
				json_object_is_type(v.json, json_type_boolean))))
			f = range_value(s, n, &v);
		else if (n->count > 2)
			f = walk(s, n->children[2], dot);
	}
	unbind(s, scope);
	return f == FLOW_BREAK ? FLOW_NEXT : f;
}

static const struct node *find_definition(const struct template *t, const char *name)
{
	for (size_t i = t->definition_count; i > 0; i--) {
		if (str_eq(t->definitions[i - 1].name, name))
			return t->definitions[i - 1].body;
	}
	return NULL;
}

static enum flow include(struct state *s, const struct node *n, const struct value *dot)
{
	const struct node *body = find_definition(s->t, n->text);
	auto_value struct value v = {.absent = true};
	size_t scope = s->binding_count, frame = s->frame;
	enum flow f = FLOW_NEXT;

	if (!body)
		return fail(s, n, "template \"%s\" not defined", n->text);
	if (n->count)
		f = pipeline(s, n->children[0], dot, &v);
	if (f != FLOW_NEXT)
		return f;
	s->frame = s->binding_count;
	bind(s, "$", &v);
	f = walk(s, body, &v);
	s->frame = frame;
	unbind(s, scope);
	return f;
}

static enum flow action(struct state *s, const struct node *n, const struct value *dot)
{
	auto_value struct value v = {.absent = true};
	const struct node *pipe = n->children[0];
	enum flow f = pipeline(s, pipe, dot, &v);

	if (f == FLOW_NEXT && !pipe->names.count)
		value_print(&v, s->model, false, s->out);
	return f;
}

static enum flow walk_list(struct state *s, const struct node *n, const struct value *dot)
{
	size_t scope = s->binding_count;
	enum flow f = FLOW_NEXT;

	for (size_t i = 0; i < n->count && f == FLOW_NEXT; i++)
		f = walk(s, n->children[i], dot);
	unbind(s, scope);
	return f;
}

static enum flow step(struct state *s, const struct node *n, const struct value *dot)
{
	switch (n->kind) {
	case NODE_LIST:
		return walk_list(s, n, dot);
	case NODE_TEXT:
		strbuf_add(s->out, n->text, n->text_len);
		return FLOW_NEXT;
	case NODE_IF:
	case NODE_WITH:
		return choose(s, n, dot);
	case NODE_RANGE:
		return range(s, n, dot);
	case NODE_TEMPLATE:
		return include(s, n, dot);
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	default:
		return action(s, n, dot);
	}
}

static enum flow walk(struct state *s, const struct node *n, const struct value *dot)
{
	enum flow f;

	if (!within_budget(s, n))
		return FLOW_ERROR;
	if (++s->depth > 8 * TEMPLATE_DEPTH_MAX)
		f = fail(s, n, "exceeded maximum template depth");
	else
		f = step(s, n, dot);
	s->depth--;
	return f;
}

int template_execute(const struct template *t, struct json_object *data,
		     const struct template_model *model, struct strbuf *out, struct err *err)
{
	struct err local = ERR_INIT;
	struct state s = {.t = t, .model = model, .out = out, .out_start = out->len, .err = &local};
	struct value root = {.json = json_object_get(data), .root = true};
	enum flow f;

	if (model && model->member_count)
		root.type = TEMPLATE_STRUCT;
	bind(&s, "$", &root);
	f = walk(&s, t->body, &root);
	unbind(&s, 0);
	free(s.bindings);
	value_clear(&root);
	if (f != FLOW_ERROR)
		return 0;
	*err = local;
	return err_code(err);
}

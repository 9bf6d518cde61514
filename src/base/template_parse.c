/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens to a tree, by recursive descent with a bounded depth. Variables are checked for being
 * declared, functions for being known, as Go does, so that execution meets neither.
 */
#include <ctype.h>
#include <stdarg.h>

#include "base/quote.h"
#include "base/template_internal.h"

struct parser {
	struct template *t;
	struct token_list tokens;
	size_t next;
	struct strv variables; /* in scope */
	int depth, ranges;
	struct err *err;
};

static const struct token *peek(const struct parser *p)
{
	return &p->tokens.items[p->next];
}

static const struct token *take(struct parser *p)
{
	const struct token *t = peek(p);

	if (t->kind != TOKEN_EOF && t->kind != TOKEN_ERROR)
		p->next++;
	return t;
}

static const struct token *peek_solid(struct parser *p)
{
	while (peek(p)->kind == TOKEN_SPACE)
		p->next++;
	return peek(p);
}

static const struct token *take_solid(struct parser *p)
{
	peek_solid(p);
	return take(p);
}

static bool is_keyword(const struct token *t, const char *word)
{
	return t->kind == TOKEN_KEYWORD && strlen(word) == t->len &&
	       memcmp(t->text, word, t->len) == 0;
}

__attribute__((format(printf, 2, 3))) static struct node *fail(struct parser *p, const char *fmt,
							       ...)
{
	const struct token *last = &p->tokens.items[p->next ? p->next - 1 : 0];
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (peek(p)->kind == TOKEN_EOF || peek(p)->kind == TOKEN_ERROR)
		last = peek(p);
	(void)!err_set(p->err, ERR_INVALID, EINVAL, "template: :%d: %s", last->line, text);
	return NULL;
}

static struct node *unexpected(struct parser *p, const struct token *t, const char *context)
{
	auto_strbuf struct strbuf b = {0};

	if (t->kind == TOKEN_ERROR)
		return fail(p, "%.*s", (int)t->len, t->text);
	if (t->kind == TOKEN_EOF) {
		strbuf_puts(&b, "EOF");
	} else if (t->kind == TOKEN_KEYWORD) {
		strbuf_printf(&b, "<%.*s>", (int)t->len, t->text);
	} else if (t->len > 10) {
		quote_go(&b, t->text, 10);
		strbuf_puts(&b, "...");
	} else {
		quote_go(&b, t->text, t->len);
	}
	return fail(p, "unexpected %s in %s", strbuf_str(&b), context);
}

static void forget_variables(struct parser *p, size_t keep)
{
	while (p->variables.count > keep)
		free(p->variables.items[--p->variables.count]);
	if (p->variables.items)
		p->variables.items[p->variables.count] = NULL;
}

/* ---- operands ---- */

static int unescape_char(const char **s, const char *end, struct strbuf *out)
{
	static const char letters[] = "abfnrtv\\'\"", codes[] = "\a\b\f\n\r\t\v\\'\"";
	const char *at = **s ? strchr(letters, **s) : NULL;
	size_t digits = **s == 'x' ? 2 : **s == 'u' ? 4 : **s == 'U' ? 8 : 0;
	uint32_t code = 0;

	if (at) {
		strbuf_putc(out, codes[at - letters]);
		(*s)++;
		return 0;
	}
	(*s) += digits != 0;
	if (!digits && (**s < '0' || **s > '7'))
		return -EINVAL;
	for (size_t i = 0; i < (digits ? digits : 3); i++, (*s)++) {
		if (*s >= end || !isxdigit((unsigned char)**s) ||
		    (!digits && (**s < '0' || **s > '7')))
			return -EINVAL;
		code = code * (digits ? 16 : 8) +
		       (uint32_t)(isdigit((unsigned char)**s) ? **s - '0' : (**s | 32) - 'a' + 10);
	}
	if (digits <= 2) {
		strbuf_putc(out, (char)code);
		return code > 255 ? -EINVAL : 0;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return -EINVAL;
	utf8_encode(code, out);
	return 0;
}

/* Contents of a quoted token, quotes included in the token. */
static int unquote(const struct token *t, struct strbuf *out)
{
	const char *s = t->text + 1, *end = t->text + t->len - 1;

	while (s < end) {
		if (t->kind == TOKEN_RAW_STRING || *s != '\\') {
			strbuf_putc(out, *s++);
			continue;
		}
		s++;
		if (unescape_char(&s, end, out) < 0)
			return -EINVAL;
	}
	return 0;
}

static struct node *literal(const struct token *t, struct json_object *value)
{
	struct node *n = node_new(NODE_LITERAL, t->pos);

	n->text = xstrndup(t->text, t->len);
	n->literal = value;
	return n;
}

static struct node *string_literal(struct parser *p, const struct token *t)
{
	auto_strbuf struct strbuf text = {0};

	if (unquote(t, &text) < 0)
		return fail(p, "invalid syntax");
	return literal(t, json_object_new_string_len(strbuf_str(&text), (int)text.len));
}

static struct node *number_literal(struct parser *p, const struct token *t)
{
	auto_free char *text = xstrndup(t->text, t->len);
	char *end;
	long long integer;
	double real;

	if (t->kind == TOKEN_CHARACTER) {
		auto_strbuf struct strbuf b = {0};
		uint32_t code;
		int valid;

		if (unquote(t, &b) < 0 || !b.len ||
		    utf8_decode(b.data, b.len, &code, &valid) != b.len)
			return fail(p, "malformed character constant: %s", text);
		return literal(t, json_object_new_int64(valid ? code : (unsigned char)b.data[0]));
	}
	errno = 0;
	integer = strtoll(text, &end, 0);
	if (!*end && !errno && end != text)
		return literal(t, json_object_new_int64(integer));
	real = strtod(text, &end);
	if (*end || end == text || strpbrk(text, "iInN"))
		return fail(p, "bad number syntax: \"%s\"", text);
	return literal(t, json_object_new_double(real));
}

static struct node *named(const struct token *t, enum node_kind kind)
{
	struct node *n = node_new(kind, t->pos);

	strv_add_taken(&n->names, kind == NODE_FIELD ? xstrndup(t->text + 1, t->len - 1)
						     : xstrndup(t->text, t->len));
	return n;
}

static struct node *pipeline(struct parser *p, const char *context, enum token_kind end);

static struct node *identifier(struct parser *p, const struct token *t)
{
	struct node *n;

	if (!template_function(t->text, t->len))
		return fail(p, "function \"%.*s\" not defined", (int)t->len, t->text);
	n = node_new(NODE_IDENTIFIER, t->pos);
	n->text = xstrndup(t->text, t->len);
	return n;
}

static struct node *variable(struct parser *p, const struct token *t)
{
	struct node *n = named(t, NODE_VARIABLE);

	if (strv_contains(&p->variables, n->names.items[0]))
		return n;
	fail(p, "undefined variable \"%s\"", n->names.items[0]);
	node_free(n);
	return NULL;
}

/* One term; NULL with *none set when the next token starts none. */
static struct node *term(struct parser *p, bool *none)
{
	const struct token *t = peek_solid(p);

	*none = false;
	switch (t->kind) {
	case TOKEN_IDENTIFIER:
		return identifier(p, take(p));
	case TOKEN_DOT:
		return node_new(NODE_DOT, take(p)->pos);
	case TOKEN_NIL:
		return node_new(NODE_NIL, take(p)->pos);
	case TOKEN_VARIABLE:
		return variable(p, take(p));
	case TOKEN_FIELD:
		return named(take(p), NODE_FIELD);
	case TOKEN_BOOL:
		take(p);
		return literal(t, json_object_new_boolean(t->len == 4));
	case TOKEN_NUMBER:
	case TOKEN_CHARACTER:
		return number_literal(p, take(p));
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		return string_literal(p, take(p));
	case TOKEN_LEFT_PAREN:
		take(p);
		return pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
	default:
		*none = true;
		return NULL;
	}
}

/* A term and the fields that follow it. */
static struct node *operand(struct parser *p, bool *none)
{
	struct node *n = term(p, none), *chain;

	if (!n || peek(p)->kind != TOKEN_FIELD)
		return n;
	if (n->kind == NODE_LITERAL || n->kind == NODE_NIL || n->kind == NODE_DOT) {
		auto_strbuf struct strbuf text = {0}, quoted = {0};

		node_describe(n, &text);
		node_free(n);
		quote_go(&quoted, strbuf_str(&text), text.len);
		return fail(p, "unexpected . after term %s", strbuf_str(&quoted));
	}
	chain = n;
	if (n->kind != NODE_FIELD && n->kind != NODE_VARIABLE) {
		chain = node_new(NODE_CHAIN, 0);
		node_add(chain, n);
	}
	chain->pos = peek(p)->pos;
	while (peek(p)->kind == TOKEN_FIELD) {
		const struct token *t = take(p);

		strv_add_taken(&chain->names, xstrndup(t->text + 1, t->len - 1));
	}
	return chain;
}

/* ---- pipelines ---- */

static struct node *command(struct parser *p)
{
	struct node *cmd = node_new(NODE_COMMAND, peek_solid(p)->pos);

	for (;;) {
		bool none;
		struct node *arg = operand(p, &none);
		const struct token *t;

		if (!arg && !none)
			break;
		if (arg)
			node_add(cmd, arg);
		t = peek(p);
		if (t->kind == TOKEN_SPACE) {
			take(p);
			continue;
		}
		if (t->kind == TOKEN_PIPE)
			take(p);
		else if (t->kind != TOKEN_RIGHT && t->kind != TOKEN_RIGHT_PAREN) {
			take(p);
			unexpected(p, t, "operand");
			break;
		}
		if (cmd->count)
			return cmd;
		fail(p, "empty command");
		break;
	}
	node_free(cmd);
	return NULL;
}

static void declare(struct parser *p, struct node *pipe, const struct token *variable_token)
{
	char *name = xstrndup(variable_token->text, variable_token->len);

	strv_add(&pipe->names, name);
	strv_add_taken(&p->variables, name);
}

/* "$x :=", "$x =", "$i, $e :=" in front of a pipeline; false on error. */
static bool declarations(struct parser *p, struct node *pipe, const char *context)
{
	for (;;) {
		size_t start = (peek_solid(p), p->next);
		const struct token *v = peek(p), *t;

		if (v->kind != TOKEN_VARIABLE)
			return true;
		take(p);
		t = peek_solid(p);
		if (t->kind == TOKEN_DECLARE || t->kind == TOKEN_ASSIGN) {
			take(p);
			pipe->assign = t->kind == TOKEN_ASSIGN;
			if (pipe->assign)
				strv_add_taken(&pipe->names, xstrndup(v->text, v->len));
			else
				declare(p, pipe, v);
			return true;
		}
		if (t->kind != TOKEN_OTHER || *t->text != ',') {
			p->next = start;
			return true;
		}
		take(p);
		declare(p, pipe, v);
		t = peek_solid(p);
		if (!str_eq(context, "range") || pipe->names.count > 1) {
			fail(p, "too many declarations in %s", context);
			return false;
		}
		if (t->kind != TOKEN_VARIABLE) {
			fail(p, "range can only initialize variables");
			return false;
		}
	}
}

static bool check_pipeline(struct parser *p, const struct node *pipe, const char *context)
{
	if (!pipe->count) {
		fail(p, "missing value for %s", context);
		return false;
	}
	for (size_t i = 1; i < pipe->count; i++) {
		enum node_kind kind = pipe->children[i]->children[0]->kind;

		if (kind == NODE_LITERAL || kind == NODE_DOT || kind == NODE_NIL) {
			fail(p, "non executable command in pipeline stage %zu", i + 1);
			return false;
		}
	}
	return true;
}

static bool starts_operand(enum token_kind kind)
{
	return (kind >= TOKEN_FIELD && kind <= TOKEN_IDENTIFIER) ||
	       (kind >= TOKEN_DOT && kind <= TOKEN_RAW_STRING) || kind == TOKEN_LEFT_PAREN;
}

static bool fill_pipeline(struct parser *p, struct node *pipe, const char *context,
			  enum token_kind end)
{
	if (!declarations(p, pipe, context))
		return false;
	for (;;) {
		const struct token *t = peek_solid(p);
		struct node *cmd;

		if (t->kind == end) {
			take(p);
			return check_pipeline(p, pipe, context);
		}
		if (!starts_operand(t->kind)) {
			take(p);
			unexpected(p, t, context);
			return false;
		}
		cmd = command(p);
		if (!cmd)
			return false;
		node_add(pipe, cmd);
	}
}

static struct node *pipeline(struct parser *p, const char *context, enum token_kind end)
{
	struct node *pipe = node_new(NODE_PIPE, peek_solid(p)->pos);
	bool ok;

	if (++p->depth > TEMPLATE_DEPTH_MAX) {
		fail(p, "nested too deeply");
		ok = false;
	} else {
		ok = fill_pipeline(p, pipe, context, end);
	}
	p->depth--;
	if (ok)
		return pipe;
	node_free(pipe);
	return NULL;
}

/* ---- actions ---- */

static struct node *next_node(struct parser *p);

/* Nodes up to {{end}} or {{else}}, which goes to *stop. */
static struct node *node_list(struct parser *p, struct node **stop)
{
	struct node *list = node_new(NODE_LIST, peek(p)->pos), *n = NULL;

	*stop = NULL;
	if (++p->depth > TEMPLATE_DEPTH_MAX)
		fail(p, "nested too deeply");
	else {
		while (peek(p)->kind != TOKEN_EOF && (n = next_node(p)) != NULL) {
			if (n->kind == NODE_END || n->kind == NODE_ELSE) {
				*stop = n;
				p->depth--;
				return list;
			}
			node_add(list, n);
		}
		if (peek(p)->kind == TOKEN_EOF && !p->err->kind)
			fail(p, "unexpected EOF");
	}
	p->depth--;
	node_free(list);
	return NULL;
}

static struct node *control(struct parser *p, enum node_kind kind, const char *context);

/* After {{else}}: `else if` and `else with` open a nested control that shares the {{end}}. */
static bool else_branch(struct parser *p, struct node *n, const char *context)
{
	struct node *list, *stop = NULL;

	if (n->kind != NODE_RANGE && is_keyword(peek(p), context)) {
		struct node *nested;

		take(p);
		nested = control(p, n->kind, context);
		if (!nested)
			return false;
		list = node_new(NODE_LIST, nested->pos);
		node_add(list, nested);
		node_add(n, list);
		return true;
	}
	list = node_list(p, &stop);
	if (!list)
		return false;
	node_add(n, list);
	if (stop->kind == NODE_ELSE)
		fail(p, "expected end; found {{else}}");
	node_free(stop);
	return p->err->kind == ERR_NONE;
}

static bool fill_control(struct parser *p, struct node *n, const char *context)
{
	struct node *pipe = pipeline(p, context, TOKEN_RIGHT), *list, *stop;
	bool has_else;

	if (!pipe)
		return false;
	node_add(n, pipe);
	p->ranges += n->kind == NODE_RANGE;
	list = node_list(p, &stop);
	p->ranges -= n->kind == NODE_RANGE;
	if (!list)
		return false;
	node_add(n, list);
	has_else = stop->kind == NODE_ELSE;
	node_free(stop);
	return has_else ? else_branch(p, n, context) : true;
}

static struct node *control(struct parser *p, enum node_kind kind, const char *context)
{
	size_t scope = p->variables.count;
	struct node *n = node_new(kind, peek_solid(p)->pos);
	bool ok = fill_control(p, n, context);

	forget_variables(p, scope);
	if (ok)
		return n;
	node_free(n);
	return NULL;
}

static struct node *loop_jump(struct parser *p, enum node_kind kind, const char *name)
{
	size_t pos = peek(p)->pos;
	const struct token *t = take_solid(p);

	if (t->kind != TOKEN_RIGHT)
		return unexpected(p, t, name);
	if (!p->ranges)
		return fail(p, "%s outside {{range}}", name);
	return node_new(kind, pos);
}

/* The name after template, block and define; NULL on error. */
static char *block_name(struct parser *p, const char *context)
{
	const struct token *t = take_solid(p);
	auto_strbuf struct strbuf name = {0};

	if (t->kind != TOKEN_STRING && t->kind != TOKEN_RAW_STRING) {
		unexpected(p, t, context);
		return NULL;
	}
	if (unquote(t, &name) < 0) {
		fail(p, "invalid syntax");
		return NULL;
	}
	return strbuf_take(&name);
}

/* The body of a define or block, taken up to its {{end}} and kept under the name. */
static bool define(struct parser *p, const char *name, const char *context)
{
	struct strv outer = p->variables;
	struct template *t = p->t;
	int ranges = p->ranges;
	struct node *body, *stop;

	p->variables = (struct strv){0};
	p->ranges = 0;
	strv_add(&p->variables, "$");
	body = node_list(p, &stop);
	strv_free(&p->variables);
	p->variables = outer;
	p->ranges = ranges;
	if (!body)
		return false;
	if (stop->kind == NODE_ELSE)
		fail(p, "unexpected {{else}} in %s", context);
	node_free(stop);
	t->definitions =
		xrealloc(t->definitions, (t->definition_count + 1) * sizeof(*t->definitions));
	t->definitions[t->definition_count++] = (struct definition){xstrdup(name), body};
	return p->err->kind == ERR_NONE;
}

static struct node *template_call(struct parser *p, bool block)
{
	const char *context = block ? "block clause" : "template clause";
	struct node *n = node_new(NODE_TEMPLATE, peek_solid(p)->pos), *pipe;

	n->text = block_name(p, context);
	if (n->text && !block && peek_solid(p)->kind == TOKEN_RIGHT) {
		take(p);
		return n;
	}
	if (n->text) {
		pipe = pipeline(p, block ? context : "template", TOKEN_RIGHT);
		if (pipe)
			node_add(n, pipe);
		if (pipe && (!block || define(p, n->text, context)))
			return n;
	}
	node_free(n);
	return NULL;
}

static struct node *definition_node(struct parser *p)
{
	auto_free char *name = block_name(p, "define clause");
	const struct token *t;
	struct node *empty;

	if (!name)
		return NULL;
	t = take_solid(p);
	if (t->kind != TOKEN_RIGHT)
		return unexpected(p, t, "define clause");
	if (!define(p, name, "define clause"))
		return NULL;
	empty = node_new(NODE_TEXT, t->pos);
	empty->text = xstrdup("");
	return empty;
}

/* {{else}}: the right delimiter, unless `if` or `with` follows. */
static struct node *else_node(struct parser *p)
{
	const struct token *t = peek_solid(p);

	if (is_keyword(t, "if") || is_keyword(t, "with"))
		return node_new(NODE_ELSE, t->pos);
	take(p);
	return t->kind == TOKEN_RIGHT ? node_new(NODE_ELSE, t->pos) : unexpected(p, t, "else");
}

static struct node *end_node(struct parser *p)
{
	const struct token *t = take_solid(p);

	return t->kind == TOKEN_RIGHT ? node_new(NODE_END, t->pos) : unexpected(p, t, "end");
}

static struct node *keyword_action(struct parser *p, const struct token *t)
{
	if (is_keyword(t, "if"))
		return control(p, NODE_IF, "if");
	if (is_keyword(t, "range"))
		return control(p, NODE_RANGE, "range");
	if (is_keyword(t, "with"))
		return control(p, NODE_WITH, "with");
	if (is_keyword(t, "else"))
		return else_node(p);
	if (is_keyword(t, "end"))
		return end_node(p);
	if (is_keyword(t, "break"))
		return loop_jump(p, NODE_BREAK, "{{break}}");
	if (is_keyword(t, "continue"))
		return loop_jump(p, NODE_CONTINUE, "{{continue}}");
	if (is_keyword(t, "define"))
		return definition_node(p);
	return template_call(p, is_keyword(t, "block"));
}

static struct node *next_node(struct parser *p)
{
	const struct token *t = take(p);
	struct node *n, *pipe;

	if (t->kind == TOKEN_TEXT) {
		n = node_new(NODE_TEXT, t->pos);
		n->text = xstrndup(t->text, t->len);
		n->text_len = t->len;
		return n;
	}
	if (t->kind != TOKEN_LEFT)
		return unexpected(p, t, "input");
	t = peek_solid(p);
	if (t->kind == TOKEN_KEYWORD)
		return keyword_action(p, take(p));
	pipe = pipeline(p, "command", TOKEN_RIGHT);
	if (!pipe)
		return NULL;
	n = node_new(NODE_ACTION, pipe->pos);
	node_add(n, pipe);
	return n;
}

static int parse_all(struct parser *p)
{
	struct node *n;

	p->t->body = node_new(NODE_LIST, 0);
	while (peek(p)->kind != TOKEN_EOF) {
		n = next_node(p);
		if (!n)
			return err_code(p->err);
		node_add(p->t->body, n);
		if (n->kind == NODE_END || n->kind == NODE_ELSE) {
			fail(p, "unexpected %s", n->kind == NODE_END ? "{{end}}" : "{{else}}");
			return err_code(p->err);
		}
	}
	return 0;
}

int template_parse(const char *text, size_t len, struct template **out, struct err *err)
{
	struct template *t = xcalloc(1, sizeof(*t));
	struct err local = ERR_INIT;
	struct parser p = {.t = t, .err = &local};
	int rc;

	t->text = xstrndup(text, len);
	len = strlen(t->text);
	template_lex(t->text, len, &p.tokens);
	strv_add(&p.variables, "$");
	rc = parse_all(&p);
	strv_free(&p.variables);
	token_list_free(&p.tokens);
	if (rc < 0) {
		template_free(t);
		*err = local;
		return rc;
	}
	*out = t;
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->definition_count; i++) {
		free(t->definitions[i].name);
		node_free(t->definitions[i].body);
	}
	free(t->definitions);
	node_free(t->body);
	free(t->text);
	free(t);
}

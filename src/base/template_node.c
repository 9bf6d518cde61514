/* SPDX-License-Identifier: Apache-2.0 */
/* The parse tree: making, freeing, and writing a node back as source for error texts. */
#include "base/template_internal.h"

struct node *node_new(enum node_kind kind, size_t pos)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->pos = pos;
	return n;
}

void node_add(struct node *parent, struct node *child)
{
	if ((parent->count & (parent->count - 1)) == 0)
		parent->children =
			xrealloc(parent->children, (parent->count ? 2 * parent->count : 1) *
							   sizeof(*parent->children));
	parent->children[parent->count++] = child;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		node_free(n->children[i]);
	free(n->children);
	strv_free(&n->names);
	free(n->text);
	json_object_put(n->literal);
	free(n);
}

static void describe_names(const struct node *n, size_t from, struct strbuf *out)
{
	for (size_t i = from; i < n->names.count; i++)
		strbuf_printf(out, ".%s", n->names.items[i]);
}

static void describe_pipe(const struct node *n, struct strbuf *out)
{
	for (size_t i = 0; i < n->names.count; i++)
		strbuf_printf(out, "%s%s", i ? ", " : "", n->names.items[i]);
	if (n->names.count)
		strbuf_puts(out, n->assign ? " = " : " := ");
	for (size_t i = 0; i < n->count; i++) {
		if (i)
			strbuf_puts(out, " | ");
		node_describe(n->children[i], out);
	}
}

static void describe_nested(const struct node *n, struct strbuf *out)
{
	if (n->kind == NODE_PIPE)
		strbuf_putc(out, '(');
	node_describe(n, out);
	if (n->kind == NODE_PIPE)
		strbuf_putc(out, ')');
}

void node_describe(const struct node *n, struct strbuf *out)
{
	switch (n->kind) {
	case NODE_PIPE:
		describe_pipe(n, out);
		break;
	case NODE_COMMAND:
		for (size_t i = 0; i < n->count; i++) {
			if (i)
				strbuf_putc(out, ' ');
			describe_nested(n->children[i], out);
		}
		break;
	case NODE_CHAIN:
		describe_nested(n->children[0], out);
		describe_names(n, 0, out);
		break;
	case NODE_FIELD:
		describe_names(n, 0, out);
		break;
	case NODE_VARIABLE:
		strbuf_puts(out, n->names.items[0]);
		describe_names(n, 1, out);
		break;
	case NODE_DOT:
		strbuf_putc(out, '.');
		break;
	case NODE_NIL:
		strbuf_puts(out, "nil");
		break;
	case NODE_TEMPLATE:
		strbuf_printf(out, "{{template \"%s\"", n->text);
		if (n->count) {
			strbuf_putc(out, ' ');
			node_describe(n->children[0], out);
		}
		strbuf_puts(out, "}}");
		break;
	default:
		strbuf_puts(out, n->text ? n->text : "");
	}
}

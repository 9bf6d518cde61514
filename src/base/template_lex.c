/* SPDX-License-Identifier: Apache-2.0 */
/* A template's text as tokens. Never reads beyond the text; an error is a token too. */
#include <ctype.h>

#include "base/quote.h"
#include "base/template_internal.h"

struct lexer {
	const char *text;
	size_t len, pos;
	int line;
	int parens;
	struct token_list *out;
};

static char at(const struct lexer *l, size_t offset)
{
	return l->pos + offset < l->len ? l->text[l->pos + offset] : '\0';
}

static bool looking_at(const struct lexer *l, const char *s)
{
	size_t n = strlen(s);

	return l->len - l->pos >= n && memcmp(l->text + l->pos, s, n) == 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
	return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static void push(struct lexer *l, enum token_kind kind, size_t start, size_t n, char *owned)
{
	struct token_list *list = l->out;

	if ((list->count & (list->count - 1)) == 0)
		list->items = xrealloc(list->items,
				       (list->count ? 2 * list->count : 1) * sizeof(*list->items));
	list->items[list->count++] = (struct token){.kind = kind,
						    .text = owned ? owned : l->text + start,
						    .len = owned ? strlen(owned) : n,
						    .pos = start,
						    .line = l->line,
						    .owned = owned};
}

/* Emits n bytes from the current position as one token and steps over them. */
static void emit(struct lexer *l, enum token_kind kind, size_t n)
{
	push(l, kind, l->pos, n, NULL);
	for (size_t i = 0; i < n; i++)
		l->line += l->text[l->pos + i] == '\n';
	l->pos += n;
}

static bool fail(struct lexer *l, char *message)
{
	push(l, TOKEN_ERROR, l->pos, 0, message);
	return false;
}

static bool bad_character(struct lexer *l)
{
	uint32_t code;
	int valid;
	size_t n = utf8_decode(l->text + l->pos, l->len - l->pos, &code, &valid);

	if (code < 0x20)
		return fail(l, xasprintf("bad character U+%04X", code));
	return fail(l, xasprintf("bad character U+%04X '%.*s'", code, (int)n, l->text + l->pos));
}

/* A name may only be followed by what ends an operand. */
static bool at_terminator(const struct lexer *l)
{
	char c = at(l, 0);

	return l->pos >= l->len || is_space(c) || strchr(".,|:)(=", c) || looking_at(l, "}}");
}

static size_t word_length(const struct lexer *l, size_t offset)
{
	size_t n = offset;

	while (l->pos + n < l->len && is_word(l->text[l->pos + n]))
		n++;
	return n;
}

static enum token_kind word_kind(const char *word, size_t n)
{
	static const struct {
		const char *word;
		enum token_kind kind;
	} words[] = {
		{"true", TOKEN_BOOL},       {"false", TOKEN_BOOL},       {"nil", TOKEN_NIL},
		{"if", TOKEN_KEYWORD},      {"range", TOKEN_KEYWORD},    {"with", TOKEN_KEYWORD},
		{"else", TOKEN_KEYWORD},    {"end", TOKEN_KEYWORD},      {"define", TOKEN_KEYWORD},
		{"block", TOKEN_KEYWORD},   {"template", TOKEN_KEYWORD}, {"break", TOKEN_KEYWORD},
		{"continue", TOKEN_KEYWORD}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].word) == n && memcmp(words[i].word, word, n) == 0)
			return words[i].kind;
	}
	return TOKEN_IDENTIFIER;
}

static bool lex_name(struct lexer *l, enum token_kind kind, size_t n)
{
	emit(l, kind, n);
	return at_terminator(l) ? true : bad_character(l);
}

static bool lex_number(struct lexer *l)
{
	size_t n = at(l, 0) == '+' || at(l, 0) == '-';
	bool hex = at(l, n) == '0' && tolower(at(l, n + 1)) == 'x';

	while (is_word(at(l, n)) || at(l, n) == '.' ||
	       ((at(l, n) == '+' || at(l, n) == '-') && !hex && tolower(at(l, n - 1)) == 'e' &&
		n > 0))
		n++;
	emit(l, TOKEN_NUMBER, n);
	return true;
}

/* "..." and '.': up to the closing quote on the same line. */
static bool lex_quoted(struct lexer *l, char quote)
{
	size_t n = 1;

	for (;; n++) {
		char c = at(l, n);

		if (c == '\\' && l->pos + n + 1 < l->len && at(l, n + 1) != '\n') {
			n++;
			continue;
		}
		if (l->pos + n >= l->len || c == '\n')
			return fail(l, xstrdup(quote == '"' ? "unterminated quoted string"
							    : "unterminated character constant"));
		if (c == quote)
			break;
	}
	emit(l, quote == '"' ? TOKEN_STRING : TOKEN_CHARACTER, n + 1);
	return true;
}

static bool lex_raw(struct lexer *l)
{
	const char *end = memchr(l->text + l->pos + 1, '`', l->len - l->pos - 1);

	if (!end)
		return fail(l, xstrdup("unterminated raw quoted string"));
	emit(l, TOKEN_RAW_STRING, (size_t)(end - (l->text + l->pos)) + 1);
	return true;
}

static bool lex_paren(struct lexer *l)
{
	bool open = at(l, 0) == '(';

	l->parens += open ? 1 : -1;
	if (l->parens < 0)
		return fail(l, xstrdup("unexpected right paren"));
	emit(l, open ? TOKEN_LEFT_PAREN : TOKEN_RIGHT_PAREN, 1);
	return true;
}

static bool lex_spaces(struct lexer *l)
{
	size_t n = 0;

	while (is_space(at(l, n)))
		n++;
	/* The blank before a trim marker belongs to the delimiter. */
	if (n && l->pos + n < l->len && strncmp(l->text + l->pos + n, "-}}", 3) == 0 &&
	    l->len - l->pos - n >= 3)
		n--;
	if (n)
		emit(l, TOKEN_SPACE, n);
	return true;
}

/* One token inside an action. */
static bool lex_action(struct lexer *l)
{
	char c = at(l, 0);

	if (l->pos >= l->len)
		return fail(l, xstrdup("unclosed action"));
	if (is_space(c))
		return lex_spaces(l);
	if (c == '"' || c == '\'')
		return lex_quoted(l, c);
	if (c == '`')
		return lex_raw(l);
	if (c == '(' || c == ')')
		return lex_paren(l);
	if (c == '$')
		return lex_name(l, TOKEN_VARIABLE, word_length(l, 1));
	if (c == '.' && is_word(at(l, 1)) && !isdigit((unsigned char)at(l, 1)))
		return lex_name(l, TOKEN_FIELD, word_length(l, 1));
	if (isdigit((unsigned char)c) || c == '+' || c == '-' ||
	    (c == '.' && isdigit((unsigned char)at(l, 1))))
		return lex_number(l);
	if (is_word(c))
		return lex_name(l, word_kind(l->text + l->pos, word_length(l, 0)),
				word_length(l, 0));
	if (c == ':') {
		if (at(l, 1) != '=')
			return fail(l, xstrdup("expected :="));
		emit(l, TOKEN_DECLARE, 2);
		return true;
	}
	if (!isprint((unsigned char)c))
		return bad_character(l);
	emit(l,
	     c == '.'   ? TOKEN_DOT
	     : c == '|' ? TOKEN_PIPE
	     : c == '=' ? TOKEN_ASSIGN
			: TOKEN_OTHER,
	     1);
	return true;
}

static bool at_right_delimiter(const struct lexer *l)
{
	return looking_at(l, "}}") || (is_space(at(l, 0)) && l->len - l->pos >= 4 &&
				       memcmp(l->text + l->pos + 1, "-}}", 3) == 0);
}

/* Steps over "}}" or " -}}", and over the blanks that the latter trims. */
static void end_action(struct lexer *l, bool token)
{
	bool trim = at(l, 0) != '}';
	size_t n = trim ? 4 : 2;

	if (token)
		push(l, TOKEN_RIGHT, l->pos + n - 2, 2, NULL);
	l->pos += n;
	while (trim && is_space(at(l, 0))) {
		l->line += at(l, 0) == '\n';
		l->pos++;
	}
}

/* Inside "{{/" "*": steps over the comment with its delimiters. */
static bool skip_comment(struct lexer *l)
{
	const char *end = memmem(l->text + l->pos, l->len - l->pos, "*/", 2);
	size_t next;

	if (!end)
		return fail(l, xstrdup("unclosed comment"));
	next = (size_t)(end - l->text) + 2;
	for (; l->pos < next; l->pos++)
		l->line += l->text[l->pos] == '\n';
	if (!at_right_delimiter(l))
		return fail(l, xstrdup("comment ends before closing delimiter"));
	end_action(l, false);
	return true;
}

/* One "{{ ... }}" from its left delimiter on. */
static bool lex_delimited(struct lexer *l)
{
	size_t start = l->pos;
	bool trim = at(l, 2) == '-' && is_space(at(l, 3));

	l->pos += trim ? 4 : 2;
	if (looking_at(l, "/*"))
		return skip_comment(l);
	push(l, TOKEN_LEFT, start, 2, NULL);
	l->parens = 0;
	while (!at_right_delimiter(l)) {
		if (!lex_action(l))
			return false;
	}
	if (l->parens)
		return fail(l, xstrdup("unclosed left paren"));
	end_action(l, true);
	return true;
}

void template_lex(const char *text, size_t len, struct token_list *out)
{
	struct lexer l = {.text = text, .len = len, .line = 1, .out = out};

	while (l.pos < len) {
		const char *left = memmem(text + l.pos, len - l.pos, "{{", 2);
		size_t end = left ? (size_t)(left - text) : len, keep = end;

		if (left && end + 3 < len && left[2] == '-' && is_space(left[3])) {
			while (keep > l.pos && is_space(text[keep - 1]))
				keep--;
		}
		if (keep > l.pos)
			emit(&l, TOKEN_TEXT, keep - l.pos);
		for (; l.pos < end; l.pos++)
			l.line += text[l.pos] == '\n';
		if (left && !lex_delimited(&l))
			return;
	}
	push(&l, TOKEN_EOF, len, 0, NULL);
}

void token_list_free(struct token_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].owned);
	free(list->items);
	*list = (struct token_list){0};
}

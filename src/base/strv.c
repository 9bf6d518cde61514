/* SPDX-License-Identifier: Apache-2.0 */
/* String lists. */
#include "base/strv.h"

#include <string.h>

#include "base/str.h"

void strv_add_taken(struct strv *v, char *s)
{
	/* Grow at powers of two: count and count + 1 share a block otherwise. */
	if ((v->count & (v->count + 1)) == 0 || !v->items)
		v->items = xrealloc(v->items, (2 * v->count + 4) * sizeof(char *));
	v->items[v->count++] = s;
	v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_add_taken(v, xstrdup(s));
}

void strv_add_all(struct strv *v, const struct strv *other)
{
	for (size_t i = 0; i < other->count; i++)
		strv_add(v, other->items[i]);
}

static char **find_env(const struct strv *v, const char *key, size_t key_len)
{
	for (size_t i = 0; i < v->count; i++) {
		if (strncmp(v->items[i], key, key_len) == 0 && v->items[i][key_len] == '=')
			return &v->items[i];
	}
	return NULL;
}

void strv_set_env(struct strv *v, const char *pair)
{
	char **slot = find_env(v, pair, strcspn(pair, "="));

	if (!slot) {
		strv_add(v, pair);
		return;
	}
	free(*slot);
	*slot = xstrdup(pair);
}

const char *strv_get_env(const struct strv *v, const char *key)
{
	char **slot = find_env(v, key, strlen(key));

	return slot ? *slot + strlen(key) + 1 : NULL;
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->count; i++) {
		if (str_eq(v->items[i], s))
			return true;
	}
	return false;
}

void strv_free(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){0};
}

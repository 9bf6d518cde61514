/* SPDX-License-Identifier: Apache-2.0 */
/* A NULL-terminated, heap-owned list of strings that knows its length. */
#ifndef CLOCHE_BASE_STRV_H
#define CLOCHE_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct strv {
	char **items; /* NULL when empty; else items[count] is NULL */
	size_t count;
};

/* Copies the string in. Aborts when memory is gone, as strbuf does. */
void strv_add(struct strv *v, const char *s);
/* Takes ownership of s. */
void strv_add_taken(struct strv *v, char *s);
void strv_add_all(struct strv *v, const struct strv *other);
/* Sets KEY=VALUE in a list of such pairs, replacing an entry of the same key in place. */
void strv_set_env(struct strv *v, const char *pair);
/* The value of KEY in a list of KEY=VALUE, or NULL. */
const char *strv_get_env(const struct strv *v, const char *key);
bool strv_contains(const struct strv *v, const char *s);
void strv_free(struct strv *v);
#define auto_strv __attribute__((cleanup(strv_free)))

#endif

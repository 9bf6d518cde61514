/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: a growing buffer for output, strict numbers and sizes, small predicates. */
#ifndef CLOCHE_BASE_STR_H
#define CLOCHE_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* A growing, always terminated buffer. Zero-initialise it; strbuf_free() or auto_strbuf ends it.
 * Appending aborts the process when memory is gone: only front ends use it. */
struct strbuf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
};

void strbuf_add(struct strbuf *b, const char *bytes, size_t n);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text, "" when nothing was added. */
const char *strbuf_str(const struct strbuf *b);
/* Hands out the heap string (never NULL) and empties the buffer. */
char *strbuf_take(struct strbuf *b);
void strbuf_free(struct strbuf *b);
#define auto_strbuf __attribute__((cleanup(strbuf_free)))

/* malloc family that aborts with a message instead of returning NULL; only for front ends and the
 * engine, never in the monitor or the child. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
/* snprintf that treats truncation as the error it is: 0 or -ENAMETOOLONG. */
int must_check str_format(char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Whole-string decimal numbers; leading blanks, signs where none fit, junk and overflow are
 * -EINVAL / -ERANGE. */
int must_check str_to_u64(const char *s, uint64_t *out);
int must_check str_to_i64(const char *s, int64_t *out);
/* Go's durations: 1h2m3.5s, 300ms, 0. Result in ns. */
int must_check str_to_duration(const char *s, int64_t *out_ns);
/* Docker's booleans as Go's strconv.ParseBool has them: 1 t T TRUE true True 0 f F .... */
int must_check str_to_bool(const char *s, bool *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams compact JSON into a buffer: no tree, no allocation but the buffer's own, members in the
 * order of the calls. Bytes that are not UTF-8 become U+FFFD, as Go's encoder has it, so that what
 * was written can always be parsed again. key is NULL for elements of arrays.
 */
#ifndef CLOCHE_BASE_JSON_WRITER_H
#define CLOCHE_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/strv.h"

struct json_writer {
	struct strbuf *out; /* borrowed */
	bool comma;         /* something stands before the next member */
};

void json_write_begin(struct json_writer *w, const char *key, char bracket);
void json_write_end(struct json_writer *w, char bracket);
/* NULL is null. */
void json_write_string(struct json_writer *w, const char *key, const char *value);
void json_write_bool(struct json_writer *w, const char *key, bool value);
void json_write_i64(struct json_writer *w, const char *key, int64_t value);
void json_write_u64(struct json_writer *w, const char *key, uint64_t value);
/* An array of strings, also when it is empty. */
void json_write_strv(struct json_writer *w, const char *key, const struct strv *v);
/* Finished JSON text. */
void json_write_raw(struct json_writer *w, const char *key, const char *json);

#endif

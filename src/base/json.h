/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reading of JSON through json-c, and building it in a fixed field order. Getters return
 * -ENOENT for an absent or null member and -EINVAL for one of another type, so that no malformed
 * value turns into a default unseen.
 */
#ifndef CLOCHE_BASE_JSON_H
#define CLOCHE_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

#define JSON_DEPTH_MAX 64

static inline void cleanup_json(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define auto_json __attribute__((cleanup(cleanup_json)))

/* Parses exactly one value of len bytes with no trailing text, at most JSON_DEPTH_MAX deep and with
 * valid UTF-8. what names the source in the error ("image config sha256:..."). The caller puts
 * *out. */
int must_check json_parse(const char *text, size_t len, const char *what, struct json_object **out,
			  struct err *err);
/* Reads and parses a file of at most max bytes. -ENOENT when there is none. */
int must_check json_read_at(int dirfd, const char *path, size_t max, struct json_object **out,
			    struct err *err);

/* Members of an object. Borrowed results live as long as the object. */
int must_check json_get_object(struct json_object *o, const char *key, struct json_object **out);
int must_check json_get_array(struct json_object *o, const char *key, struct json_object **out);
int must_check json_get_string(struct json_object *o, const char *key, const char **out);
int must_check json_get_bool(struct json_object *o, const char *key, bool *out);
int must_check json_get_i64(struct json_object *o, const char *key, int64_t *out);
int must_check json_get_u64(struct json_object *o, const char *key, uint64_t *out);
/* Appends an array of strings to *out. */
int must_check json_get_strv(struct json_object *o, const char *key, struct strv *out);

/* Adding members; NULL strings become null. */
void json_add_string(struct json_object *o, const char *key, const char *value);
void json_add_bool(struct json_object *o, const char *key, bool value);
void json_add_i64(struct json_object *o, const char *key, int64_t value);
void json_add_u64(struct json_object *o, const char *key, uint64_t value);
/* An array of strings; null instead when empty and null_if_empty. */
void json_add_strv(struct json_object *o, const char *key, const struct strv *v,
		   bool null_if_empty);

/* Compact text without escaped slashes, as Go writes it; owned by o, valid until o changes. */
const char *json_text(struct json_object *o);
/* Indented by four blanks as `docker inspect` prints it (empty containers as [] and {}); the caller
 * frees it. */
char *json_text_indented(struct json_object *o);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a JSON object that may be absent: the output is then left alone. Of another type than
 * asked for they are refused as "WHAT: "KEY" has the wrong type" (ERR_INVALID).
 */
#ifndef CLOCHE_OCI_MEMBER_H
#define CLOCHE_OCI_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

struct json_object;

/* The refusal itself; always -EINVAL. */
int must_check member_refuse(struct err *err, const char *what, const char *key);
/* *out is heap-owned by the caller. */
int must_check member_string(struct json_object *o, const char *key, char **out, const char *what,
			     struct err *err);
/* set may be NULL; it becomes true when the member is there, which an empty list is. */
int must_check member_strings(struct json_object *o, const char *key, struct strv *out, bool *set,
			      const char *what, struct err *err);
int must_check member_bool(struct json_object *o, const char *key, bool *out, const char *what,
			   struct err *err);
int must_check member_number(struct json_object *o, const char *key, int64_t *out, const char *what,
			     struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding JSON objects into structs by tables: one row per member, with its type and its place.
 * What must hold: a member of the wrong type or range is refused with its path ("process.user.uid"),
 * an absent or null one leaves the struct as it is.
 */
#ifndef CLOCHE_OCI_DECODE_H
#define CLOCHE_OCI_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define DECODE_PATH_MAX 256

struct decode {
	const char *what; /* names the source in errors */
	struct err *err;
	size_t path_len;
	char path[DECODE_PATH_MAX]; /* of the member at hand */
};

/* Decodes a member's value into the struct at out. */
typedef int (*decode_fn)(struct decode *d, struct json_object *value, void *out);

enum decode_type {
	DECODE_STRING,      /* char *, on the heap; "" stays NULL */
	DECODE_BOOL,        /* bool */
	DECODE_U16,         /* uint16_t */
	DECODE_U32,         /* uint32_t */
	DECODE_U64,         /* uint64_t */
	DECODE_I64,         /* int64_t */
	DECODE_STRV,        /* struct strv */
	DECODE_OBJECT,      /* fn with the object and the place */
	DECODE_ARRAY,       /* fn once per element and the place */
	DECODE_STRING_MAP,  /* pair once per member and the place */
	DECODE_UNSUPPORTED, /* ERR_UNSUPPORTED unless empty */
};

struct decode_field {
	const char *name;
	enum decode_type type;
	bool required;
	size_t offset;
	size_t has_offset; /* of a bool that tells whether it was there; DECODE_NO_FLAG: none */
	decode_fn fn;
	int (*pair)(struct decode *d, const char *key, const char *value, void *out);
};

#define DECODE_NO_FLAG SIZE_MAX
#define DECODE_PLAIN(name_, type_, struct_, member_)                                    \
	{                                                                               \
		.name = (name_), .type = (type_), .offset = offsetof(struct_, member_), \
		.has_offset = DECODE_NO_FLAG                                            \
	}
#define DECODE_NEEDED(name_, type_, struct_, member_)                              \
	{                                                                          \
		.name = (name_), .type = (type_), .required = true,                \
		.offset = offsetof(struct_, member_), .has_offset = DECODE_NO_FLAG \
	}
#define DECODE_FLAGGED(name_, type_, struct_, member_, has_)                            \
	{                                                                               \
		.name = (name_), .type = (type_), .offset = offsetof(struct_, member_), \
		.has_offset = offsetof(struct_, has_)                                   \
	}
/* The function gets the whole struct. */
#define DECODE_WITH(name_, type_, fn_)                                                      \
	{                                                                                   \
		.name = (name_), .type = (type_), .has_offset = DECODE_NO_FLAG, .fn = (fn_) \
	}
#define DECODE_PAIRS(name_, fn_)                                                          \
	{                                                                                 \
		.name = (name_), .type = DECODE_STRING_MAP, .has_offset = DECODE_NO_FLAG, \
		.pair = (fn_)                                                             \
	}
#define DECODE_REFUSED(name_)                                                             \
	{                                                                                 \
		.name = (name_), .type = DECODE_UNSUPPORTED, .has_offset = DECODE_NO_FLAG \
	}
#define DECODE_COUNT(table_) (sizeof(table_) / sizeof((table_)[0]))

/* Decodes the members of an object that the table names; others are ignored, as the specification
 * demands. */
int must_check decode_object(struct decode *d, struct json_object *o,
			     const struct decode_field *fields, size_t count, void *out);
/* "config.json: process.cwd: <message>". Returns -EINVAL or -EOPNOTSUPP. */
int decode_refuse(struct decode *d, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif

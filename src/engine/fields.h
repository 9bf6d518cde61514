/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table maps a struct to the members of a JSON object, in order, for writing and for reading:
 * what one direction knows, the other does too. The same tables make the records and `inspect`.
 */
#ifndef CLOCHE_ENGINE_FIELDS_H
#define CLOCHE_ENGINE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_writer.h"

enum field_type {
	FIELD_STRING,  /* char *; NULL is "" and back */
	FIELD_BOOL,    /* bool */
	FIELD_I64,     /* int64_t */
	FIELD_STRV,    /* struct strv as an array */
	FIELD_SET,     /* struct strv as {"a":{},"b":{}}, sorted as Go does */
	FIELD_MAP,     /* struct strv of KEY=VALUE as {"KEY":"VALUE"}, sorted */
	FIELD_OBJECT,  /* a nested object of the same struct: members, member_count; with key NULL
			* its members stand in the surrounding object */
	FIELD_LITERAL, /* literal, always; skipped when reading */
	FIELD_CUSTOM,  /* write and read; read NULL: derived, skipped when reading */
};

/* How an empty value (NULL or "", false, the integer `unset`, an empty list) is written. */
enum field_empty {
	EMPTY_PLAIN, /* as it is: "", false, 0, [], {} */
	EMPTY_NULL,
	EMPTY_OMIT,
};

struct field {
	const char *key;
	enum field_type type;
	enum field_empty empty;
	size_t offset;
	int64_t unset; /* FIELD_I64 */
	const char *literal;
	const struct field *members;
	size_t member_count;
	void (*write)(struct json_writer *w, const char *key, const void *base);
	/* v is never null. 0 or -EINVAL. */
	int (*read)(struct json_object *v, void *base);
};

/* The members, without the braces around them. */
void fields_write(struct json_writer *w, const struct field *fields, size_t count,
		  const void *base);
/* Fills *base, whose members hold their unset values. Absent and null members stay unset, unknown
 * ones are ignored; a wrong type is ERR_CORRUPT naming `what` and the member. */
int must_check fields_read(const struct field *fields, size_t count, struct json_object *o,
			   void *base, const char *what, struct err *err);

#endif

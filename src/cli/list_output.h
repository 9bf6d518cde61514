/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How list commands (ps, images, history) print: a table, JSON per line, or a user's template. The
 * command fills one JSON object per row, all members strings, in alphabetical order.
 */
#ifndef CLOCHE_CLI_LIST_OUTPUT_H
#define CLOCHE_CLI_LIST_OUTPUT_H

#include <json-c/json.h>
#include <stddef.h>

#include "base/strv.h"
#include "base/template.h"

struct list_field {
	const char *name, *header;
};

struct list_layout {
	const struct list_field *fields; /* every field there is, with its heading */
	size_t field_count;
	const char *table;   /* the default: "{{.ID}}\t{{.Names}}" */
	const char *go_type; /* Go's name of a row's type, for error texts */
	bool tried;          /* Docker tries the template before: ps alone has other error texts */
	/* `.Label "k"`, as template_model.method; or NULL */
	int (*method)(struct json_object *row, const char *name, const char *argument,
		      struct json_object **result);
};

/* What `images`, `volume ls` and `system df` have to show. */
#define LIST_IMAGE_FIELDS 11
extern const struct list_field list_image_fields[LIST_IMAGE_FIELDS];
#define LIST_VOLUME_FIELDS 10
extern const struct list_field list_volume_fields[LIST_VOLUME_FIELDS];

/* The format given, or else what the user has under that key ("psFormat") in the configuration of
 * Docker's client, then held by *hold for the caller to free; or NULL. */
const char *list_format(const char *given, const char *key, char **hold);
/* Prints count rows; format as given to --format, NULL or "" for the default table. Returns the exit
 * code, everything said. */
int list_print(const struct list_layout *layout, const char *format,
	       struct json_object *const *rows, size_t count);
/* The same, appended to *out instead of printed. */
int list_render(const struct list_layout *layout, const char *format,
		struct json_object *const *rows, size_t count, struct strbuf *out);
/* Prints one object by a template or as "json". Returns the exit code, everything said. */
int list_print_object(const char *format, struct json_object *object,
		      const struct template_model *model);
/* True if the format may use that field: for those that cost something to find out. */
bool list_wants(const char *format, const char *field);

/* A `method` of list_layout: `.Label "k"` of rows whose "Labels" is "k=v,k2=v2". */
int list_label_method(struct json_object *row, const char *name, const char *argument,
		      struct json_object **result);

/* "a=b,c=d", sorted. */
void list_put_labels(const struct strv *labels, struct strbuf *out);

/* Appends at most `width` characters of text, the last then being an ellipsis; all of it unless cut. */
void list_put_cut(const char *text, size_t width, bool cut, struct strbuf *out);
/* Go's time.Time.String() in the host's time zone: "2023-11-14 22:13:20 +0000 UTC". */
void list_put_time(uint64_t wall_ns, struct strbuf *out);

#define LIST_FORMAT_HELP                                                                   \
	"Format output using a custom template:\n"                                         \
	"'table':            Print output in table format with column headers (default)\n" \
	"'table TEMPLATE':   Print output in table format using the given Go template\n"   \
	"'json':             Print in JSON format\n"                                       \
	"'TEMPLATE':         Print output using the given Go template."

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the inspect commands share: finding objects by name, and printing them. */
#ifndef CLOCHE_CLI_INSPECT_H
#define CLOCHE_CLI_INSPECT_H

#include <json-c/json.h>

#include "base/strv.h"
#include "base/template.h"
#include "cli/command.h"
#include "engine/engine.h"

#define INSPECT_FORMAT_HELP                          \
	"Format output using a custom template:\n"   \
	"'json':             Print in JSON format\n" \
	"'TEMPLATE':         Print output using the given Go template."

/* Optional members (base/template.h) of a health check, of containers and images. */
#define INSPECT_HEALTHCHECK                                                \
	{"Healthcheck", "Interval", NULL, TEMPLATE_DURATION},              \
		{"Healthcheck", "Retries", NULL, TEMPLATE_NUMBER},         \
		{"Healthcheck", "StartInterval", NULL, TEMPLATE_DURATION}, \
		{"Healthcheck", "StartPeriod", NULL, TEMPLATE_DURATION},   \
		{"Healthcheck", "Test", NULL, TEMPLATE_LIST},              \
	{                                                                  \
		"Healthcheck", "Timeout", NULL, TEMPLATE_DURATION          \
	}

/* One kind of object. */
struct inspector {
	const char *type; /* "container", as --type has it */
	/* A new reference in *out; ERR_NOT_FOUND when there is none of that name. */
	int (*find)(struct engine *e, const char *name, struct json_object **out, struct err *err);
	const struct template_model *model;
	bool sized; /* with sizes, of which is said that other kinds have none */
};

/* Finds each name by the first of the inspectors that has it and prints all of them, as indented
 * JSON or by format (NULL: none). An error is said at the end. With one inspector its own error is
 * shown, with several "Error: No such object: x". Returns the exit code. */
int inspect_names(struct cli_context *ctx, const struct inspector *const *inspectors, size_t count,
		  const char *format, const struct strv *names);

/* The whole of a command that inspects one kind of object and has no option but --format. */
extern const struct option_table inspect_format_table;
int inspect_by_format(struct cli_context *ctx, int argc, char **argv,
		      const struct inspector *which);

extern const struct inspector inspect_container, inspect_image, inspect_network, inspect_volume;

#endif

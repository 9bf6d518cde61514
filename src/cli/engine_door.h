/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that act on containers named one by one. */
#ifndef CLOCHE_CLI_ENGINE_DOOR_H
#define CLOCHE_CLI_ENGINE_DOOR_H

#include "cli/command.h"
#include "engine/engine.h"

/* Acts on one container; what it appends to *out is printed. name is what the user called it. */
typedef int (*cli_container_fn)(struct engine *e, struct container *c, const char *name,
				void *context, struct strbuf *out, struct err *err);

/* The same on a name that nobody has looked up. */
typedef int (*cli_name_fn)(struct engine *e, const char *name, void *context, struct strbuf *out,
			   struct err *err);
int cli_each_name(struct cli_context *ctx, const struct strv *names, cli_name_fn act,
		  void *context);

/* Calls act for each, reports failures and goes on. 0, or EXIT_FAILED when one failed. */
int cli_each_container(struct cli_context *ctx, const struct strv *names, cli_container_fn act,
		       void *context);

#endif

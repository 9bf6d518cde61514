/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the engine at the first use, and the loop that most commands are: one action on each
 * container named, going on after a failure. */
#include "cli/engine_door.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/revive.h"

int cli_engine(struct cli_context *ctx, struct engine **engine, struct err *err)
{
	int rc = 0;

	if (!ctx->engine) {
		struct engine *e = xcalloc(1, sizeof(*e));

		rc = engine_open(e, ctx->root, ctx->run_root, err);
		if (rc < 0)
			free(e);
		else
			ctx->engine = e;
	}
	*engine = ctx->engine;
	return rc;
}

void cli_engine_close(struct cli_context *ctx)
{
	if (!ctx->engine)
		return;
	revive_see_to_lost(ctx->engine);
	engine_close(ctx->engine);
	free(ctx->engine);
	ctx->engine = NULL;
}

struct container_act {
	cli_container_fn act;
	void *context;
};

/* A cli_name_fn. */
static int find_and_act(struct engine *e, const char *name, void *context, struct strbuf *out,
			struct err *err)
{
	const struct container_act *a = context;
	auto_container struct container c;
	int rc;

	container_init(&c);
	rc = container_find(e, name, &c, err);
	return rc < 0 ? rc : a->act(e, &c, name, a->context, out, err);
}

int cli_each_container(struct cli_context *ctx, const struct strv *names, cli_container_fn act,
		       void *context)
{
	return cli_each_name(ctx, names, find_and_act,
			     &(struct container_act){.act = act, .context = context});
}

int cli_each_name(struct cli_context *ctx, const struct strv *names, cli_name_fn act, void *context)
{
	auto_strbuf struct strbuf out = {0};
	struct engine *e;
	struct err err = ERR_INIT;
	int code = 0;

	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < names->count; i++) {
		err = ERR_INIT;
		if (act(e, names->items[i], context, &out, &err) < 0)
			code = cli_fail(&err);
		/* One by one: some of these actions wait. */
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	return code;
}

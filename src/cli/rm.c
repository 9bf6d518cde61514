/* SPDX-License-Identifier: Apache-2.0 */
/* rm. With -f a container that is not there is said, and is no failure. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/engine_door.h"

struct rm_options {
	bool force, volumes, link;
};

static const struct option rows[] = {
	{"force", 'f', &option_bool, offsetof(struct rm_options, force),
	 "Force the removal of a running container (uses SIGKILL)", NULL},
	{"link", 'l', &option_bool, offsetof(struct rm_options, link), "Remove the specified link",
	 NULL},
	{"volumes", 'v', &option_bool, offsetof(struct rm_options, volumes),
	 "Remove anonymous volumes associated with the container", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int remove_one(struct engine *e, const char *name, const struct rm_options *o,
		      struct err *err)
{
	auto_container struct container c;
	int rc;

	container_init(&c);
	name += *name == '/';
	if (!*name)
		return err_set(err, ERR_USAGE, EINVAL, "container name cannot be empty");
	rc = container_find(e, name, &c, err);
	/* Every name there is is a container's default one: links belong to networks of old. */
	if (rc == 0 && o->link)
		return err_set(err, ERR_CONFLICT, EINVAL,
			       "Conflict, cannot remove the default link name of the container");
	return rc < 0 ? rc : container_remove(e, &c, o->force, o->volumes, err);
}

static int cmd_rm(struct cli_context *ctx, int argc, char **argv)
{
	struct rm_options o = {.force = false};
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int code = 0, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < args.count; i++) {
		err = ERR_INIT;
		if (remove_one(e, args.items[i], &o, &err) == 0)
			strbuf_printf(&out, "%s\n", args.items[i]);
		else if (cli_fail(&err) && !(o.force && err.kind == ERR_NOT_FOUND))
			code = EXIT_FAILED;
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	return code;
}

const struct command command_rm = {
	.paths = {"container rm", "container remove", "rm"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Remove one or more containers",
	.run = cmd_rm,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};

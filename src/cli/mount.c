/* SPDX-License-Identifier: Apache-2.0 */
/* mount, umount: a host path to a container's files, and its end. */
#include "engine/mount.h"
#include "cli/commands.h"
#include "cli/engine_door.h"

static int mount_one(struct engine *e, struct container *c, const char *name, void *context,
		     struct strbuf *out, struct err *err)
{
	char path[PATH_MAX];
	int rc = container_mount(e, c, path, err);

	(void)name, (void)context;
	if (rc == 0)
		strbuf_printf(out, "%s\n", path);
	return rc;
}

static int list_mounts(struct cli_context *ctx)
{
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv ids = {0};
	struct err err = ERR_INIT;
	struct engine *e;

	if (cli_engine(ctx, &e, &err) < 0 || container_mounts(e, &ids, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < ids.count; i++)
		strbuf_printf(&out, "%.12s %s/mounts/%s\n", ids.items[i], e->run_root,
			      ids.items[i]);
	return cli_print(&out);
}

static int cmd_mount(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	return args.count ? cli_each_container(ctx, &args, mount_one, NULL) : list_mounts(ctx);
}

const struct command command_mount = {
	.paths = {"container mount", "mount"},
	.arguments = "[CONTAINER...]",
	.summary = "Show containers' files read-only at a path of the host; without names, where",
	.run = cmd_mount,
	.max_args = -1,
};

static int unmount_one(struct engine *e, struct container *c, const char *name, void *context,
		       struct strbuf *out, struct err *err)
{
	int rc = container_unmount(e, c->id, err);

	(void)context;
	if (rc == 0)
		strbuf_printf(out, "%s\n", name);
	return rc;
}

static int cmd_unmount(struct cli_context *ctx, int argc, char **argv)
{
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : cli_each_container(ctx, &args, unmount_one, NULL);
}

const struct command command_umount = {
	.paths = {"container umount", "umount"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Take away the paths that mount made",
	.run = cmd_unmount,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* commit, import, save: containers and archives to images, images to archives. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/cp_paths.h"
#include "cli/engine_door.h"
#include "cli/output_file.h"
#include "engine/commit.h"

static int print_id(const char *id)
{
	auto_strbuf struct strbuf out = {0};

	strbuf_printf(&out, "%s\n", id);
	return cli_print(&out);
}

/* ---- commit ---- */

struct commit_options {
	const char *author, *message;
	bool pause;
	struct strv changes;
};

static const struct option commit_rows[] = {
	{"author", 'a', &option_text, offsetof(struct commit_options, author),
	 "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")", NULL},
	{"change", 'c', &option_list, offsetof(struct commit_options, changes),
	 "Apply Dockerfile instruction to the created image", NULL},
	{"message", 'm', &option_text, offsetof(struct commit_options, message), "Commit message",
	 NULL},
	{"pause", 'p', &option_bool, offsetof(struct commit_options, pause),
	 "Pause container during commit", "true"},
};
static const struct option_table commit_table = {OPTION_ROWS(commit_rows)};

static int commit(struct cli_context *ctx, const struct commit_options *o, const struct strv *args,
		  char id[static IMAGE_ID_SIZE], struct err *err)
{
	const struct image_description d = {
		.name = args->count > 1 && args->items[1][0] ? args->items[1] : NULL,
		.author = o->author,
		.message = o->message,
		.changes = &o->changes,
	};
	auto_container struct container c;
	struct engine *e;
	int rc = cli_engine(ctx, &e, err);

	container_init(&c);
	if (rc == 0)
		rc = container_find(e, args->items[0], &c, err);
	return rc < 0 ? rc : container_commit(e, &c, &d, o->pause, id, err);
}

static int cmd_commit(struct cli_context *ctx, int argc, char **argv)
{
	struct commit_options o = {.pause = true};
	auto_strv struct strv args = {0};
	char id[IMAGE_ID_SIZE] = "";
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = commit(ctx, &o, &args, id, &err) < 0 ? cli_fail(&err) : print_id(id);
	strv_free(&o.changes);
	return rc;
}

const struct command command_commit = {
	.paths = {"container commit", "commit"},
	.arguments = "CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Create a new image from a container's changes",
	.run = cmd_commit,
	.options = &commit_table,
	.min_args = 1,
	.max_args = 2,
};

/* ---- import ---- */

struct import_options {
	const char *message, *platform;
	struct strv changes;
};

static const struct option import_rows[] = {
	{"change", 'c', &option_list, offsetof(struct import_options, changes),
	 "Apply Dockerfile instruction to the created image", NULL},
	{"message", 'm', &option_text, offsetof(struct import_options, message),
	 "Set commit message for imported image", NULL},
	{"platform", 0, &option_text, offsetof(struct import_options, platform),
	 "Set platform if server is multi-platform capable", NULL},
};
static const struct option_table import_table = {OPTION_ROWS(import_rows)};

static int open_source(const char *source, struct err *err)
{
	int fd;

	if (str_eq(source, "-"))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (strstr(source, "://"))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "importing from a URL is not supported yet: download %s, or pipe it "
			       "into cloche import -",
			       source);
	fd = open(source, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cp_path_error(err, "open", source, errno) : fd;
}

static int import(struct cli_context *ctx, const struct import_options *o, const struct strv *args,
		  char id[static IMAGE_ID_SIZE], struct err *err)
{
	const struct image_description d = {
		.name = args->count > 1 && args->items[1][0] ? args->items[1] : NULL,
		.message = o->message,
		.changes = &o->changes,
	};
	auto_close int input = open_source(args->items[0], err);
	struct engine *e;

	if (input < 0)
		return input;
	if (cli_engine(ctx, &e, err) < 0)
		return err_code(err);
	return image_import(e, input, o->platform && *o->platform ? o->platform : NULL, &d, id,
			    err);
}

static int cmd_import(struct cli_context *ctx, int argc, char **argv)
{
	struct import_options o = {.message = NULL};
	auto_strv struct strv args = {0};
	char id[IMAGE_ID_SIZE] = "";
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = import(ctx, &o, &args, id, &err) < 0 ? cli_fail(&err) : print_id(id);
	strv_free(&o.changes);
	return rc;
}

const struct command command_import = {
	.paths = {"image import", "import"},
	.arguments = "file|URL|- [REPOSITORY[:TAG]]",
	.summary = "Import the contents from a tarball to create a filesystem image",
	.run = cmd_import,
	.options = &import_table,
	.min_args = 1,
	.max_args = 2,
};

/* ---- save ---- */

struct save_options {
	const char *output;
};

static const struct option save_rows[] = {
	{"output", 'o', &option_text, offsetof(struct save_options, output),
	 "Write to a file, instead of STDOUT", NULL},
	{"platform", 0, &option_later, 0, NULL, NULL},
};
static const struct option_table save_table = {OPTION_ROWS(save_rows)};

static int cmd_save(struct cli_context *ctx, int argc, char **argv)
{
	struct save_options o = {.output = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct output_file file;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = output_file_open(o.output, &file, &err);
	if (rc < 0 && o.output)
		rc = err_wrap(&err, "failed to save image");
	if (rc < 0)
		return cli_fail(&err);
	rc = cli_engine(ctx, &e, &err);
	if (rc == 0)
		rc = images_save(e, &args, file.fd, &err);
	rc = output_file_end(&file, rc, &err);
	return rc < 0 ? cli_fail(&err) : 0;
}

const struct command command_save = {
	.paths = {"image save", "save"},
	.arguments = "IMAGE [IMAGE...]",
	.summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.run = cmd_save,
	.options = &save_table,
	.min_args = 1,
	.max_args = -1,
};

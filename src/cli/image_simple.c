/* SPDX-License-Identifier: Apache-2.0 */
/* load, tag, rmi, image inspect: one call of the image store each. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/subprocess.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/image_store.h"
#include "cli/inspect.h"
#include "engine/image_events.h"

int cli_image_store(struct cli_context *ctx, struct image_store *store)
{
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_engine(ctx, &e, &err);

	store->image_fd = -1;
	if (rc == 0)
		rc = image_store_open(store, e->root_fd, e->root, IMAGE_STORE_READ, &err);
	return rc < 0 ? cli_fail(&err) : 0;
}

void cli_put_age(uint64_t created_ns, struct strbuf *out)
{
	uint64_t now = clock_wall_ns();
	char age[HUMAN_MAX];

	if (created_ns == 0) {
		strbuf_puts(out, "N/A");
		return;
	}
	human_duration(now > created_ns ? now - created_ns : 0, age);
	strbuf_printf(out, "%s ago", age);
}

/* ---- load ---- */

struct load_options {
	const char *input;
	bool quiet;
};

static const struct option load_rows[] = {
	{"input", 'i', &option_text, offsetof(struct load_options, input),
	 "Read from tar archive file, instead of STDIN", NULL},
	{"platform", 0, &option_later, 0, NULL, NULL},
	{"quiet", 'q', &option_bool, offsetof(struct load_options, quiet),
	 "Suppress the load output", NULL},
};
static const struct option_table load_table = {OPTION_ROWS(load_rows)};

/* Passes on what the program reports, a line at a time, and tells the journal what was loaded. */
static int relay_report(struct engine *e, FILE *report)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_strbuf struct strbuf out = {0};
	auto_free char *line = NULL;
	struct err err = ERR_INIT;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, report)) > 0) {
		strbuf_add(&out, line, (size_t)n);
		/* A load goes on to its end when nobody listens any more. */
		if (cli_print(&out))
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (store.image_fd < 0 &&
		    image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, &err) < 0)
			return cli_fail(&err);
		event_image_loaded(e, &store, line);
	}
	return 0;
}

/* Runs the program that links the parsers of archives; its errors are its own to say. */
static int run_load(struct engine *e, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	auto_fclose FILE *report = NULL;
	int pipe_fds[2], status, rc;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		cli_note("cloche: make a pipe: %s", err_errno_text(errno));
		return EXIT_FAILED;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	rc = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	report = fdopen(pipe_fds[0], "r");
	if (rc || !report) {
		cli_note("cloche: execute %s: %s", argv[0], err_errno_text(rc ? rc : ENOMEM));
		return EXIT_FAILED;
	}
	rc = relay_report(e, report);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : rc;
}

static int cmd_load(struct cli_context *ctx, int argc, char **argv)
{
	struct load_options o = {.quiet = false};
	auto_strv struct strv args = {0}, command = {0};
	struct err err = ERR_INIT;
	char program[PATH_MAX];
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 ||
	    subprocess_own_program("cloche-image", program, sizeof(program), &err) < 0)
		return cli_fail(&err);
	strv_add(&command, program);
	strv_add(&command, "--root");
	strv_add(&command, e->root);
	strv_add(&command, "load");
	if (o.input) {
		strv_add(&command, "--input");
		strv_add(&command, o.input);
	}
	if (o.quiet)
		strv_add(&command, "--quiet");
	return run_load(e, command.items);
}

const struct command command_load = {
	.paths = {"image load", "load"},
	.summary = "Load an image from a tar archive or STDIN",
	.run = cmd_load,
	.options = &load_table,
};

/* ---- tag ---- */

static int cmd_tag(struct cli_context *ctx, int argc, char **argv)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_image_store(ctx, &store);
	if (rc)
		return rc;
	rc = engine_image_tag(ctx->engine, &store, args.items[0], args.items[1], &err);
	return rc < 0 ? cli_fail(&err) : 0;
}

const struct command command_tag = {
	.paths = {"image tag", "tag"},
	.arguments = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.run = cmd_tag,
	.min_args = 2,
	.max_args = 2,
};

/* ---- rmi ---- */

struct rmi_options {
	bool force, no_prune;
};

static const struct option rmi_rows[] = {
	{"force", 'f', &option_bool, offsetof(struct rmi_options, force),
	 "Force removal of the image", NULL},
	{"no-prune", 0, &option_bool, offsetof(struct rmi_options, no_prune),
	 "Do not delete untagged parents", NULL},
	{"platform", 0, &option_later, 0, NULL, NULL},
};
static const struct option_table rmi_table = {OPTION_ROWS(rmi_rows)};

/* Removes each and prints what went; failures are said after all of that. */
static int remove_all(struct engine *e, struct image_store *store, const struct rmi_options *o,
		      const struct strv *names)
{
	auto_strbuf struct strbuf out = {0}, failures = {0};
	int code = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct image_removal removed = {0};
		struct err err = ERR_INIT;
		int rc = engine_image_remove(e, store, names->items[i], o->force, &removed, &err);

		for (size_t n = 0; n < removed.lines.count; n++)
			strbuf_printf(&out, "%s\n", removed.lines.items[n]);
		strv_free(&removed.lines);
		if (cli_print(&out))
			return EXIT_FAILED;
		if (rc == 0)
			continue;
		strbuf_printf(&failures, "%s%s%s", failures.len ? "\n" : "",
			      cli_answer_prefix(&err), err.msg);
		if (!(o->force && err.kind == ERR_NOT_FOUND))
			code = EXIT_FAILED;
	}
	if (failures.len)
		cli_note("%s", strbuf_str(&failures));
	return code;
}

static int cmd_rmi(struct cli_context *ctx, int argc, char **argv)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	struct rmi_options o = {.force = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_image_store(ctx, &store);
	return rc ? rc : remove_all(ctx->engine, &store, &o, &args);
}

const struct command command_rmi = {
	.paths = {"image rm", "image remove", "rmi"},
	.arguments = "IMAGE [IMAGE...]",
	.summary = "Remove one or more images",
	.run = cmd_rmi,
	.options = &rmi_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- inspect ---- */

/* Only what is not a plain scalar or struct. */
static const struct template_member members[] = {
	{"Id", "ID", TEMPLATE_STRUCT},
	{"Cmd", NULL, TEMPLATE_LIST},
	{"Config", NULL, TEMPLATE_POINTER},
	{"ContainerConfig", NULL, TEMPLATE_POINTER},
	{"Data", NULL, TEMPLATE_STRING_MAP},
	{"Entrypoint", NULL, TEMPLATE_LIST},
	{"Env", NULL, TEMPLATE_LIST},
	{"ExposedPorts", NULL, TEMPLATE_POINTER_MAP},
	{"Healthcheck", NULL, TEMPLATE_POINTER},
	{"Labels", NULL, TEMPLATE_STRING_MAP},
	{"Layers", NULL, TEMPLATE_LIST},
	{"OnBuild", NULL, TEMPLATE_LIST},
	{"RepoDigests", NULL, TEMPLATE_LIST},
	{"RepoTags", NULL, TEMPLATE_LIST},
	{"Shell", NULL, TEMPLATE_LIST},
	{"Volumes", NULL, TEMPLATE_POINTER_MAP},
};
static const struct template_optional optionals[] = {
	{"", "Descriptor", NULL, TEMPLATE_POINTER},
	{"", "Manifests", NULL, TEMPLATE_LIST},
	{"", "OsVersion", NULL, TEMPLATE_TEXT},
	{"", "Variant", NULL, TEMPLATE_TEXT},
	{"Metadata", "LastTagTime", NULL, TEMPLATE_TIME},
	{"Config", "ArgsEscaped", NULL, TEMPLATE_FLAG},
	{"Config", "ExposedPorts", NULL, TEMPLATE_POINTER_MAP},
	{"Config", "Healthcheck", NULL, TEMPLATE_POINTER},
	{"Config", "Shell", NULL, TEMPLATE_LIST},
	{"Config", "StopSignal", NULL, TEMPLATE_TEXT},
	INSPECT_HEALTHCHECK,
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .optionals = optionals,
					    .optional_count =
						    sizeof(optionals) / sizeof(optionals[0])};

static int find_image(struct engine *e, const char *name, struct json_object **out, struct err *err)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	int rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);

	return rc < 0 ? rc : image_inspect(&store, name, out, err);
}

const struct inspector inspect_image = {"image", find_image, &model, false};

static int cmd_image_inspect(struct cli_context *ctx, int argc, char **argv)
{
	return inspect_by_format(ctx, argc, argv, &inspect_image);
}

const struct command command_image_inspect = {
	.paths = {"image inspect"},
	.arguments = "IMAGE [IMAGE...]",
	.summary = "Display detailed information on one or more images",
	.run = cmd_image_inspect,
	.options = &inspect_format_table,
	.min_args = 1,
	.max_args = -1,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* system log: what every program of this engine did, the oldest line first. */
#include <errno.h>

#include "base/file.h"
#include "base/program_log.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "engine/engine.h"

static const struct option_table table = {.rows = NULL};

static int add_file(const struct engine *e, const char *name, struct strbuf *out, struct err *err)
{
	auto_free char *text = NULL;
	size_t n = 0;
	/* Lines may have come since it was found to be full. */
	int rc = file_read_at(e->run_fd, name, 2 * (size_t)PROGRAM_LOG_MAX_BYTES, &text, &n);

	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "read %s/%s: %s", e->run_root, name,
			       err_errno_text(-rc));
	if (rc == 0)
		strbuf_puts(out, text);
	return 0;
}

static int cmd_system_log(struct cli_context *ctx, int argc, char **argv)
{
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, NULL, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_engine(ctx, &e, &err);
	if (rc == 0 && e->log.journal)
		cli_note("cloche: new lines go to the journal: journalctl -t cloche "
			 "-t cloche-monitor -t cloche-keeper");
	if (rc == 0)
		rc = add_file(e, PROGRAM_LOG_OLD_FILE, &out, &err);
	if (rc == 0)
		rc = add_file(e, PROGRAM_LOG_FILE, &out, &err);
	return rc < 0 ? cli_fail(&err) : cli_print(&out);
}

const struct command command_system_log = {
	.paths = {"system log"},
	.summary = "Show what the engine's programs did: starts, ends, restarts, refusals, sweeps",
	.run = cmd_system_log,
	.options = &table,
};

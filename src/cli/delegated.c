/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that a program of their own does, with the options it has: it gets the whole command line. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/observe_commands.h"

static int hand_over(struct cli_context *ctx, int argc, char **argv)
{
	struct err err = ERR_INIT;
	char path[PATH_MAX];

	(void)argc;
	(void)argv;
	if (subprocess_own_program(OBSERVE_PROGRAM, path, sizeof(path), &err) < 0)
		return cli_fail(&err);
	execv(path, ctx->argv);
	err_sys(&err, "start %s", path);
	return cli_fail(&err);
}

#define DELEGATED(row, name, text)   \
	const struct command row = { \
		.paths = {name}, .summary = (text), .run = hand_over, .max_args = -1}

DELEGATED(command_analyze_delegated, "analyze", ANALYZE_SUMMARY);
DELEGATED(command_explain_delegated, "explain", EXPLAIN_SUMMARY);
DELEGATED(command_trace_delegated, "trace", TRACE_SUMMARY);

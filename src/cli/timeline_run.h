/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --timeline` and `start --timeline`: the command is run once more, as a child of this process,
 * so that the bill can say what a parent sees, program start and exit included. The inner process
 * does everything a start always does and hands the plan's memory over; its last stamps arrive there
 * after that.
 */
#ifndef CLOCHE_CLI_TIMELINE_RUN_H
#define CLOCHE_CLI_TIMELINE_RUN_H

#include <stdbool.h>

#include "cli/command.h"
#include "engine/container.h"

/* In the outer process: runs it all, prints the bill to stderr and returns the exit code of the
 * command. In the inner one: CLI_GO_ON. Call it before anything else is done, when --timeline was
 * given. */
int must_check timeline_run(struct cli_context *ctx, bool floor);
/* In the inner process, once the plan exists (struct start_handle's plan_fd): gives it to the outer
 * one. Does nothing in a process that is not an inner one. A bill that cannot be handed over is not
 * worth a container: there is no error. */
void timeline_hand_over(const struct cli_context *ctx, const struct engine *e,
			const struct container *c, int plan_fd);

#endif

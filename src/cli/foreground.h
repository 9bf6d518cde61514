/* SPDX-License-Identifier: Apache-2.0 */
/* A started container in the foreground: relaying, and what its end means for this process. Shared
 * by run and start -a. */
#ifndef CLOCHE_CLI_FOREGROUND_H
#define CLOCHE_CLI_FOREGROUND_H

#include <stdbool.h>

#include "cli/command.h"
#include "engine/engine.h"

struct foreground {
	bool input, output, error; /* streams to relay */
	bool proxy_signals;
	const char *detach_keys; /* NULL: the default */
	bool created_here;       /* a failed start ends with 125-127, as run does; else with 1 */
	bool say_detached;       /* to detach is said, and ends with 1, as attach does */
};

/* Relays handle->client_fd until the end and returns the exit code of this process, everything said.
 * Does not return when a signal or a closed pipe should end this process. Stamps the bill when there
 * is a plan. */
int foreground_run(struct cli_context *ctx, struct engine *e, struct container *c,
		   struct start_handle *handle, const struct foreground *f);
/* Ends this process as the signal would have, so that a shell sees it; returns only if it is blocked or
 * ignored, with the exit code that stands for it. */
int foreground_die_of(int number);
/* Once it runs: says what the container did without, where that was asked for. */
void foreground_warn(const struct container_config *config, const struct start_handle *handle);
void foreground_close(struct start_handle *handle);
/* "the input device is not a TTY" when a terminal was asked for input that is none: EXIT_FAILED,
 * else 0. */
int foreground_check_terminal(const struct container_config *config, bool input);
/* Whether --detach-keys can be understood, before anything is started; NULL can. */
int must_check foreground_check_keys(const char *keys, struct err *err);

#endif

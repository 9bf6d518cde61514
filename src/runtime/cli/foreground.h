/* SPDX-License-Identifier: Apache-2.0 */
/* `run` without --detach: waiting for the container, passing on signals and its terminal. */
#ifndef CLOCHE_RUNTIME_CLI_FOREGROUND_H
#define CLOCHE_RUNTIME_CLI_FOREGROUND_H

#include <sys/types.h>

#include "base/err.h"

/* Blocks all signals so that none is lost before foreground_wait takes them. Before the clone. */
void foreground_block_signals(void);
/* Waits for our child pid; terminal is its master or -1. Returns its exit code, 128+n for signal n,
 * or -errno. */
int must_check foreground_wait(pid_t pid, int pidfd, int terminal, struct err *err);

#endif

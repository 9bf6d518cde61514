/* SPDX-License-Identifier: Apache-2.0 */
/* The container's terminal: handed to whoever listens on --console-socket, or relayed by `run`. */
#ifndef CLOCHE_RUNTIME_CLI_CONSOLE_H
#define CLOCHE_RUNTIME_CLI_CONSOLE_H

#include <termios.h>

#include "oci/runtime_config.h"
#include "runtime/cli/make.h"

/* Whether process.terminal, --console-socket and --detach go together; runc's words if not. */
int must_check console_check(const struct oci_config *c, const struct make_options *o,
			     struct err *err);
/* Sends a terminal's master over the unix socket at path (SCM_RIGHTS). */
int must_check console_send(const char *path, int master, struct err *err);

/* Puts our own terminal into raw mode when it is one and gives the container its size. */
struct console_mode {
	bool raw;
	struct termios before;
};
void console_enter(int master, struct console_mode *mode);
void console_leave(const struct console_mode *mode);
/* Our window's size for the container's. */
void console_resize(int master);

#endif

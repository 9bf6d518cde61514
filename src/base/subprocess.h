/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program of ours or of the host's, without a shell. */
#ifndef CLOCHE_BASE_SUBPROCESS_H
#define CLOCHE_BASE_SUBPROCESS_H

#include <sys/types.h>

#include "base/err.h"

/* Absolute path of one of our own programs ("cloche-monitor"), looked for beside this one:
 * ../libexec/cloche/NAME, then in the same directory. Returns 0 or -errno with *err. */
int must_check subprocess_own_program(const char *name, char *out, size_t size, struct err *err);
/* Runs argv[0] (a path) with the given environment and waits. Returns its exit code, 128+n for
 * signal n, or -errno with *err when it could not be started. */
int must_check subprocess_run(char *const argv[], char *const envp[], struct err *err);
/* Starts argv[0] (a path) with our environment, in a session of its own, without any of our descriptors,
 * and as nobody's child: it goes on when we end. 0 or -errno; that it could not be executed is not seen. */
int must_check subprocess_detach(char *const argv[]);

#endif

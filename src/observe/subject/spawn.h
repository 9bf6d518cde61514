/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of the observer: every engine's command is started the same way, and every wait ends when
 * the run is interrupted.
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_SPAWN_H
#define CLOCHE_OBSERVE_SUBJECT_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

struct subject;

/* -1 where there is no descriptor. */
struct spawned {
	pid_t pid; /* 0: none, or waited for */
	int pidfd;
	int in, out; /* ours: its standard input's and output's other ends */
	int errors;  /* a memfd that it writes its standard error to */
	uint64_t spawned_ns;
	uint64_t ended_ns; /* by spawned_wait() */
	int exit_code;     /* 128 + n for signal n */
	struct rusage usage;
};
#define SPAWNED_NONE ((struct spawned){.pidfd = -1, .in = -1, .out = -1, .errors = -1})

/* Starts argv[0] (a path) in a process group of its own, so that the terminal's ctrl-C reaches the
 * observer alone; with_input false: /dev/null. subject NULL: no preparation of the child. */
int must_check spawn(const struct subject *s, const struct strv *argv, bool with_input,
		     struct spawned *out, struct err *err);
/* Until the child has ended. -ETIMEDOUT, -EINTR. */
int must_check spawned_wait(struct spawned *p, int timeout_ms);
/* The same, whether the run was interrupted or not: for what must be ended well. -ETIMEDOUT. */
int must_check spawned_wait_anyway(struct spawned *p, int timeout_ms);
/* Sends the signal to the child's process group and waits without an end. */
void spawned_end(struct spawned *p, int signal);
/* Closes descriptors; the child must have been waited for. */
void spawned_close(struct spawned *p);
/* The last max bytes of what it wrote to standard error, without the newline at the end; heap. */
char *spawned_errors(const struct spawned *p, size_t max);

/* Waits for any of two descriptors (-1: none). 1: first, 2: second (or both); -ETIMEDOUT; -EINTR when the
 * run was interrupted. deadline_ns of the monotonic clock. */
int must_check spawn_wait_fds(int first, int second, uint64_t deadline_ns);
uint64_t spawn_deadline(int timeout_ms);

#endif

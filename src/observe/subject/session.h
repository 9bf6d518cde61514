/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container (or a plain process, on the host) whose program is our helper, and the talk with it:
 * requests as lines on its standard input, answers as lines on its standard output. It ends when its
 * input ends, so whoever dies on this side leaves no container behind.
 *
 *	request   VERB key=value key=value...\n             values without blanks (%20 for a blank)
 *	answer    key=value key=value...\n   any number of lines
 *	          ok\n                       or: error ERRNO TEXT\n
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_SESSION_H
#define CLOCHE_OBSERVE_SUBJECT_SESSION_H

#include <stdint.h>
#include <sys/resource.h>

#include "base/strv.h"
#include "observe/subject/subject.h"

struct session; /* opaque */

/* Runs the subject's container by spec (argv NULL) and waits until the helper says hello. */
int must_check session_open(struct subject *s, const struct container_spec *spec,
			    struct session **out, struct err *err);
/* Closes the helper's input, waits for the command, ends it by force after ten seconds. NULL is
 * allowed. */
void session_close(struct session *s);
static inline void cleanup_session(struct session **s)
{
	session_close(*s);
}
#define auto_session __attribute__((cleanup(cleanup_session)))

/* Sends one request and reads its answer: the lines before ok, replaced in *lines. An answer "error"
 * becomes the error, with its errno. -ETIMEDOUT after timeout_ms; -EINTR when the run was
 * interrupted. */
int must_check session_ask(struct session *s, int timeout_ms, struct strv *lines, struct err *err,
			   const char *request, ...) __attribute__((format(printf, 5, 6)));
/* Only sends, only reads: for requests that run in several sessions at once. */
int must_check session_send(struct session *s, struct err *err, const char *request, ...)
	__attribute__((format(printf, 3, 4)));
int must_check session_receive(struct session *s, int timeout_ms, struct strv *lines,
			       struct err *err);

/* The helper's pid as the host sees it: found by its pid namespace and its pid there, so it needs no
 * engine's word. */
pid_t session_pid(const struct session *s);
/* Monotonic clock, ns: just before the engine's command was spawned, and when hello was read. */
uint64_t session_spawned_ns(const struct session *s);
uint64_t session_hello_ns(const struct session *s);
/* The container's name with its prefix; "" on the host. */
const char *session_name(const struct session *s);

/* key's value in a line "a=1 b=x"; decoded, the caller frees; NULL when it is not there. */
char *session_value(const char *line, const char *key);
/* The same as a number; fallback when it is not there or none. */
double session_number(const char *line, const char *key, double fallback);

/* A command run to its end with nothing on its standard input. */
struct command_run {
	int exit_code;            /* 128 + n for signal n */
	uint64_t spawned_ns;      /* monotonic clock, ns */
	uint64_t first_output_ns; /* 0: it wrote nothing */
	uint64_t ended_ns;        /* waitid returned */
	char *output;             /* standard output, at most 1 MiB; heap */
	char *errors;             /* the end of standard error, at most 4 KiB; heap */
	struct rusage usage;      /* of the command and the children it waited for */
};
void command_run_free(struct command_run *r);
#define auto_command_run __attribute__((cleanup(command_run_free)))
/* subject NULL: no preparation of the child. -ETIMEDOUT after timeout_ms (the child is ended), -EINTR
 * when the run was interrupted. */
int must_check command_execute(const struct subject *s, const struct strv *argv, int timeout_ms,
			       struct command_run *out, struct err *err);

#endif

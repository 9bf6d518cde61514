/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executing further processes in a container that runs. Each has a supervisor of its own (the
 * monitor's program), which outlives the front end, and a state in the run root until the container
 * is removed, or until some minutes after its end.
 */
#ifndef CLOCHE_ENGINE_EXEC_H
#define CLOCHE_ENGINE_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"
#include "engine/engine.h"

/* What a process is asked to be. All zero is valid but for argv. Strings are borrowed by
 * container_exec(), owned where a struct exec_state holds them. */
struct exec_options {
	struct strv argv;
	struct strv env;         /* KEY=VALUE, over the container's */
	char *user;              /* NULL: the container's */
	char *working_dir;       /* NULL: the container's */
	bool privileged;         /* all capabilities */
	bool tty;                /* a terminal of the container's own devpts */
	bool open_stdin;         /* else stdin is empty */
	bool detach;             /* nobody will read its output */
	uint16_t rows, columns;  /* initial size of the terminal, 0 unknown */
	const char *detach_keys; /* remembered for who asks; NULL: default */
};

/*
 * Starts a process in c. handle->client_fd speaks engine/monitor/protocol.h: STARTED or ERROR comes
 * first, then its streams, then EXIT; closing it early leaves the process alone. exec_id gets the id.
 * ERR_CONFLICT: "Container <id> is not running", "Container <id> is paused, unpause the container
 * before exec". "unable to find user x: no matching entries in passwd file". c->state is fresh then.
 */
int must_check container_exec(struct engine *e, struct container *c,
			      const struct exec_options *options, char exec_id[static ID_LEN + 1],
			      struct start_handle *handle, struct err *err);

/* Says in the journal that a client has left a process alone (detach keys). */
void exec_detached(struct engine *e, const struct container *c, const char *exec_id);

/* What is known of one. Free with exec_state_free(). */
struct exec_state {
	char id[ID_LEN + 1];
	char container_id[ID_LEN + 1];
	struct exec_options options; /* owned strings; rows and columns are not kept */
	char *detach_keys;
	bool begun;    /* it was started */
	bool running;  /* its supervisor is at work; false also before it began */
	bool finished; /* exit_code counts */
	int pid;       /* on the host, 0 unless running */
	int exit_code; /* as a shell has it; 137 when its supervisor was killed */
	uint64_t started_ns, finished_ns; /* wall clock, 0 never */
};

void exec_state_free(struct exec_state *s);
#define auto_exec_state __attribute__((cleanup(exec_state_free)))

/* The same in two steps, for front ends that have two requests for it. The first only takes note of
 * what is asked for; the second starts that, once: "Exec command x has already run" (ERR_CONFLICT).
 * rows and columns: initial size of a terminal, 0 unknown. */
int must_check exec_create(struct engine *e, struct container *c,
			   const struct exec_options *options, char exec_id[static ID_LEN + 1],
			   struct err *err);
int must_check exec_start(struct engine *e, const char *exec_id, uint16_t rows, uint16_t columns,
			  struct start_handle *handle, struct err *err);

/* The ids of the processes of a container that have not finished, for inspect's ExecIDs. */
int must_check exec_list(const struct engine *e, const char *container_id, struct strv *ids,
			 struct err *err);
/* By full id, wherever its container is. *s must be zero. "No such exec instance: x". */
int must_check exec_find(const struct engine *e, const char *exec_id, struct exec_state *s,
			 struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor of an exec and the engine agree on, beyond protocol.h:
 *
 *	<run>/containers/<id>/exec/<exec id>/              locked (flock) as long as its supervisor lives
 *	<run>/containers/<id>/exec/<exec id>/state.json    written whole by the engine before the release
 *	<run>/containers/<id>/exec/<exec id>/attach.sock   with a terminal: RESIZE comes there
 *
 * The state begins with a head of fixed length, which the supervisor overwrites in place: nothing new
 * may come into being below a container's directory while its monitor removes that. Readers take the
 * head for true only while nobody holds the lock; the supervisor lets go of it after the last writing
 * and before it says EXIT. A state that is not whole yet is of an exec that is just being made.
 */
#ifndef CLOCHE_ENGINE_MONITOR_EXEC_H
#define CLOCHE_ENGINE_MONITOR_EXEC_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXEC_DIRECTORY "exec"
#define EXEC_STATE_FILE "state.json"
#define EXEC_HEAD_SIZE 192

struct exec_head {
	const char *status; /* "created", "running", "exited" */
	int pid;            /* on the host, 0 when not running */
	int exit_code;      /* 0-255; 126 and 127 also when the program could not be executed */
	uint64_t started_ns, finished_ns; /* wall clock, 0 never */
};

/* {"SchemaVersion":1,...,"FinishedNs":N without an end, always of the same length. */
static inline int exec_head_format(const struct exec_head *h, char out[static EXEC_HEAD_SIZE])
{
	return snprintf(out, EXEC_HEAD_SIZE,
			"{\"SchemaVersion\":1,\"Status\":\"%s\"%*s,\"Pid\":%10d,\"ExitCode\":%3d,"
			"\"StartedNs\":%20llu,\"FinishedNs\":%20llu",
			h->status, (int)(strlen("created") - strlen(h->status)), "", h->pid,
			h->exit_code, (unsigned long long)h->started_ns,
			(unsigned long long)h->finished_ns);
}

#endif

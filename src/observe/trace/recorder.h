/* SPDX-License-Identifier: Apache-2.0 */
/* What was recorded, before anybody asked whom it concerns. */
#ifndef CLOCHE_OBSERVE_TRACE_RECORDER_H
#define CLOCHE_OBSERVE_TRACE_RECORDER_H

#include <sys/types.h>

#include "observe/trace/raw.h"
#include "observe/trace/trace.h"

/* A thread that was there when the recording began. */
struct known_thread {
	pid_t tid, tgid, parent;
	char comm[16];
};

struct recording {
	struct raw_record **records; /* by ns; each only as long as it was */
	size_t count, room, bytes;   /* bytes: of all of them */
	struct raw_head *scheduling; /* by ns */
	size_t scheduling_count, scheduling_room;
	uint64_t dropped; /* what came when this program had kept as much as it keeps at most */
	struct known_thread *known;
	size_t known_count;
	pid_t command;
	uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
	int exit_code;
	uint64_t lost, missed, cpu_ns, kernel_ns, kernel_runs;
};

int must_check recording_make(const struct trace_options *o, const char *const *argv,
			      struct recording *out, struct err *err);
void recording_free(struct recording *r);
#define auto_recording __attribute__((cleanup(recording_free)))

/* Finds who belongs to the command, and what they did (build.c); then the path (path.c). */
struct trace *trace_build(const struct recording *r);
void trace_find_path(const struct recording *r, const size_t *process_of_tid, size_t tids,
		     struct trace *t);

#endif

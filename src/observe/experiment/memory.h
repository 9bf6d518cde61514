/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of experiment 6 share. Nobody else includes it. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_MEMORY_H
#define CLOCHE_OBSERVE_EXPERIMENT_MEMORY_H

#include "observe/experiment/experiment.h"
#include "observe/probe/cgroup.h"
#include "observe/probe/memory.h"

#define MEMORY_CONTAINERS 3
#define MEMORY_ANSWER_MS 30000
#define MEMORY_MIB 1048576.0

struct memory_container {
	struct session *session;
	struct group_view *groups; /* heap */
	struct memory_totals totals;
	struct group_counters counters;
	struct memory_files files;
	uint64_t supervisor_bytes, client_bytes; /* PSS */
};

struct memory_subject {
	struct subject *s;
	struct memory_container c[MEMORY_CONTAINERS];
	struct strv command; /* of the image; empty: a file of it is mapped */
	char *mapped;        /* that file */
	uint64_t rounds_done;
	char why[ERR_MSG_MAX]; /* it cannot be measured */
};

/* Starts container i with its workload and reads its memory once that has come to rest. */
int must_check memory_start(struct memory_subject *m, size_t i, struct err *err);
void memory_stop(struct memory_subject *m, size_t i);
int must_check memory_look(struct memory_container *c, struct err *err);

/* PSS of what was started beside the container for it alone: supervisors above its first process, and
 * the command that waits for it. */
void memory_supervisors(struct memory_container *c);
/* PSS of what the engine runs whether or not there are containers; *what names it ("" for nothing), heap. */
uint64_t memory_engine(const struct subject *s, char **what);

/* Tables, claims and findings on containers that are all up. */
int must_check memory_report(struct experiment_context *x, struct memory_subject *m,
			     struct err *err);
/* The second instruments. */
int must_check memory_verify(struct experiment_context *x, struct memory_subject *m,
			     struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start bill: where the time between the first line of main() and the last stamp went. Three
 * processes stamp; what made the others wait is the path, and the path's entries sum exactly to the
 * total. Work that overlapped it is listed apart and never summed.
 *
 *	command line   main ... spawn ... resolve, record, cgroup, plan ... release
 *	monitor                    \ start, move, clone \                    |      exec seen, exit...
 *	child                                            ready (waits) ......| ops, execve
 *
 * Up to the release the command line is the path, unless the child was ready later: then the monitor
 * is, from where it was spawned.
 */
#ifndef CLOCHE_OBSERVE_TIMELINE_TIMELINE_H
#define CLOCHE_OBSERVE_TIMELINE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "observe/timeline/floor_bill.h"
#include "runtime/plan.h"

#define TIMELINE_SCHEMA_VERSION 1
#define TIMELINE_PHASES (PHASE_OTHER + 1)

enum timeline_process {
	TIMELINE_CLI,
	TIMELINE_MONITOR,
	TIMELINE_CHILD,
	TIMELINE_PROGRAM, /* the container's own */
};

/* What was recorded, from a live plan or from timeline.json. CLOCK_MONOTONIC ns, 0: not reached. */
struct timeline_stamps {
	uint64_t point_ns[POINT_COUNT];
	struct timeline_op {
		enum plan_phase phase;
		char *label; /* heap */
		uint64_t end_ns;
	} * ops; /* heap */
	size_t op_count;
};

struct timeline_entry {
	enum plan_phase phase;
	enum timeline_process process;
	char *what;        /* heap */
	uint64_t start_ns; /* since the bill's begin */
	uint64_t duration_ns;
};

struct timeline_list {
	struct timeline_entry *items; /* heap */
	size_t count, room;
};

struct timeline {
	struct timeline_list path;          /* in the order of time, without gaps */
	struct timeline_list parallel;      /* overlapped the path, or came after its end */
	uint64_t phase_ns[TIMELINE_PHASES]; /* sums of the path */
	uint64_t total_ns;                  /* sum of the path */
	uint64_t to_exec_ns;                /* from begin until the program ran; 0: it did not */
	uint64_t wall_ns; /* what a parent of the command saw, 0 unknown; set by the caller */
};

void timeline_stamps_free(struct timeline_stamps *s);
#define auto_stamps __attribute__((cleanup(timeline_stamps_free)))
/* Copies the stamps out of a mapped plan, which other processes may still be writing. */
void timeline_stamps_from_plan(const struct plan *p, struct timeline_stamps *out);
/* Decodes timeline.json as the monitor writes it. what names the file in errors. Unknown schema
 * versions, numbers out of range and operations without a label are ERR_CORRUPT. */
int must_check timeline_stamps_decode(struct json_object *o, const char *what,
				      struct timeline_stamps *out, struct err *err);

/* Computes the bill. -ENODATA (ERR_NOT_FOUND) when not a single stamp was taken. */
int must_check timeline_compute(const struct timeline_stamps *s, struct timeline *out,
				struct err *err);
void timeline_free(struct timeline *t);
#define auto_timeline __attribute__((cleanup(timeline_free)))

/* "mount", "exec"... */
const char *timeline_phase_name(enum plan_phase phase);
const char *timeline_process_name(enum timeline_process process);

/* The index after the last of the path's entries that share a line with the first: neighbours that do
 * the same thing to many paths. */
size_t timeline_group_end(const struct timeline *t, size_t first);
/* A table of at most 100 columns; complete without colour. title names the container; floor may be
 * NULL. */
void timeline_text(const struct timeline *t, const char *title, const struct floor_bill *floor,
		   struct strbuf *out);
/* The same as an object; the caller puts it. */
struct json_object *timeline_json(const struct timeline *t, const char *container_id,
				  const struct floor_bill *floor);

#endif

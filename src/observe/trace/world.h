/* SPDX-License-Identifier: Apache-2.0 */
/* All processes that a recording saw, and which of them the command is behind. */
#ifndef CLOCHE_OBSERVE_TRACE_WORLD_H
#define CLOCHE_OBSERVE_TRACE_WORLD_H

#include "observe/trace/recorder.h"
#include "observe/trace/trace.h"

#define WORLD_TIDS (4U << 20) /* the kernel's PID_MAX_LIMIT */

enum bond {
	BOND_NONE,
	BOND_FORKED, /* the command, or forked by one of it, however indirectly */
	BOND_CONTACTED, /* was there before, and was woken out of a wait for messages by a bonded one */
	BOND_BORN,      /* forked by a contacted one afterwards */
};

struct world_process {
	int pid;
	size_t parent; /* index, or TRACE_NONE */
	bool before;
	char name[16];       /* as the kernel knows it */
	uint64_t flags;      /* of clone */
	uint64_t start, end; /* CLOCK_MONOTONIC; end TRACE_NEVER */
	size_t threads;      /* that live */
	enum bond bond;
	uint64_t contact; /* since when what it does counts */
	size_t via;       /* contacted by; born of */
	bool acted;       /* made a namespace, mount, cgroup or seccomp call since */
	bool included;
	bool ours;    /* the observer, or one of its ancestors */
	size_t shown; /* index in the trace */
};

struct world {
	const struct recording *r;
	struct world_process *items;
	size_t count, room;
	uint32_t *of_tid; /* index of the process plus one, by tid; 0: none */
	struct world_wake {
		uint64_t ns;
		size_t waker; /* process, bonded when it woke */
	} * wakes;            /* the last for each tid */
};

/* Reads the recording in the order of time. */
void world_read(const struct recording *r, struct world *w);
void world_free(struct world *w);
/* The process of a thread, or TRACE_NONE. */
size_t world_of(const struct world *w, uint32_t tid);
/* Whether a record of this process at this time belongs to the trace. */
bool world_counts(const struct world_process *p, uint64_t ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side of the counter: its programs, and what they keep. */
#ifndef CLOCHE_OBSERVE_TRACE_COUNT_PROGRAM_H
#define CLOCHE_OBSERVE_TRACE_COUNT_PROGRAM_H

#include <stdint.h>

#include "base/err.h"
#include "observe/trace/count.h"

/* Value of the map of threads, by thread id. */
struct counted_thread {
	uint64_t begin_ns; /* of the call it is in; 0: in none that was seen to begin */
	uint64_t number;   /* of that call */
	/* In which time of listening a call of it was last seen to begin: the end of a call that began
	 * before must not be taken for one of now. */
	uint64_t listening;
};

/* Value of the per-cpu array of sums, by number; laid out as struct call_count. */
#define COUNT_SLOT_ROWS (CALL_NUMBERS + 4)
#define COUNT_SLOT_BORN (CALL_NUMBERS + 1) /* .begun only */
#define COUNT_SLOT_GONE (CALL_NUMBERS + 2)
#define COUNT_SLOT_LOST (CALL_NUMBERS + 3)

#define COUNT_FOLLOWERS 3 /* programs at forks, execs and exits */
#define COUNT_LISTENERS 2 /* programs at the begin and end of calls */

struct count_maps {
	int threads, sums;
};

/* Both load and attach; fds are the caller's to close, also after an error (-1: none). */
int must_check count_follow(const struct count_maps *maps, int programs[COUNT_FOLLOWERS],
			    int events[COUNT_FOLLOWERS], struct err *err);
/* listening: another number each time, from 1. */
int must_check count_listen(const struct count_maps *maps, int listening,
			    int programs[COUNT_LISTENERS], int events[COUNT_LISTENERS],
			    struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side of the counter: its five programs, and what they keep. */
#ifndef CLOCHE_OBSERVE_TRACE_COUNT_PROGRAM_H
#define CLOCHE_OBSERVE_TRACE_COUNT_PROGRAM_H

#include <stdint.h>

#include "base/err.h"
#include "observe/trace/count.h"

/* Value of the map of threads, by thread id. */
struct counted_thread {
	uint64_t begin_ns; /* of the call it is in; 0: in none that was seen to begin */
	uint64_t number;   /* of that call */
	uint64_t seen; /* 0 until a call began: an end before that belongs to a call begun unseen */
};

/* Value of the per-cpu array of sums, by number; laid out as struct call_count. */
#define COUNT_SLOT_ROWS (CALL_NUMBERS + 4)
#define COUNT_SLOT_BORN (CALL_NUMBERS + 1) /* .begun only */
#define COUNT_SLOT_GONE (CALL_NUMBERS + 2)
#define COUNT_SLOT_LOST (CALL_NUMBERS + 3)

#define COUNT_PROGRAMS 5

struct count_maps {
	int threads, sums;
};

/* Loads and attaches; fds are the caller's to close, also after an error (-1: none). */
int must_check count_programs_attach(const struct count_maps *maps, int programs[COUNT_PROGRAMS],
				     int events[COUNT_PROGRAMS], struct err *err);

#endif

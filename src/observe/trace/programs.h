/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the recorder that runs in the kernel: programs at tracepoints, and their maps. */
#ifndef CLOCHE_OBSERVE_TRACE_PROGRAMS_H
#define CLOCHE_OBSERVE_TRACE_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/bpf.h"

#define PROGRAMS_MAX 12

struct programs {
	int ring, specs, saved, watched, scratch, lost; /* maps */
	struct bpf_ring reader;
	int program_fds[PROGRAMS_MAX], event_fds[PROGRAMS_MAX];
	bool scheduling[PROGRAMS_MAX]; /* that program only tells who runs and who wakes whom */
	size_t count;
};

/* Makes the maps, loads and attaches everything; what own_pid does is not recorded. scheduling: also
 * who runs when and who wakes whom. */
int must_check programs_attach(uint32_t own_pid, bool scheduling, struct programs *out,
			       struct err *err);
/* No more records from now on; those that are there can still be read. */
void programs_detach(struct programs *p);
void programs_close(struct programs *p);
/* Records that found the buffer full. */
uint64_t programs_lost(const struct programs *p);

#endif

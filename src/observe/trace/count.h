/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of one container over a time: how many, how many failed, how long they took. Counted in
 * the kernel, at raw_syscalls:sys_enter and sys_exit, for a set of threads that begins with those found
 * in the container and follows every fork, exec and exit. Listening starts before the listing, so what
 * is born meanwhile is not missed; what joins from outside (`exec`) is found by listing again.
 *
 * What it does not say: the tracepoint comes after seccomp, so the filter's own time is in no call's
 * time. Of a call that the filter refused only the end is seen; those are counted apart. Programs of 32
 * bits have numbers of their own, which would be taken for those of 64.
 */
#ifndef CLOCHE_OBSERVE_TRACE_COUNT_H
#define CLOCHE_OBSERVE_TRACE_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CALL_NUMBERS 512       /* above what any architecture has; the last row is for the rest */
#define CALL_THREADS_MAX 16384 /* at one time */

struct call_count {
	uint64_t begun, ended;
	uint64_t errors; /* of those that ended: -4095 to -1, without those that the kernel restarts */
	uint64_t refused;    /* by seccomp (or a tracer) before they began; not among the others */
	uint64_t time_ns;    /* from begin to end, sleep included; of those that ended */
	uint64_t longest_ns; /* since the counter was opened */
};

struct call_counts {
	uint64_t at_ns; /* monotonic clock, when they were read */
	struct call_count numbers[CALL_NUMBERS + 1];
	uint64_t born, gone; /* threads, since the counter was opened */
	uint64_t lost;       /* threads that could not be followed: too many at one time */
	/* the observer's own bill, over all calls of the host */
	uint64_t program_ns, program_runs; /* 0: the kernel does not count them */
};

struct call_counter; /* opaque */

/* Starts to listen, to nobody yet. ERR_UNSUPPORTED with the reason where BPF or tracefs is missing or
 * forbidden. */
int must_check call_counter_open(struct call_counter **out, struct err *err);
void call_counter_close(struct call_counter *c);
static inline void cleanup_call_counter(struct call_counter **c)
{
	call_counter_close(*c);
}
#define auto_call_counter __attribute__((cleanup(cleanup_call_counter)))

/* Takes every thread of the container whose first process is pid, in the control group and below; of a
 * plain process (container false) it and its descendants. May be called again: adds those that came
 * by other ways than fork. *added, if not NULL: how many were new. */
int must_check call_counter_follow(struct call_counter *c, pid_t pid, bool container, size_t *added,
				   struct err *err);
/* Counts nothing until resumed, and costs nothing then but at forks, execs and exits, which are
 * followed all the while. Opened, a counter listens. */
void call_counter_pause(struct call_counter *c);
int must_check call_counter_resume(struct call_counter *c, struct err *err);
/* The sums so far. */
int must_check call_counter_read(const struct call_counter *c, struct call_counts *out,
				 struct err *err);
/* after - before, in place of after; the longest stays what it is. */
void call_counts_subtract(struct call_counts *after, const struct call_counts *before);
/* sum += part; the longer of both longest. */
void call_counts_add(struct call_counts *sum, const struct call_counts *part);
/* All numbers in one. */
struct call_count call_counts_total(const struct call_counts *c);

/* The name of a system call of this machine's architecture; the caller frees. Never NULL: "call 499", "other numbers". */
char *call_name(size_t number);
/* Its number, or -1. */
int call_number(const char *name);

#endif

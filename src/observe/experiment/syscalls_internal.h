/* SPDX-License-Identifier: Apache-2.0 */
/* Test 10: what its files share. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_SYSCALLS_INTERNAL_H
#define CLOCHE_OBSERVE_EXPERIMENT_SYSCALLS_INTERNAL_H

#include "observe/experiment/experiment.h"
#include "observe/trace/count.h"

#define ANSWER_MS 60000

/* The calls whose number is known, because the helper was asked to make so many. */
enum known_call {
	KNOWN_GETPPID,
	KNOWN_FCHDIR, /* of no directory: every one fails */
	KNOWN_NAP,
	KNOWN_KEYCTL, /* what engines' filters refuse */
	KNOWN_CALLS,
};
extern const char *const known_names[KNOWN_CALLS];

/* One subject of the test, with sums over its runs. */
struct counted_subject {
	struct subject *subject;
	struct session *session;      /* NULL: it could not be started */
	struct call_counter *counter; /* NULL without a session; listens only when it is its turn */
	struct call_counts *known, *command;
	uint64_t made[KNOWN_CALLS];
	uint64_t made_threads; /* that the helper made for the known calls */
	uint64_t outside;      /* getppid made by the observer meanwhile */
	uint64_t missed;       /* known calls that were not counted, or counted twice */
	uint64_t command_ns;   /* how long the windows of the command were */
	size_t runs, command_runs;
	bool no_command; /* the image has none that could be run */
};

struct syscalls_test {
	struct experiment_context *x;
	struct counted_subject *subjects;
	size_t count;
	struct counted_subject
		host;     /* for the floor; its session is NULL when it is a subject itself */
	double *floor_us; /* of the host, one per run */
	size_t floor_count;
};

bool counted_in_container(const struct counted_subject *c);
/* Begun and refused: what a program has asked for. */
uint64_t counted_attempts(const struct call_counts *c, enum known_call call);
/* Asks the helper for known calls and puts what it says that it made into made and threads. */
int must_check syscalls_ask_known(struct counted_subject *c, bool brief, uint64_t made[KNOWN_CALLS],
				  uint64_t *threads, struct err *err);

/* Tables, claims and findings from the sums. */
void syscalls_conclude(struct syscalls_test *t);
/* The same work, counted by strace at the same time (--verify). */
int must_check syscalls_verify(struct syscalls_test *t, struct counted_subject *c, struct err *err);
/* The counts in a table of `strace -c`: calls and errors of that call, 0 when it is not there. */
void syscalls_parse_strace(const char *table, const char *name, uint64_t *calls, uint64_t *errors);

#endif

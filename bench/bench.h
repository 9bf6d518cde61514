/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench: runs commands interleaved, times each from outside as a parent does, and reports
 * medians with intervals. It knows nothing of containers; what is measured stands in a file.
 */
#ifndef CLOCHE_BENCH_BENCH_H
#define CLOCHE_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "base/strv.h"
#include "observe/statistics/statistics.h"

#define BENCH_SCHEMA_VERSION 1

struct bench_subject {
	char *name;
	char *floor;        /* name of the subject that is its floor, or NULL */
	char *namespace_of; /* path of a mount namespace to run in, or NULL */
	struct strv
		command; /* {n}: number of the run, unique over the bench; {pid}: of the command */
	struct strv after;  /* untimed, after each run; may be empty */
	double *samples_ms; /* of the mode being measured; only runs that ended with 0 */
	size_t sample_count, failed;
	int last_status;        /* exit code of the last failed run, 128 + n for signal n */
	struct summary summary; /* once measured, with sample_count > 0 */
};

struct bench_subjects {
	struct bench_subject *items;
	size_t count;
};

struct bench_mode {
	const char *name;        /* "with pauses", "back to back" */
	uint64_t pause_ms;       /* before each run */
	uint64_t runs, warm_ups; /* per subject; warm-ups are dropped */
};

/* Reads the subject file: lines of `NAME<TAB>FLOOR or -<TAB>NAMESPACE or -<TAB>COMMAND<TAB>AFTER`,
 * words of the last two separated by single blanks, AFTER may be left out; # begins a comment. */
int must_check bench_subjects_read(const char *path, struct bench_subjects *out, struct err *err);
void bench_subjects_free(struct bench_subjects *s);
struct bench_subject *bench_subjects_find(const struct bench_subjects *s, const char *name);

/* Measures all subjects in one mode, each round in another order (seeded, so repeatable). Ends early
 * with -EINTR when *interrupted becomes set; a subject that cannot be started at all is an error. */
int must_check bench_measure(struct bench_subjects *s, const struct bench_mode *mode,
			     const volatile int *interrupted, struct err *err);

/* Where it ran: kernel, processor, memory, load, cgroups, file system of dir. notes are KEY=VALUE
 * (versions of what is measured). */
struct json_object *bench_environment(const char *dir, const struct strv *notes);

/* The last measured mode, as a table and as an object (samples included). baseline names the subject
 * of the second ratio column; may be absent from the subjects. */
void bench_text(const struct bench_subjects *s, const struct bench_mode *mode, const char *baseline,
		struct strbuf *out);
void bench_environment_text(struct json_object *environment, struct strbuf *out);
struct json_object *bench_json(const struct bench_subjects *s, const struct bench_mode *mode,
			       const char *baseline);

#endif

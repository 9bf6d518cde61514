/* SPDX-License-Identifier: Apache-2.0 */
/* What measuring copies up and concluding from it share. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_IO_COPY_UP_H
#define CLOCHE_OBSERVE_EXPERIMENT_IO_COPY_UP_H

#include "observe/experiment/io.h"
#include "observe/probe/layers.h"

enum copy_kind {
	COPY_WRITE, /* one byte at the beginning */
	COPY_OTHER, /* another kind of change, which copies all the same */
};

/* One file of the image's layer, changed once in each container. */
struct copy_file {
	const char *key; /* its name, and part of its figures' keys */
	unsigned mib;
	enum copy_kind kind;
	const char *how; /* of io-first-write */
	bool fitted;     /* a point of the line through time over size */
	bool large;      /* left out of a short look */
	size_t most;     /* rounds that it takes part in */
};
extern const struct copy_file copy_files[];
extern const size_t copy_file_count;

struct copy_subject {
	struct subject *s;
	char *image;   /* NULL: gave up */
	size_t rounds; /* complete ones */
	bool metacopy;
};

struct copy_run {
	struct io_run *r;
	struct copy_subject *subjects;
	size_t count;
	double end_s;
};

struct copy_subject *copy_subject_of(struct copy_run *c, const struct subject *s);
/* "io.copy_up.10mib.first" and the like; made when it is not there. */
struct report_figure *copy_figure(const struct io_run *r, const struct subject *s,
				  const struct copy_file *f, const char *what, const char *label,
				  const char *unit);
/* Claims, checks and findings of one subject. */
void copy_up_conclude(struct io_run *r, const struct copy_subject *of);

#endif

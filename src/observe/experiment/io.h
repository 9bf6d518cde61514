/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of test 4 share: io.c makes the places and calls the parts. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_IO_H
#define CLOCHE_OBSERVE_EXPERIMENT_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/experiment/experiment.h"

#define IO_VOLUME "/io-volume"
#define IO_TMPFS "/io-tmpfs"
#define IO_UPPER "/io-upper"
#define IO_ASK_MS 120000 /* for one request */
#define IO_MIB 1048576.0

/* A place that files lie in, and the helper that writes to it. */
struct io_place {
	struct subject *subject;
	struct session *session; /* borrowed */
	const char *key;         /* "upper", "volume", "tmpfs", "host" */
	const char *label;
	char *path;       /* as a word of a request */
	bool disk;        /* tmpfs is none */
	bool is_volatile; /* fsync does nothing there */
	unsigned refused; /* bits of operations that the file system has not */
};

struct io_run {
	struct experiment_context *x;
	struct session *host;      /* the helper on the bare host */
	char *scratch;             /* a directory of the host, as a word of a request */
	struct session **sessions; /* one a subject, NULL where there is none; by place */
	struct io_place *places;
	size_t place_count;
	uint64_t order; /* state of the generator that orders the turns */
};

/* A path as a word of a request: blanks and percent signs encoded. The caller frees. */
char *io_word(const char *path);
/* Everything that was written before is on the disk: nobody pays for who came before. */
int must_check io_flush(struct io_run *r, struct err *err);
/* The places in a new order. The caller frees. */
size_t *io_shuffled(struct io_run *r);
/* Seconds that a part may take when one of it alone may take `share`. */
double io_budget_s(const struct io_run *r, double share);
/* Without the time that other tests took meanwhile. */
double io_now_s(const struct io_run *r);

int must_check io_transfers(struct io_run *r, struct err *err);
int must_check io_metadata(struct io_run *r, struct err *err);
int must_check io_copy_up(struct io_run *r, struct err *err);
/* Findings of transfers and metadata, the table of places. */
void io_conclude(struct io_run *r);

/* The keys of the operations of io_transfers(), in order, ended by NULL; and their labels. */
struct io_operation {
	const char *key, *label, *unit;
	const char *op;
	bool random, direct;
};
extern const struct io_operation io_operations[];
extern const size_t io_operation_count;
struct report_figure *io_figure(const struct io_run *r, const struct io_place *p,
				const struct io_operation *o);

#endif

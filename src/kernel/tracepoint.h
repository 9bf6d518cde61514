/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tracefs says of a tracepoint: its number and where its fields lie in a record. Read from the
 * running kernel, since both differ between versions. Where tracefs is mounted nowhere, a detached
 * mount of it is used, which nobody else sees.
 */
#ifndef CLOCHE_KERNEL_TRACEPOINT_H
#define CLOCHE_KERNEL_TRACEPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TRACEPOINT_FIELDS_MAX 24

struct tracepoint_field {
	char name[32];
	int offset, size; /* bytes; a "__data_loc" field is offset | length << 16 in 4 bytes */
};

struct tracepoint {
	char name[64]; /* "sched/sched_switch" */
	uint64_t id;
	struct tracepoint_field fields[TRACEPOINT_FIELDS_MAX];
	size_t count;
};

/* Opens tracefs; close the descriptor. ERR_UNSUPPORTED with the reason where there is none. */
int must_check tracefs_open(int *fd, struct err *err);
/* name is "GROUP/EVENT". ERR_UNSUPPORTED: this kernel has no such event. */
int must_check tracepoint_read(int tracefs, const char *name, struct tracepoint *out,
			       struct err *err);
/* The offset of a field, or -ENOENT (ERR_UNSUPPORTED). */
int must_check tracepoint_offset(const struct tracepoint *t, const char *field, struct err *err);
/* Parses the text of a format file; also for tests. */
int must_check tracepoint_parse(const char *format, struct tracepoint *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that a trace is about: one table says how each is recorded, shown and counted. */
#ifndef CLOCHE_OBSERVE_TRACE_CALLS_H
#define CLOCHE_OBSERVE_TRACE_CALLS_H

#include <stddef.h>

#include "observe/trace/raw.h"
#include "observe/trace/trace.h"

struct call_row {
	int nr;
	const char *name;
	enum trace_group group;
	struct raw_spec spec;
	/* Its arguments in words; NULL: none worth it. */
	void (*describe)(const struct raw_record *r, struct strbuf *out);
};

/* NULL: not in the table. */
const struct call_row *call_find(int nr);
/* Fills the map's values; those that are not in the table are RAW_SKIP. */
void call_specs(struct raw_spec specs[static RAW_CALLS_MAX]);
/* CLONE_NEW* flags that a namespace call asked for; 0 for others. */
uint64_t call_namespaces(const struct raw_record *r);
/* Names of the flags of clone that make namespaces: "mnt,pid,net". */
void call_namespace_names(uint64_t flags, struct strbuf *out);

#endif

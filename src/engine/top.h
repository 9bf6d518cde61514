/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a container as the host's ps shows them. */
#ifndef CLOCHE_ENGINE_TOP_H
#define CLOCHE_ENGINE_TOP_H

#include <stddef.h>

#include "base/strv.h"
#include "engine/engine.h"

/* As Docker's API: every row has one cell for each title; the last may hold blanks. */
struct top_table {
	struct strv titles;
	struct strv *rows;
	size_t row_count;
};

void top_free(struct top_table *t);
#define auto_top __attribute__((cleanup(top_free)))

/*
 * The processes in the group of c, also where it shares the host's pid namespace. ps_args as typed,
 * joined by blanks; "" or "-ef": ps -ef, read from /proc without any program. Anything else is given
 * to the host's ps, and what it says is cut down to these processes. *out (zeroed) is ended with
 * top_free(). "Container <id> is not running" (ERR_CONFLICT).
 */
int must_check container_top(struct engine *e, struct container *c, const char *ps_args,
			     struct top_table *out, struct err *err);

/* Parts, for tests. Adds the rows of the count processes in pids (sorted) from ps's output. */
int must_check top_parse_ps(const char *output, const int *pids, size_t count,
			    struct top_table *out, struct err *err);
/* Refuses to give the column PID's name to another one: it is found by its name. */
int must_check top_check_args(const char *ps_args, struct err *err);

#endif

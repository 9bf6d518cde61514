/* SPDX-License-Identifier: Apache-2.0 */
/* What top.c (which processes, and the host's ps) and top_proc.c (ps -ef from /proc) share. */
#ifndef CLOCHE_ENGINE_TOP_INTERNAL_H
#define CLOCHE_ENGINE_TOP_INTERNAL_H

#include "engine/top.h"

/* A new, empty row; valid until the next one is added. */
struct strv *top_add_row(struct top_table *t);
/* The table of `ps -ef` for these processes; one that has ended meanwhile is left out. */
void top_read_proc(const int *pids, size_t count, struct top_table *out);

#endif

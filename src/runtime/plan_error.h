/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the child's failure into words; allocates nothing, so the monitor can do it. */
#ifndef CLOCHE_RUNTIME_PLAN_ERROR_H
#define CLOCHE_RUNTIME_PLAN_ERROR_H

#include "base/err.h"
#include "runtime/plan.h"

/* Fills *err from plan->shared.failed_*. Returns err_code(err), or 0 when no operation failed. */
int plan_error(const struct plan *p, struct err *err);
/* How many operations failed that may. */
uint32_t plan_warning_count(const struct plan *p);
/* The text of warning i (< plan_warning_count()): "ulimit nofile: Operation not permitted". */
void plan_warning(const struct plan *p, uint32_t i, char *out, size_t size);

#endif

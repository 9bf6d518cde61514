/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test builds only: makes one step slow, or kills the process that takes it.
 *   CLOCHE_TEST_DELAY=op:mount /proc=5      the operation with this label takes 5 ms more
 *   CLOCHE_TEST_KILL=op:mount /proc         the child dies there
 *   CLOCHE_TEST_KILL=op:#12                 the same by place, counted from 0: labels may hold the id
 *   CLOCHE_TEST_KILL=point:7                whoever stamps enum timeline_point 7 dies there
 */
#include "engine/start_internal.h"

#ifdef CLOCHE_TEST_HOOKS
#include <stdlib.h>

#include "base/str.h"

static void find_step(const struct plan *p, const char *spec, uint32_t *op, uint32_t *point)
{
	size_t n = strcspn(spec, "=");

	if (str_starts(spec, "point:"))
		*point = (uint32_t)atoi(spec + 6) + 1;
	if (str_starts(spec, "op:#"))
		*op = (uint32_t)atoi(spec + 4) + 1;
	for (uint32_t i = 0; str_starts(spec, "op:") && i < p->op_count; i++) {
		const char *label = plan_string(p, p->ops[i].label);

		if (label && strlen(label) == n - 3 && strncmp(label, spec + 3, n - 3) == 0)
			*op = i + 1;
	}
}

void launch_test_hooks(struct plan *p)
{
	const char *delay = getenv("CLOCHE_TEST_DELAY"), *die = getenv("CLOCHE_TEST_KILL");
	const char *ms = delay ? strchr(delay, '=') : NULL;

	if (ms) {
		p->shared.test_delay_ns = (uint64_t)(atof(ms + 1) * 1e6);
		find_step(p, delay, &p->shared.test_delay_op, &p->shared.test_delay_point);
	}
	if (die)
		find_step(p, die, &p->shared.test_kill_op, &p->shared.test_kill_point);
}
#else
/* A translation unit must not be empty. */
typedef int test_hooks_are_not_built;
#endif

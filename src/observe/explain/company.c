/* SPDX-License-Identifier: Apache-2.0 */
/* A namespace does not say who made it; who is in it, and since when, does say whether it was there. */
#include "observe/explain/company.h"

void explain_company(const struct explain *x, enum namespace_kind kind, struct company *out)
{
	const struct process *first = process_find(&x->processes, x->target->pid);

	*out = (struct company){.members = 0};
	for (size_t i = 0; i < x->census.count; i++) {
		const struct namespace_member *m = &x->census.members[i];
		const struct process *p = process_find(&x->processes, m->pid);

		if (!p || !m->inode[kind] || m->inode[kind] != x->own.inode[kind])
			continue;
		if (p->member) {
			out->members++;
			continue;
		}
		if (out->strangers < COMPANY_SHOWN)
			out->shown[out->strangers] = p;
		out->strangers++;
		if (!out->oldest || p->start_ticks < out->oldest->start_ticks)
			out->oldest = p;
	}
	out->joined = first && out->oldest && out->oldest->start_ticks < first->start_ticks;
}

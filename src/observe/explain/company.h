/* SPDX-License-Identifier: Apache-2.0 */
/* Who else is in a namespace of the container, and who was there first. */
#ifndef CLOCHE_OBSERVE_EXPLAIN_COMPANY_H
#define CLOCHE_OBSERVE_EXPLAIN_COMPANY_H

#include "observe/explain/explain.h"

#define COMPANY_SHOWN 4

struct company {
	size_t members;                             /* processes of the container */
	size_t strangers;                           /* all others */
	const struct process *oldest;               /* of the strangers; NULL: there are none */
	const struct process *shown[COMPANY_SHOWN]; /* the first of the strangers */
	bool joined; /* a stranger is older than the container's first process */
};

void explain_company(const struct explain *x, enum namespace_kind kind, struct company *out);

#endif

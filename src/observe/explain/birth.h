/* SPDX-License-Identifier: Apache-2.0 */
/* The birth of a container, watched: the recorder of `cloche trace` on one more container of the course. */
#ifndef CLOCHE_OBSERVE_EXPLAIN_BIRTH_H
#define CLOCHE_OBSERVE_EXPLAIN_BIRTH_H

#include "observe/report/report.h"
#include "observe/subject/subject.h"

/* Runs `true` in a container of s that nobody else uses and claims what was seen; a note says why where
 * nothing may be recorded. 0, or -errno with *err when the run is to end. */
int must_check explain_birth(struct report_test *test, struct subject *s, struct err *err);

#endif

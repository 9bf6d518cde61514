/* SPDX-License-Identifier: Apache-2.0 */
/* What of the host belongs to a result: facts of the sections "environment" and "prerequisite". */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_ENVIRONMENT_H
#define CLOCHE_OBSERVE_EXPERIMENT_ENVIRONMENT_H

#include <stdbool.h>

#include "observe/report/report.h"

/* data_root: the directory whose file system and device are told; NULL: unknown. */
void environment_describe(struct report *r, const char *data_root);
/* Load and pressure now; when: "before" or "after". */
void environment_pressure(struct report *r, const char *when);
/* verify: strace counts among the tools. */
void prerequisites_describe(struct report *r, bool verify);

#endif

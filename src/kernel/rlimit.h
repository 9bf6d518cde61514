/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits by name ("RLIMIT_NOFILE", Docker's "nofile") and by number. */
#ifndef CLOCHE_KERNEL_RLIMIT_H
#define CLOCHE_KERNEL_RLIMIT_H

#include <stdint.h>

#include "base/err.h"

#define RLIMIT_UNLIMITED UINT64_MAX

struct rlimit_value {
	int resource;        /* RLIMIT_* */
	uint64_t soft, hard; /* RLIMIT_UNLIMITED: none */
};

/* Number of resource names known. */
#define RLIMIT_NAME_COUNT 16

/* RLIMIT_* for "RLIMIT_NOFILE" (OCI) or "nofile" (Docker); -EINVAL otherwise. */
int must_check rlimit_number(const char *name);
/* "RLIMIT_NOFILE" for RLIMIT_NOFILE; NULL when unknown. */
const char *rlimit_name(int resource);

#endif

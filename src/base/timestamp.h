/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as Docker's --since and --until take them. Pure, but for the host's time zone. */
#ifndef CLOCHE_BASE_TIMESTAMP_H
#define CLOCHE_BASE_TIMESTAMP_H

#include <stdint.h>

#include "base/err.h"

/*
 * A duration before now ("10m", whole seconds are kept as Docker keeps them), a date or time as RFC
 * 3339 has it with any part after the day left out ("2026-11-22", "2026-11-22T07:00"), in the host's
 * time zone unless it names one, or seconds since the epoch with a fraction ("1795330000.5"). Result
 * and now_ns in ns since the epoch; times before 1970 give 0. ERR_INVALID with the words of Go's
 * parser and of Docker.
 */
int must_check timestamp_parse(const char *text, uint64_t now_ns, uint64_t *out_ns,
			       struct err *err);

#endif

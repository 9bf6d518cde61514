/* SPDX-License-Identifier: Apache-2.0 */
/* Time: the monotonic clock for durations, the wall clock for records, and Docker's spelling. */
#ifndef CLOCHE_BASE_CLOCK_H
#define CLOCHE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_RFC3339_MAX 40
#define CLOCK_RFC3339_ZERO "0001-01-01T00:00:00Z"

/* CLOCK_MONOTONIC in ns. */
uint64_t clock_now_ns(void);
/* CLOCK_REALTIME in ns since the epoch. */
uint64_t clock_wall_ns(void);
/* CPU time this process has used, in ns: at main() that is what exec and start-up code cost. */
uint64_t clock_cpu_ns(void);
/* RFC 3339 in UTC with as many fraction digits as are not trailing zeros, as Go's RFC3339Nano.
 * 0 ns gives Docker's "never": 0001-01-01T00:00:00Z. */
void clock_format_rfc3339(uint64_t wall_ns, char out[static CLOCK_RFC3339_MAX]);
/* The reverse; accepts any offset and 0-9 fraction digits. Returns 0 or -EINVAL. Years before 1970
 * give 0. */
int clock_parse_rfc3339(const char *text, uint64_t *wall_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that go on until they are stopped share (events, logs -f, stats). */
#ifndef CLOCHE_CLI_FOLLOWING_H
#define CLOCHE_CLI_FOLLOWING_H

#include <stdint.h>

#include "base/str.h"

/* From here on SIGINT and SIGTERM end the process at once with 128 + their number, as Docker's client
 * ends, also where the caller has them ignored (a shell's background jobs). */
void follow_end_on_signals(void);

/* Appends a time with nine digits of a fraction, in the host's time zone: Docker's RFC3339NanoFixed. */
void follow_put_time(uint64_t wall_ns, struct strbuf *out);

#endif

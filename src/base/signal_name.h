/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as users write them. */
#ifndef CLOCHE_BASE_SIGNAL_NAME_H
#define CLOCHE_BASE_SIGNAL_NAME_H

#include "base/err.h"

/* "SIGTERM", "term", "15", "RTMIN+3" -> number, 1 to 64 (signal(7), x86 and ARM numbering).
 * "Invalid signal: FOO" is ERR_INVALID. */
int must_check signal_parse(const char *text, int *number, struct err *err);
/* "SIGTERM" for 15, "SIGRTMIN+3" for 37; NULL for what is no signal. Static storage. */
const char *signal_name(int number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What `logs --details` puts in front of a line: labels and variables that --log-opt names. */
#ifndef CLOCHE_ENGINE_LOG_DETAILS_H
#define CLOCHE_ENGINE_LOG_DETAILS_H

#include <stddef.h>

/* Of one line's "attrs", a JSON object: "key=value,key=value", sorted, escaped as Go's url.QueryEscape;
 * "" when it is none. The caller frees it. */
char *log_details_of_line(const char *json, size_t n);

#endif

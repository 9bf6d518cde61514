/* SPDX-License-Identifier: Apache-2.0 */
/* What `logs --details` puts in front of a line: labels and variables that --log-opt names. */
#ifndef CLOCHE_ENGINE_LOG_DETAILS_H
#define CLOCHE_ENGINE_LOG_DETAILS_H

#include <stddef.h>

#include "engine/container.h"

/* "key=value,key=value", sorted, escaped as Go's url.QueryEscape; the caller frees it. Of a container:
 * by its log options labels and env (lists separated by commas). */
char *log_details_of(const struct container *c);
/* Of one line's "attrs", a JSON object; "" when it is none. */
char *log_details_of_line(const char *json, size_t n);

#endif

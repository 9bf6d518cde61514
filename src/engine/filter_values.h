/* SPDX-License-Identifier: Apache-2.0 */
/* What filters of all kinds of objects have in common: labels, points in time, Docker's words. */
#ifndef CLOCHE_ENGINE_FILTER_VALUES_H
#define CLOCHE_ENGINE_FILTER_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/* True if labels (KEY=VALUE) hold "key" or exactly "key=value". */
bool filter_label(const struct strv *labels, const char *value);
/* until: RFC 3339, seconds since the epoch with or without a fraction, or a duration before now.
 * -EINVAL. */
int must_check filter_until(const char *value, uint64_t now_ns, uint64_t *wall_ns);
/* "invalid filter 'key=[value]'" and "invalid filter 'key'" (of "key=value"): -EINVAL. */
int must_check filter_bad_value(const char *key, const char *value, struct err *err);
int must_check filter_unknown(const char *filter, struct err *err);

#endif

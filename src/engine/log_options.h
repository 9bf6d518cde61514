/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the json-file log: --log-opt max-size and max-file. */
#ifndef CLOCHE_ENGINE_LOG_OPTIONS_H
#define CLOCHE_ENGINE_LOG_OPTIONS_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/* Reads max-size (decimal units as Docker's: "10m" is 10,000,000 bytes; -1 is without end, 0 here) and
 * max-file from KEY=VALUE strings into *max_bytes and *max_files, which keep their values where nothing
 * is said. Other keys are left alone. ERR_INVALID in Docker's words. */
int must_check log_options_parse(const struct strv *options, uint64_t *max_bytes,
				 uint32_t *max_files, struct err *err);

#endif

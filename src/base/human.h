/* SPDX-License-Identifier: Apache-2.0 */
/* Durations and sizes as Docker words them for people. */
#ifndef CLOCHE_BASE_HUMAN_H
#define CLOCHE_BASE_HUMAN_H

#include <stdint.h>

#define HUMAN_MAX 32

/* "Less than a second", "5 seconds", "About an hour", "3 weeks", ... */
void human_duration(uint64_t ns, char out[static HUMAN_MAX]);
/* Decimal units with `digits` significant digits: "1.98MB", "646B". */
void human_size(uint64_t bytes, int digits, char out[static HUMAN_MAX]);
/* Binary units, four significant digits: "704KiB", "23.54GiB". */
void human_bytes(uint64_t bytes, char out[static HUMAN_MAX]);

#endif

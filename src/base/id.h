/* SPDX-License-Identifier: Apache-2.0 */
/* Random object ids: 64 lower-case hex digits, 12 of them where a person reads. */
#ifndef CLOCHE_BASE_ID_H
#define CLOCHE_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>

#define ID_LEN 64
#define ID_SHORT_LEN 12

/* A fresh id from the kernel's generator. Like Docker's, its short form is never all digits, since
 * that would read as a number. Returns 0 or -errno. */
int id_generate(char out[static ID_LEN + 1]);
/* True if text is n lower-case hex digits and nothing else. */
bool id_is_hex(const char *text, size_t n);
/* Lower-case hex of n bytes; out holds 2n + 1. */
void hex_encode(const unsigned char *bytes, size_t n, char *out);

#endif

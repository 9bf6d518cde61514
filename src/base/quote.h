/* SPDX-License-Identifier: Apache-2.0 */
/* Go's double-quoted spelling of a string (%q), which Docker's messages and tables use. */
#ifndef CLOCHE_BASE_QUOTE_H
#define CLOCHE_BASE_QUOTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Appends n bytes in double quotes: \a \b \f \n \r \t \v \\ \" as escapes, other control
 * characters as \xNN or \uNNNN, bytes that are not UTF-8 as \xNN, the rest as it is. */
void quote_go(struct strbuf *out, const char *bytes, size_t n);
/* Length of the UTF-8 sequence at s (1-4) and its code point; 1 and *valid = 0 for a stray byte. */
size_t utf8_decode(const char *s, size_t n, uint32_t *code, int *valid);
/* Appends a code point. */
void utf8_encode(uint32_t code, struct strbuf *out);
/* Number of code points, stray bytes counted as one each. */
size_t utf8_count(const char *s, size_t n);

#endif

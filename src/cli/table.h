/* SPDX-License-Identifier: Apache-2.0 */
/* Aligning text: cells separated by tabs become columns with at least three blanks between. */
#ifndef CLOCHE_CLI_TABLE_H
#define CLOCHE_CLI_TABLE_H

#include "base/str.h"

/* Appends text to *out with its columns aligned. A column is as wide as the widest cell of the
 * adjacent lines that have it; the last cell of a line is not padded. */
void table_align(const char *text, struct strbuf *out);

#endif

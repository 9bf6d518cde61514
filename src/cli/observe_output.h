/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of cloche-observe have in common: what they look like, and how they end. */
#ifndef CLOCHE_CLI_OBSERVE_OUTPUT_H
#define CLOCHE_CLI_OBSERVE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cli_context;
struct report;

/* Standard output is a terminal that shows styles, and nobody asked for none (NO_COLOR, no-color.org). */
bool observe_has_styles(void);
/* Standard error is a terminal on which a line can be written again. */
bool observe_has_progress(void);
/* Puts "WHAT DONE of ALL" in that line's place; ends it. */
void observe_show_progress(const char *what, size_t done, size_t of);
void observe_clear_progress(void);
/* The engine's command lines that are started look in the same places. */
int must_check observe_hand_down_roots(const struct cli_context *ctx, struct err *err);
/* 130 after an interrupt, 1 when a test failed, else 0. */
int observe_exit_code(const struct report *r);

#endif

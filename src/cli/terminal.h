/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's terminal: raw mode with the way back, and its size. */
#ifndef CLOCHE_CLI_TERMINAL_H
#define CLOCHE_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

struct terminal {
	bool raw; /* restore is needed */
	struct termios saved;
};

/* Puts standard input into raw mode when it is a terminal; else does nothing. */
int must_check terminal_make_raw(struct terminal *t, struct err *err);
/* Back to what it was; safe to call twice. */
void terminal_restore(struct terminal *t);
/* Size of the terminal at standard output (or input); zeros when there is none. */
void terminal_size(uint16_t *rows, uint16_t *columns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wish to end. SIGINT, SIGTERM and SIGHUP are blocked and left pending: the kernel itself keeps the
 * flag, every wait sees it, and there is no moment at which it could be lost.
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_INTERRUPT_H
#define CLOCHE_OBSERVE_SUBJECT_INTERRUPT_H

#include <stdbool.h>

/* From now on the three signals wait. Nor does one who stops to listen end the run: writing to somebody
 * who has gone is an error like another (SIGPIPE is ignored). */
void interrupt_catch(void);
bool interrupt_came(void);
/* Forgets what came and ignores what comes: for the sweep, which must run to its end. */
void interrupt_ignore(void);
/* Readable once one came; nothing is to be read from it. -1: none, waits then end by time alone. */
int interrupt_fd(void);

#endif

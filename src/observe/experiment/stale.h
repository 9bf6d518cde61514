/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that were killed before they could tidy up. A run holds a lock on its scratch directory for as
 * long as it lives; a directory that nobody locks bears the prefix of one that is gone.
 */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_STALE_H
#define CLOCHE_OBSERVE_EXPERIMENT_STALE_H

#include "base/err.h"
#include "base/strv.h"

#define STALE_NAME "cloche-analyze-" /* prefixes are this, four digits and a dash */

/* Makes <data_root>/tmp/<prefix>, locked until *lock is closed, and notes there which subjects (as given
 * to subject_open()) the run may leave something in. */
int must_check scratch_make(const char *data_root, const char *prefix, const struct strv *specs,
			    int *lock, struct err *err);
/* Takes back what runs that are gone have left in their subjects, and their directories. How many were
 * swept; one of whose subjects does not answer now stays for the next. */
int stale_sweep(const char *data_root);

#endif

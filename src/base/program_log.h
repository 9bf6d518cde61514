/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program log: what every program of ours did to the containers of one run root, in one place, for
 * whoever asks later. <run>/cloche.log, bounded, or the journal. A line that cannot be written is lost;
 * nothing waits for one. Never allocates.
 */
#ifndef CLOCHE_BASE_PROGRAM_LOG_H
#define CLOCHE_BASE_PROGRAM_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define PROGRAM_LOG_FILE "cloche.log"
#define PROGRAM_LOG_OLD_FILE "cloche.log.1"
/* When the file is this large another is begun; the one before it stays. */
#define PROGRAM_LOG_MAX_BYTES (4u << 20)

struct program_log {
	int dir;      /* the run root; -1: no log */
	bool journal; /* systemd's in place of the file */
};

/* One line: time, level, program and pid, container (its short id, "-" without), text. Lines of level
 * debug only when CLOCHE_LOG_LEVEL is debug. */
void program_log(const struct program_log *log, enum log_level level, const char *container,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a container's log: what is past, then what comes, through rotations. The reader reads files
 * and only files, so however slow it is, neither the container nor its monitor waits for it; what
 * rotation removed before it was read is told as a gap.
 */
#ifndef CLOCHE_ENGINE_LOG_READ_H
#define CLOCHE_ENGINE_LOG_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/log_line.h"

struct log_query {
	bool follow; /* until the container has ended */
	bool only_stdout, only_stderr;
	bool details; /* entries come with what --log-opt labels and env name */
	int64_t tail; /* the last so many entries, before the times are looked at; -1: all */
	uint64_t since_ns, until_ns; /* wall clock; 0: not given */
};

enum log_news {
	LOG_NONE, /* nothing yet: wait */
	LOG_ENTRY,
	LOG_GAP, /* rotation was faster: bytes_missed of the files are gone, or -1: nobody knows */
	LOG_END,
};

struct log_entry {
	const char *text; /* usually a line with its newline; valid until the next call */
	size_t len;
	bool is_stderr;
	const char *time; /* RFC 3339 with nine digits of a fraction */
	const char
		*attributes; /* with details: "key=value,key=value", escaped as in URLs; "" none */
	int64_t bytes_missed;
};

struct log_reader;

/* "configured logging driver does not support reading" (ERR_UNSUPPORTED) for a driver that keeps
 * nothing. The caller ends *out with log_reader_close(); the engine must outlive it, c need not. */
int must_check log_reader_open(struct engine *e, struct container *c, const struct log_query *q,
			       struct log_reader **out, struct err *err);
void log_reader_close(struct log_reader *r);
/* Never blocks. An enum log_news or -errno. */
int must_check log_reader_next(struct log_reader *r, struct log_entry *out, struct err *err);
/* Waits for news, the container's end, until_ns, or a signal. */
int must_check log_reader_wait(struct log_reader *r, struct err *err);

#endif

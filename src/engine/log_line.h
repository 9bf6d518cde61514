/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a json-file log, Docker's or ours: {"log":"text\n","stream":"stdout","time":"..."}, with
 * "attrs" where Docker was told to add some. Members may come in any order; unknown ones are skipped.
 * Allocates nothing; the input may hold anything (tests/fuzz/fuzz_log_line.c).
 */
#ifndef CLOCHE_ENGINE_LOG_LINE_H
#define CLOCHE_ENGINE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define LOG_TIME_LEN 30 /* "2026-11-22T07:00:00.000000000Z" */

struct log_line {
	const char *text; /* decoded, in the caller's buffer */
	size_t text_len;
	bool is_stderr;
	const char *time; /* as it stands in the line, without quotes; escapes are not expected */
	size_t time_len;
	const char *attributes; /* the JSON object, NULL none */
	size_t attributes_len;
};

/* Decodes one object of n bytes (a newline at its end is allowed) into *out. buffer takes the text
 * and must hold n bytes: a decoded string is never longer than its JSON. Escapes as RFC 8259 has
 * them; half a surrogate pair becomes U+FFFD, as in Go; other bytes pass as they are. 0, or -EINVAL
 * for anything that is not such an object. */
int must_check log_line_decode(const char *line, size_t n, char *buffer, struct log_line *out);

/* The time with all nine digits of its fraction: comparable as text when both end in Z. 0, or
 * -EINVAL when it is no time of that form. */
int must_check log_line_time(const struct log_line *line, char out[static LOG_TIME_LEN + 1]);

#endif

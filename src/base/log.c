/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on standard error, one write() each so that lines of several processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static enum log_level threshold(void)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	const char *wanted = getenv("CLOCHE_LOG_LEVEL");

	for (unsigned i = 0; wanted && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(wanted, names[i]) == 0)
			return (enum log_level)i;
	}
	return LOG_LEVEL_WARN;
}

void log_message(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {"", "WARNING: ", "info: ", "debug: "};
	char line[2048];
	va_list ap;
	int n, m;

	if (level > threshold())
		return;
	n = snprintf(line, sizeof(line), "%s", prefix[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n = (int)strlen(line);
	line[n] = '\n';
	/* Nowhere to report a failure to report. */
	if (fd_write_all(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One write() a line on a file opened for appending, so that lines of several processes do not mix. */
#include "base/program_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#define TEXT_MAX 1024
#define SHORT_ID 12
#define JOURNAL "/run/systemd/journal/socket"

struct record {
	enum log_level level;
	char container[SHORT_ID + 1];
	char text[TEXT_MAX];
};

static bool is_wanted(enum log_level level)
{
	const char *wanted = level == LOG_LEVEL_DEBUG ? getenv("CLOCHE_LOG_LEVEL") : NULL;

	return level < LOG_LEVEL_DEBUG || (wanted && strcmp(wanted, "debug") == 0);
}

/* The file is full: it gets another name, unless another process was faster. Lines that others are
 * about to write go to the old one, and are not lost. */
static void rotate(int dir, int fd)
{
	struct stat own, named;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fstat(fd, &own) == 0 && fstatat(dir, PROGRAM_LOG_FILE, &named, 0) == 0 &&
	    own.st_ino == named.st_ino)
		renameat(dir, PROGRAM_LOG_FILE, dir, PROGRAM_LOG_OLD_FILE);
	flock(fd, LOCK_UN);
}

static void write_file(const struct program_log *log, const struct record *r)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	auto_close int fd = openat(log->dir, PROGRAM_LOG_FILE,
				   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	char time[CLOCK_RFC3339_MAX], line[TEXT_MAX + 256];
	struct stat st;
	int n;

	if (fd < 0)
		return;
	clock_format_rfc3339(clock_wall_ns(), time);
	n = snprintf(line, sizeof(line), "%s %s %s[%d] %s %s\n", time, levels[r->level],
		     program_invocation_short_name, (int)getpid(), r->container, r->text);
	if (n < 0 || (size_t)n >= sizeof(line) || fd_write_all(fd, line, (size_t)n) < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size >= PROGRAM_LOG_MAX_BYTES)
		rotate(log->dir, fd);
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL/; false when there is no journal. */
static bool write_journal(const struct record *r)
{
	static const int priorities[] = {3, 4, 6, 7};
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[TEXT_MAX + 256];
	int n = snprintf(text, sizeof(text),
			 "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nCLOCHE_CONTAINER=%s\n",
			 r->text, priorities[r->level], program_invocation_short_name,
			 r->container);

	return fd >= 0 && n > 0 && (size_t)n < sizeof(text) &&
	       sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&address,
		      sizeof(address)) == n;
}

void program_log(const struct program_log *log, enum log_level level, const char *container,
		 const char *fmt, ...)
{
	struct record r = {.level = level};
	va_list ap;
	int n;

	if (log->dir < 0 || !is_wanted(level))
		return;
	snprintf(r.container, sizeof(r.container), "%s", container && *container ? container : "-");
	va_start(ap, fmt);
	n = vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	/* One record is one line, whatever a user's text holds. */
	for (char *p = r.text; *p; p++) {
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	}
	if (!log->journal || !write_journal(&r))
		write_file(log, &r);
}

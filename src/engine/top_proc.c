/* SPDX-License-Identifier: Apache-2.0 */
/* ps -ef from /proc, as procps prints it (its columns C and STIME have rules of their own). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/top_internal.h"

#define USER_WIDTH 8
#define PASSWD_MAX (16u << 20)
#define COMMAND_MAX (4u << 20)
#define NS_PER_S 1000000000u

struct process {
	int pid, parent;
	unsigned uid;
	char state;
	char name[64];
	unsigned terminal; /* device number, 0 none */
	uint64_t cpu_ticks, start_ticks;
};

/* What is the same for all rows. */
struct host {
	char *passwd; /* text of /etc/passwd, "" when there is none */
	uint64_t hertz, boot_s, now_s, uptime_s;
};

static void read_host(struct host *h)
{
	long hertz = sysconf(_SC_CLK_TCK);
	struct timespec uptime;

	if (file_read_at(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &h->passwd, NULL) < 0)
		h->passwd = xstrdup("");
	clock_gettime(CLOCK_BOOTTIME, &uptime);
	h->hertz = hertz > 0 ? (uint64_t)hertz : 100;
	h->now_s = clock_wall_ns() / NS_PER_S;
	h->uptime_s = (uint64_t)uptime.tv_sec;
	h->boot_s = h->now_s - h->uptime_s;
}

/* "pid (name) S ppid ...": the name may hold parentheses. */
static int parse_stat(const char *text, struct process *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned terminal = 0;
	uint64_t user, system;

	if (!open || !close || close < open)
		return -EBADMSG;
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(close - open - 1), open + 1);
	/* proc(5): 3 state, 4 ppid, 7 tty_nr, 14 utime, 15 stime, 22 starttime */
	if (sscanf(close + 1,
		   " %c %d %*d %*d %u %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		   " %*d %*d %*d %*d %*d %*d %" SCNu64,
		   &p->state, &p->parent, &terminal, &user, &system, &p->start_ticks) != 6)
		return -EBADMSG;
	p->terminal = terminal;
	p->cpu_ticks = user + system;
	return 0;
}

/* -ESRCH when it has ended. */
static int read_process(int pid, struct process *p)
{
	char path[64], text[4096];
	const char *uid;

	*p = (struct process){.pid = pid};
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) < 0 || parse_stat(text, p) < 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return -ESRCH;
	/* The second is the effective one. */
	uid = strstr(text, "\nUid:");
	return uid && sscanf(uid, "\nUid: %*u %u", &p->uid) == 1 ? 0 : -ESRCH;
}

/* The host's name of a user, or its number; longer ones end in a plus. */
static void add_user(const struct host *h, unsigned uid, struct strv *row)
{
	char wanted[32], name[64];

	snprintf(wanted, sizeof(wanted), ":%u:", uid);
	snprintf(name, sizeof(name), "%u", uid);
	for (const char *line = h->passwd; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		const char *password = strchr(line, ':');
		const char *number = password ? strchr(password + 1, ':') : NULL;

		if (!number || !str_starts(number, wanted) || password > line + 32)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(password - line), line);
		if (password - line > USER_WIDTH)
			snprintf(name, sizeof(name), "%.*s+", USER_WIDTH - 1, line);
		break;
	}
	strv_add(row, name);
}

static void add_usage(const struct host *h, const struct process *p, struct strv *row)
{
	uint64_t started = p->start_ticks / h->hertz;
	uint64_t seconds = h->uptime_s > started ? h->uptime_s - started : 0;
	uint64_t percent = seconds ? p->cpu_ticks * 100 / h->hertz / seconds : 0;
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, percent > 99 ? 99 : percent);
	strv_add(row, text);
}

/* The hour today, the day this year, or the year. */
static void add_start(const struct host *h, const struct process *p, struct strv *row)
{
	time_t start = (time_t)(h->boot_s + p->start_ticks / h->hertz), now = (time_t)h->now_s;
	struct tm then, today;
	char text[32] = "?";

	if (localtime_r(&start, &then) && localtime_r(&now, &today))
		strftime(text, sizeof(text),
			 then.tm_year != today.tm_year   ? "%Y"
			 : then.tm_yday != today.tm_yday ? "%b%d"
							 : "%H:%M",
			 &then);
	strv_add(row, text);
}

static void add_terminal(const struct process *p, struct strv *row)
{
	unsigned major_number = major(p->terminal), minor_number = minor(p->terminal);
	char text[32];

	if (p->terminal == 0)
		snprintf(text, sizeof(text), "?");
	else if (major_number >= 136 && major_number <= 143)
		snprintf(text, sizeof(text), "pts/%u", (major_number - 136) * 256 + minor_number);
	else if (major_number == 4)
		snprintf(text, sizeof(text), minor_number < 64 ? "tty%u" : "ttyS%u",
			 minor_number < 64 ? minor_number : minor_number - 64);
	else if (major_number == 5 && minor_number == 1)
		snprintf(text, sizeof(text), "console");
	else
		snprintf(text, sizeof(text), "%u,%u", major_number, minor_number);
	strv_add(row, text);
}

static void add_time(const struct host *h, const struct process *p, struct strv *row)
{
	uint64_t s = p->cpu_ticks / h->hertz, days = s / 86400;
	char text[48];
	int n = days ? snprintf(text, sizeof(text), "%" PRIu64 "-", days) : 0;

	snprintf(text + n, sizeof(text) - (size_t)n, "%02u:%02u:%02u", (unsigned)(s / 3600 % 24),
		 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	strv_add(row, text);
}

/* Arguments with single blanks between words, since ps's line is taken apart and put together again;
 * what a terminal must not see is a question mark. */
static void add_command(const struct process *p, struct strv *row)
{
	auto_strbuf struct strbuf text = {0};
	auto_free char *arguments = NULL;
	bool blank = false;
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", p->pid);
	if (file_read_at(AT_FDCWD, path, COMMAND_MAX, &arguments, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)arguments[i];

		if (c == '\0' || c == ' ') {
			blank = text.len > 0;
			continue;
		}
		if (blank)
			strbuf_putc(&text, ' ');
		blank = false;
		strbuf_putc(&text, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	if (text.len == 0)
		strbuf_printf(&text, "[%s]%s", p->name, p->state == 'Z' ? " <defunct>" : "");
	strv_add(row, strbuf_str(&text));
}

static void add_process(const struct host *h, const struct process *p, struct top_table *out)
{
	struct strv *row = top_add_row(out);
	char number[16];

	add_user(h, p->uid, row);
	snprintf(number, sizeof(number), "%d", p->pid);
	strv_add(row, number);
	snprintf(number, sizeof(number), "%d", p->parent);
	strv_add(row, number);
	add_usage(h, p, row);
	add_start(h, p, row);
	add_terminal(p, row);
	add_time(h, p, row);
	add_command(p, row);
}

void top_read_proc(const int *pids, size_t count, struct top_table *out)
{
	static const char *const titles[] = {"UID",   "PID", "PPID", "C",
					     "STIME", "TTY", "TIME", "CMD"};
	struct host h = {.passwd = NULL};

	read_host(&h);
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		strv_add(&out->titles, titles[i]);
	for (size_t i = 0; i < count; i++) {
		struct process p;

		if (read_process(pids[i], &p) == 0)
			add_process(&h, &p, out);
	}
	free(h.passwd);
}

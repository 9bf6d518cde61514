/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the kernel's log for memory kills. The words are those of mm/oom_kill.c since Linux 5.0:
 *   oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/cloche/ID,task=NAME,pid=N,uid=N
 *   Memory cgroup out of memory: Killed process N (NAME) total-vm:NkB, anon-rss:NkB, ...
 * A process chooses its own name, so every number is looked for where the kernel puts it: the pid after
 * the last ",pid=".
 */
#include "kernel/oom_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define RECORD_MAX 8192 /* the kernel's own limit, CONSOLE_EXT_LOG_MAX */
#define OOM_LINE "oom-kill:constraint="
#define KILL_LINE "Killed process "

static const char *last_of(const char *text, const char *word)
{
	const char *found = NULL;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		found = at;
	return found;
}

/* The line that names the group. */
static void take_group(const char *text, const char *group, struct oom_victim *out)
{
	const char *place = strstr(text, "task_memcg=");
	const char *name = place ? strstr(place, ",task=") : NULL;
	const char *pid = name ? last_of(name, ",pid=") : NULL;
	const char *found = place ? strstr(place, group) : NULL;
	size_t n;

	if (!pid || !found || found > name)
		return;
	name += strlen(",task=");
	n = (size_t)(pid - name);
	*out = (struct oom_victim){.pid = atoi(pid + strlen(",pid=")),
				   .own_limit = strstr(text, "CONSTRAINT_MEMCG") != NULL};
	snprintf(out->name, sizeof(out->name), "%.*s", (int)n, name);
}

static bool take_kill(const char *text, struct oom_victim *out)
{
	const char *kill = strstr(text, KILL_LINE), *anon;

	if (!out->pid || !kill || atoi(kill + strlen(KILL_LINE)) != out->pid)
		return false;
	anon = last_of(kill, " anon-rss:");
	if (anon)
		out->anon_bytes = strtoull(anon + strlen(" anon-rss:"), NULL, 10) * 1024;
	return true;
}

bool oom_log_record(const char *record, const char *group, uint64_t since_us,
		    struct oom_victim *out)
{
	const char *text = strchr(record, ';');
	unsigned long long us;

	if (!text || sscanf(record, "%*u,%*u,%llu", &us) != 1 || us < since_us)
		return false;
	text++;
	if (strncmp(text, OOM_LINE, strlen(OOM_LINE)) == 0) {
		take_group(text, group, out);
		return false;
	}
	return take_kill(text, out);
}

int oom_log_find(const char *group, uint64_t since_us, struct oom_victim *out)
{
	auto_close int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct oom_victim next = {.pid = 0};
	char record[RECORD_MAX + 1];
	bool found = false;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, record, RECORD_MAX);

		/* EPIPE: overtaken by the ring's writer; what follows is the oldest there is. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		if (!oom_log_record(record, group, since_us, &next))
			continue;
		*out = next;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hearing of a group that is out of memory while it happens. Version 2 wakes who polls memory.events;
 * version 1 has an eventfd for it, and a counter beside. Never allocates: the monitor links it.
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/cgroup.h"

#define TEXT_MAX 512

static int open_in(const struct cgroup_dir *dir, const char *file, int flags)
{
	char path[CGROUP_PATH_MAX];
	int fd, rc = str_format(path, sizeof(path), "%s/%s", dir->path, file);

	if (rc < 0)
		return rc;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* "<eventfd> <file>" ties the two together. */
static int listen_v1(const struct cgroup_dir *dir, struct cgroup_oom_watch *w)
{
	auto_close int control = open_in(dir, "cgroup.event_control", O_WRONLY);
	auto_close int counter = open_in(dir, "memory.oom_control", O_RDONLY);
	auto_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[32];
	int n, rc;

	if (control < 0 || counter < 0 || event < 0)
		return control < 0 ? control : counter < 0 ? counter : -errno;
	n = snprintf(text, sizeof(text), "%d %d", event, counter);
	rc = fd_write_all(control, text, (size_t)n);
	if (rc < 0)
		return rc;
	w->fd = take_fd(&event);
	w->counter = take_fd(&counter);
	return 0;
}

int cgroup_oom_open(const struct cgroup_dir *dirs, size_t count, struct cgroup_oom_watch *w)
{
	int rc = -EOPNOTSUPP;

	*w = (struct cgroup_oom_watch){.fd = -1, .counter = -1};
	for (size_t i = 0; i < count && rc < 0; i++) {
		if (!dirs[i].v2 && (dirs[i].controllers & CGROUP_MEMORY))
			rc = listen_v1(&dirs[i], w);
		if (!dirs[i].v2)
			continue;
		rc = w->counter = open_in(&dirs[i], "memory.events", O_RDONLY);
		w->v2 = w->counter >= 0;
	}
	return rc < 0 ? rc : 0;
}

void cgroup_oom_close(struct cgroup_oom_watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->counter >= 0)
		close(w->counter);
	w->fd = w->counter = -1;
}

struct pollfd cgroup_oom_poll(const struct cgroup_oom_watch *w)
{
	return (struct pollfd){.fd = w->v2 ? w->counter : w->fd,
			       .events = w->v2 ? POLLPRI : POLLIN};
}

uint64_t cgroup_oom_take(const struct cgroup_oom_watch *w, bool *woken)
{
	char text[TEXT_MAX];
	ssize_t n = pread(w->counter, text, sizeof(text) - 1, 0);
	const char *at = text;
	uint64_t events;

	*woken = !w->v2 && w->fd >= 0 && read(w->fd, &events, sizeof(events)) == sizeof(events);
	text[n > 0 ? n : 0] = '\0';
	while (at && !str_starts(at, "oom_kill "))
		at = (at = strchr(at, '\n')) ? at + 1 : NULL;
	return at ? strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Appending to the journal of events, and its rotation. */
#include "engine/event_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define OPEN_TRIES 100 /* each means that somebody has just rotated 4 MiB */
#define ROTATE_TRIES 20

static void lock_shared(int fd)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (int i = 0; i < EVENT_LOCK_TRIES && flock(fd, LOCK_SH | LOCK_NB) < 0; i++)
		nanosleep(&nap, NULL);
}

/* The open file must be the one of that name: it may have been renamed since it was opened. */
static bool is_current(int dirfd, const char *path, int fd, struct stat *st)
{
	struct stat named;

	return fstat(fd, st) == 0 && fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_ino == st->st_ino && named.st_dev == st->st_dev;
}

int event_journal_open(int dirfd, const char *path, int *fd)
{
	if (*fd < 0)
		*fd = openat(dirfd, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	return *fd < 0 ? -errno : 0;
}

static int open_locked(int dirfd, const char *path, int *fd, struct stat *st)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		int rc = event_journal_open(dirfd, path, fd);

		if (rc < 0)
			return rc;
		lock_shared(*fd);
		if (is_current(dirfd, path, *fd, st))
			return 0;
		/* Closing unlocks. */
		close(*fd);
		*fd = -1;
	}
	return -EBUSY;
}

/* Appenders hold it for microseconds; one that was taken off the processor meanwhile is waited for
 * only when the file has grown well beyond its bound. */
static bool lock_exclusively(int fd, bool patient)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (int i = 0; i < ROTATE_TRIES + (patient ? EVENT_LOCK_TRIES : 0); i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (i < ROTATE_TRIES)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
	return false;
}

/* If nobody else is at it: whoever comes next finds it full as well. */
static void rotate(int dirfd, const char *path, int *fd, bool patient)
{
	char old[PATH_MAX];
	struct stat st;

	if (str_format(old, sizeof(old), "%s" EVENT_OLD_SUFFIX, path) == 0 &&
	    lock_exclusively(*fd, patient) && is_current(dirfd, path, *fd, &st) &&
	    renameat(dirfd, path, dirfd, old) == 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	flock(*fd, LOCK_UN);
}

int event_journal_append(int dirfd, const char *path, int *fd, const struct iovec *parts, int count)
{
	struct stat st = {0};
	size_t n = 0;
	ssize_t written;
	int rc = open_locked(dirfd, path, fd, &st);

	if (rc < 0)
		return rc;
	for (int i = 0; i < count; i++)
		n += parts[i].iov_len;
	written = writev(*fd, parts, count);
	rc = written < 0 ? -errno : (size_t)written < n ? -ENOSPC : 0;
	n += (size_t)st.st_size;
	if (n >= EVENT_JOURNAL_MAX_BYTES)
		rotate(dirfd, path, fd, n >= EVENT_JOURNAL_MAX_BYTES / 4 * 5);
	else
		flock(*fd, LOCK_UN);
	return rc;
}

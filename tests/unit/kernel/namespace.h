/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces for tests: one that this process enters, and children that hold others. */
#ifndef CLOCHE_TESTS_NAMESPACE_H
#define CLOCHE_TESTS_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Enters a new network namespace for the rest of the process; false (said why) when that is not
 * allowed: the caller skips. */
static inline bool enter_new_netns(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	print_message("skipped: no network namespace of its own (needs root)\n");
	return false;
}

/* A process in a network namespace of its own, which ends with this one. */
static inline pid_t holder_start(void)
{
	pid_t parent = getpid(), pid;
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Killed before it could take us along. */
		if (getppid() != parent || unshare(CLONE_NEWNET) < 0 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static inline void holder_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Enters the namespace of a process; returns a descriptor of the one before, for netns_leave(). */
static inline int netns_enter(pid_t pid)
{
	char path[64];
	int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there;

	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(back >= 0 && there >= 0);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	close(there);
	return back;
}

static inline void netns_leave(int back)
{
	assert_int_equal(setns(back, CLONE_NEWNET), 0);
	close(back);
}

/* Runs a shell command; its standard output into out (terminated). Returns the exit code. */
static inline int shell(const char *command, char *out, size_t size)
{
	FILE *f = popen(command, "r");
	size_t n = 0, got;
	char rest[256];
	int status;

	assert_non_null(f);
	while (n + 1 < size && (got = fread(out + n, 1, size - 1 - n, f)) > 0)
		n += got;
	if (size)
		out[n] = '\0';
	while (fread(rest, 1, sizeof rest, f) > 0)
		;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif

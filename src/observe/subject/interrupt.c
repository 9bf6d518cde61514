/* SPDX-License-Identifier: Apache-2.0 */
/* The pending signals of this process are the whole state. */
#include "observe/subject/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

static void fill(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(set, ends[i]);
}

void interrupt_catch(void)
{
	sigset_t set;

	fill(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A signal that is not blocked (in a program that measures nothing) is never pending. */
bool interrupt_came(void)
{
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (sigismember(&pending, ends[i]) == 1)
			return true;
	}
	return false;
}

void interrupt_ignore(void)
{
	struct sigaction a = {.sa_handler = SIG_IGN};
	sigset_t set;

	/* sigaction(2): an ignored signal that is pending is discarded. One that comes while it is
	 * blocked would be pending again, ignored or not. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &a, NULL);
	fill(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int interrupt_fd(void)
{
	sigset_t set;

	fill(&set);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

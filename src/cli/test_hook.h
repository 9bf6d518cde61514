/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test builds only: the points of the bill that the command line takes without a plan at hand become
 * slow or deadly as engine/test_hooks.c says. Elsewhere nothing at all.
 */
#ifndef CLOCHE_CLI_TEST_HOOK_H
#define CLOCHE_CLI_TEST_HOOK_H

#include "runtime/plan.h"

#ifdef CLOCHE_TEST_HOOKS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The text after '=' (or "") when the variable names this point, else NULL. */
static inline const char *cli_test_names(const char *variable, enum timeline_point point)
{
	const char *value = getenv(variable);
	char *end;

	if (!value || strncmp(value, "point:", 6) != 0 ||
	    strtoul(value + 6, &end, 10) != (unsigned long)point)
		return NULL;
	return *end == '=' ? end + 1 : end;
}

static inline void cli_test_hook(enum timeline_point point)
{
	const char *ms = cli_test_names("CLOCHE_TEST_DELAY", point);
	struct timespec delay = {0};

	if (ms) {
		delay.tv_nsec = (long)(strtod(ms, NULL) * 1e6);
		nanosleep(&delay, NULL);
	}
	if (cli_test_names("CLOCHE_TEST_KILL", point))
		kill(getpid(), SIGKILL);
}
#else
static inline void cli_test_hook(enum timeline_point point)
{
	(void)point;
}
#endif

#endif

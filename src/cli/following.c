/* SPDX-License-Identifier: Apache-2.0 */
/* Ending by signal, and the long form of time. */
#include "cli/following.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000u

static void end_process(int number)
{
	_exit(128 + number);
}

void follow_end_on_signals(void)
{
	const struct sigaction action = {.sa_handler = end_process};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void follow_put_time(uint64_t wall_ns, struct strbuf *out)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	char text[64];

	if (!localtime_r(&seconds, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_printf(out, "%s.%09u", text, (unsigned)(wall_ns % NS_PER_S));
	if (tm.tm_gmtoff == 0)
		strbuf_putc(out, 'Z');
	else
		strbuf_printf(out, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
			      labs(tm.tm_gmtoff) / 3600, labs(tm.tm_gmtoff) / 60 % 60);
}

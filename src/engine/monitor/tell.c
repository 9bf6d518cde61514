/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor puts into the program log. Never while somebody waits for it: a start is told once
 * it has settled, an end after it was answered.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/program_log.h"
#include "engine/monitor/monitor.h"

#define NS_PER_MS 1000000ull

static void tell(struct monitor *m, enum log_level level, const char *text)
{
	auto_close int dir =
		m->run_dir < 0 ? -1 : openat(m->run_dir, "../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct program_log log = {.dir = dir, .journal = m->plan->monitor.log_journal};

	program_log(&log, level, plan_string(m->plan, m->plan->monitor.id), "%s", text);
}

void tell_started(struct monitor *m)
{
	char text[128];

	snprintf(text, sizeof(text), "started, process %d%s", m->pid,
		 m->runs ? ", by its restart policy" : "");
	tell(m, LOG_LEVEL_INFO, text);
}

void tell_ended(struct monitor *m)
{
	uint64_t ran_ms = m->finished_wall_ns > m->started_wall_ns
				  ? (m->finished_wall_ns - m->started_wall_ns) / NS_PER_MS
				  : 0;
	char text[256];
	int n = snprintf(text, sizeof(text), "ended after %llu ms with exit code %d",
			 (unsigned long long)ran_ms, m->exit_code);

	if (m->exit_signal)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " (signal %d)", m->exit_signal);
	if (m->stats.oom_kills)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", killed for memory");
	if (m->restart.again)
		snprintf(text + n, sizeof(text) - (size_t)n, "; restart %u follows in %llu ms",
			 m->restart.count, (unsigned long long)(m->restart.delay_ns / NS_PER_MS));
	tell(m, LOG_LEVEL_INFO, text);
}

void tell_refused(struct monitor *m)
{
	char text[ERR_MSG_MAX + 32];

	snprintf(text, sizeof(text), "not started: %s", m->start_error.msg);
	tell(m, LOG_LEVEL_WARN, text);
}

void tell_stopped_restarting(struct monitor *m)
{
	tell(m, LOG_LEVEL_INFO, "stopped on a user's behalf: not restarted");
}

void tell_forward(struct monitor *m, unsigned port, const char *why)
{
	char text[128];

	snprintf(text, sizeof(text), "port %u: %s", port, why);
	tell(m, LOG_LEVEL_WARN, text);
}

void tell_log_failed(struct monitor *m)
{
	tell(m, LOG_LEVEL_ERROR, "its log cannot be written: what it says is lost");
}

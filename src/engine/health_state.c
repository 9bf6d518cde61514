/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of health checks, and their file. */
#include "engine/health_state.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/quote.h"

void health_state_begin(struct health_state *s)
{
	s->status = HEALTH_STARTING;
	s->failing_streak = 0;
	s->log_count = 0;
}

static void append(struct health_state *s, const struct health_result *result)
{
	if (s->log_count == HEALTH_LOG_MAX) {
		memmove(s->log, s->log + 1, (HEALTH_LOG_MAX - 1) * sizeof(s->log[0]));
		s->log_count--;
	}
	s->log[s->log_count++] = *result;
}

bool health_state_add(struct health_state *s, const struct plan_health *config,
		      uint64_t since_start_ns, const struct health_result *result)
{
	enum health_status before = s->status;

	append(s, result);
	if (result->exit_code == 0) {
		s->failing_streak = 0;
		s->status = HEALTH_HEALTHY;
		return s->status != before;
	}
	/* One that was never healthy has its time to begin. */
	if (before == HEALTH_STARTING && since_start_ns < config->start_period_ns)
		return false;
	s->failing_streak++;
	if (s->failing_streak >= config->retries)
		s->status = HEALTH_UNHEALTHY;
	return s->status != before;
}

uint64_t health_state_wait_ns(const struct health_state *s, const struct plan_health *config,
			      uint64_t since_start_ns)
{
	return s->status == HEALTH_STARTING && since_start_ns < config->start_period_ns
		       ? config->start_interval_ns
		       : config->interval_ns;
}

const char *health_status_text(enum health_status status)
{
	static const char *const texts[] = {
		[HEALTH_STARTING] = "starting",
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};

	return texts[status];
}

/* As Go's encoder has it: what is not UTF-8 becomes U+FFFD, so that the file can always be parsed. */
static size_t escape(const char *bytes, size_t n, char *out)
{
	char *o = out;

	for (size_t i = 0; i < n;) {
		uint32_t code;
		int valid;
		size_t len = utf8_decode(bytes + i, n - i, &code, &valid);

		if (!valid)
			o += sprintf(o, "\\ufffd");
		else if (code == '"' || code == '\\')
			o += sprintf(o, "\\%c", (char)code);
		else if (code == '\n')
			o += sprintf(o, "\\n");
		else if (code < 0x20)
			o += sprintf(o, "\\u%04x", code);
		else {
			memcpy(o, bytes + i, len);
			o += len;
		}
		i += len;
	}
	return (size_t)(o - out);
}

size_t health_state_format(const struct health_state *s, char out[static HEALTH_JSON_MAX])
{
	char *o = out;

	o += sprintf(o, "{\"Status\":\"%s\",\"FailingStreak\":%u,\"Log\":[",
		     health_status_text(s->status), s->failing_streak);
	for (uint32_t i = 0; i < s->log_count; i++) {
		const struct health_result *r = &s->log[i];
		char start[CLOCK_RFC3339_MAX], end[CLOCK_RFC3339_MAX];

		clock_format_rfc3339(r->start_wall_ns, start);
		clock_format_rfc3339(r->end_wall_ns, end);
		o += sprintf(o, "%s{\"Start\":\"%s\",\"End\":\"%s\",\"ExitCode\":%d,\"Output\":\"",
			     i ? "," : "", start, end, r->exit_code);
		o += escape(r->output, r->output_len, o);
		o += sprintf(o, "\"}");
	}
	o += sprintf(o, "]}\n");
	return (size_t)(o - out);
}

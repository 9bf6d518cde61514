/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from the results of health checks: state, streak, the wait until the next one, and the
 * file that tells of it. Pure: the monitor gives it times and results. Names, defaults and rules are
 * Docker's (docs.docker.com/reference/dockerfile, HEALTHCHECK). Nothing here allocates.
 */
#ifndef CLOCHE_ENGINE_HEALTH_STATE_H
#define CLOCHE_ENGINE_HEALTH_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/plan.h"

#define HEALTH_LOG_MAX 5
#define HEALTH_OUTPUT_MAX 4096 /* bytes of a check's output that are kept */
#define HEALTH_CUT "..."       /* stands after what was cut */
/* Escaping makes six bytes of one at worst. */
#define HEALTH_JSON_MAX (HEALTH_LOG_MAX * (6 * (HEALTH_OUTPUT_MAX + 512) + 256) + 128)

enum health_status { HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct health_result {
	uint64_t start_wall_ns, end_wall_ns;
	int exit_code; /* 0 is healthy; -1: it could not be run, or took too long */
	size_t output_len;
	char output[HEALTH_OUTPUT_MAX + 512];
};

struct health_state {
	enum health_status status;
	uint32_t failing_streak;
	uint32_t log_count;
	struct health_result log[HEALTH_LOG_MAX]; /* oldest first */
};

/* As a container starts: "starting", no result. */
void health_state_begin(struct health_state *s);
/* Takes a result in. since_start_ns: from the container's start to the check's. True when the status
 * is another one now. */
bool health_state_add(struct health_state *s, const struct plan_health *config,
		      uint64_t since_start_ns, const struct health_result *result);
/* How long to wait for the next check. since_start_ns: from the container's start until now. */
uint64_t health_state_wait_ns(const struct health_state *s, const struct plan_health *config,
			      uint64_t since_start_ns);
const char *health_status_text(enum health_status status);
/* Docker's State.Health as JSON, with a newline. Returns its length. */
size_t health_state_format(const struct health_state *s, char out[static HEALTH_JSON_MAX]);

#endif

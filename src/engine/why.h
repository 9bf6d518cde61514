/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a container is not running, or how it stands: one cause, a sentence for people, and the evidence
 * that it rests on. What is not known is not guessed; what is only likely is said to be.
 */
#ifndef CLOCHE_ENGINE_WHY_H
#define CLOCHE_ENGINE_WHY_H

#include "engine/engine.h"
#include "base/json_writer.h"
#include "kernel/oom_log.h"

struct why {
	/* "running", "unhealthy", "paused", "restarting", "never-started", "start-failed", "exit",
	 * "pids-limit", "signal", "oom", "oom-child", "monitor-lost", "host-restarted", "removing" or
	 * "dead"; static */
	const char *cause;
	char *summary;        /* one sentence, without the container's name in front */
	struct strv hints;    /* sentences: what it means, what is likely, what to do */
	struct strv evidence; /* "memory: limit 32MiB, peak 32MiB" */
	struct strv output;   /* the last lines it wrote */
};

void why_free(struct why *w);
#define auto_why __attribute__((cleanup(why_free)))

/* What is known besides the container's own record and state. */
struct why_facts {
	const struct container *c;
	uint64_t now_ns;           /* wall clock */
	bool stopped_by_user;      /* stop, kill, restart or rm was called */
	struct oom_victim victim;  /* pid 0: not known */
	const char *health;        /* "healthy", ...; NULL: no health check */
	const char *health_output; /* of the last check, or NULL */
	int64_t health_failures;
};

/* Pure: fills all of *out but the output. The caller frees it. */
void why_explain(const struct why_facts *facts, struct why *out);

enum why_depth {
	WHY_RECORDED, /* what is recorded: cheap, for inspect */
	WHY_SEARCHED, /* also the kernel's log */
};
/* Gathers the facts of c, whose state is fresh, and the last lines of its output (0: none). */
int must_check container_why(struct engine *e, struct container *c, enum why_depth depth,
			     size_t lines, struct why *out, struct err *err);

/* {"Cause","Summary","Hints","Evidence","Output"}, as a member or (key NULL) an element. */
void why_write(const struct why *why, const char *key, struct json_writer *w);

#endif

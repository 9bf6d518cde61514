/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of experiment 8 share. Nobody else includes it. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_LIMITS_H
#define CLOCHE_OBSERVE_EXPERIMENT_LIMITS_H

#include "observe/experiment/experiment.h"
#include "observe/probe/cgroup.h"

#define LIMITS_PERIOD_MS 100
#define LIMITS_ANSWER_MS 60000

/* Each asks one limit of one subject whether it holds, and says so in a claim. 0 also when it could not
 * be tested: the claim is then unknown, with the reason. An error only for an interrupt. */
int must_check limits_weight(struct experiment_context *x, struct subject *s, struct err *err);
int must_check limits_memory(struct experiment_context *x, struct subject *s, struct err *err);
int must_check limits_pids(struct experiment_context *x, struct subject *s, struct err *err);
int must_check limits_cpuset(struct experiment_context *x, struct subject *s, struct err *err);
int must_check limits_io(struct experiment_context *x, struct subject *s, struct err *err);

/* A claim that could not be tested, for the reason in *err. -EINTR when the run was interrupted. */
int must_check limits_unknown(struct experiment_context *x, const struct subject *s,
			      const char *key, const char *claim, struct err *err);
/* A session by spec, its groups and, when after is wanted later, its counters now. */
struct limits_subject {
	struct session *session;
	struct group_view *groups; /* heap */
	struct group_counters before, after;
};
int must_check limits_open(struct subject *s, const struct container_spec *spec,
			   struct limits_subject *out, struct err *err);
int must_check limits_count(struct limits_subject *l, struct err *err);
/* The same at due_ns of the monotonic clock; *at_ns says when it really was. */
int must_check limits_count_at(struct limits_subject *l, uint64_t due_ns, uint64_t *at_ns,
			       struct err *err);
void limits_close(struct limits_subject *l);
#define auto_limits_subject __attribute__((cleanup(limits_close)))
/* A number of the first line of an answer. */
double limits_number(const struct strv *lines, const char *key);
/* Of a file that is shown, group_short_path(). */
#define LIMITS_PATH_MAX 160
/* The highest processor that this program may run on. */
int limits_last_processor(void);
int limits_processors(void);

#endif

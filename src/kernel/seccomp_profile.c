/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles as data: ownership, and the names that the OCI specification gives to actions and
 * comparisons. */
#include "kernel/seccomp_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const action_names[] = {
	[SECCOMP_DO_KILL_THREAD] = "SCMP_ACT_KILL_THREAD",
	[SECCOMP_DO_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[SECCOMP_DO_TRAP] = "SCMP_ACT_TRAP",
	[SECCOMP_DO_ERRNO] = "SCMP_ACT_ERRNO",
	[SECCOMP_DO_NOTIFY] = "SCMP_ACT_NOTIFY",
	[SECCOMP_DO_TRACE] = "SCMP_ACT_TRACE",
	[SECCOMP_DO_LOG] = "SCMP_ACT_LOG",
	[SECCOMP_DO_ALLOW] = "SCMP_ACT_ALLOW",
};

static const char *const compare_names[] = {
	[SECCOMP_CMP_NOT_EQUAL] = "SCMP_CMP_NE",     [SECCOMP_CMP_LESS] = "SCMP_CMP_LT",
	[SECCOMP_CMP_LESS_EQUAL] = "SCMP_CMP_LE",    [SECCOMP_CMP_IS_EQUAL] = "SCMP_CMP_EQ",
	[SECCOMP_CMP_GREATER_EQUAL] = "SCMP_CMP_GE", [SECCOMP_CMP_GREATER] = "SCMP_CMP_GT",
	[SECCOMP_CMP_MASKED] = "SCMP_CMP_MASKED_EQ",
};

int seccomp_action_of(const char *name, enum seccomp_action *out)
{
	/* The specification's older name. */
	if (str_eq(name, "SCMP_ACT_KILL"))
		name = "SCMP_ACT_KILL_THREAD";
	for (size_t i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
		if (str_eq(action_names[i], name)) {
			*out = (enum seccomp_action)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *seccomp_action_name(enum seccomp_action action)
{
	return action_names[action];
}

int seccomp_compare_of(const char *name, enum seccomp_compare *out)
{
	for (size_t i = 0; i < sizeof(compare_names) / sizeof(compare_names[0]); i++) {
		if (str_eq(compare_names[i], name)) {
			*out = (enum seccomp_compare)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *seccomp_compare_name(enum seccomp_compare compare)
{
	return compare_names[compare];
}

struct seccomp_rule *seccomp_profile_add_rule(struct seccomp_profile *p)
{
	struct seccomp_rule *rule;

	p->rules = xrealloc(p->rules, (p->rule_count + 1) * sizeof(*p->rules));
	rule = &p->rules[p->rule_count++];
	memset(rule, 0, sizeof(*rule));
	return rule;
}

void seccomp_rule_add_condition(struct seccomp_rule *rule, struct seccomp_condition c)
{
	rule->conditions =
		xrealloc(rule->conditions, (rule->condition_count + 1) * sizeof(*rule->conditions));
	rule->conditions[rule->condition_count++] = c;
}

void seccomp_profile_free(struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->rule_count; i++) {
		strv_free(&p->rules[i].names);
		free(p->rules[i].conditions);
	}
	free(p->rules);
	free(p->listener_path);
	free(p->listener_metadata);
	memset(p, 0, sizeof(*p));
}

void seccomp_program_free(struct seccomp_program *p)
{
	free(p->instructions);
	memset(p, 0, sizeof(*p));
}

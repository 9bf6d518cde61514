/* SPDX-License-Identifier: Apache-2.0 */
/* Test 7 in parts: what was read of one container, and the rules that are held against it. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_SECURITY_H
#define CLOCHE_OBSERVE_EXPERIMENT_SECURITY_H

#include "observe/experiment/experiment.h"
#include "observe/probe/cgroup.h"
#include "observe/probe/posture.h"

/* Calls that were asked for from inside by the helper's verb `denied`. */
struct security_calls {
	bool known;         /* somebody asked, and the filters could be told apart */
	bool exact;         /* refusals as ENOSYS are known, too */
	size_t tried;       /* calls that this program has names for */
	struct strv denied; /* by filter; "killed" and errno put to those that are not EPERM */
	struct strv variants;
	struct strv refused; /* made, and refused by the kernel: "mount (sys_admin)" */
	struct strv allowed; /* made, and not refused */
};

struct security_view {
	const char *subject; /* as findings have it */
	struct posture posture;
	struct namespace_census census;
	struct group_view *groups; /* heap; NULL: unknown */
	struct security_calls calls;
};
void security_view_free(struct security_view *v);
#define auto_security_view __attribute__((cleanup(security_view_free)))

/* The answer of `denied`, by names. */
void security_take_calls(const struct strv *lines, struct security_calls *out);
/* Holds every rule against it, the worst first. */
void security_judge(struct experiment_context *x, const struct security_view *v);
/* Claims with their evidence. */
void security_claims(struct experiment_context *x, const struct security_view *v);
/* Published ports of --container; nothing for a plain process. */
void security_ports(struct experiment_context *x);
/* One table of all that was read: each view a column. restricted may be NULL. */
void security_table(struct experiment_context *x, const struct security_view *v,
		    const struct security_view *restricted);

#endif

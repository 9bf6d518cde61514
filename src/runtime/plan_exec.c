/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which one more process gets into a container that runs. What differs from a birth:
 *   baseline and groups first             they need nothing of the record: see plan_begin_exec()
 *   all namespaces are joined at once         the last of the host's paths are used before that
 *   terminal while there is still privilege   it belongs to the container's user, whoever that is
 *   the clone into the pid namespace last     until then nobody in the container can see, trace or
 *                                             signal the process; after it, it has nothing to steal
 *   new session and its terminal after that   a session dies with the process that made it
 */
#include <errno.h>
#include <sched.h>

#include "runtime/plan_parts.h"

#define DEFAULT_UMASK 022
#define JOINED \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static void add_baseline(struct plan *p)
{
	plan_add_op(p, OP_BASELINE, PHASE_OTHER, "reset scheduler, signals, keyring")->n =
		DEFAULT_UMASK;
}

void plan_begin_exec(struct plan *p)
{
	add_baseline(p);
	plan_add_op(p, OP_JOIN_GROUPS, PHASE_CGROUP, "join the container's groups");
	p->shared.begin_count = p->op_count;
	p->shared.released = PLAN_BEGIN;
}

int plan_build_exec(struct plan *p, const struct oci_process *process,
		    const struct plan_input *input, struct err *err)
{
	plan_ref candidates;
	int rc;

	if (!process->args.count)
		return err_set(err, ERR_INVALID, EINVAL, "No exec command specified");
	if (!p->op_count) {
		add_baseline(p);
		plan_add_groups(p, input);
	}
	candidates = plan_add_candidates(p, process);
	plan_add_limits(p, process, input);
	plan_add_op(p, OP_JOIN, PHASE_NAMESPACES, "join the container")->n = JOINED;
	plan_add_streams(p, process, input, OP_FLAG_LATER);
	rc = plan_add_user(p, process, err);
	if (rc == 0 && input->clone_before_filter)
		plan_add_op(p, OP_CLONE, PHASE_NAMESPACES, "enter its pid namespace");
	if (rc == 0)
		rc = plan_add_confinement(p, process, candidates, input, err);
	if (rc < 0)
		return rc;
	if (!input->clone_before_filter)
		plan_add_op(p, OP_CLONE, PHASE_NAMESPACES, "enter its pid namespace");
	plan_add_op(p, OP_SETSID, PHASE_OTHER, "new session");
	if (process->terminal)
		plan_add_op(p, OP_CONTROL_TERMINAL, PHASE_OTHER, "take the terminal");
	plan_add_exec(p, process, candidates);
	return plan_check(p, err);
}

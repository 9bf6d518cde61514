/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces that the plan of a container (plan_build.c) and that of one more process in it
 * (plan_exec.c) have in common. Each appends operations; the order is its caller's.
 */
#ifndef CLOCHE_RUNTIME_PLAN_PARTS_H
#define CLOCHE_RUNTIME_PLAN_PARTS_H

#include "runtime/plan_build.h"

/* Into the version 1 groups. */
void plan_add_groups(struct plan *p, const struct plan_input *input);
/* Resource limits and OOM score. */
void plan_add_limits(struct plan *p, const struct oci_process *process,
		     const struct plan_input *input);
/* Standard streams, or the terminal; flags are the terminal's operation's. */
void plan_add_streams(struct plan *p, const struct oci_process *process,
		      const struct plan_input *input, uint32_t flags);
/* Bounding set, no_new_privs, user and groups, working directory. */
int must_check plan_add_user(struct plan *p, const struct oci_process *process, struct err *err);
/* A look at which of the candidates is there, seccomp filter, then capabilities. */
int must_check plan_add_confinement(struct plan *p, const struct oci_process *process,
				    plan_ref candidates, const struct plan_input *input,
				    struct err *err);
/* The paths that execve() is tried on, as execvp() would, in the process's own PATH. */
plan_ref plan_add_candidates(struct plan *p, const struct oci_process *process);
/* The last operation. */
void plan_add_exec(struct plan *p, const struct oci_process *process, plan_ref candidates);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child: executes a plan inside the new namespaces and becomes the container's program. This
 * folder is the privileged kernel of the project. It parses nothing, allocates nothing, prints
 * nothing; every failure is left in the plan's shared page for the parent to put into words.
 */
#ifndef CLOCHE_RUNTIME_CHILD_CHILD_H
#define CLOCHE_RUNTIME_CHILD_CHILD_H

#include "runtime/plan.h"

/* What the process that cloned the child prepared for it. -1: not there. */
struct child_context {
	int root_fd;   /* the container's root, O_PATH; set by the root ops */
	int stdio[3];  /* for OP_STDIO */
	int report_fd; /* socket to the parent: bytes of enum child_report */
	int gate_fd;   /* OP_GATE reads one byte here */
	int mask_fd; /* empty read-only tmpfs on the first masked directory, cloned for the others */
	const char *groups;    /* host paths of `tasks` files, the last followed by an empty one */
	unsigned group_fd;     /* the same files, open: the first of group_count in a row */
	unsigned group_count;  /* 0: not open, by path */
	int die_with_parent;   /* 1: SIGKILL when the parent dies */
	unsigned preserve_fds; /* descriptors 3 .. 3+n-1 cross execve */
	int early_result;      /* of plan_early.own_namespaces */
	uint32_t candidate;    /* of OP_EXEC, the first that is worth a try */
	uint32_t step;         /* enum child_step of the failure */
	int32_t detail;
};

/* What the child says on report_fd. Exec is told by the end of the stream. */
enum child_report {
	CHILD_REPORT_CONSOLE = 'T', /* carries the terminal's master (SCM_RIGHTS) */
	CHILD_REPORT_CREATED = 'C', /* waits at the gate */
	CHILD_REPORT_KILL_ME = 'K', /* test builds: send it SIGKILL */
};

/* Runs the whole plan; returns only by execve or _exit. */
_Noreturn void child_run(struct plan *plan, struct child_context *c);

/* One operation: 0 or -errno with c->step set. */
typedef int (*child_op_fn)(struct child_context *c, struct plan *plan, const struct plan_op *op);

/* op_mount.c */
int child_op_propagation(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_root_overlay(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_root_bind(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_mount(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_bind(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_remount(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_pivot(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_mask(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_read_only(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_root_propagation(struct child_context *c, struct plan *p, const struct plan_op *op);
/* op_file.c */
int child_op_mkdir(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_mknod(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_symlink(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_sysctl(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_chdir(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_join_cgroup(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_join_groups(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_oom_score_adj(struct child_context *c, struct plan *p, const struct plan_op *op);
/* op_process.c */
int child_op_unshare(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_setns(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_join(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_clone(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_baseline(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_setsid(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_hostname(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_domainname(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_loopback_up(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_network(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_rlimit(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_bounding(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_user(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_capabilities(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_no_new_privs(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_seccomp(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_personality(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_io_priority(struct child_context *c, struct plan *p, const struct plan_op *op);
/* op_exec.c */
int child_op_stdio(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_console(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_control_terminal(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_hook(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_find_program(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_skip_absent(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_gate(struct child_context *c, struct plan *p, const struct plan_op *op);
int child_op_exec(struct child_context *c, struct plan *p, const struct plan_op *op);

/* Arms the parent-death signal and checks that the parent did not die before: 0 or -EPIPE. */
int must_check child_arm_parent_death(const struct child_context *c);

#endif

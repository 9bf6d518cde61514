/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an OCI configuration to a plan. All that can be computed or checked outside the namespaces is
 * done here; the result needs no further decision.
 */
#ifndef CLOCHE_RUNTIME_PLAN_BUILD_H
#define CLOCHE_RUNTIME_PLAN_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "kernel/cgroup.h"
#include "kernel/seccomp_profile.h"
#include "oci/runtime_config.h"
#include "runtime/plan.h"

/* A new plan: sealed against growth, close-on-exec memfd, mapped shared. The caller
 * unmaps with plan_unmap() and closes *fd. */
int must_check plan_create(int *fd, struct plan **out, struct err *err);
/* Maps an existing one. */
int must_check plan_map(int fd, struct plan **out, struct err *err);
/* The place of a second one in the same memfd, empty. */
int must_check plan_map_health(int fd, struct plan **out, struct err *err);
void plan_unmap(struct plan *p);

/* Appends to the data area. After an overflow every ref is 0; plan_check() then reports it. */
plan_ref plan_add_string(struct plan *p, const char *s);
plan_ref plan_add_bytes(struct plan *p, const void *bytes, size_t n, size_t align);
plan_ref plan_add_list(struct plan *p, const struct strv *v);
struct plan_op *plan_add_op(struct plan *p, enum plan_op_type type, enum plan_phase phase,
			    const char *label_fmt, ...) __attribute__((format(printf, 4, 5)));
/* 0, or ERR_INVALID when the container's arguments, environment or mounts did not fit. */
int must_check plan_check(const struct plan *p, struct err *err);

/* What an OCI configuration does not say. */
struct plan_input {
	const struct cgroup_layout *cgroups;
	const struct cgroup_join *join; /* NULL: stay in the caller's groups */
	const char *cgroup_path;        /* "/cloche/<id>", for mounts without a namespace */
	const char *rootfs;             /* absolute host path; bind root. Or: */
	const char *overlay_options;    /* "lowerdir=...,upperdir=...,workdir=..." relative to */
	const char *overlay_base;       /* this directory, */
	const char *overlay_target;     /* mounted here (relative to overlay_base) */
	const char *bundle;             /* absolute, for relative bind sources; NULL: none */
	/* Host path of the mount namespace that sources of mounts marked `donor` are in, and its inode. */
	const char *donor_mounts;
	uint64_t donor_mounts_inode;
	const struct seccomp_program *seccomp; /* NULL: none */
	uint16_t rows, columns;
	bool gate;                /* stop before exec until `start` (OCI create) */
	bool clone_before_filter; /* exec: the filter may deny clone(), so it comes after */
	bool limits_best_effort;  /* a hard limit that cannot be raised is a warning, */
	uint32_t quiet_limits;    /* and not even that for these (1 << RLIMIT_*) */
	const char *hook_state;   /* JSON for hooks that the child runs; NULL: none */
};

/* CLONE_NEW* for clone3(), from the configuration; the cgroup namespace is unshared by the child
 * itself, after it has joined its group. ERR_UNSUPPORTED for namespaces this version cannot make. */
int must_check plan_clone_flags(const struct oci_config *c, uint64_t *flags, struct err *err);

/* Lays out the operations. Warnings (what is ignored on this kernel) go to *warnings. */
int must_check plan_build(struct plan *p, const struct oci_config *c,
			  const struct plan_input *input, struct strv *warnings, struct err *err);

/* The same for one more process in a running container, by a process of the host: OP_JOIN takes the
 * namespaces from the pidfd PLAN_FD_TARGET. Of the input counts what concerns a process: join,
 * seccomp, rows, columns, limits, clone_before_filter. */
/* Its first operations alone, in a plan that nobody has seen yet: they may run while the others are laid
 * out. OP_JOIN_GROUPS among them asks the monitor, or plan_early.groups, which groups. */
void plan_begin_exec(struct plan *p);
/* The rest, or, where nothing stands in p yet, all. */
int must_check plan_build_exec(struct plan *p, const struct oci_process *process,
			       const struct plan_input *input, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the cgroup files share among themselves; nothing outside kernel/cgroup* includes this. */
#ifndef CLOCHE_KERNEL_CGROUP_DRIVER_H
#define CLOCHE_KERNEL_CGROUP_DRIVER_H

#include "kernel/cgroup.h"

/* One application of limits. */
struct cgroup_target {
	const char *dir;  /* absolute directory of the group in the hierarchy at hand */
	const char *what; /* the container's name in errors */
	uint32_t controllers;
	bool v2;
};

/* "memory"; v2 says "io" where v1 says "blkio". Static. */
const char *cgroup_controller_name(uint32_t bit, bool v2);

/* Writes value to file of the target: "set LABEL of WHAT to SHOWN: ...". */
int must_check cgroup_set(const struct cgroup_target *t, const char *file, const char *label,
			  const char *value, const char *shown, struct err *err);
int must_check cgroup_set_u64(const struct cgroup_target *t, const char *file, const char *label,
			      uint64_t value, struct err *err);
/* Negative: the text for "no limit" of this version ("-1" or "max"). */
int must_check cgroup_set_bytes(const struct cgroup_target *t, const char *file, const char *label,
				int64_t value, struct err *err);
bool cgroup_has_file(const struct cgroup_target *t, const char *file);
/* -errno of a read, or the number at the start of the file ("max" is UINT64_MAX). */
int must_check cgroup_get_u64(const struct cgroup_target *t, const char *file, uint64_t *out);

/* Makes the group's directory in one hierarchy, see cgroup_create. Sets *made. */
int must_check cgroup_v1_create(const struct cgroup_hierarchy *h, const char *path, bool *made,
				struct err *err);
int must_check cgroup_v2_create(const struct cgroup_hierarchy *h, const char *path, bool *made,
				struct err *err);
/* Writes the limits that this version's controllers in the target's hierarchy hold. */
int must_check cgroup_v1_apply(const struct cgroup_target *t, const struct cgroup_resources *r,
			       struct err *err);
int must_check cgroup_v2_apply(const struct cgroup_target *t, const struct cgroup_resources *r,
			       struct err *err);

int must_check cgroup_apply_rdma(const struct cgroup_target *t, const struct cgroup_resources *r,
				 struct err *err);

/* Makes a group's directory below mount with all its parents. *made tells whether it is new,
 * *parent_made whether the one above it is. */
int must_check cgroup_mkdirs(const char *mount, const char *path, bool *made, bool *parent_made,
			     struct err *err);

/* Attaches a program for these rules to a v2 group, in place of what was attached there before. */
int must_check cgroup_v2_set_devices(const struct cgroup_target *t,
				     const struct cgroup_device_rule *rules, size_t count,
				     struct err *err);

/* Limits that both versions write alike. */
int must_check cgroup_apply_cpuset(const struct cgroup_target *t, const struct cgroup_resources *r,
				   struct err *err);
int must_check cgroup_apply_pids(const struct cgroup_target *t, const struct cgroup_resources *r,
				 struct err *err);

#endif

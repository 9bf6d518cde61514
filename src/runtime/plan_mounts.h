/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts, devices and hidden paths of a plan; plan_build.c's other half. */
#ifndef CLOCHE_RUNTIME_PLAN_MOUNTS_H
#define CLOCHE_RUNTIME_PLAN_MOUNTS_H

#include "runtime/plan_build.h"

/* Operations for config.mounts in order, cgroup mounts expanded for the host's layout. */
int must_check plan_add_mounts(struct plan *p, const struct oci_config *c,
			       const struct plan_input *input, struct err *err);
/* Default and listed devices and the usual symlinks of /dev. */
void plan_add_devices(struct plan *p, const struct oci_config *c);
/* Masked and read-only paths, after the pivot. */
void plan_add_hidden_paths(struct plan *p, const struct oci_config *c);

#endif

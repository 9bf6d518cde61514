/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount namespace that only this observer and the commands of one subject are in: what is mounted in it
 * is gone with them, however they end, and the host sees nothing of it.
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_PRIVATE_MOUNTS_H
#define CLOCHE_OBSERVE_SUBJECT_PRIVATE_MOUNTS_H

#include "observe/subject/subject.h"

/* Makes it, calls furnish in it (in a process of its own; 0 or -errno), and keeps it in the subject. */
int must_check private_mounts_make(struct subject *s,
				   int (*furnish)(const struct subject *s, const void *arg),
				   const void *arg, struct err *err);
/* For subject_ops.prepare_child: enters it where there is one. */
int must_check private_mounts_enter(const struct subject *s);
/* crun 1.8 refuses a host that has version 1 hierarchies and a version 2 one; where it does not see the
 * latter it does as on version 1. To be called in furnish; nothing is done on a host of one version. */
int must_check private_mounts_hide_hybrid(void);

#endif

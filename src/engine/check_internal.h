/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the check share. */
#ifndef CLOCHE_ENGINE_CHECK_INTERNAL_H
#define CLOCHE_ENGINE_CHECK_INTERNAL_H

#include "engine/check.h"

struct checker {
	struct engine *e;
	bool repair;
	engine_finding_fn report;
	void *context;
};

/* Reports a finding that was (failure NULL) or was not repaired; without repair just reports it. */
void check_report(struct checker *k, const char *kind, const char *object, const char *why,
		  const char *failure);
/* The same, the outcome being 0 or -errno. */
void check_report_rc(struct checker *k, const char *kind, const char *object, const char *why,
		     int rc);

/* check_places.c: mounts in this mount namespace, volumes, the image store; addresses and ports that
 * dead containers hold. */
int must_check check_mounts(struct checker *k, struct err *err);
int must_check check_volumes(struct checker *k, struct err *err);
int must_check check_images(struct checker *k, struct err *err);
int must_check check_networks(struct checker *k, struct err *err);
/* check_cgroups.c: groups of unknown ids, and the empty parents at the end. */
int must_check check_unknown_cgroups(struct checker *k, const struct strv *known, struct err *err);
void check_remove_parents(struct checker *k);
/* Reports the processes and the group of a dead container; with repair kills and removes them. */
int must_check check_cgroup_of(struct checker *k, const char *parent, const char *id,
			       struct err *err);

#endif

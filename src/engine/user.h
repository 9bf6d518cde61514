/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups by the container's own passwd and group files, given as text. */
#ifndef CLOCHE_ENGINE_USER_H
#define CLOCHE_ENGINE_USER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

#define USER_GROUPS_MAX 1024

struct user_identity {
	uint32_t uid, gid;
	gid_t groups[USER_GROUPS_MAX]; /* supplementary */
	size_t group_count;
	char home[4096]; /* "/" when unknown */
};

/* Resolves "", "user", "uid", "user:group", "uid:gid" and further groups (--group-add) as Docker
 * does: numbers need no entry, names do ("unable to find user x: no matching entries in passwd
 * file"). passwd and group may be NULL. */
int must_check user_resolve(const char *spec, const struct strv *group_add, const char *passwd,
			    const char *group, struct user_identity *out, struct err *err);

#endif

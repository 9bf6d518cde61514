/* SPDX-License-Identifier: Apache-2.0 */
/* What a container has changed against its image: `diff`, and what `commit` makes a layer of. */
#ifndef CLOCHE_ENGINE_DIFF_H
#define CLOCHE_ENGINE_DIFF_H

#include <sys/stat.h>

#include "engine/engine.h"

enum change_kind { CHANGE_MODIFIED = 0, CHANGE_ADDED = 1, CHANGE_DELETED = 2 }; /* as in the API */

struct container_change {
	char *path; /* absolute */
	enum change_kind kind;
};

/*
 * The changes of c, by path in byte order of the components. As in Docker, a directory in which
 * something changed is itself "modified", and the mount points that every container gets are no
 * changes. ERR_UNSUPPORTED with --rootfs. The caller frees *out by container_changes_free().
 */
int must_check container_diff(struct engine *e, const struct container *c,
			      struct container_change **out, size_t *count, struct err *err);
void container_changes_free(struct container_change *list, size_t count);

/* True for what the engine itself put into the upper layer so that something could be mounted there:
 * name is relative, st what lies there. For the directories among these, what is below still counts. */
bool container_is_mount_point(const char *name, const struct stat *st);

#endif

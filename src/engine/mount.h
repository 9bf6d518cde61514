/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host path to what is in a container, on demand: <run>/mounts/<id>. It shows the container's own
 * file system without what is mounted into it, read-only, so that nothing written through it can
 * meet a container that is started meanwhile.
 */
#ifndef CLOCHE_ENGINE_MOUNT_H
#define CLOCHE_ENGINE_MOUNT_H

#include <limits.h>

#include "engine/engine.h"

/* Mounts it, if it is not, and says where. Of a running container the path shows what it changes; of
 * another one the state at this moment. It stays until container_unmount(), or the removal of the
 * container. */
int must_check container_mount(struct engine *e, struct container *c, char path[static PATH_MAX],
			       struct err *err);
/* ERR_CONFLICT when it is not mounted. */
int must_check container_unmount(struct engine *e, const char *id, struct err *err);
/* Ids that have such a path. */
int must_check container_mounts(struct engine *e, struct strv *ids, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How much room things take on disk, counted as Docker counts. */
#ifndef CLOCHE_ENGINE_SIZE_H
#define CLOCHE_ENGINE_SIZE_H

#include "engine/engine.h"

struct container_size {
	uint64_t rw_bytes;     /* in the container's own layer */
	uint64_t rootfs_bytes; /* that and the image's layers */
};

/* Needs no more of c than its brief. Both 0 for a container on a folder of the host's, which has no
 * layer of its own. What vanishes meanwhile is not counted. */
int must_check container_size(struct engine *e, const struct container *c,
			      struct container_size *out, struct err *err);

/* Bytes of all files of the tree at path below dirfd: apparent sizes, a file with several names
 * once, directories not at all. Symlinks are counted, never followed. 0, -ENOENT when there is no
 * such directory, or -errno; names that vanish are no error. */
int must_check tree_size_at(int dirfd, const char *path, uint64_t *bytes);

#endif

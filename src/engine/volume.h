/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of containers: <data>/volumes/<name>/_data. Anonymous ones have an id for a name. */
#ifndef CLOCHE_ENGINE_VOLUME_H
#define CLOCHE_ENGINE_VOLUME_H

#include "base/undo.h"
#include "engine/engine.h"

/*
 * Makes the directories of all volumes that c->config.mounts asks for and sets c->volume_paths to
 * their host paths, in the same order. A fresh volume gets the image's content and attributes at its
 * target, unless no_copy: that needs c->lower. Volumes that were made here are pushed on undo.
 * ERR_INVALID for a name that Docker would refuse.
 */
int must_check container_volumes_make(struct engine *e, struct container *c,
				      struct undo_stack *undo, struct err *err);
/* Removes the anonymous volumes of c that no other container refers to. */
int must_check container_volumes_remove(struct engine *e, const struct container *c,
					struct err *err);

/* Lets the anonymous volumes of c outlive it, as `rm` without -v does: from then on nobody takes them
 * for what a crash left. */
int must_check container_volumes_disown(struct engine *e, const struct container *c,
					struct err *err);
/* The container that an anonymous volume was made for. 0, -ENOENT when it was disowned or named. */
int must_check volume_read_owner(int volume_dir, char id[static ID_LEN + 1]);
/* The name under which a copy is made, in the volume's directory. */
#define VOLUME_ASIDE "_data.tmp"

/*
 * Copies what an image has at image_path (resolved inside the image) into the directory volume_path:
 * owners, modes, times, xattrs, links, devices and holes; and gives the directory itself the owner
 * and mode of the image's. lower is overlay's lowerdir relative to <data>/overlay2. Nothing is done
 * when the image has no directory there or the volume is not empty. The mount that this may need is
 * made in a forked child's own mount namespace.
 */
int must_check volume_populate(struct engine *e, const char *lower, const char *image_path,
			       const char *volume_path, struct err *err);

#endif

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
 * ERR_INVALID for a name that Docker would refuse. *lock, -1 without volumes, keeps them from being
 * removed: the caller closes it when the record of c stands. lock may be NULL where nobody removes.
 */
int must_check container_volumes_make(struct engine *e, struct container *c,
				      struct undo_stack *undo, int *lock, struct err *err);
/* Removes the anonymous volumes of c that no other container refers to. */
int must_check container_volumes_remove(struct engine *e, const struct container *c,
					struct err *err);

/* Lets the anonymous volumes of c outlive it, as `rm` without -v does: from then on nobody takes them
 * for what a crash left. */
int must_check container_volumes_disown(struct engine *e, const struct container *c,
					struct err *err);
/* The container that an anonymous volume was made for. 0, -ENOENT when it was disowned, named, or taken
 * by another container too: then it does not end with the first. */
int must_check volume_read_owner(int volume_dir, char id[static ID_LEN + 1]);
/* In the volume's directory: the name under which a copy is made, and that of a whole one while its
 * entries are moved to where the containers that have the volume already see them. */
#define VOLUME_ASIDE "_data.tmp"
#define VOLUME_READY "_data.new"
/* In <data>/volumes: what is being removed. */
#define VOLUME_REMOVED_PREFIX ".removed-"

/* "x" includes invalid characters for a local volume name, ...: ERR_INVALID. */
int must_check volume_check_name(const char *name, struct err *err);
/* Opens the directory of volume `name`, making it when missing, and takes its lock: an fd. */
int must_check volume_lock_directory(struct engine *e, const char *name, struct err *err);
/* Makes _data in it, which makes it a volume; owner is the container's id of an anonymous one, or NULL.
 * 1 when it was made, 0 when it was there. */
int must_check volume_make_data(int volume_dir, const char *name, const char *owner,
				struct err *err);

#endif

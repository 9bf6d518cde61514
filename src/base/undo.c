/* SPDX-License-Identifier: Apache-2.0 */
/* The undo stack. */
#include "base/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"

int undo_push(struct undo_stack *u, undo_fn fn, int fd, const char *path)
{
	struct undo_step *step;

	if (!u)
		return 0;
	if (u->count == UNDO_MAX)
		return -ENOSPC;
	step = &u->steps[u->count];
	if (snprintf(step->path, sizeof(step->path), "%s", path ? path : "") >=
	    (int)sizeof(step->path))
		return -ENAMETOOLONG;
	step->fn = fn;
	step->fd = fd;
	u->count++;
	return 0;
}

void undo_unwind(struct undo_stack *u)
{
	int saved = errno;

	while (u->count > 0) {
		struct undo_step *step = &u->steps[--u->count];

		step->fn(step->fd, step->path);
	}
	errno = saved;
}

void undo_disarm(struct undo_stack *u)
{
	u->count = 0;
}

void undo_rmdir(int dirfd, const char *path)
{
	unlinkat(dirfd, path, AT_REMOVEDIR);
}

void undo_unlink(int dirfd, const char *path)
{
	unlinkat(dirfd, path, 0);
}

void undo_remove_tree(int dirfd, const char *path)
{
	if (remove_tree_at(dirfd, path) < 0)
		return;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The undo stack: every change made to the host is pushed right after it was made, failure anywhere
 * unwinds the stack in reverse, success disarms it. Fixed memory; a full stack refuses the push, and
 * the caller must then undo the step itself and fail.
 */
#ifndef CLOCHE_BASE_UNDO_H
#define CLOCHE_BASE_UNDO_H

#include <stddef.h>

#include "base/err.h"

#define UNDO_MAX 96
#define UNDO_PATH_MAX 512

/* Undoes one step; errors are ignored, since `system check` sweeps what could not be undone.
 * fd and path are the values given at the push. */
typedef void (*undo_fn)(int fd, const char *path);

struct undo_stack {
	size_t count;
	struct undo_step {
		undo_fn fn;
		int fd;
		char path[UNDO_PATH_MAX];
	} steps[UNDO_MAX];
};

/* Pushes a step. fd is borrowed and must stay open until the stack is unwound or disarmed (-1 for
 * none); path is copied (NULL is ""). A NULL stack remembers
 * nothing. Returns 0, -ENOSPC or -ENAMETOOLONG. */
int must_check undo_push(struct undo_stack *u, undo_fn fn, int fd, const char *path);
/* Runs all steps, latest first, and empties the stack. Keeps errno. */
void undo_unwind(struct undo_stack *u);
/* Forgets all steps: what was done stays. */
void undo_disarm(struct undo_stack *u);

/* Ready-made steps. */
void undo_rmdir(int dirfd, const char *path);
void undo_unlink(int dirfd, const char *path);
void undo_remove_tree(int dirfd, const char *path);

#endif

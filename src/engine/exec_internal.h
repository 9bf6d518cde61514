/* SPDX-License-Identifier: Apache-2.0 */
/* What exec.c (starting one) and exec_state.c (what is on record of it) share. */
#ifndef CLOCHE_ENGINE_EXEC_INTERNAL_H
#define CLOCHE_ENGINE_EXEC_INTERNAL_H

#include "engine/exec.h"

/* Makes and locks <run>/containers/<id>/exec/<exec id>. The fd is the lock; path is absolute. */
int must_check exec_state_make(const struct engine *e, const char *container_id,
			       const char *exec_id, const char *path, int *lock_fd,
			       struct err *err);
/* Locks one that was made and has not begun. ERR_NOT_FOUND, ERR_CONFLICT: it has begun. */
int must_check exec_state_take(const struct engine *e, const char *exec_id, struct exec_state *s,
			       int *lock_fd, struct err *err);
/* Writes the state of one that has not begun. */
int must_check exec_state_write(int dir, const struct exec_state *s, struct err *err);

#endif

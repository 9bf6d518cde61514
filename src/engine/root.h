/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's root as a directory descriptor, whether it runs or not. Nothing is mounted where
 * the host could see it: what has to be mounted lies in a mount namespace that only descriptors of
 * this process hold, so a kill at any moment leaves nothing.
 *
 * The content belongs to the container: below the descriptor every path goes through kernel/path.h.
 */
#ifndef CLOCHE_ENGINE_ROOT_H
#define CLOCHE_ENGINE_ROOT_H

#include "engine/engine.h"

enum container_root_view {
	CONTAINER_ROOT_WHOLE, /* as a process of it sees it: with its volumes, binds and the rest */
	CONTAINER_ROOT_BARE,  /* its own file system alone; what lies below mount points shows */
};

struct container_root {
	int fd;            /* the directory; reading needs an open through kernel/path */
	bool running;      /* of a living container, which may change it meanwhile */
	int namespace_fd;  /* keeps the mounts of a stopped one; -1 */
	int lock_fd;       /* shared: it is not started meanwhile; -1 when it runs */
	int mount_lock_fd; /* nobody else has its layer mounted; -1 when it runs */
};

#define CONTAINER_ROOT_NONE \
	((struct container_root){.fd = -1, .namespace_fd = -1, .lock_fd = -1, .mount_lock_fd = -1})

/*
 * Opens the root of c, whose state is read anew. Running: the root of its PID 1, proved by a pidfd to
 * be the process that the monitor started. Not running: its layers are mounted in a namespace of
 * their own for as long as *out is open; a start of the container waits, then fails. ERR_CONFLICT
 * when it is being started or removed. The caller closes *out, also after an error.
 */
int must_check container_root_open(struct engine *e, struct container *c,
				   enum container_root_view view, struct container_root *out,
				   struct err *err);
void container_root_close(struct container_root *root);
#define auto_container_root __attribute__((cleanup(container_root_close)))

#endif

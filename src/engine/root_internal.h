/* SPDX-License-Identifier: Apache-2.0 */
/* What root.c (who is asked, and under which lock) and root_mount.c (what is mounted) share. */
#ifndef CLOCHE_ENGINE_ROOT_INTERNAL_H
#define CLOCHE_ENGINE_ROOT_INTERNAL_H

#include "engine/engine.h"

struct root_job {
	const struct engine *e;
	const struct container *c;
	int namespace_fd; /* of a running one */
	bool whole;       /* with volumes and binds */
	bool recursive;   /* clone what is mounted below too */
};

/* Work of a child process. Fills fds. 0 or -errno with *err. */
typedef int (*root_child_fn)(const struct root_job *job, int fds[2], struct err *err);

/* Runs work in a child, whose mount namespace it may change, and hands on `want` descriptors. */
int must_check root_in_child(root_child_fn work, const struct root_job *job, int fds[2],
			     size_t want, struct err *err);
/* fds[0]: a detached clone of the root mount of job->namespace_fd. */
int must_check root_clone_bare(const struct root_job *job, int fds[2], struct err *err);
/* fds[0]: the root of a stopped container, mounted; fds[1]: the namespace that holds the mounts. */
int must_check root_mount_stopped(const struct root_job *job, int fds[2], struct err *err);

#endif

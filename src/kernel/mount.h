/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file-descriptor based mount API (fsopen(2), fsmount(2), open_tree(2), move_mount(2),
 * mount_setattr(2); Linux 5.12), so that a mount is complete with its attributes before anyone can
 * see it and a target is a descriptor that nobody can swap. No allocation: the child uses it.
 */
#ifndef CLOCHE_KERNEL_MOUNT_H
#define CLOCHE_KERNEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Makes a detached mount of a new file system. options is a list of strings, each ended by a NUL
 * and the list by an empty string: "key=value" or "flag". attributes are MOUNT_ATTR_*. Returns the
 * mount's descriptor or -errno. source may be NULL. */
int must_check mount_new(const char *fs_type, const char *source, const char *options,
			 uint64_t attributes);
/* Makes a detached copy of the mount at (dirfd, path), path "" for dirfd itself. Returns the
 * descriptor or -errno. */
int must_check mount_clone(int dirfd, const char *path, bool recursive);
/* Sets and clears MOUNT_ATTR_* and, unless 0, the propagation (MS_PRIVATE, MS_SLAVE, MS_SHARED). */
int must_check mount_change(int dirfd, const char *path, bool recursive, uint64_t set,
			    uint64_t clear, uint64_t propagation);
/* Puts a detached mount on the directory or file that target_fd is. */
int must_check mount_attach(int mount_fd, int target_fd);
/* Overlay in one classic mount(2): lower has ':' between directories, relative names count from the
 * working directory. Returns 0 or -errno. */
int must_check mount_overlay(const char *target, const char *options, unsigned long flags);
/* Detaches what is mounted at path, without following a symlink. */
int must_check mount_detach(const char *path);
/* A detached read-only copy of the mount a program lies on, opened as that program: what is executed
 * through the returned descriptor can never be written through /proc/PID/exe (CVE-2019-5736). The
 * descriptor is close-on-exec. */
int must_check mount_open_program_read_only(const char *program);

#endif

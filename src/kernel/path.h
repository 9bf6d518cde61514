/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door for paths inside a container's root or an image layer. Everything resolves below a
 * directory fd with openat2(2) RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: absolute paths and absolute
 * symlinks mean the root, ".." at the root stays there, /proc/PID/fd links are refused (-ELOOP).
 *
 * Nothing here allocates, prints or keeps state, so the child may call it. Paths are at most
 * PATH_MAX - 1 bytes. All fds returned are close-on-exec and belong to the caller. All functions
 * return -errno on failure and keep nothing open then.
 */
#ifndef CLOCHE_KERNEL_PATH_H
#define CLOCHE_KERNEL_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Room for the last component of a path. */
#define PATH_LEAF_SIZE (NAME_MAX + 1)
/* As a uid or gid: leave the owner as the kernel made it. */
#define PATH_KEEP_OWNER ((uid_t)-1)

/* Opens path below rootfd with open(2)'s flags; the mode counts with O_CREAT only and is subject to
 * the umask. An fd or -errno. */
int must_check path_open(int rootfd, const char *path, int flags, mode_t mode);

/* The same for a path that must not contain any symlink at all, not even last (-ELOOP). */
int must_check path_open_nosymlink(int rootfd, const char *path, int flags, mode_t mode);

/* Opens a regular file to be read. What else lies there, or is put there meanwhile, is not opened: a device
 * may act when it is, a pipe may wait. -EINVAL then. symlinks: false refuses them as
 * path_open_nosymlink() does. Needs /proc. */
int must_check path_open_regular(int rootfd, const char *path, bool symlinks);

/* Opens (O_PATH | O_DIRECTORY) the directory that holds path's last component and copies that
 * component, trailing slashes cut, for use with the *at() family and AT_SYMLINK_NOFOLLOW. A path
 * that ends in "." or ".." or names the root itself is -EINVAL. An fd or -errno. */
int must_check path_open_parent(int rootfd, const char *path, char leaf[static PATH_LEAF_SIZE]);

/* Makes path and every missing directory above it; only new directories get the exact mode and the
 * owner (PATH_KEEP_OWNER to skip). A symlink that dangles inside the root is followed and its target
 * made. Returns an fd of the directory, O_PATH unless it is new, or -errno (-ENOTDIR when a
 * component is something else). */
int must_check path_mkdir_all(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid);

/* Makes an empty regular file where nothing exists, with directories above it (0755): the target of
 * a bind mount. What exists is left alone, whatever its type. Returns an O_PATH fd or -errno. */
int must_check path_make_file(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid);

#endif

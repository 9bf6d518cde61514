/* SPDX-License-Identifier: Apache-2.0 */
/* Copies directory trees with every attribute. The source may be hostile (an image), the destination
 * is ours and nobody else's. */
#ifndef CLOCHE_ENGINE_COPY_TREE_H
#define CLOCHE_ENGINE_COPY_TREE_H

#include "base/err.h"

/*
 * Copies what is in the directory src_fd into the empty directory dst_fd, and the directory's own
 * owner, mode, times and xattrs: regular files with their holes, directories, symlinks (as they
 * are), hard links within the tree, devices, fifos, sockets. Overlay's own xattrs and whiteouts are
 * left out. Both descriptors are open for reading and stay the caller's. ERR_UNSUPPORTED beyond 200
 * levels.
 */
int must_check copy_tree(int src_fd, int dst_fd, struct err *err);
/* The owner, xattrs, mode and times of one open file or directory to another. */
int must_check copy_attributes(int src_fd, int dst_fd, struct err *err);

#endif

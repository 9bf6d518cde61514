/* SPDX-License-Identifier: Apache-2.0 */
/* Gives up privilege before strangers' bytes are parsed. */
#ifndef CLOCHE_IMAGE_CONFINE_H
#define CLOCHE_IMAGE_CONFINE_H

#include "base/err.h"

/* For the rest of its life the calling process, which must have one thread, sees no file system but
 * the directory root (an fd), has only the capabilities that unpacking needs and cannot gain others,
 * and may make only the system calls of a list: no execve, socket, mount, ptrace, clone. A denied call
 * fails with EPERM. A build with sanitizers keeps its file system and calls, since their runtime needs
 * both. Needs root. */
int must_check confine(int root, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Gives up privilege before strangers' bytes are parsed. */
#ifndef CLOCHE_IMAGE_CONFINE_H
#define CLOCHE_IMAGE_CONFINE_H

#include "base/err.h"

/* Keeps the calling process from gaining anything: no new privileges, only the capabilities that
 * unpacking needs, and where the kernel has Landlock no file system access but below root (a
 * directory fd) and /proc. */
int must_check confine(int root, struct err *err);

#endif

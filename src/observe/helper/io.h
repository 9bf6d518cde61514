/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of files share. */
#ifndef CLOCHE_OBSERVE_HELPER_IO_H
#define CLOCHE_OBSERVE_HELPER_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IO_BLOCK (1u << 20)

/* IO_BLOCK bytes that no file system or device can compress, aligned for O_DIRECT; the same in every
 * process. Not for two verbs at once. */
unsigned char *io_block(void);
/* Makes a file of that size, on the disk when it returns. 0 or -errno. */
int must_check io_fill(const char *path, uint64_t bytes);
/* How much of a file is in the page cache, in percent; -1: cannot be told. */
int io_cached_percent(int fd, uint64_t bytes);
/* Splitmix64: the next of a sequence that is the same everywhere. */
uint64_t io_random(uint64_t *state);

#endif

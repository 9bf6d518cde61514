/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors: whole reads and writes, and fds over unix sockets. */
#ifndef CLOCHE_BASE_FD_H
#define CLOCHE_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* In one message: the kernel takes 253, but musl no more than 1 KiB of control data. */
#define FD_PASS_MAX 252

/* Writes all n bytes, through short writes and EINTR. 0 or -errno. */
int must_check fd_write_all(int fd, const void *bytes, size_t n);
/* Reads until n bytes or end of file. Returns bytes read or -errno. */
ssize_t must_check fd_read_full(int fd, void *out, size_t n);
/* Sends bytes with fds attached (SCM_RIGHTS) as one message. 0 or -errno. */
int must_check fd_send(int sock, const void *bytes, size_t n, const int *fds, size_t fd_count);
/* Receives one message; received fds are close-on-exec and belong to the caller. fds not wanted
 * (beyond fd_max) are closed. Returns bytes or -errno; *fd_count says how many fds came. */
ssize_t must_check fd_receive(int sock, void *out, size_t n, int *fds, size_t fd_max,
			      size_t *fd_count);
int must_check fd_set_nonblocking(int fd, int on);
/* Makes fd number `to` a copy of `from` without close-on-exec. 0 or -errno. */
int must_check fd_place(int from, int to);

#endif

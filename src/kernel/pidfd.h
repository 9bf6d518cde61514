/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd_open(2) and pidfd_send_signal(2), which musl has no names for. */
#ifndef CLOCHE_KERNEL_PIDFD_H
#define CLOCHE_KERNEL_PIDFD_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* A close-on-exec fd of the process, or -1 with errno. */
static inline int process_fd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* 0, or -1 with errno; ESRCH once the process was reaped. */
static inline int process_fd_signal(int fd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
}

#endif

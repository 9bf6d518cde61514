/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at things as a container has them: files below its root, its own /proc, its host name. What
 * stands in a container is its own to choose (a file system that never answers, a pipe in place of a
 * file), so a child process looks and is ended when it takes too long.
 */
#ifndef CLOCHE_OBSERVE_EXPLAIN_INSIDE_H
#define CLOCHE_OBSERVE_EXPLAIN_INSIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* One regular file. */
struct inside_file {
	char *text; /* heap, at most 64 KiB */
	uint64_t device, inode;
};
void inside_file_free(struct inside_file *f);
#define auto_inside_file __attribute__((cleanup(inside_file_free)))

/* path below the root of pid; symlinks stay below it. 0 or -errno (-ETIMEDOUT, -EINVAL: no regular
 * file). */
int must_check inside_read(pid_t pid, const char *path, struct inside_file *out);
/* The same of a file that must be the kernel's own: -EXDEV when it is not on a proc file system. */
int must_check inside_read_proc(pid_t pid, const char *path, struct inside_file *out);
/* How many processes its own /proc lists. A count or -errno. */
ssize_t must_check inside_count_processes(pid_t pid);
/* uname(2) in its uts namespace: node name and release. 0 or -errno. */
int must_check inside_uname(pid_t pid, char node[static 65], char release[static 65]);
/* PRETTY_NAME (or NAME) of an os-release; heap, "" when it has none. */
char *inside_os_name(const char *os_release);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a finished seccomp program, see seccomp(2). */
#include "kernel/seccomp.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECCOMP_SET_MODE_FILTER_OP 1U

/* struct sock_fprog. */
struct filter_program {
	unsigned short len;
	const struct seccomp_instruction *filter;
};

int seccomp_install(const struct seccomp_instruction *instructions, size_t count, unsigned flags)
{
	struct filter_program program = {.len = (unsigned short)count, .filter = instructions};
	long r;

	if (count == 0 || count > SECCOMP_INSTRUCTIONS_MAX)
		return -EINVAL;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER_OP, flags, &program);
	return r < 0 ? -errno : (int)r;
}

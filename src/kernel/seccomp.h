/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp programs as the kernel takes them, and loading one. This half links neither libseccomp nor
 * an allocator nor kernel headers: the child uses it. Making programs is kernel/seccomp_profile.
 */
#ifndef CLOCHE_KERNEL_SECCOMP_H
#define CLOCHE_KERNEL_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The kernel's BPF_MAXINSNS. */
#define SECCOMP_INSTRUCTIONS_MAX 4096

/* struct sock_filter of linux/filter.h: fixed ABI. */
struct seccomp_instruction {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/* Loads a filter for the calling thread. flags are SECCOMP_FILTER_FLAG_*. Needs CAP_SYS_ADMIN or
 * no_new_privs. Returns 0, a listener fd when the flags ask for one, or -errno. */
int must_check seccomp_install(const struct seccomp_instruction *instructions, size_t count,
			       unsigned flags);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own compiler of seccomp profiles: calls collapsed into intervals that are searched binarily.
 * Its programs are a quarter of libseccomp's and load in a fraction of the time, since the kernel
 * runs a new filter once for every call number. It must decide exactly as libseccomp's program does;
 * tests/unit/kernel/test_seccomp.c runs both and compares.
 */
#ifndef CLOCHE_KERNEL_SECCOMP_GENERATE_H
#define CLOCHE_KERNEL_SECCOMP_GENERATE_H

#include "kernel/seccomp_profile.h"

/* Compiles profile. -EOPNOTSUPP, with nothing made, for what only libseccomp handles: another
 * machine than x86_64, one call with rules of different actions, notification, and the 32-bit calls
 * that share a number. The caller frees *out. */
int must_check seccomp_generate(const struct seccomp_profile *profile, struct seccomp_program *out,
				struct err *err);

#endif

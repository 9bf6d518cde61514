/* SPDX-License-Identifier: Apache-2.0 */
/* The device program of cgroup v2, open to its unit test. */
#ifndef CLOCHE_KERNEL_CGROUP_DEVICES_H
#define CLOCHE_KERNEL_CGROUP_DEVICES_H

#include <linux/bpf.h>
#include <stddef.h>

#include "kernel/cgroup.h"

#define CGROUP_DEVICE_INSNS_MAX 2048

/* Writes the program for these rules to out, at most max instructions; returns how many it has, more
 * than max when it was cut. */
size_t cgroup_device_program(const struct cgroup_device_rule *rules, size_t count,
			     struct bpf_insn *out, size_t max);

#endif

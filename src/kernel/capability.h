/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities by name and as masks, and the calls by which the child gives them up. The functions
 * of the second half allocate nothing and are linked into the child.
 */
#ifndef CLOCHE_KERNEL_CAPABILITY_H
#define CLOCHE_KERNEL_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Number of capabilities this source knows: CAP_CHECKPOINT_RESTORE + 1. */
#define CAPABILITY_COUNT 41
#define CAPABILITY_BIT(n) ((uint64_t)1 << (n))
#define CAPABILITY_ALL_KNOWN (CAPABILITY_BIT(CAPABILITY_COUNT) - 1)
/* Docker's fourteen: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service
 * net_raw sys_chroot mknod audit_write setfcap. */
#define CAPABILITY_DEFAULT_MASK UINT64_C(0xa80425fb)

/* The five sets a process has. */
struct capability_sets {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* "CAP_CHOWN" for 0; NULL beyond the table. Static. */
const char *capability_name(unsigned number);
/* Number for "CAP_CHOWN", "chown", "cap_chown"; -EINVAL for a name nobody knows. */
int must_check capability_number(const char *name);

/* Applies --cap-add and --cap-drop lists as Docker does. ALL among add: all, less those dropped. Else
 * ALL among drop: only those added. Else base less those dropped, plus those added (adding wins).
 * all is what ALL stands for. An unknown name gives Docker's text:
 * invalid CapAdd: unknown capability: "CAP_FOO". */
int must_check capability_mask_of(uint64_t base, uint64_t all, const char *const *add,
				  size_t add_count, const char *const *drop, size_t drop_count,
				  uint64_t *out, struct err *err);

/* Mask of all capabilities that the running kernel has (as /proc/sys/kernel/cap_last_cap). */
int must_check capability_kernel_mask(uint64_t *out, struct err *err);
/* Mask of the calling process's bounding set: what it can still hand on. */
int must_check capability_bounding_mask(uint64_t *out);

/* Drops every capability up to last_cap that keep lacks from the bounding set. Needs CAP_SETPCAP. */
int must_check capability_drop_bounding(uint64_t keep, unsigned last_cap);
/* One capset(2) of effective, permitted and inheritable. */
int must_check capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/* Clears the ambient set, then raises what mask says (must be permitted and inheritable). */
int must_check capability_set_ambient(uint64_t mask);
/* Reads the calling thread's effective, permitted and inheritable sets. */
int must_check capability_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);

#endif

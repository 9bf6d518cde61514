/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of capability names and the calls that give capabilities up. Allocates nothing and uses
 * no kernel header: the structures of capget(2) and capset(2) are fixed ABI.
 */
#include "kernel/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#define CAPABILITY_VERSION_3 0x20080522U

static const char *const names[CAPABILITY_COUNT] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

const char *capability_name(unsigned number)
{
	return number < CAPABILITY_COUNT ? names[number] : NULL;
}

int capability_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		if (strcasecmp(names[i] + 4, name) == 0)
			return i;
	return -EINVAL;
}

/* One list as a mask; *all tells whether ALL was in it. */
static int list_mask(const char *which, const char *const *list, size_t count, uint64_t *mask,
		     bool *all, struct err *err)
{
	*mask = 0;
	*all = false;
	for (size_t i = 0; i < count; i++) {
		int number;

		if (strcasecmp(list[i], "ALL") == 0) {
			*all = true;
			continue;
		}
		number = capability_number(list[i]);
		if (number < 0) {
			char upper[64];
			bool bare = strncasecmp(list[i], "CAP_", 4) != 0;

			snprintf(upper, sizeof(upper), "%s%s", bare ? "CAP_" : "", list[i]);
			for (char *p = upper; *p; p++)
				if (*p >= 'a' && *p <= 'z')
					*p = (char)(*p - 'a' + 'A');
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid %s: unknown capability: \"%s\"", which, upper);
		}
		*mask |= CAPABILITY_BIT(number);
	}
	return 0;
}

int capability_mask_of(uint64_t base, uint64_t all, const char *const *add, size_t add_count,
		       const char *const *drop, size_t drop_count, uint64_t *out, struct err *err)
{
	uint64_t added, dropped;
	bool add_all, drop_all;
	int r = list_mask("CapAdd", add, add_count, &added, &add_all, err);

	if (r == 0)
		r = list_mask("CapDrop", drop, drop_count, &dropped, &drop_all, err);
	if (r)
		return r;
	if (add_all)
		*out = all & ~dropped;
	else if (drop_all)
		*out = added;
	else
		*out = (base & ~dropped) | added;
	return 0;
}

int capability_kernel_mask(uint64_t *out, struct err *err)
{
	unsigned count = CAPABILITY_COUNT;

	/* The kernel knows a capability if it can say whether it is in the bounding set; and what it
	 * knows begins with 0 and has no gaps. */
	while (count < 64 && prctl(PR_CAPBSET_READ, count, 0, 0, 0) >= 0)
		count++;
	while (count && prctl(PR_CAPBSET_READ, count - 1, 0, 0, 0) < 0)
		count--;
	if (!count)
		return err_sys(err, "read the bounding set");
	*out = count == 64 ? UINT64_MAX : CAPABILITY_BIT(count) - 1;
	return 0;
}

int capability_bounding_mask(uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 64; i++) {
		int has = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

		if (has < 0)
			return errno == EINVAL && i > 0 ? 0 : -errno;
		if (has)
			*out |= CAPABILITY_BIT(i);
	}
	return 0;
}

int capability_drop_bounding(uint64_t keep, unsigned last_cap)
{
	for (unsigned i = 0; i <= last_cap; i++)
		if (!(keep & CAPABILITY_BIT(i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* struct __user_cap_header_struct and __user_cap_data_struct of capget(2). */
struct cap_header {
	uint32_t version;
	int32_t pid;
};
struct cap_data {
	uint32_t effective, permitted, inheritable;
};

int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct cap_header header = {.version = CAPABILITY_VERSION_3};
	struct cap_data data[2] = {
		{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		 (uint32_t)(inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int capability_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct cap_header header = {.version = CAPABILITY_VERSION_3};
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	*inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

int capability_set_ambient(uint64_t mask)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (unsigned i = 0; i < 64 && mask >> i; i++)
		if ((mask & CAPABILITY_BIT(i)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -errno;
	return 0;
}

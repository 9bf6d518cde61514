/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw system calls: musl has no wrappers for the new mount API, and glibc's <sys/mount.h> clashes
 * with <linux/mount.h>.
 */
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static int result(long rc)
{
	return rc < 0 ? -errno : (int)rc;
}

/* One "key=value" or "flag"; the value is passed where it lies, so key is copied out. */
static int set_option(int fs, const char *option)
{
	const char *eq = strchr(option, '=');
	char key[64];

	if (!eq)
		return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, option, NULL, 0));
	if ((size_t)(eq - option) >= sizeof(key))
		return -EINVAL;
	memcpy(key, option, (size_t)(eq - option));
	key[eq - option] = '\0';
	return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, eq + 1, 0));
}

int mount_new(const char *fs_type, const char *source, const char *options, uint64_t attributes)
{
	auto_close int fs = (int)syscall(SYS_fsopen, fs_type, FSOPEN_CLOEXEC);
	int rc;

	if (fs < 0)
		return -errno;
	if (source) {
		rc = result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0));
		if (rc < 0)
			return rc;
	}
	for (const char *o = options; o && *o; o += strlen(o) + 1) {
		rc = set_option(fs, o);
		if (rc < 0)
			return rc;
	}
	rc = result(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (rc < 0)
		return rc;
	return result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned int)attributes));
}

int mount_clone(int dirfd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

	if (!*path)
		flags |= AT_EMPTY_PATH;
	if (recursive)
		flags |= AT_RECURSIVE;
	return result(syscall(SYS_open_tree, dirfd, path, flags));
}

int mount_change(int dirfd, const char *path, bool recursive, uint64_t set, uint64_t clear,
		 uint64_t propagation)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
	unsigned int flags = recursive ? AT_RECURSIVE : 0;

	if (!*path)
		flags |= AT_EMPTY_PATH;
	return result(syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof(attr)));
}

int mount_attach(int mount_fd, int target_fd)
{
	return result(syscall(SYS_move_mount, mount_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mount_overlay(const char *target, const char *options, unsigned long flags)
{
	return result(syscall(SYS_mount, "overlay", target, "overlay", flags, options));
}

int mount_detach(const char *path)
{
	return result(syscall(SYS_umount2, path, MNT_DETACH | UMOUNT_NOFOLLOW));
}

int mount_open_program_read_only(const char *program)
{
	auto_close int tree = mount_clone(AT_FDCWD, program, false);
	int rc;

	if (tree < 0)
		return tree;
	rc = mount_change(tree, "", false, MOUNT_ATTR_RDONLY, 0, 0);
	if (rc < 0)
		return rc;
	return take_fd(&tree);
}

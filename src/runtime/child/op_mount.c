/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on the mount tree. Targets are descriptors opened through the one safe door, so a
 * symlink planted in the image or by another container cannot move a mount (CVE-2019-16884,
 * CVE-2021-30465, CVE-2023-27561); proc and sysfs targets are checked to be what they must be
 * (CVE-2019-19921, CVE-2025-52881) and so is what masks them (CVE-2025-31133).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/mount.h"
#include "kernel/path.h"
#include "runtime/child/child.h"

static int failed(struct child_context *c, enum child_step step, int rc)
{
	c->step = step;
	return rc;
}

int child_op_propagation(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	return mount_change(AT_FDCWD, "/", true, 0, 0, op->n);
}

static int open_root(struct child_context *c, const char *path)
{
	c->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root_fd < 0 ? failed(c, STEP_TARGET, -errno) : 0;
}

int child_op_root_overlay(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char *target = plan_string(p, op->b);
	int rc;

	if (chdir(plan_string(p, op->c)) < 0)
		return failed(c, STEP_SOURCE, -errno);
	rc = mount_overlay(target, plan_string(p, op->a), 0);
	return rc < 0 ? rc : open_root(c, target);
}

int child_op_root_bind(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char *path = plan_string(p, op->a);
	auto_close int tree = mount_clone(AT_FDCWD, path, true);
	auto_close int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (tree < 0 || target < 0)
		return failed(c, STEP_SOURCE, tree < 0 ? tree : -errno);
	if (op->n) {
		rc = mount_change(tree, "", false, op->n, 0, 0);
		if (rc < 0)
			return failed(c, STEP_ATTRIBUTES, rc);
	}
	rc = mount_attach(tree, target);
	return rc < 0 ? failed(c, STEP_ATTACH, rc) : open_root(c, path);
}

/* The place a mount goes to, made when the plan says so. An fd or -errno. */
static int open_target(struct child_context *c, const char *path, uint32_t flags)
{
	int fd;

	if (c->root_fd < 0) {
		fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
		return fd < 0 ? -errno : fd;
	}
	if (flags & OP_FLAG_NO_SYMLINK) {
		fd = path_open_nosymlink(c->root_fd, path, O_PATH, 0);
		if (fd != -ENOENT)
			return fd;
	}
	if (flags & OP_FLAG_MAKE_DIRECTORY)
		return path_mkdir_all(c->root_fd, path, 0755, PATH_KEEP_OWNER, PATH_KEEP_OWNER);
	if (flags & OP_FLAG_MAKE_FILE)
		return path_make_file(c->root_fd, path, 0644, PATH_KEEP_OWNER, PATH_KEEP_OWNER);
	return path_open(c->root_fd, path, O_PATH, 0);
}

static int attach_at(struct child_context *c, int mount_fd, const char *path, uint32_t flags)
{
	auto_close int target = open_target(c, path, flags);
	int rc;

	if (target < 0)
		return failed(c, STEP_TARGET, target);
	rc = mount_attach(mount_fd, target);
	return rc < 0 ? failed(c, STEP_ATTACH, rc) : 0;
}

int child_op_mount(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int fd = mount_new(plan_string(p, op->a), plan_string(p, op->d),
				      plan_string(p, op->c), op->n);
	int rc;

	if (fd < 0)
		return fd;
	if (op->m) {
		rc = mount_change(fd, "", false, 0, 0, op->m);
		if (rc < 0)
			return failed(c, STEP_ATTRIBUTES, rc);
	}
	return attach_at(c, fd, plan_string(p, op->b), op->flags);
}

static int open_namespace(const char *path, uint64_t inode)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* The process it was named by may have ended, and its number gone to another. */
	return st.st_ino == inode ? take_fd(&fd) : -ESTALE;
}

/* In a container's mount namespace, where / is its root; what it says there is not trusted. */
static int clone_from_root(const char *path)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int source = root < 0 ? -errno : path_open_nosymlink(root, path, O_PATH, 0);

	return source < 0 ? source : mount_clone(source, "", false);
}

/* A mount can be cloned only from within its namespace; the detached clone goes anywhere. */
static int clone_elsewhere(struct plan *p, const struct plan_op *op)
{
	auto_close int ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int theirs = -1;
	auto_close int tree = -1;

	if (ours < 0 || root < 0)
		return -errno;
	theirs = open_namespace(plan_string(p, op->d), op->l);
	if (theirs < 0)
		return theirs;
	if (syscall(SYS_setns, theirs, CLONE_NEWNS) < 0)
		return -errno;
	tree = clone_from_root(plan_string(p, op->a));
	/* The root of a namespace need not have been ours in it. */
	if (syscall(SYS_setns, ours, CLONE_NEWNS) < 0 || fchdir(root) < 0 ||
	    syscall(SYS_chroot, ".") < 0)
		return -errno;
	return take_fd(&tree);
}

int child_op_bind(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	bool recursive = op->flags & OP_FLAG_RECURSIVE;
	auto_close int tree = op->d ? clone_elsewhere(p, op)
				    : mount_clone(AT_FDCWD, plan_string(p, op->a), recursive);
	int rc = 0;

	if (tree < 0)
		return failed(c, STEP_SOURCE, tree);
	if (op->n || op->k)
		rc = mount_change(tree, "", op->flags & OP_FLAG_RECURSIVE_ATTR, op->n, op->k, 0);
	if (rc == 0 && op->m)
		rc = mount_change(tree, "", recursive, 0, 0, op->m);
	if (rc < 0)
		return failed(c, STEP_ATTRIBUTES, rc);
	return attach_at(c, tree, plan_string(p, op->b), op->flags);
}

int child_op_remount(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int target = path_open(c->root_fd, plan_string(p, op->b), O_PATH, 0);
	int rc;

	if (target < 0)
		return failed(c, STEP_TARGET, target);
	rc = mount_change(target, "", op->flags & OP_FLAG_RECURSIVE_ATTR, op->n, op->m, 0);
	return rc < 0 ? failed(c, STEP_ATTRIBUTES, rc) : 0;
}

int child_op_pivot(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	int rc;

	(void)p;
	(void)op;
	/* pivot_root(".", ".") stacks the old root on the new one; detaching "." takes it off. */
	if (fchdir(c->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	rc = mount_detach(".");
	if (rc < 0)
		return failed(c, STEP_ATTACH, rc);
	if (chdir("/") < 0)
		return -errno;
	close(c->root_fd);
	return open_root(c, "/");
}

int child_op_root_propagation(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)p;
	return mount_change(c->root_fd, "", op->flags & OP_FLAG_RECURSIVE, op->n, 0, op->m);
}

/* Below /proc and /sys only the real thing may be masked or made read-only: the image could have
 * put something else there. */
static int verify_kernel_file(int fd, const char *path)
{
	struct statfs fs;

	if (strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/sys/", 5) != 0)
		return 0;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (path[1] == 'p')
		return fs.f_type == PROC_SUPER_MAGIC ? 0 : -EXDEV;
	return fs.f_type == SYSFS_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC ||
			       fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC
		       ? 0
		       : -EXDEV;
}

/* Opens what is to be hidden. 0 in *fd's place: -ENOENT means that there is nothing to hide. */
static int open_existing(struct child_context *c, const char *path)
{
	int fd = path_open_nosymlink(c->root_fd, path, O_PATH, 0);
	int rc;

	if (fd < 0)
		return fd;
	rc = verify_kernel_file(fd, path);
	if (rc < 0) {
		close(fd);
		return rc == -EXDEV ? failed(c, STEP_VERIFY, rc) : rc;
	}
	return fd;
}

/* What hides a file, once it is proven to be the null device (CVE-2025-31133). */
static int null_device(struct child_context *c)
{
	auto_close int null = path_open_nosymlink(c->root_fd, "/dev/null", O_PATH, 0);
	struct stat st;

	if (null < 0)
		return null;
	if (fstat(null, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return failed(c, STEP_VERIFY, -ENOTTY);
	return mount_clone(null, "", false);
}

/* One empty tmpfs hides all directories. Before Linux 6.15 only an attached mount can be cloned, so
 * the first is attached itself and the others are clones of it. */
static int mask_directory(struct child_context *c, int target)
{
	auto_close int clone = -1;

	if (c->mask_fd >= 0) {
		clone = mount_clone(c->mask_fd, "", false);
		return clone < 0 ? clone : mount_attach(clone, target);
	}
	c->mask_fd = mount_new("tmpfs", "tmpfs", "size=0k\0", MOUNT_ATTR_RDONLY);
	return c->mask_fd < 0 ? c->mask_fd : mount_attach(c->mask_fd, target);
}

static int mask_file(struct child_context *c, int target)
{
	auto_close int mask = null_device(c);

	return mask < 0 ? mask : mount_attach(mask, target);
}

int child_op_mask(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int target = open_existing(c, plan_string(p, op->b));
	struct stat st;
	int rc;

	if (target < 0)
		return target == -ENOENT || target == -ENOTDIR ? 0 : target;
	if (fstat(target, &st) < 0)
		return -errno;
	rc = S_ISDIR(st.st_mode) ? mask_directory(c, target) : mask_file(c, target);
	return rc < 0 && !c->step ? failed(c, STEP_ATTACH, rc) : rc;
}

int child_op_read_only(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int target = open_existing(c, plan_string(p, op->b));
	auto_close int tree = -1;
	int rc;

	if (target < 0)
		return target == -ENOENT || target == -ENOTDIR ? 0 : target;
	tree = mount_clone(target, "", true);
	if (tree < 0)
		return failed(c, STEP_SOURCE, tree);
	rc = mount_change(tree, "", false, MOUNT_ATTR_RDONLY, 0, 0);
	if (rc < 0)
		return failed(c, STEP_ATTRIBUTES, rc);
	rc = mount_attach(tree, target);
	return rc < 0 ? failed(c, STEP_ATTACH, rc) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on files: inside the root through the one safe door, on the host only on the cgroup and
 * proc files that the plan names.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "kernel/path.h"
#include "runtime/child/child.h"

static int failed(struct child_context *c, enum child_step step, int rc)
{
	c->step = step;
	return rc;
}

static uid_t owner_uid(uint64_t packed)
{
	return (uid_t)(packed >> 32);
}

static gid_t owner_gid(uint64_t packed)
{
	return (gid_t)packed;
}

int child_op_mkdir(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	int fd = path_mkdir_all(c->root_fd, plan_string(p, op->b), (mode_t)op->n, owner_uid(op->m),
				owner_gid(op->m));

	if (fd < 0)
		return failed(c, STEP_TARGET, fd);
	close(fd);
	return 0;
}

/* Opens the directory that will hold path, making it when it is missing. */
static int open_parent(struct child_context *c, const char *path, char leaf[static PATH_LEAF_SIZE])
{
	int fd = path_open_parent(c->root_fd, path, leaf);
	char dir[PATH_MAX];
	char *slash;

	if (fd != -ENOENT)
		return fd;
	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return fd;
	*slash = '\0';
	fd = path_mkdir_all(c->root_fd, dir, 0755, PATH_KEEP_OWNER, PATH_KEEP_OWNER);
	if (fd < 0)
		return fd;
	close(fd);
	return path_open_parent(c->root_fd, path, leaf);
}

int child_op_mknod(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int dir = open_parent(c, plan_string(p, op->b), leaf);
	mode_t mode = (mode_t)op->n;
	struct stat st;

	if (dir < 0)
		return failed(c, STEP_TARGET, dir);
	if (mknodat(dir, leaf, mode, (dev_t)op->m) < 0) {
		int saved = errno;

		/* The same device from the image or a bind is what was asked for. */
		if (saved == EEXIST && fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (st.st_mode & S_IFMT) == (mode & S_IFMT) && st.st_rdev == (dev_t)op->m)
			return 0;
		return -saved;
	}
	if (fchmodat(dir, leaf, mode & 07777, 0) < 0)
		return -errno;
	if (op->k &&
	    fchownat(dir, leaf, owner_uid(op->k), owner_gid(op->k), AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int child_op_symlink(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int dir = open_parent(c, plan_string(p, op->b), leaf);

	if (dir < 0)
		return failed(c, STEP_TARGET, dir);
	return symlinkat(plan_string(p, op->a), dir, leaf) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_text(int fd, const char *text)
{
	size_t n = strlen(text);

	return write(fd, text, n) == (ssize_t)n ? 0 : -(errno ? errno : EIO);
}

int child_op_sysctl(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int fd =
		path_open_nosymlink(c->root_fd, plan_string(p, op->a), O_WRONLY | O_CLOEXEC, 0);
	struct statfs fs;

	if (fd < 0)
		return failed(c, STEP_TARGET, fd);
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != PROC_SUPER_MAGIC)
		return failed(c, STEP_VERIFY, -EXDEV);
	errno = 0;
	return write_text(fd, plan_string(p, op->c));
}

int child_op_chdir(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	char seen[PATH_MAX];

	(void)c;
	if (chdir(plan_string(p, op->b)) < 0)
		return -errno;
	/* A directory outside the root is "(unreachable)..." (CVE-2024-21626). */
	if (syscall(SYS_getcwd, seen, sizeof(seen)) < 0)
		return -errno;
	return seen[0] == '/' ? 0 : failed(c, STEP_VERIFY, -EXDEV);
}

int child_op_join_cgroup(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	/* "0" is the writer itself: the kernel then needs no global lock. */
	return file_write_kernel_at(AT_FDCWD, plan_string(p, op->a), "0");
}

/* They lead to the host's directories (CVE-2024-21626). */
static int close_groups(const struct child_context *c)
{
	return syscall(SYS_close_range, c->group_fd, c->group_fd + c->group_count - 1, 0) < 0
		       ? -errno
		       : 0;
}

int child_op_join_groups(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	int rc = c->groups ? 0 : -ESRCH;

	(void)p;
	(void)op;
	for (unsigned i = 0; rc == 0 && i < c->group_count; i++)
		rc = fd_write_all((int)(c->group_fd + i), "0", 1);
	if (c->group_count)
		return rc == 0 ? close_groups(c) : rc;
	for (const char *at = c->groups; rc == 0 && *at; at += strlen(at) + 1)
		rc = file_write_kernel_at(AT_FDCWD, at, "0");
	return rc;
}

int child_op_oom_score_adj(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	return file_write_kernel_at(AT_FDCWD, "/proc/self/oom_score_adj", plan_string(p, op->a));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts a stopped container's file system as its start would, in a child process whose mount
 * namespace is its own. Sources are the host's and opened by path; targets are the container's and
 * go through kernel/path. What is missing at the source is left out: the container cannot be started
 * either, but its files must be reachable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/internal.h"
#include "engine/root_internal.h"
#include "kernel/mount.h"
#include "kernel/path.h"

static int fail(struct err *err, int rc, const char *what, const char *path)
{
	return err_set(err, ERR_SYSTEM, -rc, "%s %s: %s", what, path, err_errno_text(-rc));
}

int root_clone_bare(const struct root_job *job, int fds[2], struct err *err)
{
	/* also makes the namespace's root ours */
	if (setns(job->namespace_fd, CLONE_NEWNS) < 0)
		return err_sys(err, "enter the mount namespace of %.12s", job->c->id);
	fds[0] = mount_clone(AT_FDCWD, "/", job->recursive);
	return fds[0] < 0 ? fail(err, fds[0], "clone the root of", job->c->name) : 0;
}

/* Puts a bind of source on the directory or file that target is. */
static int bind_on(int target, const char *source, bool recursive, bool read_only)
{
	auto_close int tree = mount_clone(AT_FDCWD, source, recursive);
	int rc;

	if (tree < 0)
		return tree;
	rc = read_only ? mount_change(tree, "", recursive, MOUNT_ATTR_RDONLY, 0, 0) : 0;
	return rc < 0 ? rc : mount_attach(tree, target);
}

/* Mounts the root at a directory of the host's and opens it. */
static int mount_root(const struct root_job *job, struct err *err)
{
	const struct container *c = job->c;
	auto_free char *own = xasprintf("%s/overlay2/%s", job->e->root, c->id);
	auto_free char *diff = xasprintf("%s/diff", own);
	auto_free char *options = NULL;
	auto_free char *overlay2 = xasprintf("%s/overlay2", job->e->root);
	const char *at = c->config.rootfs ? c->config.rootfs : diff;
	int rc;

	if (c->config.rootfs || !c->lower || !*c->lower) {
		auto_close int target = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (target < 0)
			return err_sys(err, "open %s", at);
		rc = bind_on(target, at, job->whole, false);
	} else {
		at = own;
		options = xasprintf("lowerdir=%s,upperdir=%s/diff,workdir=%s/work", c->lower, c->id,
				    c->id);
		/* by path: e->root_fd is still of the host's namespace */
		if (chdir(overlay2) < 0)
			return err_sys(err, "enter %s", overlay2);
		rc = mount_overlay(c->id, options, 0);
	}
	if (rc < 0)
		return fail(err, rc, "mount the layers of", c->name);
	rc = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return rc < 0 ? err_sys(err, "open the root of %s", c->name) : rc;
}

/* One bind or volume. A source that is gone is no error. */
static int mount_one(int root, const char *source, const char *target, bool recursive,
		     bool read_only, struct err *err)
{
	auto_close int at = -1;
	struct stat st;
	int rc;

	if (!source || stat(source, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		at = path_mkdir_all(root, target, 0755, 0, 0);
	else
		at = path_make_file(root, target, 0644, 0, 0);
	if (at < 0)
		return fail(err, at, "make the mount point", target);
	rc = bind_on(at, source, recursive, read_only);
	return rc < 0 ? fail(err, rc, "mount", target) : 0;
}

static size_t depth_of(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1] && path[1] != '/';
	return n;
}

/* As at a start: the shallow ones first, those of one depth as they were asked for. */
static int mount_requests(const struct root_job *job, int root, struct err *err)
{
	const struct container *c = job->c;
	size_t deepest = 0;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		size_t depth = depth_of(c->config.mounts[i].target);

		deepest = depth > deepest ? depth : deepest;
	}
	for (size_t depth = 0; depth <= deepest; depth++) {
		size_t volume = 0;

		for (size_t i = 0; i < c->config.mount_count; i++) {
			const struct mount_request *m = &c->config.mounts[i];
			const char *source = m->source;
			int rc;

			if (m->kind == MOUNT_KIND_VOLUME) {
				source = volume < c->volume_paths.count
						 ? c->volume_paths.items[volume]
						 : NULL;
				volume++;
			}
			if (m->kind == MOUNT_KIND_TMPFS || depth_of(m->target) != depth)
				continue;
			rc = mount_one(root, source, m->target, !m->non_recursive, m->read_only,
				       err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* hosts and the like, as they were when it ran last. */
static int mount_host_files(const struct root_job *job, int root, struct err *err)
{
	static const char *const names[] = {"hostname", "hosts", "resolv.conf"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *source =
			xasprintf("%s/containers/%s/%s", job->e->run_root, job->c->id, names[i]);
		auto_free char *target = xasprintf("/etc/%s", names[i]);
		int rc = mount_one(root, source, target, false, false, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Leaves nothing of the host's mounts in this namespace, so that it holds none of them busy. */
static int drop_host(int root, struct err *err)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "make it the root of its namespace");
	return umount2(".", MNT_DETACH) < 0 ? err_sys(err, "leave the host's mounts") : 0;
}

int root_mount_stopped(const struct root_job *job, int fds[2], struct err *err)
{
	auto_close int namespace = -1, root = -1;
	int rc = unshare(CLONE_NEWNS) < 0 ? -errno
					  : mount_change(AT_FDCWD, "/", true, 0, 0, MS_PRIVATE);

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make a mount namespace: %s",
			       err_errno_text(-rc));
	namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return err_sys(err, "open /proc/self/ns/mnt");
	root = mount_root(job, err);
	if (root < 0)
		return root;
	rc = job->whole ? mount_host_files(job, root, err) : 0;
	if (rc == 0 && job->whole)
		rc = mount_requests(job, root, err);
	if (rc == 0 && job->c->config.read_only_rootfs)
		rc = mount_change(root, "", false, MOUNT_ATTR_RDONLY, 0, 0);
	if (rc == 0)
		rc = drop_host(root, err);
	if (rc < 0)
		return err->kind == ERR_NONE ? fail(err, rc, "mount", job->c->name) : rc;
	fds[0] = take_fd(&root);
	fds[1] = take_fd(&namespace);
	return 0;
}

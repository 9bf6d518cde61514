/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount is made detached and complete by a child (root_internal.h) and only then attached where
 * others see it. A stopped container's upper directory is used as one more lower one: overlayfs never
 * writes to those.
 */
#include "engine/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/strv.h"
#include "engine/internal.h"
#include "engine/root.h"
#include "engine/root_internal.h"
#include "kernel/mount.h"

#define MOUNTS "mounts"

static int path_of(const struct engine *e, const char *id, char path[static PATH_MAX],
		   struct err *err)
{
	return str_format(path, PATH_MAX, "%s/" MOUNTS "/%s", e->run_root, id) < 0
		       ? err_set(err, ERR_INVALID, ENAMETOOLONG, "the run root's path is too long")
		       : 0;
}

/* In a child: a detached, read-only mount of a container's layers. */
static int mount_layers(const struct root_job *job, int fds[2], struct err *err)
{
	const struct container *c = job->c;
	auto_free char *overlay2 = xasprintf("%s/overlay2", job->e->root);
	auto_free char *options = xasprintf("lowerdir=%s/diff:%s", c->id, c->lower ? c->lower : "");
	auto_free char *own = xasprintf("%s/diff", c->id);
	const char *at = c->id;
	int rc = unshare(CLONE_NEWNS) < 0 ? -errno
					  : mount_change(AT_FDCWD, "/", true, 0, 0, MS_PRIVATE);

	if (rc == 0 && chdir(overlay2) < 0)
		rc = -errno;
	if (rc == 0 && c->lower && *c->lower)
		rc = mount_overlay(c->id, options, MS_RDONLY);
	else
		at = c->config.rootfs ? c->config.rootfs : own;
	if (rc == 0)
		rc = fds[0] = mount_clone(AT_FDCWD, at, false);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "mount the layers of %s: %s", c->name,
				err_errno_text(-rc))
		      : 0;
}

static int detached_root(struct engine *e, struct container *c, int *out, struct err *err)
{
	auto_container_root struct container_root root = CONTAINER_ROOT_NONE;
	const struct root_job job = {.e = e, .c = c};
	int fds[2] = {-1, -1};
	int rc = container_state_read(e, c, err);

	if (rc < 0)
		return rc;
	if (container_is_alive(c)) {
		rc = container_root_open(e, c, CONTAINER_ROOT_BARE, &root, err);
		if (rc < 0)
			return rc;
		/* of a running one the root is such a mount already */
		if (root.running) {
			*out = take_fd(&root.fd);
			return 0;
		}
	}
	rc = root_in_child(mount_layers, &job, fds, 1, err);
	*out = fds[0];
	return rc;
}

static bool is_mounted(const char *path)
{
	auto_free char *parent = xasprintf("%s/..", path);
	struct stat here, above;

	return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

int container_mount(struct engine *e, struct container *c, char path[static PATH_MAX],
		    struct err *err)
{
	auto_close int tree = -1, target = -1;
	int rc = path_of(e, c->id, path, err);

	if (rc < 0 || is_mounted(path))
		return rc;
	if (mkdirat(e->run_fd, MOUNTS, 0711) < 0 && errno != EEXIST)
		return err_sys(err, "make %s/" MOUNTS, e->run_root);
	rc = detached_root(e, c, &tree, err);
	if (rc < 0)
		return rc;
	rc = mount_change(tree, "", false, MOUNT_ATTR_RDONLY, 0, 0);
	if (rc == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		rc = -errno;
	target = rc < 0 ? -1 : open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rc == 0 && target < 0)
		rc = -errno;
	if (rc == 0)
		rc = mount_attach(tree, target);
	if (rc < 0) {
		rmdir(path);
		return err_set(err, ERR_SYSTEM, -rc, "mount %s: %s", path, err_errno_text(-rc));
	}
	return 0;
}

int container_unmount(struct engine *e, const char *id, struct err *err)
{
	char path[PATH_MAX];
	int rc = path_of(e, id, path, err);

	if (rc < 0)
		return rc;
	rc = is_mounted(path) ? mount_detach(path) : -EINVAL;
	if (rmdir(path) < 0 && rc == 0)
		rc = -errno;
	if (rc == -EINVAL)
		return err_set(err, ERR_CONFLICT, EINVAL, "container %.12s is not mounted", id);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "unmount %s: %s", path, err_errno_text(-rc))
		      : 0;
}

int container_mounts(struct engine *e, struct strv *ids, struct err *err)
{
	int fd = openat(e->run_fd, MOUNTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/" MOUNTS, e->run_root);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			strv_add(ids, entry->d_name);
	}
	return 0;
}

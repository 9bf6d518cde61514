/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a container. Under its lock, and in an order that can be cut anywhere: config.v2.json goes
 * first among what names the container, so that it either still exists whole or is half-removed and
 * invisible; whatever is left then is a leftover that `system check` recognises.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/keeper_notify.h"
#include "engine/mount.h"
#include "engine/network.h"
#include "engine/revive.h"
#include "engine/scope.h"
#include "engine/volume.h"

#define LOCK_TIMEOUT_MS 10000
#define CGROUP_TIMEOUT_MS 10000
#define REMOVE_TRIES 100
#define NS_PER_MS 1000000

int engine_detect_cgroups(struct engine *e, struct err *err)
{
	int rc = e->cgroups_detected ? 0 : cgroup_detect(&e->cgroups, err);

	e->cgroups_detected = rc == 0;
	return rc;
}

int container_cgroup_dirs(struct engine *e, const struct container *c, struct cgroup_dirs *out,
			  struct err *err)
{
	char path[CGROUP_PATH_MAX];
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = container_cgroup_path(e, c, path, err);
	return rc < 0 ? rc : cgroup_dirs_of(&e->cgroups, path, out, err);
}

int container_remove_cgroup(struct engine *e, const char *parent, const char *id, struct err *err)
{
	char path[CGROUP_PATH_MAX];
	struct cgroup_dirs dirs;
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = engine_cgroup_path(e, parent, id, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	rc = cgroup_dirs_of(&e->cgroups, path, &dirs, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; e->runtimes.systemd && i < dirs.count; i++) {
		if (access(dirs.dirs[i].path, F_OK) < 0)
			continue;
		engine_stop_scope(e, id);
		break;
	}
	/* All at once, which thaws; a privileged container's process may have left one hierarchy, but
	 * hardly all: look in each. */
	rc = cgroup_kill_all(dirs.dirs, dirs.count, CGROUP_TIMEOUT_MS);
	for (size_t i = 0; rc == 0 && i < dirs.count; i++)
		rc = cgroup_kill_all(&dirs.dirs[i], 1, CGROUP_TIMEOUT_MS);
	if (rc == 0)
		rc = cgroup_remove(dirs.dirs, dirs.count, CGROUP_TIMEOUT_MS);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove cgroup %s: %s", path,
			       err_errno_text(-rc));
	return 0;
}

/* Removes <fd>/<what>/<id>. Somebody who wants the lock may make it anew in a run directory that is
 * just being emptied; he will find the record gone. */
static int remove_directory(int fd, const char *what, const char *id, struct err *err)
{
	char path[64 + ID_LEN];
	int rc = str_format(path, sizeof(path), "%s/%s", what, id);

	for (int i = 0; rc == 0 && i < REMOVE_TRIES; i++) {
		rc = remove_tree_at(fd, path);
		if (rc != -ENOTEMPTY || i == REMOVE_TRIES - 1)
			break;
		rc = 0;
	}
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove %s: %s", path, err_errno_text(-rc));
	return 0;
}

int container_remove_remains(struct engine *e, const char *id, struct err *err)
{
	struct err not_mounted;
	int rc;

	/* a path that `mount` made shows the directory that goes now; mostly there is none */
	if (container_unmount(e, id, &not_mounted) < 0 && not_mounted.kind == ERR_SYSTEM) {
		*err = not_mounted;
		return err_code(err);
	}
	/* Before the directory that says what there is. */
	container_network_sweep(e, id);
	rc = remove_directory(e->root_fd, "overlay2", id, err);
	if (rc == 0)
		rc = remove_directory(e->root_fd, "containers", id, err);
	/* Last, since the lock is in it. */
	if (rc == 0)
		rc = remove_directory(e->run_fd, "containers", id, err);
	return rc;
}

/* From here on the container does not exist for anybody who looks. */
static int unlink_record(struct engine *e, const char *id, struct err *err)
{
	bool persistent;
	auto_close int dir = container_record_dir(e, id, &persistent);

	if (dir >= 0 && unlinkat(dir, RECORD_FILE, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove the record of %.12s", id);
	return 0;
}

int container_remove_locked(struct engine *e, struct container *c, bool volumes, struct err *err)
{
	int rc = container_remove_cgroup(e, c->config.cgroup_parent, c->id, err);

	if (rc == 0)
		rc = volumes || c->config.auto_remove ? container_volumes_remove(e, c, err)
						      : container_volumes_disown(e, c, err);
	if (rc == 0)
		rc = unlink_record(e, c->id, err);
	if (rc < 0)
		return rc;
	name_release(e, c->name, c->id);
	event_container(e, c, "destroy", NULL, NULL);
	program_log(&e->log, LOG_LEVEL_INFO, c->id, "removed (%s)", c->name);
	return container_remove_remains(e, c->id, err);
}

static int refuse_running(const struct container *c, struct err *err)
{
	if (c->state.status == CONTAINER_PAUSED)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "You cannot remove a paused container %s. Unpause and then stop the "
			       "container before attempting removal or force remove",
			       c->id);
	return err_set(
		err, ERR_CONFLICT, EBUSY,
		"You cannot remove a running container %s. Stop the container before attempting "
		"removal or force remove",
		c->id);
}

static int refuse_busy(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_state_read(e, c, err);

	if (rc < 0)
		return rc;
	if (container_is_alive(c))
		return refuse_running(c, err);
	return err_set(err, ERR_CONFLICT, EBUSY, "removal of container %s is already in progress",
		       c->id);
}

/* The lock, with nobody alive behind it. 1 with *lock_fd -1: its run directory is gone, and a
 * container that is not persistent with it. */
static int lock_for_removal(struct engine *e, struct container *c, bool force, int *lock_fd,
			    struct err *err)
{
	uint64_t end = clock_now_ns() + (uint64_t)LOCK_TIMEOUT_MS * NS_PER_MS;
	const struct timespec nap = {.tv_nsec = NS_PER_MS};
	int rc = container_state_read(e, c, err);

	if (rc < 0)
		return rc;
	if (container_is_alive(c) && !force)
		return refuse_running(c, err);
	for (;;) {
		rc = force ? container_kill_and_wait(e, c, err) : 0;
		if (rc < 0)
			return rc;
		rc = container_wait_lock(e, c, LOCK_TIMEOUT_MS, lock_fd);
		/* Unless somebody has started it again, or its monitor, which removes it, is held up. */
		if (rc != -EBUSY || !force || !container_is_alive(c) || clock_now_ns() >= end)
			break;
		nanosleep(&nap, NULL);
	}
	if (rc == -ENOENT)
		return 1;
	if (rc == -EBUSY)
		return refuse_busy(e, c, err);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "lock container %.12s: %s", c->id,
				err_errno_text(-rc))
		      : 0;
}

/* What a monitor that was killed after it had released the record of a --rm container has left. */
static int remove_released(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_remove_cgroup(e, c->config.cgroup_parent, c->id, err);

	if (rc < 0)
		return rc;
	name_release(e, c->name, c->id);
	return container_remove_remains(e, c->id, err);
}

int container_remove(struct engine *e, struct container *c, bool force, bool volumes,
		     struct err *err)
{
	auto_close int lock_fd = -1;
	int rc = lock_for_removal(e, c, force, &lock_fd, err);

	if (rc < 0)
		return rc;
	if (container_is_gone(e, c->id)) {
		/* With --rm its monitor was faster; taking the lock may have made the directory anew. */
		rc = lock_fd >= 0 ? remove_released(e, c, err) : 0;
		if (rc < 0 || force)
			return rc;
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", c->id);
	}
	if (lock_fd < 0)
		return err_set(err, ERR_CONFLICT, EBUSY, "container %.12s is being removed", c->id);
	rc = container_remove_locked(e, c, volumes, err);
	if (rc < 0)
		return err_wrap(err, "remove container %.12s", c->id);
	if (container_restart_policy(c) != PLAN_RESTART_NO)
		keeper_notify_stopped(e, c->id);
	return 0;
}

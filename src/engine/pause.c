/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pause and unpause: the container's group is frozen by the kernel (freezer on version 1,
 * cgroup.freeze on version 2), so that no process of it can tell. What must hold: whatever is frozen
 * is marked as paused, also when one of us is killed in between, so that it can be found and thawed.
 * Hence the marker comes first and goes last, and one front end at a time is at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/marker.h"

#define FREEZE_TIMEOUT_MS 10000

static int freeze(struct engine *e, const struct container *c, bool frozen, struct err *err)
{
	struct cgroup_dirs dirs;
	int rc = container_cgroup_dirs(e, c, &dirs, err);

	if (rc == 0)
		rc = cgroup_freeze(dirs.dirs, dirs.count, frozen, FREEZE_TIMEOUT_MS);
	else
		return rc;
	if (rc == -ETIMEDOUT && frozen) {
		/* Half frozen is worse than running. */
		(void)!cgroup_freeze(dirs.dirs, dirs.count, false, FREEZE_TIMEOUT_MS);
		return err_set(err, ERR_SYSTEM, ETIMEDOUT,
			       "the kernel did not freeze all of its processes within %d s",
			       FREEZE_TIMEOUT_MS / 1000);
	}
	/* What is gone is not frozen. */
	if (!frozen && (rc == -ENOENT || rc == -ENODEV))
		return 0;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "%s", err_errno_text(-rc)) : 0;
}

/* One front end at a time: the lock is the run directory's own, *fd is -1 when there is none. */
static int take_turn(const struct engine *e, const struct container *c, int *fd)
{
	*fd = container_run_dir(e, c->id);
	if (*fd < 0)
		return *fd == -ENOENT ? 0 : *fd;
	while (flock(*fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int refuse_pause(const struct container *c, struct err *err)
{
	switch (c->state.status) {
	case CONTAINER_RUNNING:
		return 0;
	case CONTAINER_PAUSED:
		return err_set(err, ERR_CONFLICT, EALREADY, "Container %s is already paused",
			       c->id);
	case CONTAINER_RESTARTING:
		return err_set(err, ERR_CONFLICT, EAGAIN,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
	default:
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
	}
}

/* What was frozen is what was looked at: it may have ended meanwhile, and begun again. */
static int check_same(struct engine *e, struct container *c, int pid, struct err *err)
{
	int rc = container_state_read(e, c, err);

	if (rc < 0)
		return rc;
	return container_is_alive(c) && c->state.pid == pid
		       ? 0
		       : err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
}

static int thaw_in_turn(struct engine *e, struct container *c, struct err *err)
{
	int rc = freeze(e, c, false, err);

	if (rc == 0)
		marker_clear(e, c, MARKER_PAUSED);
	return rc;
}

int container_pause(struct engine *e, struct container *c, struct err *err)
{
	auto_close int turn = -1;
	int pid, rc = container_read_settled(e, c, err);

	if (rc == 0)
		rc = take_turn(e, c, &turn);
	if (rc == 0)
		rc = container_state_read(e, c, err);
	if (rc == 0)
		rc = refuse_pause(c, err);
	if (rc == 0)
		rc = marker_set(e, c, MARKER_PAUSED, err);
	if (rc < 0)
		return rc;
	pid = c->state.pid;
	rc = freeze(e, c, true, err);
	if (rc == 0)
		rc = check_same(e, c, pid, err);
	if (rc < 0) {
		struct err ignored;

		(void)!thaw_in_turn(e, c, &ignored);
		return err_wrap(err, "Cannot pause container %s", c->id);
	}
	c->state.status = CONTAINER_PAUSED;
	event_container(e, c, "pause", NULL, NULL);
	return 0;
}

int container_thaw(struct engine *e, struct container *c, struct err *err)
{
	auto_close int turn = -1;
	int rc = take_turn(e, c, &turn);

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "lock container %.12s: %s", c->id,
			       err_errno_text(-rc));
	/* Nothing else freezes it. */
	if (turn < 0 || faccessat(turn, MARKER_PAUSED, F_OK, 0) < 0)
		return 0;
	return thaw_in_turn(e, c, err);
}

int container_unpause(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_read_settled(e, c, err);

	if (rc < 0)
		return rc;
	if (c->state.status != CONTAINER_PAUSED)
		return err_set(err, ERR_CONFLICT, EINVAL, "Container %s is not paused", c->id);
	rc = container_thaw(e, c, err);
	if (rc < 0)
		return err_wrap(err, "Cannot unpause container %s", c->id);
	c->state.status = CONTAINER_RUNNING;
	event_container(e, c, "unpause", NULL, NULL);
	return 0;
}

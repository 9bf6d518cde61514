/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pause and unpause: the container's group is frozen by the kernel (freezer on version 1,
 * cgroup.freeze on version 2), so that no process of it can tell. What must hold: a container that
 * is marked as paused is frozen or about to be thawed, never the other way round.
 */
#include <errno.h>

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
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "%s", err_errno_text(-rc));
	return 0;
}

int container_pause(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_read_settled(e, c, err);

	if (rc < 0)
		return rc;
	if (c->state.status == CONTAINER_PAUSED)
		return err_set(err, ERR_CONFLICT, EALREADY, "Container %s is already paused",
			       c->id);
	if (c->state.status == CONTAINER_RESTARTING)
		return err_set(err, ERR_CONFLICT, EAGAIN,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
	if (c->state.status != CONTAINER_RUNNING)
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
	rc = freeze(e, c, true, err);
	if (rc < 0)
		return err_wrap(err, "Cannot pause container %s", c->id);
	rc = marker_set(e, c, MARKER_PAUSED, err);
	if (rc < 0) {
		struct err ignored;

		(void)!freeze(e, c, false, &ignored);
		return rc;
	}
	c->state.status = CONTAINER_PAUSED;
	event_container(e, c, "pause", NULL, NULL);
	return 0;
}

int container_thaw(struct engine *e, struct container *c, struct err *err)
{
	marker_clear(e, c, MARKER_PAUSED);
	return freeze(e, c, false, err);
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

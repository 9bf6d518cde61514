/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's new name. In an order that can be cut anywhere: the new name is reserved before the
 * record says it, and the old one released after; a name held for nobody is swept when it is wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/keeper_notify.h"
#include "engine/marker.h"
#include "engine/network.h"

int container_record_lock(struct engine *e, struct container *c, int *record_dir, struct err *err)
{
	bool persistent;
	auto_close int dir = container_record_dir(e, c->id, &persistent);
	char id[ID_LEN + 1];
	int rc;

	memcpy(id, c->id, sizeof(id));
	if (dir >= 0 && flock(dir, LOCK_EX) < 0)
		return err_sys(err, "lock the record of %.12s", id);
	container_free(c);
	rc = container_record_read(e, id, c, err);
	if (rc < 0)
		return rc;
	if (dir < 0)
		return err_set(err, ERR_SYSTEM, -dir, "open the record of %.12s: %s", id,
			       err_errno_text(-dir));
	*record_dir = take_fd(&dir);
	return 0;
}

/* The monitor of a --rm container knows the name it was started with. */
static void tell_monitor(const struct engine *e, const struct container *c)
{
	auto_close int run = container_run_dir(e, c->id);
	auto_free char *link = xasprintf("%s/names/%s", e->root, c->name);

	if (run < 0 || !c->config.auto_remove)
		return;
	unlinkat(run, MARKER_NAME, 0);
	/* Without it the name stays held for nobody, and is swept when somebody wants it. */
	(void)!symlinkat(link, run, MARKER_NAME);
}

/* So that others find it by its new name. What cannot be written leaves them the old one. */
static void tell_network(struct engine *e, const struct container *c)
{
	auto_close int run_dir = -1;
	auto_sandbox struct sandbox sandbox;
	struct err ignored = ERR_INIT;

	if (!container_sandbox(e, c, &sandbox))
		return;
	free(sandbox.container_name);
	sandbox.container_name = xstrdup(c->name);
	run_dir = container_run_dir(e, c->id);
	if (run_dir >= 0 && sandbox_write(&sandbox, run_dir, &ignored) == 0)
		keeper_notify_reload(e, c->id);
}

int container_rename(struct engine *e, struct container *c, const char *name, struct err *err)
{
	auto_close int record = -1;
	auto_free char *old = NULL, *old_path = NULL;
	int rc;

	if (*name == '/')
		name++;
	if (!*name)
		return err_set(err, ERR_INVALID, EINVAL, "Neither old nor new names may be empty");
	rc = container_record_lock(e, c, &record, err);
	if (rc < 0)
		return rc;
	if (str_eq(c->name, name))
		return err_set(err, ERR_INVALID, EINVAL,
			       "Renaming a container with the same name as its current name");
	if (!container_name_is_valid(name))
		return err_set(err, ERR_INVALID, EINVAL,
			       "Error when allocating new name: Invalid container name (/%s), only "
			       "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			       name);
	rc = name_reserve(e, name, c->id, err);
	if (rc < 0)
		return err_wrap(err, "Error when allocating new name");
	old = take_ptr(&c->name);
	old_path = xasprintf("/%s", old);
	c->name = xstrdup(name);
	rc = container_record_write(c, record, c->persistent, err);
	if (rc < 0) {
		name_release(e, name, c->id);
		return rc;
	}
	tell_monitor(e, c);
	name_release(e, old, c->id);
	event_refresh_attributes(e, c);
	tell_network(e, c);
	event_container(e, c, "rename", "oldName", old_path);
	return 0;
}

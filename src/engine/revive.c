/* SPDX-License-Identifier: Apache-2.0 */
/* Restart policies where no monitor is left to carry them out. */
#include "engine/revive.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/subprocess.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/keeper/protocol.h"
#include "engine/keeper_notify.h"
#include "engine/marker.h"
#include "engine/monitor/restart_policy.h"

enum plan_restart container_restart_policy(const struct container *c)
{
	static const struct {
		const char *name;
		enum plan_restart policy;
	} known[] = {
		{"on-failure", PLAN_RESTART_ON_FAILURE},
		{"always", PLAN_RESTART_ALWAYS},
		{"unless-stopped", PLAN_RESTART_UNLESS_STOPPED},
	};

	for (size_t i = 0; c->config.restart_policy && i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_eq(known[i].name, c->config.restart_policy))
			return known[i].policy;
	}
	return PLAN_RESTART_NO;
}

static bool is_marked(int dir)
{
	return dir >= 0 && (faccessat(dir, MARKER_STOPPED, F_OK, 0) == 0 ||
			    faccessat(dir, MARKER_SIGNALLED, F_OK, 0) == 0);
}

/* Anywhere: in the run directory, or in the record, where it outlives a boot. */
bool revive_is_stopped(const struct engine *e, const struct container *c)
{
	bool persistent;
	auto_close int run = container_run_dir(e, c->id);
	auto_close int record = container_record_dir(e, c->id, &persistent);

	return is_marked(run) || is_marked(record);
}

bool revive_is_wanted(const struct engine *e, const struct container *c)
{
	const struct container_state *s = &c->state;

	return s->monitor_lost && s->status == CONTAINER_EXITED && c->persistent &&
	       restart_is_wanted(container_restart_policy(c),
				 (uint32_t)c->config.restart_max_retries,
				 (uint32_t)s->restart_count, s->exit_code) &&
	       !revive_is_stopped(e, c);
}

static void close_handle(struct start_handle *handle)
{
	if (handle->client_fd >= 0)
		close(handle->client_fd);
	if (handle->plan_fd >= 0)
		close(handle->plan_fd);
}

static int start(struct engine *e, struct container *c, uint32_t restart_count, struct err *err)
{
	const struct start_options options = {.restart_count = restart_count};
	struct start_handle handle;
	int rc = container_start(e, c, &options, &handle, err);

	if (rc == 0 && handle.client_fd >= 0)
		rc = container_await_started(&handle, err);
	close_handle(&handle);
	/* Somebody else is about to start or remove it. */
	if (rc == -EBUSY)
		return 0;
	if (rc == 0)
		program_log(&e->log, LOG_LEVEL_INFO, c->id, "%s",
			    restart_count ? "started again after its monitor was lost"
					  : "started after the boot of the host");
	else
		program_log(&e->log, LOG_LEVEL_ERROR, c->id, "not started again: %s", err->msg);
	return rc < 0 ? err_wrap(err, "restart %.12s", c->id) : 0;
}

int revive_container(struct engine *e, struct container *c, struct err *err)
{
	int rc = container_state_read(e, c, err);

	if (rc < 0 || !revive_is_wanted(e, c))
		return rc;
	rc = start(e, c, (uint32_t)c->state.restart_count + 1, err);
	return rc < 0 ? rc : 1;
}

static bool starts_at_boot(const struct engine *e, const struct container *c)
{
	enum plan_restart policy = container_restart_policy(c);

	if (!c->persistent || container_is_alive(c) || !c->state.started_ns)
		return false;
	return policy == PLAN_RESTART_ALWAYS ||
	       (policy == PLAN_RESTART_UNLESS_STOPPED && !revive_is_stopped(e, c));
}

static int after_boot(struct engine *e, struct container *c, struct err *err)
{
	return starts_at_boot(e, c) ? start(e, c, 0, err) : 0;
}

/* Calls fn for each container, and keeps the first failure. */
static int for_all(struct engine *e,
		   int (*fn)(struct engine *e, struct container *c, struct err *err),
		   struct err *err)
{
	struct container *list;
	size_t count;
	int rc = container_list(e, &list, &count, err), first = 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct err failure = ERR_INIT;

		rc = fn(e, &list[i], &failure);
		if (rc < 0 && first == 0) {
			first = rc;
			*err = failure;
		}
	}
	container_list_free(list, count);
	return first;
}

void revive_note_lost(struct engine *e, const struct container *c)
{
	bool known_policy = !c->brief;

	if (known_policy && container_restart_policy(c) == PLAN_RESTART_NO)
		return;
	if (!strv_contains(&e->lost, c->id))
		strv_add(&e->lost, c->id);
}

static bool is_still_wanted(struct engine *e, const char *id)
{
	auto_container struct container c;
	struct err ignored = ERR_INIT;

	container_init(&c);
	return container_record_read(e, id, &c, &ignored) == 0 && revive_is_wanted(e, &c);
}

/* All that is lost: its monitors then start the keeper. */
static void heal_all(const struct engine *e)
{
	char path[PATH_MAX];
	const char *const argv[] = {path,        "--root", e->root,         "--run-root",
				    e->run_root, "--heal", KEEPER_HEAL_ALL, NULL};
	struct err ignored = ERR_INIT;

	if (subprocess_own_program("cloche-keeper", path, sizeof(path), &ignored) < 0 ||
	    subprocess_detach((char *const *)(uintptr_t)argv) < 0)
		program_log(&e->log, LOG_LEVEL_ERROR, NULL,
			    "containers that lost their monitors are not started again: no keeper");
}

void revive_see_to_lost(struct engine *e)
{
	/* Looking adds to it. */
	auto_strv struct strv lost = e->lost;

	e->lost = (struct strv){0};
	for (size_t i = 0; i < lost.count; i++) {
		if (!is_still_wanted(e, lost.items[i]))
			continue;
		if (keeper_notify_lost(e, lost.items[i]))
			continue;
		heal_all(e);
		return;
	}
}

int revive_lost(struct engine *e, struct err *err)
{
	return for_all(e, revive_container, err);
}

int revive_after_boot(struct engine *e, struct err *err)
{
	return for_all(e, after_boot, err);
}

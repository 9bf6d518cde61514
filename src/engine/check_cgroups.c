/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check's look at control groups. Several engines may share one parent group, so a group is ours
 * only if its id is known here; an unknown one is swept only after a minute without a process, and
 * only by rmdir(2), which the kernel refuses for a group in use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/check_internal.h"
#include "engine/internal.h"

#define UNKNOWN_AGE_S 60
#define MONITOR_GROUP "/cloche-monitor"

static int add_pid(int pid, void *arg)
{
	auto_free char *text = xasprintf("%d", pid);

	/* The same process is in the group of every hierarchy. */
	if (!strv_contains(arg, text))
		strv_add(arg, text);
	return 0;
}

/* The processes of a group in any of its hierarchies: one may be left where the others were. */
static int list_processes(const struct cgroup_dirs *dirs, struct strv *pids)
{
	for (size_t i = 0; i < dirs->count; i++) {
		int rc = cgroup_for_each_pid(&dirs->dirs[i], 1, add_pid, pids);

		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return 0;
}

static bool any_exists(const struct cgroup_dirs *dirs)
{
	for (size_t i = 0; i < dirs->count; i++) {
		if (access(dirs->dirs[i].path, F_OK) == 0)
			return true;
	}
	return false;
}

int check_cgroup_of(struct checker *k, const char *parent, const char *id, struct err *err)
{
	char path[CGROUP_PATH_MAX];
	auto_free struct cgroup_dirs *dirs = xcalloc(1, sizeof(*dirs));
	auto_strv struct strv pids = {0};
	struct err failure = ERR_INIT;
	int rc = engine_cgroup_path(k->e, parent, id, path, sizeof(path), err);

	if (rc == 0)
		rc = cgroup_dirs_of(&k->e->cgroups, path, dirs, err);
	if (rc < 0)
		return rc;
	if (!any_exists(dirs))
		return 0;
	rc = list_processes(dirs, &pids);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read group %s: %s", path,
			       err_errno_text(-rc));
	rc = k->repair ? container_remove_cgroup(k->e, parent, id, &failure) : 0;
	for (size_t i = 0; i < pids.count; i++)
		check_report(k, "process", pids.items[i], "runs in a container without a monitor",
			     rc < 0 ? failure.msg : NULL);
	check_report(k, "cgroup", path, "group of a container that does not run",
		     rc < 0 ? failure.msg : NULL);
	return 0;
}

struct unknown {
	struct checker *k;
	const struct strv *known;
	struct strv seen; /* ids reported already; the same comes once per hierarchy */
};

/* A directory of kernfs gets its times when it is made, or later when the kernel had forgotten it: it
 * is never younger than it looks. */
static bool is_old(const struct cgroup_dirs *dirs)
{
	int64_t now = (int64_t)(clock_wall_ns() / 1000000000u);
	struct stat st;

	for (size_t i = 0; i < dirs->count; i++) {
		if (stat(dirs->dirs[i].path, &st) == 0 && now - st.st_mtim.tv_sec < UNKNOWN_AGE_S)
			return false;
	}
	return true;
}

static int remove_empty(const struct cgroup_dirs *dirs)
{
	int rc = 0;

	for (size_t i = 0; i < dirs->count; i++) {
		if (rmdir(dirs->dirs[i].path) < 0 && errno != ENOENT && rc == 0)
			rc = -errno;
	}
	return rc;
}

static int check_unknown(const char *name, const char *dir, void *arg)
{
	struct unknown *u = arg;
	auto_free struct cgroup_dirs *dirs = NULL;
	auto_strv struct strv pids = {0};
	auto_free char *path = NULL;
	char id[ID_LEN + 1];
	struct err ignored;

	(void)dir;
	if (!engine_cgroup_id(u->k->e, name, id) || strv_contains(u->known, id) ||
	    strv_contains(&u->seen, id) || container_lock_is_held(u->k->e, id))
		return 0;
	strv_add(&u->seen, id);
	path = xasprintf("%s/%s", u->k->e->cgroup_parent, name);
	dirs = xcalloc(1, sizeof(*dirs));
	if (cgroup_dirs_of(&u->k->e->cgroups, path, dirs, &ignored) < 0 || !is_old(dirs) ||
	    list_processes(dirs, &pids) < 0 || pids.count)
		return 0;
	check_report_rc(u->k, "cgroup", path, "empty group of no container that is known here",
			u->k->repair ? remove_empty(dirs) : 0);
	return 0;
}

int check_unknown_cgroups(struct checker *k, const struct strv *known, struct err *err)
{
	struct unknown u = {.k = k, .known = known};
	int rc = cgroup_list_children(&k->e->cgroups, k->e->cgroup_parent, check_unknown, &u);

	strv_free(&u.seen);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "list groups below %s: %s",
			       k->e->cgroup_parent, err_errno_text(-rc));
	return 0;
}

static int found_one(const char *id, void *arg)
{
	(void)id;
	*(bool *)arg = true;
	return 1;
}

/* Another engine's containers keep the groups busy, and then rmdir is refused: nothing to ask. */
void check_remove_parents(struct checker *k)
{
	const char *const groups[] = {k->e->cgroup_parent, MONITOR_GROUP};
	bool any = false;

	if (engine_for_each_id(k->e->root_fd, found_one, &any) < 0 ||
	    engine_for_each_id(k->e->run_fd, found_one, &any) < 0 || any)
		return;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		auto_free struct cgroup_dirs *dirs = xcalloc(1, sizeof(*dirs));
		struct err ignored;

		/* A slice is systemd's. */
		if (k->e->runtimes.systemd && i == 0)
			continue;
		if (cgroup_dirs_of(&k->e->cgroups, groups[i], dirs, &ignored) == 0 &&
		    remove_empty(dirs) < 0)
			continue;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check, container by container. Every id that anything of this engine mentions is looked at
 * once: under its lock when repairing, with the lock seen free before and after when not. What is
 * dead goes in a safe order: processes, groups, then what names the container, then its files, the
 * run directory with the lock last.
 */
#include "engine/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/check_internal.h"
#include "engine/internal.h"
#include "engine/network.h"
#include "engine/volume.h"

/* Everything found for one id. */
struct remains {
	const char *id;
	struct container c;
	bool finished; /* a whole record */
	bool damaged;  /* a record that cannot be read */
	bool lost;     /* it claims life */
	bool had_run_dir;
	struct err record_error;
};

void check_report(struct checker *k, const char *kind, const char *object, const char *why,
		  const char *failure)
{
	const struct engine_finding f = {.kind = kind,
					 .object = object,
					 .why = why,
					 .repaired = k->repair && !failure,
					 .failure = k->repair ? failure : NULL};

	k->report(k->context, &f);
	if (k->repair)
		program_log(&k->e->log, LOG_LEVEL_INFO, NULL, "sweep: %s %s: %s; %s%s", kind,
			    object, why, failure ? "not removed: " : "removed",
			    failure ? failure : "");
}

void check_report_rc(struct checker *k, const char *kind, const char *object, const char *why,
		     int rc)
{
	check_report(k, kind, object, why, rc < 0 ? err_errno_text(-rc) : NULL);
}

/* ---- the ids ---- */

static void add_id(struct strv *ids, const char *id)
{
	if (!strv_contains(ids, id))
		strv_add(ids, id);
}

static int collect(const char *id, void *arg)
{
	add_id(arg, id);
	return 0;
}

/* Calls fn for each entry of a directory below the data root; a missing one is empty. */
static int each_entry(struct engine *e, const char *path,
		      void (*fn)(int dir, const char *name, struct strv *ids), struct strv *ids)
{
	int fd = openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir)) != NULL) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			fn(fd, entry->d_name, ids);
	}
	return 0;
}

/* A container's directory has the shape of an id and no `link` file, which image layers have. */
static void collect_layer(int dir, const char *name, struct strv *ids)
{
	char path[ID_LEN + sizeof("/link")];

	if (id_is_hex(name, ID_LEN) && str_format(path, sizeof(path), "%s/link", name) == 0 &&
	    faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		add_id(ids, name);
}

static void collect_name(int dir, const char *name, struct strv *ids)
{
	char id[ID_LEN + 1];

	if (name_read(dir, name, id) == 0)
		add_id(ids, id);
}

static int collect_all(struct engine *e, struct strv *ids, struct err *err)
{
	int rc = engine_for_each_id(e->root_fd, collect, ids);

	if (rc == 0)
		rc = engine_for_each_id(e->run_fd, collect, ids);
	if (rc == 0)
		rc = each_entry(e, "overlay2", collect_layer, ids);
	if (rc == 0)
		rc = each_entry(e, "names", collect_name, ids);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "look through %s: %s", e->root,
			       err_errno_text(-rc));
	return 0;
}

/* ---- one id ---- */

static bool exists(int fd, const char *what, const char *id)
{
	char path[32 + ID_LEN];

	return str_format(path, sizeof(path), "%s/%s", what, id) == 0 &&
	       faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void look_at(struct checker *k, struct remains *r)
{
	struct container_state stored = {0};
	struct err ignored = ERR_INIT;

	container_init(&r->c);
	r->finished = container_record_read(k->e, r->id, &r->c, &r->record_error) == 0;
	r->damaged = !r->finished && r->record_error.kind != ERR_NOT_FOUND;
	r->had_run_dir = exists(k->e->run_fd, "containers", r->id);
	if (r->finished && container_state_stored(k->e, r->id, &stored, &ignored) == 0) {
		r->lost = stored.status == CONTAINER_RUNNING || stored.status == CONTAINER_PAUSED ||
			  stored.status == CONTAINER_RESTARTING;
		free(stored.error);
	}
}

/* A record that no reader accepts is not thrown away: somebody's data hangs on it. */
static void report_damaged(struct checker *k, const struct remains *r)
{
	check_report(k, "record", r->id, r->record_error.msg,
		     "not repaired: it may be the only way to the container's data");
}

static void check_temporary(struct checker *k, int root_fd, const char *root, const char *id)
{
	char path[sizeof("containers/") + ID_LEN];
	int fd;
	struct dirent *entry;
	auto_closedir DIR *dir = NULL;

	snprintf(path, sizeof(path), "containers/%s", id);
	fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)) != NULL) {
		auto_free char *shown = NULL;
		int rc = 0;

		if (!str_ends(entry->d_name, ".tmp"))
			continue;
		shown = xasprintf("%s/%s/%s", root, path, entry->d_name);
		if (k->repair && unlinkat(fd, entry->d_name, 0) < 0)
			rc = -errno;
		check_report_rc(k, "file", shown, "half-written file", rc);
	}
}

/* A record of --rm with a free lock: its monitor cannot remove it any more. */
static void check_abandoned(struct checker *k, struct remains *r)
{
	struct err err = ERR_INIT;
	int rc = k->repair ? container_remove_locked(k->e, &r->c, true, &err) : 0;

	check_report(
		k, "container", r->id,
		r->lost ? "its monitor is lost; it was to be removed at its end (--rm)"
			: "it was to be removed at its end (--rm), but nobody is left to do so",
		rc < 0 ? err.msg : NULL);
}

static void check_lost(struct checker *k, struct remains *r)
{
	struct err err = ERR_INIT;
	int rc;

	/* While the state still tells that there is something to be swept. */
	if (k->repair)
		container_network_sweep(k->e, r->id);
	rc = k->repair ? container_state_write_lost(k->e, &r->c, &err) : 0;
	auto_close int run_dir = k->repair ? container_run_dir(k->e, r->id) : -1;

	if (run_dir >= 0)
		unlinkat(run_dir, ATTACH_SOCKET, 0);
	check_report(k, "container", r->id, "its monitor is lost", rc < 0 ? err.msg : NULL);
}

/* Names that point to id, all but the one it has. */
static void check_names_of(struct checker *k, const char *id, const char *own)
{
	int fd = openat(k->e->root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		char target[ID_LEN + 1];

		if (name_read(fd, entry->d_name, target) < 0 || !str_eq(target, id) ||
		    (own && str_eq(own, entry->d_name)))
			continue;
		if (k->repair)
			name_release(k->e, entry->d_name, id);
		check_report(k, "name", entry->d_name,
			     own ? "reserved for a container of another name"
				 : "reserved for a container that does not exist",
			     NULL);
	}
}

static void check_whole(struct checker *k, struct remains *r)
{
	if (!r->c.persistent) {
		check_abandoned(k, r);
		return;
	}
	if (r->lost)
		check_lost(k, r);
	check_names_of(k, r->id, r->c.name);
	check_temporary(k, k->e->root_fd, k->e->root, r->id);
	check_temporary(k, k->e->run_fd, k->e->run_root, r->id);
}

/* What has no record: half made, or half removed. */
static void check_half(struct checker *k, struct remains *r)
{
	const struct {
		int fd;
		const char *root, *what, *kind, *why;
		bool skip;
	} places[] = {
		{k->e->root_fd, k->e->root, "overlay2", "layer",
		 "layer of a container that does not exist", false},
		{k->e->root_fd, k->e->root, "containers", "record",
		 "half-made or half-removed record", false},
		/* Last: the lock is in it; if taking the lock made it, it is no finding. */
		{k->e->run_fd, k->e->run_root, "containers", "record",
		 "run directory of a container that does not exist", !r->had_run_dir},
	};

	check_names_of(k, r->id, NULL);
	if (k->repair)
		container_network_sweep(k->e, r->id);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		auto_free char *path = xasprintf("%s/%s", places[i].what, r->id);
		auto_free char *shown = xasprintf("%s/%s", places[i].root, path);
		int rc;

		if (!exists(places[i].fd, places[i].what, r->id))
			continue;
		rc = k->repair ? remove_tree_at(places[i].fd, path) : 0;
		if (!places[i].skip)
			check_report_rc(k, places[i].kind, shown, places[i].why, rc);
	}
}

static int check_remains(struct checker *k, struct remains *r, struct err *err)
{
	const char *parent = r->finished ? r->c.config.cgroup_parent : NULL;
	int rc = check_cgroup_of(k, parent, r->id, err);

	if (rc < 0)
		return rc;
	if (r->damaged)
		report_damaged(k, r);
	else if (r->finished)
		check_whole(k, r);
	else
		check_half(k, r);
	return 0;
}

/* Taking the lock of a container that was not started since the machine was may have made its run
 * directory. */
static void remove_made_run_dir(struct checker *k, const struct remains *r)
{
	char path[sizeof("containers/") + ID_LEN];

	snprintf(path, sizeof(path), "containers/%s", r->id);
	/* Still there when this fails: harmless, an empty directory with a lock file. */
	if (!r->had_run_dir && remove_tree_at(k->e->run_fd, path) < 0)
		return;
}

static int check_id(struct checker *k, const char *id, struct err *err)
{
	struct remains r = {.id = id};
	auto_close int lock_fd = -1;
	int rc = 0;

	if (container_lock_is_held(k->e, id))
		return 0;
	look_at(k, &r);
	if (k->repair) {
		bool had_run_dir = r.had_run_dir;

		container_free(&r.c);
		rc = container_lock(k->e, id, true, &lock_fd);
		if (rc == -EBUSY)
			return 0;
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "lock container %.12s: %s", id,
				       err_errno_text(-rc));
		/* Once more, now that nobody can change it. */
		look_at(k, &r);
		r.had_run_dir = had_run_dir;
	}
	/* Nobody may have begun with it while we looked. */
	if (k->repair || !container_lock_is_held(k->e, id))
		rc = check_remains(k, &r, err);
	if (k->repair)
		remove_made_run_dir(k, &r);
	container_free(&r.c);
	return rc;
}

/* ---- names that are no reservations ---- */

static void check_bad_names(struct checker *k)
{
	int fd = openat(k->e->root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		char id[ID_LEN + 1];
		int rc;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
		    name_read(fd, entry->d_name, id) == 0)
			continue;
		rc = k->repair ? remove_tree_at(fd, entry->d_name) : 0;
		check_report_rc(k, "name", entry->d_name, "not a reservation", rc);
	}
}

int engine_check(struct engine *e, bool repair, engine_finding_fn report, void *context,
		 struct err *err)
{
	struct checker k = {.e = e, .repair = repair, .report = report, .context = context};
	auto_strv struct strv ids = {0};
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = collect_all(e, &ids, err);
	/* Mounts first: what lies below them can be removed only then. */
	if (rc == 0)
		rc = check_mounts(&k, err);
	for (size_t i = 0; rc == 0 && i < ids.count; i++)
		rc = check_id(&k, ids.items[i], err);
	if (rc == 0)
		rc = check_unknown_cgroups(&k, &ids, err);
	if (rc < 0)
		return rc;
	check_bad_names(&k);
	rc = check_networks(&k, err);
	if (rc == 0)
		rc = check_volumes(&k, err);
	if (rc == 0)
		rc = check_images(&k, err);
	if (rc == 0 && repair)
		check_remove_parents(&k);
	return rc;
}

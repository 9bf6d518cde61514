/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check's look at what is not one container's: mounts in this mount namespace, volumes, the image
 * store. A container's overlay is mounted in its own namespace and dies with it, so any mount of it
 * that we can see while the container is dead was left (or made by hand).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/check_internal.h"
#include "engine/internal.h"
#include "engine/network.h"
#include "engine/volume.h"
#include "image/image.h"
#include "kernel/mount.h"

#define MOUNTINFO_MAX (16u << 20)

/* ---- mounts ---- */

/* proc(5): blank, tab, newline and backslash stand as \ooo. In place. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* The id in "<prefix>/<id>/..." or "<prefix>/<id>". */
static bool id_below(const char *path, const char *root, const char *what,
		     char id[static ID_LEN + 1])
{
	auto_free char *prefix = xasprintf("%s/%s/", root, what);
	size_t n = strlen(prefix);

	if (!str_starts(path, prefix) || strlen(path + n) < ID_LEN)
		return false;
	memcpy(id, path + n, ID_LEN);
	id[ID_LEN] = '\0';
	return id_is_hex(id, ID_LEN) && (path[n + ID_LEN] == '/' || !path[n + ID_LEN]);
}

/* Whose mount it is: by its place, or by the upper directory of an overlay anywhere. */
static bool find_owner(const struct engine *e, const char *target, char *options,
		       char id[static ID_LEN + 1])
{
	char *saved = NULL;

	if (id_below(target, e->root, "overlay2", id) ||
	    id_below(target, e->root, "containers", id) ||
	    id_below(target, e->run_root, "containers", id))
		return true;
	/* of `mount`: wanted for as long as there is such a container */
	if (id_below(target, e->run_root, "mounts", id))
		return container_is_gone(e, id);
	for (char *o = strtok_r(options, ",", &saved); o; o = strtok_r(NULL, ",", &saved)) {
		if (str_starts(o, "upperdir=") &&
		    id_below(o + strlen("upperdir="), e->root, "overlay2", id))
			return true;
	}
	return false;
}

/* Fields of one line of mountinfo; false when it is none of ours. */
static bool parse_line(const struct engine *e, char *line, char **target,
		       char id[static ID_LEN + 1])
{
	char *separator = strstr(line, " - "), *saved = NULL, *options;

	if (!separator)
		return false;
	*separator = '\0';
	*target = strtok_r(line, " ", &saved);
	for (int i = 0; *target && i < 4; i++)
		*target = strtok_r(NULL, " ", &saved);
	if (!*target)
		return false;
	unescape(*target);
	options = strrchr(separator + 3, ' ');
	return options && find_owner(e, *target, options + 1, id);
}

/* Latest mount first, so that what lies on another goes before it. */
static void check_mounts_in(struct checker *k, char *text)
{
	auto_strv struct strv lines = {0};
	char *saved = NULL;

	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
		strv_add(&lines, line);
	for (size_t i = lines.count; i-- > 0;) {
		char id[ID_LEN + 1], *target;

		if (!parse_line(k->e, lines.items[i], &target, id) ||
		    container_lock_is_held(k->e, id))
			continue;
		check_report_rc(k, "mount", target, "mount of a container that does not run",
				k->repair ? mount_detach(target) : 0);
	}
}

int check_mounts(struct checker *k, struct err *err)
{
	auto_free char *text = NULL;
	int rc = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read /proc/self/mountinfo: %s",
			       err_errno_text(-rc));
	check_mounts_in(k, text);
	return 0;
}

/* ---- volumes ---- */

static bool is_orphan(struct checker *k, int volume_dir)
{
	char owner[ID_LEN + 1];

	return volume_read_owner(volume_dir, owner) == 0 && name_is_stale(k->e, owner);
}

static void check_volume(struct checker *k, int volumes, const char *name)
{
	auto_close int fd = openat(volumes, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_free char *shown = xasprintf("%s/volumes/%s", k->e->root, name);
	const char *why = NULL;

	/* Somebody is filling it. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (str_starts(name, VOLUME_REMOVED_PREFIX))
		why = "removal that did not end";
	else if (faccessat(fd, "_data", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		why = "volume that was never finished";
	else if (is_orphan(k, fd))
		why = "anonymous volume of a container that does not exist";
	if (why) {
		check_report_rc(k, "volume", shown, why,
				k->repair ? remove_tree_at(volumes, name) : 0);
	} else if (faccessat(fd, VOLUME_ASIDE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		auto_free char *aside = xasprintf("%s/" VOLUME_ASIDE, shown);

		check_report_rc(k, "volume", aside, "copy that did not end",
				k->repair ? remove_tree_at(fd, VOLUME_ASIDE) : 0);
	}
}

int check_volumes(struct checker *k, struct err *err)
{
	int fd = openat(k->e->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/volumes", k->e->root);
	while ((entry = readdir(dir)) != NULL) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			check_volume(k, fd, entry->d_name);
	}
	return 0;
}

/* ---- images ---- */

struct image_finding {
	char *path, *why;
};

struct image_findings {
	struct image_finding *items;
	size_t count;
};

static void keep_finding(void *context, const char *path, const char *why)
{
	struct image_findings *f = context;

	f->items = xrealloc(f->items, (f->count + 1) * sizeof(*f->items));
	f->items[f->count++] = (struct image_finding){xstrdup(path), xstrdup(why)};
}

/* The store says of a failed repair only that there was one, at its end. */
int check_images(struct checker *k, struct err *err)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	struct image_findings found = {0};
	struct err failure = ERR_INIT;
	int rc = image_store_open(&store, k->e->root_fd, k->e->root, IMAGE_STORE_READ, err);

	if (rc < 0)
		return rc;
	rc = image_store_check(&store, k->repair, keep_finding, &found, &failure);
	for (size_t i = 0; i < found.count; i++) {
		auto_free char *shown = xasprintf("%s/%s", k->e->root, found.items[i].path);

		check_report(k, "image store", shown, found.items[i].why,
			     rc < 0 ? failure.msg : NULL);
		free(found.items[i].path);
		free(found.items[i].why);
	}
	if (rc < 0 && !found.count)
		*err = failure;
	rc = rc < 0 && !found.count ? rc : 0;
	free(found.items);
	return rc;
}

/* ---- networks ---- */

static void report_held(void *context, const char *kind, const char *what, const char *container_id,
			int rc)
{
	auto_free char *why =
		xasprintf("held for container %.12s, which does not run", container_id);

	check_report(context, kind, what, why,
		     rc == -EBUSY ? "its device still stands"
		     : rc < 0     ? err_errno_text(-rc)
				  : NULL);
}

int check_networks(struct checker *k, struct err *err)
{
	struct network_store store;

	engine_network_store(k->e, &store);
	return network_sweep(&store, k->repair, report_held, k, err);
}

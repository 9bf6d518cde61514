/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes. A volume's directory is locked (flock on <data>/volumes/<name>) while it is filled, so
 * that of two containers that start with the same fresh volume one fills it and the other finds it
 * full. Content is copied aside, and what was copied whole is moved in entry by entry, since another
 * container may have the empty directory mounted already; a killed copy leaves no half volume, and a
 * killed move is finished by the next who comes.
 */
#include "engine/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/json.h"
#include "engine/copy_tree.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/volume_record.h"
#include "kernel/mount.h"
#include "kernel/path.h"

#define VOLUME_NAME_MAX 255
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1 /* linux/fs.h, which clashes with sys/mount.h */
#endif
#define VOLUME_OWNER "owner" /* symlink of an anonymous volume to its container's id */

int volume_check_name(const char *name, struct err *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);

	if (n == 1)
		return err_set(
			err, ERR_INVALID, EINVAL,
			"volume name is too short, names should be at least two alphanumeric "
			"characters");
	if (n == 0 || n > VOLUME_NAME_MAX || strspn(name, allowed) != n || strchr("_.-", *name))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"\"%.200s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a "
			"host directory, use absolute path",
			name);
	return 0;
}

static bool is_empty(int dir_fd)
{
	auto_close int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return false;
	take_fd(&fd);
	while ((entry = readdir(dir)) != NULL) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			return false;
	}
	return true;
}

/* The root of the image, for reading. Runs in the child, whose mount namespace is its own. */
static int open_image(struct engine *e, const char *lower, const char *mountpoint, struct err *err)
{
	auto_free char *options = xasprintf("lowerdir=%s", lower);
	auto_close int overlay2 =
		openat(e->root_fd, "overlay2", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (overlay2 < 0 || fchdir(overlay2) < 0)
		return err_sys(err, "open %s/overlay2", e->root);
	/* Overlay wants two layers; one alone needs no overlay. */
	if (!strchr(lower, ':')) {
		rc = open(lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return rc < 0 ? err_sys(err, "open layer %s", lower) : rc;
	}
	rc = unshare(CLONE_NEWNS) < 0 ? -errno
				      : mount_change(AT_FDCWD, "/", true, 0, 0, MS_PRIVATE);
	if (rc == 0)
		rc = mount_overlay(mountpoint, options, MS_RDONLY);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "mount the image: %s", err_errno_text(-rc));
	rc = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rc < 0 ? err_sys(err, "open the mounted image") : rc;
}

/* 0 also when the image has no directory there. *copied says which. */
static int copy_from_image(int root, const char *image_path, int volume_dir, bool *copied,
			   struct err *err)
{
	auto_close int src = path_open(root, image_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	auto_close int dst = -1;

	*copied = false;
	if (src == -ENOENT || src == -ENOTDIR)
		return 0;
	if (src < 0)
		return err_set(err, ERR_SYSTEM, -src, "open %s in the image: %s", image_path,
			       err_errno_text(-src));
	if (mkdirat(volume_dir, VOLUME_ASIDE, 0700) < 0)
		return err_sys(err, "make %s", VOLUME_ASIDE);
	dst = openat(volume_dir, VOLUME_ASIDE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dst < 0)
		return err_sys(err, "open %s", VOLUME_ASIDE);
	*copied = true;
	return copy_tree(src, dst, err);
}

static void raise_open_files(void)
{
	struct rlimit limit;

	/* A deep tree has two descriptors open per level; failing here only means failing later. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* What a container has made there meanwhile stays. */
static int move_entry(int from, int to, const char *name)
{
	if (syscall(SYS_renameat2, from, name, to, name, RENAME_NOREPLACE) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

/* Moves a whole copy into _data, if there is one; cut anywhere it can be begun again. */
static int move_in(int volume_dir, struct err *err)
{
	int from = openat(volume_dir, VOLUME_READY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int to = openat(volume_dir, "_data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = from < 0 ? NULL : fdopendir(from);
	struct dirent *entry;
	int rc = 0;

	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open " VOLUME_READY);
	if (!dir || to < 0)
		return err_sys(err, "open the volume");
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			rc = move_entry(from, to, entry->d_name);
	}
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "put the copy in place: %s",
			       err_errno_text(-rc));
	rc = copy_attributes(from, to, err);
	if (rc == 0)
		rc = remove_tree_at(volume_dir, VOLUME_READY);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "put the copy in place: %s",
				err_errno_text(-rc))
		      : 0;
}

/* In a child: a mount namespace cannot be left again. */
static int fill(struct engine *e, const char *lower, const char *image_path, int volume_dir,
		const char *mountpoint, struct err *err)
{
	auto_close int root = open_image(e, lower, mountpoint, err);
	bool copied;
	int rc;

	if (root < 0)
		return root;
	raise_open_files();
	rc = copy_from_image(root, image_path, volume_dir, &copied, err);
	if (rc < 0 || !copied)
		return rc;
	if (renameat(volume_dir, VOLUME_ASIDE, volume_dir, VOLUME_READY) < 0)
		return err_sys(err, "put the copy in place");
	return move_in(volume_dir, err);
}

static int read_result(int fd, pid_t child, struct err *err)
{
	struct err result;
	ssize_t n = fd_read_full(fd, &result, sizeof(result));
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(result))
		return err_set(err, ERR_SYSTEM, ECHILD, "the copying process died (status %d)",
			       status);
	if (result.kind == ERR_NONE)
		return 0;
	*err = result;
	return err_code(err);
}

static int fill_in_child(struct engine *e, const char *lower, const char *image_path,
			 int volume_dir, const char *mountpoint, struct err *err)
{
	int ends[2];
	pid_t child;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	child = fork();
	if (child == 0) {
		struct err result = ERR_INIT;

		if (fill(e, lower, image_path, volume_dir, mountpoint, &result) == 0)
			result.kind = ERR_NONE;
		_exit(fd_write_all(ends[1], &result, sizeof(result)) < 0);
	}
	close(ends[1]);
	rc = child < 0 ? err_sys(err, "fork") : read_result(ends[0], child, err);
	close(ends[0]);
	return rc;
}

/* The directory of the volume is locked by the caller. */
static int populate_locked(struct engine *e, const char *lower, const char *image_path,
			   int volume_dir, const char *mountpoint, struct err *err)
{
	auto_close int data = openat(volume_dir, "_data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (data < 0)
		return err_sys(err, "open the volume");
	rc = move_in(volume_dir, err);
	if (rc < 0 || !is_empty(data))
		return rc;
	rc = remove_tree_at(volume_dir, VOLUME_ASIDE);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove %s: %s", VOLUME_ASIDE,
			       err_errno_text(-rc));
	rc = fill_in_child(e, lower, image_path, volume_dir, mountpoint, err);
	if (rc < 0 && remove_tree_at(volume_dir, VOLUME_ASIDE) < 0)
		return rc;
	return rc;
}

/* Opens volumes/<name>, making it when missing, and locks it. A sweeper may remove a directory
 * without _data between our mkdir and our lock: then once more. */
int volume_lock_directory(struct engine *e, const char *name, struct err *err)
{
	char path[sizeof("volumes/") + VOLUME_NAME_MAX];
	struct stat st;

	if (str_format(path, sizeof(path), "volumes/%s", name) < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "volume %s: name too long", name);
	for (;;) {
		auto_close int fd = -1;

		if (mkdirat(e->root_fd, path, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "make volume %s", name);
		fd = openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
			return err_sys(err, "lock volume %s", name);
		if (st.st_nlink > 0)
			return take_fd(&fd);
	}
}

/* The volume's own directory, and for an anonymous one whose it is: without a container to its
 * owner's id it is what a crash left. */
int volume_make_data(int volume_dir, const char *name, const char *owner, struct err *err)
{
	if (mkdirat(volume_dir, "_data", 0700) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make volume %s", name);
	/* Whatever the umask: any user of the container may come in, as into Docker's. */
	if (fchmodat(volume_dir, "_data", 0755, 0) < 0)
		return err_sys(err, "make volume %s", name);
	if (owner && symlinkat(owner, volume_dir, VOLUME_OWNER) < 0)
		return err_sys(err, "make volume %s", name);
	return 1;
}

static int name_volume(const struct mount_request *m, char generated[static ID_LEN + 1],
		       const char **name, struct err *err)
{
	int rc;

	*name = m->source;
	if (m->source)
		return volume_check_name(m->source, err);
	*name = generated;
	rc = id_generate(generated);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "make an id: %s", err_errno_text(-rc)) : 0;
}

/* A directory of the host's is never filled from an image. */
static bool stands_for_another(int volume_dir)
{
	auto_json struct json_object *o = NULL;
	struct err ignored = ERR_INIT;
	struct json_object *options;

	return json_read_at(volume_dir, VOLUME_FILE, VOLUME_FILE_MAX, &o, &ignored) == 0 &&
	       json_get_object(o, "Options", &options) == 0 && json_object_object_length(options);
}

static int make_volume(struct engine *e, struct container *c, const struct mount_request *m,
		       struct undo_stack *undo, struct err *err)
{
	auto_free char *path = NULL;
	auto_close int fd = -1;
	char generated[ID_LEN + 1];
	const char *name;
	int rc = name_volume(m, generated, &name, err);

	if (rc < 0)
		return rc;
	fd = volume_lock_directory(e, name, err);
	if (fd < 0)
		return fd;
	path = xasprintf("%s/volumes/%s", e->root, name);
	/* A named one may have got a second user already. */
	if (!m->source && undo) {
		rc = undo_push(undo, undo_remove_tree, AT_FDCWD, path);
		if (rc < 0) {
			undo_remove_tree(AT_FDCWD, path);
			return err_set(err, ERR_SYSTEM, -rc, "too many volumes");
		}
	}
	rc = volume_make_data(fd, name, m->source ? NULL : c->id, err);
	if (rc < 0)
		return rc;
	/* Another's anonymous volume: from now on it does not end with that container. */
	if (m->source && id_is_hex(name, ID_LEN) && unlinkat(fd, VOLUME_OWNER, 0) < 0 &&
	    errno != ENOENT)
		return err_sys(err, "take volume %s", name);
	if (rc)
		event_emit(e, "volume", "create", name,
			   &(struct event_attribute){"driver", "local"}, 1);
	strv_add_taken(&c->volume_paths, xasprintf("%s/_data", path));
	if (m->no_copy || !c->lower || !*c->lower || stands_for_another(fd))
		return 0;
	rc = populate_locked(e, c->lower, m->target, fd, path, err);
	return rc < 0 ? err_wrap(err, "fill volume %s from the image's %s", name, m->target) : 0;
}

int container_volumes_make(struct engine *e, struct container *c, struct undo_stack *undo,
			   int *lock, struct err *err)
{
	auto_close int held = -1;
	int rc = 0;

	strv_free(&c->volume_paths);
	for (size_t i = 0; rc == 0 && i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];

		if (m->kind == MOUNT_KIND_VOLUME && held < 0)
			rc = volumes_lock(e, false, &held, err);
		if (m->kind == MOUNT_KIND_VOLUME && rc == 0)
			rc = make_volume(e, c, m, undo, err);
	}
	if (rc == 0 && lock)
		*lock = take_fd(&held);
	return rc;
}

static bool others_refer(const struct container *list, size_t count, const char *id,
			 const char *path)
{
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(list[i].id, id) && strv_contains(&list[i].volume_paths, path))
			return true;
	}
	return false;
}

/* "volumes/<id>" for a path of an anonymous volume of ours, whatever a record says; NULL otherwise. */
static char *anonymous_directory(const struct engine *e, const char *path)
{
	auto_free char *prefix = xasprintf("%s/volumes/", e->root);
	auto_free char *name = NULL;
	size_t n = strlen(prefix);

	if (!str_starts(path, prefix) || !str_ends(path, "/_data") ||
	    strlen(path) != n + ID_LEN + strlen("/_data"))
		return NULL;
	name = xstrndup(path + n, ID_LEN);
	return id_is_hex(name, ID_LEN) ? xasprintf("volumes/%s", name) : NULL;
}

/* Out of sight under the lock; the tree itself goes later. */
static int remove_volume(struct engine *e, const char *path, struct strv *aside, struct err *err)
{
	auto_free char *directory = anonymous_directory(e, path);
	char *gone = NULL;
	int rc = directory ? volume_take_away(e, directory + strlen("volumes/"), &gone) : -ENOENT;

	if (rc == 0) {
		strv_add_taken(aside, gone);
		event_emit(e, "volume", "destroy", directory + strlen("volumes/"),
			   &(struct event_attribute){"driver", "local"}, 1);
	}
	return rc < 0 && rc != -ENOENT ? err_set(err, ERR_SYSTEM, -rc, "remove %s: %s", directory,
						 err_errno_text(-rc))
				       : 0;
}

/* Calls fn for the path of every anonymous volume that c made. */
static int each_anonymous(const struct container *c,
			  int (*fn)(const char *path, void *arg, struct err *err), void *arg,
			  struct err *err)
{
	size_t volume = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];

		if (m->kind != MOUNT_KIND_VOLUME || volume >= c->volume_paths.count)
			continue;
		if (!m->source)
			rc = fn(c->volume_paths.items[volume], arg, err);
		volume++;
	}
	return rc;
}

struct removal {
	struct engine *e;
	const struct container *c;
	struct container *others;
	size_t count;
	struct strv aside; /* taken away, to be deleted */
};

static int remove_unshared(const char *path, void *arg, struct err *err)
{
	struct removal *r = arg;

	return others_refer(r->others, r->count, r->c->id, path)
		       ? 0
		       : remove_volume(r->e, path, &r->aside, err);
}

static int take_unshared(struct removal *r, struct err *err)
{
	auto_close int lock = -1;
	int rc = volumes_lock(r->e, true, &lock, err);

	if (rc == 0)
		rc = container_list_brief(r->e, &r->others, &r->count, err);
	if (rc == 0)
		rc = each_anonymous(r->c, remove_unshared, r, err);
	container_list_free(r->others, r->count);
	return rc;
}

int container_volumes_remove(struct engine *e, const struct container *c, struct err *err)
{
	struct removal r = {.e = e, .c = c};
	int rc;

	if (!c->volume_paths.count)
		return 0;
	rc = take_unshared(&r, err);
	for (size_t i = 0; i < r.aside.count; i++) {
		int removed = remove_tree_at(e->root_fd, r.aside.items[i]);

		if (removed < 0 && rc == 0)
			rc = err_set(err, ERR_SYSTEM, -removed, "remove %s: %s", r.aside.items[i],
				     err_errno_text(-removed));
	}
	strv_free(&r.aside);
	return rc;
}

static int disown(const char *path, void *arg, struct err *err)
{
	struct engine *e = arg;
	auto_free char *directory = anonymous_directory(e, path);
	auto_free char *owner = directory ? xasprintf("%s/" VOLUME_OWNER, directory) : NULL;

	if (owner && unlinkat(e->root_fd, owner, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove %s", owner);
	return 0;
}

int container_volumes_disown(struct engine *e, const struct container *c, struct err *err)
{
	return each_anonymous(c, disown, e, err);
}

int volume_read_owner(int volume_dir, char id[static ID_LEN + 1])
{
	ssize_t n = readlinkat(volume_dir, VOLUME_OWNER, id, ID_LEN + 1);

	if (n < 0)
		return -errno;
	id[n == ID_LEN ? ID_LEN : 0] = '\0';
	return id_is_hex(id, ID_LEN) ? 0 : -EINVAL;
}

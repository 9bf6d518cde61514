/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as moby's containerfs and archive packages mean them, on top of kernel/path. The text that
 * archive_resolve() yields is a name like any other: whoever uses it resolves it again inside the
 * root, so a container that swaps a component meanwhile gains nothing but its own confusion.
 */
#include "engine/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"
#include "base/strv.h"
#include "engine/event.h"
#include "engine/image_program.h"
#include "kernel/path.h"

#define LINKS_MAX 40

int archive_clean_path(const char *path, char out[static PATH_MAX])
{
	size_t n = 0;

	for (;;) {
		size_t part;

		path += strspn(path, "/");
		part = strcspn(path, "/");
		if (part == 0)
			break;
		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (part != 1 || path[0] != '.') {
			if (n + part + 2 > PATH_MAX)
				return -ENAMETOOLONG;
			out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part;
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return 0;
}

bool archive_names_content(const char *path)
{
	return str_eq(path, ".") || str_ends(path, "/.");
}

bool archive_asserts_directory(const char *path)
{
	return str_ends(path, "/") || archive_names_content(path);
}

/* Splices the symlink at out[0..n) into what is left to walk. */
static int splice_link(int root, const char *out, char rest[static PATH_MAX], const char *after)
{
	char target[PATH_MAX], whole[PATH_MAX];
	auto_close int fd = path_open_nosymlink(root, out, O_PATH | O_NOFOLLOW, 0);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	/* no symlink, or nothing */
	if (n < 0)
		return 0;
	target[n] = '\0';
	if (str_format(whole, sizeof(whole), "%s/%s", target, after) < 0)
		return -ENAMETOOLONG;
	strcpy(rest, whole);
	return 1;
}

int archive_resolve(int root, const char *path, bool last, char out[static PATH_MAX])
{
	char rest[PATH_MAX];
	const char *at = rest;
	size_t n = 0;
	int links = 0;

	if (str_format(rest, sizeof(rest), "%s", path) < 0)
		return -ENAMETOOLONG;
	out[0] = '\0';
	for (;;) {
		size_t part, before = n;
		const char *after;
		int rc = 0;

		at += strspn(at, "/");
		part = strcspn(at, "/");
		if (part == 0)
			break;
		after = at + part + strspn(at + part, "/");
		if (part == 2 && at[0] == '.' && at[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (part != 1 || at[0] != '.') {
			if (n + part + 2 > PATH_MAX)
				return -ENAMETOOLONG;
			out[n++] = '/';
			memcpy(out + n, at, part);
			n += part;
		}
		out[n] = '\0';
		if (n > before && (*after || last))
			rc = splice_link(root, out, rest, after);
		if (rc < 0 || (rc > 0 && ++links > LINKS_MAX))
			return rc < 0 ? rc : -ELOOP;
		at = rc > 0 ? rest : after;
		if (rc > 0)
			n = rest[0] == '/' ? 0 : before;
		out[n] = '\0';
	}
	if (n == 0)
		strcpy(out, "/");
	return 0;
}

int archive_open(struct engine *e, struct container *c, const char *named, struct archive *out,
		 struct err *err)
{
	*out = (struct archive){.e = e, .c = c, .named = named};
	return container_root_open(e, c, CONTAINER_ROOT_WHOLE, &out->root, err);
}

void archive_close(struct archive *a)
{
	container_root_close(&a->root);
}

static int not_found(const char *path, const char *container, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, ENOENT, "Could not find the file %.300s in container %s",
		       path, container);
}

static int fail(int rc, const char *path, const char *container, struct err *err)
{
	if (rc == -ENOENT)
		return not_found(path, container, err);
	return err_set(err, rc == -ENOTDIR || rc == -ELOOP ? ERR_INVALID : ERR_SYSTEM, -rc,
		       "lstat %.300s: %s", path,
		       rc == -ENOTDIR ? "not a directory" : err_errno_text(-rc));
}

/* The object that path means: a directory fd and a name in it, "." for the directory itself. */
static int open_object(int root, const char *path, char leaf[static PATH_LEAF_SIZE])
{
	char clean[PATH_MAX];
	int rc = archive_clean_path(path, clean), fd;

	if (rc < 0)
		return rc;
	if (!archive_asserts_directory(path) && !str_eq(clean, "/"))
		return path_open_parent(root, clean, leaf);
	strcpy(leaf, ".");
	fd = path_open(root, clean, O_PATH | O_DIRECTORY, 0);
	return fd;
}

static void name_of(const char *path, char out[static PATH_MAX])
{
	char clean[PATH_MAX];

	if (archive_names_content(path)) {
		strcpy(out, ".");
		return;
	}
	if (archive_clean_path(path, clean) < 0)
		strcpy(clean, "/");
	strcpy(out, str_eq(clean, "/") ? clean : strrchr(clean, '/') + 1);
}

int archive_stat(const struct archive *a, const char *path, struct archive_stat *out,
		 struct err *err)
{
	char leaf[PATH_LEAF_SIZE];
	auto_close int dir = open_object(a->root.fd, path, leaf);
	int rc = dir;

	if (dir >= 0 && fstatat(dir, leaf, &out->st, AT_SYMLINK_NOFOLLOW) < 0)
		rc = -errno;
	if (rc < 0)
		return fail(rc, path, a->named, err);
	name_of(path, out->name);
	out->link_target[0] = '\0';
	if (!S_ISLNK(out->st.st_mode))
		return 0;
	rc = archive_resolve(a->root.fd, path, true, out->link_target);
	return rc < 0 ? fail(rc, path, a->named, err) : 0;
}

int archive_read(const struct archive *a, const char *path, const char *name, bool nanoseconds,
		 struct tar_writer *w, struct err *err)
{
	const struct tar_tree_options options = {.nanoseconds = nanoseconds};
	char leaf[PATH_LEAF_SIZE], own[PATH_MAX];
	auto_close int dir = open_object(a->root.fd, path, leaf);
	struct stat st;
	int rc;

	if (dir < 0)
		return fail(dir, path, a->named, err);
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(-errno, path, a->named, err);
	name_of(path, own);
	rc = tar_write_tree(w, dir, leaf, name ? name : own, &options, err);
	if (rc == 0)
		event_container(a->e, a->c, "archive-path", NULL, NULL);
	return rc;
}

/* Which mount a directory is on, as the kernel numbers them. */
static int mount_id(int fd, char out[static 32])
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	out[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "mnt_id: %31s", out) == 1)
			break;
	}
	fclose(f);
	return out[0] ? 0 : -ENODATA;
}

static int check_writable(const struct archive *a, int dir, struct err *err)
{
	char top[32], here[32];
	struct statvfs v;
	int rc;

	if (fstatvfs(dir, &v) < 0)
		return err_sys(err, "look at the file system");
	if (!(v.f_flag & ST_RDONLY))
		return 0;
	rc = mount_id(a->root.fd, top);
	if (rc == 0)
		rc = mount_id(dir, here);
	return err_set(err, ERR_FORBIDDEN, EROFS, "%s is marked read-only",
		       rc == 0 && str_eq(top, here) ? "container rootfs" : "mounted volume");
}

int archive_target_find(const struct archive *a, const char *path, struct archive_target *out,
			struct err *err)
{
	char clean[PATH_MAX];
	auto_close int dir = -1;
	struct stat st;
	int rc = archive_clean_path(path, clean);

	if (rc == 0)
		rc = archive_resolve(a->root.fd, clean, true, out->directory);
	if (rc == 0)
		rc = dir = path_open(a->root.fd, out->directory, O_PATH, 0);
	if (rc < 0)
		return fail(rc, path, a->named, err);
	if (fstat(dir, &st) < 0)
		return err_sys(err, "look at %.300s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, ENOTDIR, "extraction point is not a directory");
	return check_writable(a, dir, err);
}

int archive_write_start(const struct archive *a, const struct archive_target *target, int input,
			const struct archive_write_options *options, struct image_program *out,
			struct err *err)
{
	auto_strv struct strv arguments = {0};

	strv_add(&arguments, "extract");
	strv_add(&arguments, target->directory);
	strv_add(&arguments, target->directory);
	strv_add(&arguments, options->keep_owner ? "keep" : "0:0");
	strv_add(&arguments, "own");
	strv_add(&arguments, options->replace_directories ? "replace" : "refuse");
	return image_program_start(&arguments, input, -1, a->root.fd, out, err);
}

int archive_write_wait(const struct archive *a, struct image_program *p, struct err *err)
{
	int rc = image_program_wait(p, err);

	if (rc == 0)
		event_container(a->e, a->c, "extract-to-dir", NULL, NULL);
	return rc;
}

int archive_write_host_start(int directory, const char *shown, int input,
			     const struct archive_write_options *options, struct image_program *out,
			     struct err *err)
{
	auto_free char *owner =
		options->keep_owner ? xstrdup("keep")
				    : xasprintf("%u:%u", (unsigned)geteuid(), (unsigned)getegid());
	auto_strv struct strv arguments = {0};

	strv_add(&arguments, "extract");
	strv_add(&arguments, ".");
	strv_add(&arguments, shown);
	strv_add(&arguments, owner);
	strv_add(&arguments, options->keep_owner ? "own" : "foreign");
	strv_add(&arguments, options->replace_directories ? "replace" : "refuse");
	return image_program_start(&arguments, input, -1, directory, out, err);
}

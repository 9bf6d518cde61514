/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what a killed load or removal left behind. Walks from names to layers and calls a leftover
 * what nothing reaches. Never touches a container's own directory: those have no `link` file.
 *
 * A temporary directory whose lock can be taken has no owner any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

#define PATH_SIZE (2 * NAME_MAX)

struct check {
	struct image_store *s;
	bool repair;
	image_leftover_fn report;
	void *context;
	/* what is reached from images */
	struct strv images; /* 64 hex */
	struct strv chains; /* 64 hex */
	struct strv caches;
	struct strv links;
	struct strv manifests; /* 64 hex */
	struct json_object *names;
	int failed; /* the first -errno of a repair */
};

/* One entry of a directory. */
typedef void (*visit_fn)(struct check *c, int dir, const char *name);

static int visit(struct check *c, int dirfd, const char *path, visit_fn fn, struct err *err)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s", path);
	while ((e = readdir(dir)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			fn(c, fd, e->d_name);
	return 0;
}

/* Reports name of the directory `where` (open as dir) and removes it when repairing. */
static void leftover(struct check *c, int dir, const char *where, const char *name, const char *why)
{
	char path[PATH_SIZE];
	int rc = 0;

	snprintf(path, sizeof(path), "%s/%s", where, name);
	c->report(c->context, path, why);
	if (c->repair)
		rc = remove_tree_at(dir, name);
	if (rc < 0 && c->failed == 0)
		c->failed = rc;
}

/* ---- what is reached ---- */

static void reach_layers(struct check *c, const char *id)
{
	auto_free struct image_layer *layers = NULL;
	struct err ignored = ERR_INIT;
	size_t count = 0;

	if (image_layers(c->s, id, &layers, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		char path[128], link[LINK_ID_LEN + 2];

		if (strv_contains(&c->chains, id_hex(layers[i].chain_id)))
			continue;
		strv_add(&c->chains, id_hex(layers[i].chain_id));
		strv_add(&c->caches, layers[i].cache_id);
		snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/link", layers[i].cache_id);
		if (store_read_line(c->s->root_fd, path, link, sizeof(link), &ignored) == 0)
			strv_add(&c->links, link);
	}
}

/* True for an image whose load was killed when all but its naming was done. */
static bool was_being_loaded(struct check *c, const char *id)
{
	auto_strv struct strv references = {0};
	char path[128];

	snprintf(path, sizeof(path), LAYOUT_METADATA "/%.64s/" LAYOUT_LOADING, id_hex(id));
	if (faccessat(c->s->image_fd, path, F_OK, 0) < 0)
		return false;
	names_of(c->names, id, &references, &references);
	return references.count == 0;
}

static void reach_image(struct check *c, int dir, const char *name)
{
	char path[128], id[IMAGE_ID_SIZE], digest[IMAGE_ID_SIZE + 1];
	struct err ignored = ERR_INIT;

	(void)dir;
	if (strlen(name) != DIGEST_HEX_LEN || !id_is_hex(name, DIGEST_HEX_LEN))
		return;
	snprintf(path, sizeof(path), LAYOUT_METADATA "/%.64s/lower", name);
	snprintf(id, sizeof(id), DIGEST_PREFIX "%.64s", name);
	if (faccessat(c->s->image_fd, path, F_OK, 0) < 0 || was_being_loaded(c, id))
		return;
	strv_add(&c->images, name);
	snprintf(path, sizeof(path), LAYOUT_METADATA "/%.64s/manifest", name);
	if (store_read_line(c->s->image_fd, path, digest, sizeof(digest), &ignored) == 0 &&
	    digest_valid(digest))
		strv_add(&c->manifests, id_hex(digest));
	reach_layers(c, id);
}

/* ---- what is not ---- */

static void check_config(struct check *c, int dir, const char *name)
{
	if (!strv_contains(&c->images, name))
		leftover(c, dir, LAYOUT_IMAGE "/" LAYOUT_CONFIGS, name,
			 "image configuration without its layers");
}

static void check_metadata(struct check *c, int dir, const char *name)
{
	if (!strv_contains(&c->images, name))
		leftover(c, dir, LAYOUT_IMAGE "/" LAYOUT_METADATA, name,
			 "metadata without an image");
}

static void check_manifest(struct check *c, int dir, const char *name)
{
	if (!strv_contains(&c->manifests, name))
		leftover(c, dir, LAYOUT_IMAGE "/" LAYOUT_MANIFESTS, name,
			 "manifest without an image");
}

static void check_layer_record(struct check *c, int dir, const char *name)
{
	if (!strv_contains(&c->chains, name))
		leftover(c, dir, LAYOUT_IMAGE "/" LAYOUT_LAYERS, name, "layer that no image has");
}

static void check_link(struct check *c, int dir, const char *name)
{
	char target[128];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	struct stat st;

	if (strv_contains(&c->links, name))
		return;
	target[n > 0 ? n : 0] = '\0';
	/* a link of a container's directory may be the engine's */
	if (fstatat(dir, name, &st, 0) < 0 || n < 0)
		leftover(c, dir, LAYOUT_LINKS, name, "link to a layer that is gone");
}

static bool owner_lives(int dir, const char *name)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void check_overlay(struct check *c, int dir, const char *name)
{
	char path[PATH_SIZE];

	if (str_starts(name, LAYOUT_TMP)) {
		if (!owner_lives(dir, name))
			leftover(c, dir, LAYOUT_OVERLAY, name,
				 "temporary directory of a load or removal "
				 "that did not end");
		return;
	}
	snprintf(path, sizeof(path), "%s/link", name);
	if (strv_contains(&c->caches, name) || str_eq(name, "l") ||
	    faccessat(dir, path, F_OK, 0) < 0)
		return;
	leftover(c, dir, LAYOUT_OVERLAY, name, "layer that no image has");
}

/* file_replace_at()'s temporary files, made under the exclusive lock which is ours now. */
static void check_image_dir(struct check *c, int dir, const char *name)
{
	if (str_starts(name, LAYOUT_NAMES ".") && str_ends(name, ".tmp"))
		leftover(c, dir, LAYOUT_IMAGE, name, "half-written file");
}

/* Names whose image is gone. */
static int check_names(struct check *c, struct err *err)
{
	auto_strv struct strv gone = {0};
	struct json_object *repositories = NULL;

	json_object_object_get_ex(c->names, "Repositories", &repositories);
	json_object_object_foreach(repositories, repository, references) {
		(void)repository;
		json_object_object_foreach(references, reference, id) {
			if (!strv_contains(&c->images, id_hex(json_object_get_string(id))))
				strv_add(&gone, reference);
		}
	}
	for (size_t i = 0; i < gone.count; i++) {
		auto_free char *path =
			xasprintf(LAYOUT_IMAGE "/" LAYOUT_NAMES ": %s", gone.items[i]);
		struct err ignored = ERR_INIT;
		struct reference r;

		c->report(c->context, path, "name of an image that is gone");
		if (reference_parse(gone.items[i], &r, &ignored) == 0)
			names_remove(c->names, r.name, gone.items[i]);
	}
	return gone.count && c->repair ? names_write(c->s, c->names, err) : 0;
}

static int check_store(struct check *c, struct err *err)
{
	const struct {
		int dir;
		const char *path;
		visit_fn fn;
	} steps[] = {
		{c->s->image_fd, LAYOUT_CONFIGS, reach_image},
		{c->s->image_fd, ".", check_image_dir},
		{c->s->image_fd, LAYOUT_CONFIGS, check_config},
		{c->s->image_fd, LAYOUT_METADATA, check_metadata},
		{c->s->image_fd, LAYOUT_MANIFESTS, check_manifest},
		{c->s->image_fd, LAYOUT_LAYERS, check_layer_record},
		{c->s->root_fd, LAYOUT_OVERLAY, check_overlay},
		{c->s->root_fd, LAYOUT_LINKS, check_link},
	};
	int rc = names_read(c->s, &c->names, err);

	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = visit(c, steps[i].dir, steps[i].path, steps[i].fn, err);
	if (rc == 0)
		rc = check_names(c, err);
	if (rc == 0 && c->failed < 0)
		rc = err_set(err, ERR_SYSTEM, -c->failed, "sweep the image store: %s",
			     err_errno_text(-c->failed));
	return rc;
}

int image_store_check(struct image_store *s, bool repair, image_leftover_fn report, void *context,
		      struct err *err)
{
	struct check c = {.s = s, .repair = repair, .report = report, .context = context};
	auto_close int load_lock = -1;
	auto_close int lock = -1;
	int rc = 0;

	if (s->image_fd < 0)
		return 0;
	/* a load in progress names its layers one after another under the exclusive lock */
	if (repair)
		rc = store_load_lock(s, IMAGE_LOCK_EXCLUSIVE, &load_lock, err);
	if (rc == 0)
		rc = image_store_lock(s, IMAGE_LOCK_EXCLUSIVE, &lock, err);
	if (rc == 0)
		rc = check_store(&c, err);
	if (c.names)
		json_object_put(c.names);
	strv_free(&c.images);
	strv_free(&c.chains);
	strv_free(&c.caches);
	strv_free(&c.links);
	strv_free(&c.manifests);
	return rc;
}

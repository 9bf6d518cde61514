/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving names and taking them away; with its last name an image goes, and the layers that no other
 * image has. The rules and texts are Docker's (moby daemon/images/image_delete.go), except that an
 * image which even a stopped container uses is never deleted, only untagged: its layers are that
 * container's root.
 *
 * What must hold: first the name goes (durably), then the configuration, then layer records, last
 * the layers, which leave under a temporary name; so a kill anywhere leaves no name without an image.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

struct removal {
	struct image_store *s;
	struct json_object *names;
	const char *text; /* as typed */
	bool force;
	image_user_fn find_user;
	void *context;
	struct image_removal *out;
	char id[IMAGE_ID_SIZE];
	bool by_id;
	struct reference found;
	struct strv trees; /* below the data root, to be removed after the locks are gone */
};

int image_tag(struct image_store *s, const char *source, const char *target, struct err *err)
{
	auto_json struct json_object *names = NULL;
	auto_close int lock = -1;
	struct reference from, to;
	char id[IMAGE_ID_SIZE];
	bool by_id;
	int rc = reference_parse(target, &to, err);

	if (rc < 0)
		return err_wrap(err,
				"Error parsing reference: \"%.200s\" is not a valid repository/tag",
				target);
	rc = reference_check_tag(&to, err);
	if (rc < 0)
		return rc;
	rc = image_store_lock(s, IMAGE_LOCK_EXCLUSIVE, &lock, err);
	if (rc == 0)
		rc = names_read(s, &names, err);
	if (rc == 0)
		rc = resolve_id(s, names, source, id, &from, &by_id, err);
	if (rc < 0)
		return rc;
	names_set(names, &to, id);
	rc = names_write(s, names, err);
	if (rc == 0)
		store_touch_tag_time(s, id);
	return rc;
}

/* The repository of a reference as repositories.json has it. */
static char *repository_of(const char *reference)
{
	struct err ignored = ERR_INIT;
	struct reference r;

	return xstrdup(reference_parse(reference, &r, &ignored) == 0 ? r.name : "");
}

static void untag(struct removal *r, const char *reference)
{
	auto_free char *repository = repository_of(reference);

	names_remove(r->names, repository, reference);
	strv_add_taken(&r->out->lines, xasprintf("Untagged: %s", reference));
}

/* Docker's question whether all references amount to one name: one tag, and digests only of the
 * same repository. */
static bool is_single(const struct strv *tags, const struct strv *digests)
{
	if (tags->count + digests->count <= 1)
		return true;
	if (tags->count != 1)
		return false;
	for (size_t i = 0; i < digests->count; i++) {
		auto_free char *a = repository_of(tags->items[0]);
		auto_free char *b = repository_of(digests->items[i]);

		if (!str_eq(a, b))
			return false;
	}
	return true;
}

static int conflict(struct removal *r, bool hard, const char *why, struct err *err)
{
	return err_set(err, ERR_CONFLICT, EBUSY, "conflict: unable to delete %.12s (%s) - %s",
		       id_hex(r->id), hard ? "cannot be forced" : "must be forced", why);
}

/* Asks for a container that uses the image. 1, 0 or -errno. */
static int find_user(struct removal *r, char container[65], bool *running, struct err *err)
{
	return r->find_user ? r->find_user(r->context, r->id, container, running, err) : 0;
}

/* The conflict that keeps the whole image from being deleted, if there is one. */
static int check_users(struct removal *r, struct err *err)
{
	char container[65] = "";
	char why[128];
	bool running = false;
	int used = find_user(r, container, &running, err);

	if (used <= 0)
		return used;
	snprintf(why, sizeof(why), "image is being used by %s container %.12s",
		 running ? "running" : "stopped", container);
	return conflict(r, running || r->force, why, err);
}

/* Removes one name. 1 when the image keeps others and the work is done. */
static int untag_by_name(struct removal *r, struct err *err)
{
	auto_strv struct strv tags = {0}, digests = {0}, tags_left = {0}, digests_left = {0};
	char container[65] = "";
	char name[REFERENCE_TEXT_MAX];
	bool running = false, same_repository = false;
	int used;

	names_of(r->names, r->id, &tags, &digests);
	if (!r->force && is_single(&tags, &digests)) {
		used = find_user(r, container, &running, err);
		if (used < 0)
			return used;
		if (used)
			return err_set(
				err, ERR_CONFLICT, EBUSY,
				"conflict: unable to remove repository reference \"%.200s\" (must "
				"force) - container %.12s is using its referenced image %.12s",
				r->text, container, id_hex(r->id));
	}
	if (r->found.digest[0])
		r->found.tag[0] = '\0';
	reference_format(&r->found, name);
	untag(r, name);
	names_of(r->names, r->id, &tags_left, &digests_left);
	for (size_t i = 0; i < tags_left.count && !r->found.digest[0]; i++) {
		auto_free char *repository = repository_of(tags_left.items[i]);

		same_repository = same_repository || str_eq(repository, r->found.name);
	}
	for (size_t i = 0; i < digests_left.count && !r->found.digest[0] && !same_repository; i++) {
		auto_free char *repository = repository_of(digests_left.items[i]);

		if (str_eq(repository, r->found.name))
			untag(r, digests_left.items[i]);
	}
	strv_free(&tags_left);
	strv_free(&digests_left);
	tags_left = digests_left = (struct strv){0};
	names_of(r->names, r->id, &tags_left, &digests_left);
	return tags_left.count + digests_left.count > 0;
}

/* Removes all names of an image that was given by id. 1 when something still forbids the rest. */
static int untag_by_id(struct removal *r, struct err *err)
{
	auto_strv struct strv tags = {0}, digests = {0};
	int rc;

	names_of(r->names, r->id, &tags, &digests);
	if (!r->force && !is_single(&tags, &digests))
		return conflict(r, false, "image is referenced in multiple repositories", err);
	rc = check_users(r, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < tags.count; i++)
		untag(r, tags.items[i]);
	for (size_t i = 0; i < digests.count; i++)
		untag(r, digests.items[i]);
	return 0;
}

/* ---- deleting ---- */

/* Adds the chain ids of every image but `except` to *used. */
static int collect_used(struct image_store *s, const char *except, struct strv *used,
			struct err *err)
{
	auto_closedir DIR *dir = NULL;
	struct dirent *e;
	int fd = openat(s->image_fd, LAYOUT_CONFIGS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(err, "read %s", LAYOUT_CONFIGS);
	while ((e = readdir(dir))) {
		auto_free struct image_layer *layers = NULL;
		char id[IMAGE_ID_SIZE];
		size_t count = 0;
		int rc;

		if (strlen(e->d_name) != DIGEST_HEX_LEN || str_eq(e->d_name, id_hex(except)))
			continue;
		snprintf(id, sizeof(id), DIGEST_PREFIX "%.64s", e->d_name);
		rc = image_layers(s, id, &layers, &count, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		for (size_t i = 0; i < count; i++)
			strv_add(used, layers[i].chain_id);
	}
	return 0;
}

/* Moves a layer out of the store; its tree waits in r->trees. */
static int delete_layer(struct removal *r, const struct image_layer *layer, struct err *err)
{
	char record[sizeof(LAYOUT_LAYERS) + DIGEST_HEX_LEN + 8];
	char path[128], gone[128], link[LINK_ID_LEN + 2];
	struct err ignored = ERR_INIT;
	int rc;

	snprintf(record, sizeof(record), "%s/%s", LAYOUT_LAYERS, id_hex(layer->chain_id));
	rc = remove_tree_at(r->s->image_fd, record);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "delete layer %s: %s", layer->chain_id,
			       err_errno_text(-rc));
	strv_add_taken(&r->out->lines, xasprintf("Deleted: %s", layer->chain_id));
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/link", layer->cache_id);
	if (store_read_line(r->s->root_fd, path, link, sizeof(link), &ignored) == 0 &&
	    !strchr(link, '/')) {
		snprintf(path, sizeof(path), LAYOUT_LINKS "/%s", link);
		unlinkat(r->s->root_fd, path, 0);
	}
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s", layer->cache_id);
	snprintf(gone, sizeof(gone), LAYOUT_OVERLAY "/" LAYOUT_TMP "rm-%s", layer->cache_id);
	if (renameat(r->s->root_fd, path, r->s->root_fd, gone) == 0)
		strv_add(&r->trees, gone);
	else if (errno != ENOENT)
		return err_sys(err, "delete layer %s: rename %s", layer->chain_id, path);
	return 0;
}

static void delete_manifest(struct image_store *s, const char *id)
{
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 16], digest[IMAGE_ID_SIZE + 1];
	struct err ignored = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s/manifest", LAYOUT_METADATA, id_hex(id));
	if (store_read_line(s->image_fd, path, digest, sizeof(digest), &ignored) < 0 ||
	    !digest_valid(digest))
		return;
	snprintf(path, sizeof(path), "%s/%s", LAYOUT_MANIFESTS, id_hex(digest));
	unlinkat(s->image_fd, path, 0);
}

static int delete_image(struct removal *r, struct err *err)
{
	auto_strv struct strv used = {0};
	auto_free struct image_layer *layers = NULL;
	char path[sizeof(LAYOUT_METADATA) + DIGEST_HEX_LEN + 1];
	struct err broken = ERR_INIT;
	size_t count = 0;
	int rc = collect_used(r->s, r->id, &used, err);

	if (rc < 0)
		return rc;
	/* an image whose layers cannot be read can still be removed; check finds the layers */
	if (image_layers(r->s, r->id, &layers, &count, &broken) < 0)
		count = 0;
	delete_manifest(r->s, r->id);
	snprintf(path, sizeof(path), "%s/%s", LAYOUT_CONFIGS, id_hex(r->id));
	if (unlinkat(r->s->image_fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, "delete image %s", r->id);
	strv_add_taken(&r->out->lines, xasprintf("Deleted: %s", r->id));
	snprintf(path, sizeof(path), "%s/%s", LAYOUT_METADATA, id_hex(r->id));
	rc = remove_tree_at(r->s->image_fd, path);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "delete image %s: %s", r->id,
			       err_errno_text(-rc));
	for (size_t i = count; rc == 0 && i-- > 0;)
		if (!strv_contains(&used, layers[i].chain_id))
			rc = delete_layer(r, &layers[i], err);
	return rc;
}

static int remove_locked(struct removal *r, struct err *err)
{
	int rc = names_read(r->s, &r->names, err);
	int done;

	if (rc == 0)
		rc = resolve_id(r->s, r->names, r->text, r->id, &r->found, &r->by_id, err);
	if (rc < 0)
		return rc;
	done = r->by_id ? untag_by_id(r, err) : untag_by_name(r, err);
	if (done < 0)
		return done;
	if (r->out->lines.count)
		rc = names_write(r->s, r->names, err);
	if (rc < 0 || done)
		return rc;
	if (!r->by_id) {
		char container[65];
		bool running;
		int used = find_user(r, container, &running, err);

		/* forced: the name is gone, the image stays as long as a container needs it */
		if (used)
			return used < 0 ? used : 0;
	}
	return delete_image(r, err);
}

int image_remove(struct image_store *s, const char *reference, bool force, image_user_fn find,
		 void *context, struct image_removal *out, struct err *err)
{
	struct removal r = {.s = s,
			    .text = reference,
			    .force = force,
			    .find_user = find,
			    .context = context,
			    .out = out};
	int rc;

	{
		auto_close int load_lock = -1;
		auto_close int lock = -1;

		rc = store_load_lock(s, IMAGE_LOCK_EXCLUSIVE, &load_lock, err);
		if (rc == 0)
			rc = image_store_lock(s, IMAGE_LOCK_EXCLUSIVE, &lock, err);
		if (rc == 0)
			rc = remove_locked(&r, err);
	}
	for (size_t i = 0; i < r.trees.count; i++) {
		int removed = remove_tree_at(s->root_fd, r.trees.items[i]);

		if (removed < 0 && rc == 0)
			rc = err_set(err, ERR_SYSTEM, -removed, "remove %s/%s: %s", s->root,
				     r.trees.items[i], err_errno_text(-removed));
	}
	strv_free(&r.trees);
	if (r.names)
		json_object_put(r.names);
	return rc;
}

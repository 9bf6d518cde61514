/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives what a load has unpacked its names. Everything is written below the temporary directory and
 * synced first, without a lock; then, under the exclusive lock, only renames happen, lowest first:
 * layer, link, layer record, image metadata, configuration, and last repositories.json. A kill
 * between leaves complete objects without a name, which `system check` finds; an error undoes them.
 *
 * Another load may have named the same layer meanwhile: its layer is then used and ours dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "image/load_internal.h"
#include "image/tar_record.h"

#define PATH_SIZE 256

struct commit {
	struct load *l;
	bool lost_race; /* a layer of ours was dropped: later `lower` files must name the other */
	size_t named_layers; /* l->layers[0..n) are dealt with */
	size_t named_images;
};

static int fail(struct err *err, int rc, const char *what, const char *path)
{
	return err_set(err, ERR_SYSTEM, -rc, "%s %s: %s", what, path, err_errno_text(-rc));
}

static int write_file(int dir, const char *path, const void *bytes, size_t n,
		      enum file_durability durability, struct err *err)
{
	int rc = file_replace_at(dir, path, bytes, n, 0600, durability);

	return rc < 0 ? fail(err, rc, "write", path) : 0;
}

static int write_text(int dir, const char *path, const char *text, enum file_durability durability,
		      struct err *err)
{
	return write_file(dir, path, text, strlen(text), durability, err);
}

/* "l/TOP:...:l/LOWEST" of the layers of i below position n. */
static char *lower_text(const struct load *l, const struct load_image *i, size_t n)
{
	struct strbuf b = {0};

	for (size_t k = n; k-- > 0;)
		strbuf_printf(&b, "%sl/%s", b.len ? ":" : "", l->layers[i->layers[k]].link);
	return strbuf_take(&b);
}

/* ---- before the lock ---- */

/* The layers below a fresh one, by walking an image that has it. */
static char *lower_of_layer(const struct load *l, size_t layer)
{
	for (size_t n = 0; n < l->image_count; n++) {
		const struct load_image *i = &l->images[n];

		for (size_t k = 0; i->layers && k < i->config.diff_ids.count; k++)
			if (i->layers[k] == layer)
				return lower_text(l, i, k);
	}
	return xstrdup("");
}

static int write_lower(struct load *l, size_t n, int dir, const char *prefix,
		       enum file_durability durability, struct err *err)
{
	auto_free char *lower = lower_of_layer(l, n);
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s%s/lower", prefix, l->layers[n].cache_id);
	return lower[0] ? write_text(dir, path, lower, durability, err) : 0;
}

static int prepare_layer(struct load *l, size_t n, struct err *err)
{
	const struct load_layer *layer = &l->layers[n];
	const char *const members[][2] = {
		{"cache-id", layer->cache_id},
		{"diff", layer->diff_id},
		{"parent", layer->parent},
	};
	char record[PATH_SIZE], path[PATH_SIZE + 16], size[32];
	int rc = write_lower(l, n, l->tmp_fd, "", FILE_VOLATILE, err);

	if (rc < 0)
		return rc;
	snprintf(record, sizeof(record), "record-%zu", n);
	if (mkdirat(l->tmp_fd, record, 0700) < 0)
		return err_sys(err, "create %s", record);
	for (size_t i = 0; rc == 0 && i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", record, members[i][0]);
		if (members[i][1][0])
			rc = write_text(l->tmp_fd, path, members[i][1], FILE_VOLATILE, err);
	}
	load_record_name(l, layer, size, sizeof(size));
	snprintf(path, sizeof(path), "%s/" TAR_RECORD_FILE, record);
	if (rc == 0 && renameat(l->tmp_fd, size, l->tmp_fd, path) < 0)
		rc = err_sys(err, "rename to %s", path);
	snprintf(path, sizeof(path), "%s/size", record);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)layer->size_bytes);
	return rc < 0 ? rc : write_text(l->tmp_fd, path, size, FILE_VOLATILE, err);
}

static int prepare_image(struct load *l, size_t n, struct err *err)
{
	const struct load_image *i = &l->images[n];
	size_t count = i->config.diff_ids.count;
	auto_free char *lower = lower_text(l, i, count);
	char directory[PATH_SIZE], path[PATH_SIZE + 16];
	const char *const members[][2] = {
		{"lower", lower},
		{"chain", count ? l->layers[i->layers[count - 1]].chain_id : ""},
		{"passwd", i->passwd},
		{"group", i->group},
		{"manifest", i->manifest_digest[0] ? i->manifest_digest : NULL},
		{LAYOUT_LOADING, ""},
	};
	int rc = 0;

	snprintf(directory, sizeof(directory), "metadata-%zu", n);
	if (mkdirat(l->tmp_fd, directory, 0700) < 0)
		return err_sys(err, "create %s", directory);
	for (size_t k = 0; rc == 0 && k < sizeof(members) / sizeof(members[0]); k++) {
		snprintf(path, sizeof(path), "%s/%s", directory, members[k][0]);
		if (members[k][1])
			rc = write_text(l->tmp_fd, path, members[k][1], FILE_VOLATILE, err);
	}
	snprintf(path, sizeof(path), "config-%zu", n);
	if (rc == 0)
		rc = write_file(l->tmp_fd, path, i->config_text, i->config_len, FILE_VOLATILE, err);
	snprintf(path, sizeof(path), "manifest-%zu", n);
	if (rc == 0 && i->manifest_text)
		rc = write_file(l->tmp_fd, path, i->manifest_text, i->manifest_len, FILE_VOLATILE,
				err);
	return rc;
}

static int prepare(struct load *l, struct err *err)
{
	bool anything = false;
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < l->layer_count; n++)
		if (l->layers[n].fresh)
			rc = prepare_layer(l, n, err);
	for (size_t n = 0; rc == 0 && n < l->image_count; n++) {
		if (l->images[n].present)
			continue;
		anything = true;
		rc = prepare_image(l, n, err);
	}
	/* one sync of the file system costs less than one of each of thousands of files */
	if (rc == 0 && anything && syncfs(l->tmp_fd) < 0)
		rc = err_sys(err, "sync %s", l->store->root);
	return rc;
}

/* ---- under the lock ---- */

static int take_other_layer(struct commit *c, struct load_layer *layer, struct err *err)
{
	struct image_store *s = c->l->store;
	char path[PATH_SIZE], parent[IMAGE_ID_SIZE];
	struct image_layer stored;
	int rc = store_read_layer(s, layer->chain_id, &stored, parent, err);

	if (rc < 0)
		return rc;
	c->lost_race = true;
	layer->fresh = false;
	memcpy(layer->cache_id, stored.cache_id, sizeof(layer->cache_id));
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/link", stored.cache_id);
	return store_read_line(s->root_fd, path, layer->link, sizeof(layer->link), err);
}

static int name_layer(struct commit *c, size_t n, struct err *err)
{
	struct load *l = c->l;
	struct load_layer *layer = &l->layers[n];
	char record[PATH_SIZE], path[PATH_SIZE], link[PATH_SIZE], target[PATH_SIZE];
	int rc;

	if (!layer->fresh)
		return 0;
	snprintf(path, sizeof(path), LAYOUT_LAYERS "/%s", id_hex(layer->chain_id));
	if (faccessat(l->store->image_fd, path, F_OK, 0) == 0)
		return take_other_layer(c, layer, err);
	if (c->lost_race) {
		rc = write_lower(l, n, l->tmp_fd, "", FILE_DURABLE, err);
		if (rc < 0)
			return rc;
	}
	snprintf(target, sizeof(target), LAYOUT_OVERLAY "/%s", layer->cache_id);
	snprintf(link, sizeof(link), LAYOUT_LINKS "/%s", layer->link);
	if (renameat(l->tmp_fd, layer->cache_id, l->store->root_fd, target) < 0)
		return err_sys(err, "rename to %s", target);
	snprintf(target, sizeof(target), "../%s/diff", layer->cache_id);
	if (symlinkat(target, l->store->root_fd, link) < 0)
		return err_sys(err, "create %s", link);
	snprintf(record, sizeof(record), "record-%zu", n);
	return renameat(l->tmp_fd, record, l->store->image_fd, path) < 0
		       ? err_sys(err, "rename to %s", path)
		       : 0;
}

static int rename_new(struct load *l, const char *kind, size_t n, const char *directory,
		      const char *digest, struct err *err)
{
	char from[PATH_SIZE], to[PATH_SIZE];

	snprintf(from, sizeof(from), "%s-%zu", kind, n);
	snprintf(to, sizeof(to), "%s/%s", directory, id_hex(digest));
	return renameat(l->tmp_fd, from, l->store->image_fd, to) < 0
		       ? err_sys(err, "rename to %s", to)
		       : 0;
}

static int name_image(struct commit *c, size_t n, struct err *err)
{
	struct load *l = c->l;
	struct load_image *i = &l->images[n];
	char path[PATH_SIZE];
	int rc = 0;

	snprintf(path, sizeof(path), LAYOUT_CONFIGS "/%s", id_hex(i->id));
	if (i->present || faccessat(l->store->image_fd, path, F_OK, 0) == 0)
		return 0;
	if (c->lost_race) {
		auto_free char *lower = lower_text(l, i, i->config.diff_ids.count);

		snprintf(path, sizeof(path), "metadata-%zu/lower", n);
		rc = write_text(l->tmp_fd, path, lower, FILE_DURABLE, err);
	}
	/* metadata without a configuration is what a crash left */
	snprintf(path, sizeof(path), LAYOUT_METADATA "/%s", id_hex(i->id));
	if (rc == 0) {
		int removed = remove_tree_at(l->store->image_fd, path);

		if (removed < 0)
			return fail(err, removed, "replace", path);
		rc = rename_new(l, "metadata", n, LAYOUT_METADATA, i->id, err);
	}
	if (rc == 0 && i->manifest_text)
		rc = rename_new(l, "manifest", n, LAYOUT_MANIFESTS, i->manifest_digest, err);
	return rc < 0 ? rc : rename_new(l, "config", n, LAYOUT_CONFIGS, i->id, err);
}

static int sync_directories(struct load *l, struct err *err)
{
	static const char *const in_root[] = {LAYOUT_LINKS, LAYOUT_OVERLAY};
	static const char *const in_image[] = {LAYOUT_LAYERS, LAYOUT_METADATA, LAYOUT_MANIFESTS,
					       LAYOUT_CONFIGS};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++)
		rc = file_sync_dir_at(l->store->root_fd, in_root[i]);
	for (size_t i = 0; rc == 0 && i < 4; i++)
		rc = file_sync_dir_at(l->store->image_fd, in_image[i]);
	return rc < 0 ? fail(err, rc, "sync", l->store->root) : 0;
}

static void report(struct load *l, char *line)
{
	l->options->report(l->options->context, line);
	free(line);
}

static int name_in_index(struct load *l, struct strv *lines, struct err *err)
{
	auto_json struct json_object *names = NULL;
	int rc = names_read(l->store, &names, err);

	if (rc < 0)
		return rc;
	for (size_t n = 0; n < l->image_count; n++) {
		struct load_image *i = &l->images[n];

		for (size_t k = 0; k < i->names.count; k++) {
			struct reference r;
			const char *old;

			rc = reference_parse(i->names.items[k], &r, err);
			if (rc < 0)
				return rc;
			old = names_get(names, &r);
			if (old && !str_eq(old, i->id))
				strv_add_taken(lines,
					       xasprintf("The image %s already exists, renaming "
							 "the old one with ID %s to empty string",
							 i->names.items[k], old));
			names_set(names, &r, i->id);
			strv_add_taken(lines, xasprintf("Loaded image: %s", i->names.items[k]));
		}
		if (i->names.count == 0)
			strv_add_taken(lines, xasprintf("Loaded image ID: %s", i->id));
	}
	return names_write(l->store, names, err);
}

static int name_all(struct commit *c, struct strv *lines, struct err *err)
{
	struct load *l = c->l;
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < l->layer_count; n++) {
		c->named_layers = n + 1;
		rc = name_layer(c, n, err);
	}
	for (size_t n = 0; rc == 0 && n < l->image_count; n++) {
		c->named_images = n + 1;
		rc = name_image(c, n, err);
	}
	if (rc == 0)
		rc = sync_directories(l, err);
	return rc < 0 ? rc : name_in_index(l, lines, err);
}

/* Moves what name_all() named back into the temporary directory, which is about to be removed. */
static void undo(struct commit *c)
{
	struct load *l = c->l;
	char path[PATH_SIZE], back[PATH_SIZE];

	for (size_t n = c->named_images; n-- > 0;) {
		if (l->images[n].present)
			continue;
		/* only what this load renamed away is ours to take back */
		snprintf(back, sizeof(back), "config-%zu", n);
		snprintf(path, sizeof(path), LAYOUT_CONFIGS "/%s", id_hex(l->images[n].id));
		if (faccessat(l->tmp_fd, back, F_OK, 0) < 0)
			renameat(l->store->image_fd, path, l->tmp_fd, back);
		snprintf(back, sizeof(back), "metadata-%zu", n);
		snprintf(path, sizeof(path), LAYOUT_METADATA "/%s", id_hex(l->images[n].id));
		if (faccessat(l->tmp_fd, back, F_OK, 0) < 0)
			renameat(l->store->image_fd, path, l->tmp_fd, back);
	}
	for (size_t n = c->named_layers; n-- > 0;) {
		const struct load_layer *layer = &l->layers[n];

		if (!layer->fresh)
			continue;
		snprintf(back, sizeof(back), "record-%zu", n);
		snprintf(path, sizeof(path), LAYOUT_LAYERS "/%s", id_hex(layer->chain_id));
		if (faccessat(l->tmp_fd, back, F_OK, 0) < 0)
			renameat(l->store->image_fd, path, l->tmp_fd, back);
		if (faccessat(l->tmp_fd, layer->cache_id, F_OK, 0) == 0)
			continue;
		snprintf(path, sizeof(path), LAYOUT_LINKS "/%s", layer->link);
		unlinkat(l->store->root_fd, path, 0);
		snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s", layer->cache_id);
		renameat(l->store->root_fd, path, l->tmp_fd, layer->cache_id);
	}
}

/* The image has its names: it is no longer being loaded. */
static void settle_image(struct load *l, const struct load_image *i)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), LAYOUT_METADATA "/%s/" LAYOUT_LOADING, id_hex(i->id));
	unlinkat(l->store->image_fd, path, 0);
}

int load_commit(struct load *l, struct err *err)
{
	struct commit c = {.l = l};
	auto_strv struct strv lines = {0};
	auto_close int lock = -1;
	int rc = prepare(l, err);

	if (rc == 0)
		rc = image_store_lock(l->store, IMAGE_LOCK_EXCLUSIVE, &lock, err);
	if (rc < 0)
		return rc;
	rc = name_all(&c, &lines, err);
	if (rc < 0) {
		undo(&c);
		return rc;
	}
	for (size_t n = 0; n < l->image_count; n++)
		settle_image(l, &l->images[n]);
	for (size_t n = 0; n < lines.count; n++)
		report(l, xstrdup(lines.items[n]));
	return 0;
}

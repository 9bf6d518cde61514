/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose directories layers are, from the records below an engine's data root. Nothing is asked of the
 * engine and no lock is taken: what is written meanwhile may be missing. Record formats: moby
 * layer/filestore.go and image/fs.go, containers/storage layers.go and images.go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "observe/probe/layers.h"

#define RECORD_MAX (64u << 20)
#define LINE_MAX_BYTES 256
#define SHORT_ID 19 /* "sha256:" and twelve digits */

static struct layers_entry *add_entry(struct layers_catalog *c, const char *directory)
{
	struct layers_entry *e;

	c->entries = xrealloc(c->entries, (c->count + 1) * sizeof(*c->entries));
	e = &c->entries[c->count++];
	*e = (struct layers_entry){.directory = realpath(directory, NULL)};
	if (!e->directory)
		e->directory = xstrdup(directory);
	return e;
}

/* The first line of a small record; "" when there is none. */
static char *read_line(int dir, const char *path)
{
	char text[LINE_MAX_BYTES];
	ssize_t n = file_read_small_at(dir, path, text, sizeof(text));

	if (n < 0)
		n = 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return xstrdup(text);
}

static DIR *open_directory(const char *root, const char *below)
{
	auto_free char *path = xasprintf("%s/%s", root, below);

	return opendir(path);
}

static void read_layers(const char *root, struct layers_catalog *c)
{
	auto_closedir DIR *dir = open_directory(root, "image/overlay2/layerdb/sha256");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		auto_close int layer = -1;
		auto_free char *cache = NULL, *directory = NULL, *size = NULL;
		struct layers_entry *e;

		if (entry->d_name[0] == '.')
			continue;
		layer = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (layer < 0)
			continue;
		cache = read_line(layer, "cache-id");
		if (!*cache || strchr(cache, '/'))
			continue;
		directory = xasprintf("%s/overlay2/%s/diff", root, cache);
		e = add_entry(c, directory);
		e->chain_id = xasprintf("sha256:%s", entry->d_name);
		e->diff_id = read_line(layer, "diff");
		e->parent = read_line(layer, "parent");
		size = read_line(layer, "size");
		if (str_to_u64(size, &e->size_bytes) < 0)
			e->size_bytes = 0;
	}
}

/* The layer of this diff id on top of that chain. */
static struct layers_entry *find_on(struct layers_catalog *c, const char *parent, const char *diff)
{
	for (size_t i = 0; i < c->count; i++) {
		if (str_eq(c->entries[i].parent, parent) && str_eq(c->entries[i].diff_id, diff))
			return &c->entries[i];
	}
	return NULL;
}

static struct layers_entry *find_chain(struct layers_catalog *c, const char *chain)
{
	for (size_t i = 0; i < c->count; i++) {
		if (str_eq(c->entries[i].chain_id, chain))
			return &c->entries[i];
	}
	return NULL;
}

/* The names that an image has, or the beginning of its id. */
static void names_of_image(struct json_object *names, const char *id, struct strv *out)
{
	struct json_object *all;

	if (names && json_get_object(names, "Repositories", &all) == 0) {
		json_object_object_foreach(all, repository, references) {
			(void)repository;
			if (!json_object_is_type(references, json_type_object))
				continue;
			json_object_object_foreach(references, name, value) {
				const char *text = json_object_get_string(value);

				if (text && str_eq(text, id) && !strchr(name, '@'))
					strv_add(out, name);
			}
		}
	}
	if (out->count == 0)
		strv_add_taken(out, xstrndup(id, SHORT_ID));
}

static void read_image(struct layers_catalog *c, int dir, const char *hex,
		       struct json_object *names)
{
	auto_json struct json_object *config = NULL;
	auto_strv struct strv diffs = {0}, called = {0};
	auto_free char *id = xasprintf("sha256:%s", hex);
	struct json_object *rootfs;
	const char *parent = "";
	struct err ignored;

	if (json_read_at(dir, hex, RECORD_MAX, &config, &ignored) < 0 ||
	    json_get_object(config, "rootfs", &rootfs) < 0 ||
	    json_get_strv(rootfs, "diff_ids", &diffs) < 0)
		return;
	names_of_image(names, id, &called);
	for (size_t i = 0; i < diffs.count; i++) {
		struct layers_entry *e = find_on(c, parent, diffs.items[i]);

		if (!e)
			return;
		strv_add_all(&e->images, &called);
		parent = e->chain_id;
	}
}

static void read_images(const char *root, struct layers_catalog *c)
{
	auto_closedir DIR *dir = open_directory(root, "image/overlay2/imagedb/content/sha256");
	auto_free char *path = xasprintf("%s/image/overlay2/repositories.json", root);
	auto_json struct json_object *names = NULL;
	struct dirent *entry;
	struct err ignored;

	if (json_read_at(AT_FDCWD, path, RECORD_MAX, &names, &ignored) < 0)
		names = NULL;
	while (dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			read_image(c, dirfd(dir), entry->d_name, names);
	}
}

/* ---- containers-storage ---- */

static char *member(struct json_object *o, const char *key)
{
	const char *text;

	return xstrdup(json_get_string(o, key, &text) == 0 ? text : "");
}

static struct json_object *read_array(const char *root, const char *below)
{
	auto_free char *path = xasprintf("%s/%s", root, below);
	struct json_object *o = NULL;
	struct err ignored;

	if (json_read_at(AT_FDCWD, path, RECORD_MAX, &o, &ignored) < 0)
		return NULL;
	if (!json_object_is_type(o, json_type_array)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static void read_storage_layers(const char *root, struct layers_catalog *c)
{
	auto_json struct json_object *layers = read_array(root, "overlay-layers/layers.json");

	for (size_t i = 0; layers && i < json_object_array_length(layers); i++) {
		struct json_object *o = json_object_array_get_idx(layers, i);
		auto_free char *id = member(o, "id"), *directory = NULL;
		struct layers_entry *e;

		if (!*id || strchr(id, '/'))
			continue;
		directory = xasprintf("%s/overlay/%s/diff", root, id);
		e = add_entry(c, directory);
		e->chain_id = xstrdup(id);
		e->diff_id = member(o, "diff-digest");
		e->parent = member(o, "parent");
	}
}

static void read_storage_images(const char *root, struct layers_catalog *c)
{
	auto_json struct json_object *images = read_array(root, "overlay-images/images.json");

	for (size_t i = 0; images && i < json_object_array_length(images); i++) {
		struct json_object *o = json_object_array_get_idx(images, i);
		auto_free char *id = member(o, "id"), *top = member(o, "layer");
		auto_strv struct strv names = {0};
		size_t depth = 0;

		if (json_get_strv(o, "names", &names) < 0 || names.count == 0)
			strv_add_taken(&names, xstrndup(id, SHORT_ID));
		for (struct layers_entry *e = find_chain(c, top); e && depth <= c->count; depth++) {
			strv_add_all(&e->images, &names);
			e = find_chain(c, e->parent);
		}
	}
}

int layers_catalog_read(const char *data_root, struct layers_catalog *out, struct err *err)
{
	*out = (struct layers_catalog){0};
	if (access(data_root, R_OK | X_OK) < 0)
		return err_sys(err, "read the data root %s", data_root);
	read_layers(data_root, out);
	read_images(data_root, out);
	read_storage_layers(data_root, out);
	read_storage_images(data_root, out);
	return 0;
}

void layers_catalog_free(struct layers_catalog *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->entries[i].directory);
		free(c->entries[i].chain_id);
		free(c->entries[i].diff_id);
		free(c->entries[i].parent);
		strv_free(&c->entries[i].images);
	}
	free(c->entries);
	*c = (struct layers_catalog){0};
}

const struct layers_entry *layers_catalog_find(const struct layers_catalog *c,
					       const char *directory)
{
	for (size_t i = 0; i < c->count; i++) {
		if (str_eq(c->entries[i].directory, directory))
			return &c->entries[i];
	}
	return NULL;
}

/* ---- who has it mounted ---- */

/* One root of one mount namespace, by the namespace's inode. */
struct seen {
	ino_t *namespaces;
	size_t count;
};

static bool seen_before(struct seen *s, const char *pid)
{
	auto_free char *path = xasprintf("/proc/%s/ns/mnt", pid);
	struct stat st;

	if (stat(path, &st) < 0)
		return true;
	for (size_t i = 0; i < s->count; i++) {
		if (s->namespaces[i] == st.st_ino)
			return true;
	}
	s->namespaces = xrealloc(s->namespaces, (s->count + 1) * sizeof(*s->namespaces));
	s->namespaces[s->count++] = st.st_ino;
	return false;
}

size_t layers_users(const char *directory, const char *data_root)
{
	auto_closedir DIR *proc = opendir("/proc");
	struct seen seen = {0};
	struct dirent *entry;
	size_t users = 0;
	uint64_t pid;

	while (proc && (entry = readdir(proc)) != NULL) {
		auto_layers_mount struct layers_mount m = {0};
		struct err ignored;

		if (str_to_u64(entry->d_name, &pid) < 0 || seen_before(&seen, entry->d_name) ||
		    layers_read((pid_t)pid, data_root, &m, &ignored) < 0)
			continue;
		users += m.overlay && strv_contains(&m.lower, directory);
	}
	free(seen.namespaces);
	return users;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* First what is to be written is found out, sizes included, then it is written in one pass. */
#include "image/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/layout.h"
#include "image/tar_record.h"

#define OCI "application/vnd.oci.image."
#define BLOB(hex) "blobs/sha256/%s", hex
#define NS_PER_S 1000000000u

struct saved_image {
	char id[IMAGE_ID_SIZE];
	struct strv tags; /* "bb:latest" */
};

struct save {
	struct image_store *s;
	struct tar_writer w;
	struct saved_image *images;
	size_t count;
	struct strv written; /* digests of blobs that are in the archive */
	struct json_object *manifest, *index, *repositories;
	/* of the layer under way */
	struct hash hash;
	struct err *err;
};

/* ---- which images ---- */

static void add_image(struct save *v, const char *id, const char *tag)
{
	struct saved_image *i = NULL;

	for (size_t n = 0; n < v->count; n++) {
		if (str_eq(v->images[n].id, id))
			i = &v->images[n];
	}
	if (!i) {
		v->images = xrealloc(v->images, (v->count + 1) * sizeof(*v->images));
		i = &v->images[v->count++];
		*i = (struct saved_image){.tags = {0}};
		memcpy(i->id, id, IMAGE_ID_SIZE);
	}
	if (tag && !strv_contains(&i->tags, tag))
		strv_add(&i->tags, tag);
}

/* All tags of a repository. Returns how many. */
static int add_repository(struct save *v, const char *name, struct err *err)
{
	struct image_summary *list = NULL;
	size_t count = 0;
	int found = 0, rc = image_list(v->s, &list, &count, err);

	for (size_t n = 0; rc == 0 && n < count; n++) {
		for (size_t t = 0; t < list[n].tags.count; t++) {
			struct reference r;
			struct err ignored;

			if (reference_parse(list[n].tags.items[t], &r, &ignored) < 0 ||
			    !str_eq(r.name, name))
				continue;
			add_image(v, list[n].id, list[n].tags.items[t]);
			found++;
		}
	}
	image_list_free(list, count);
	return rc < 0 ? rc : found;
}

static int add_reference(struct save *v, const char *text, struct err *err)
{
	auto_image struct image image = {0};
	struct err missing = ERR_INIT;
	struct reference r;
	int rc;

	if (reference_parse(text, &r, &missing) == 0 && !r.tag[0] && !r.digest[0]) {
		rc = add_repository(v, r.name, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	rc = image_resolve(v->s, text, &image, &missing);
	if (rc == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "reference does not exist");
	if (rc < 0) {
		*err = missing;
		return rc;
	}
	/* by digest or id: without a name */
	add_image(v, image.id, image.name && !strchr(image.name, '@') ? image.name : NULL);
	return 0;
}

/* ---- blobs ---- */

static int hash_and_write(void *context, const void *bytes, size_t n)
{
	struct save *v = context;

	hash_add(&v->hash, bytes, n);
	return tar_write_data(&v->w, bytes, n, v->err);
}

static int open_layer(struct save *v, const struct image_layer *layer, int *record, int *diff,
		      struct err *err)
{
	char path[256];

	snprintf(path, sizeof(path), LAYOUT_LAYERS "/%s/" TAR_RECORD_FILE, id_hex(layer->chain_id));
	*record = openat(v->s->image_fd, path, O_RDONLY | O_CLOEXEC);
	if (*record < 0 && errno == ENOENT)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "layer %s was loaded by a version of cloche that kept no record of "
			       "its tar, so it cannot be given back as it was; remove the image, "
			       "load it again, then save it",
			       layer->diff_id);
	if (*record < 0)
		return err_sys(err, "open %s", path);
	snprintf(path, sizeof(path), LAYOUT_OVERLAY "/%s/diff", layer->cache_id);
	*diff = openat(v->s->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *diff < 0 ? err_sys(err, "open %s", path) : 0;
}

static int write_layer(struct save *v, const struct image_layer *layer, int64_t mtime_s,
		       uint64_t *size, struct err *err)
{
	auto_close int record = -1, diff = -1;
	struct stat st = {.st_mode = S_IFREG | 0644, .st_mtim.tv_sec = mtime_s};
	char name[128], digest[IMAGE_ID_SIZE];
	const struct tar_entry e = {.name = name, .st = &st};
	int rc = open_layer(v, layer, &record, &diff, err);

	if (rc == 0)
		rc = tar_record_replay(record, -1, NULL, NULL, size, err);
	if (rc < 0 || strv_contains(&v->written, layer->diff_id))
		return rc;
	strv_add(&v->written, layer->diff_id);
	snprintf(name, sizeof(name), BLOB(id_hex(layer->diff_id)));
	st.st_size = (off_t)*size;
	rc = hash_start(&v->hash, err);
	if (rc == 0)
		rc = tar_write_header(&v->w, &e, err);
	v->err = err;
	if (rc == 0)
		rc = tar_record_replay(record, diff, hash_and_write, v, size, err);
	if (rc == 0)
		rc = tar_end_data(&v->w, *size, err);
	if (rc == 0)
		rc = hash_finish(&v->hash, digest, err);
	hash_free(&v->hash);
	if (rc < 0)
		return err_wrap(err, "layer %s", layer->diff_id);
	if (!str_eq(digest, layer->diff_id))
		return err_set(
			err, ERR_CORRUPT, EUCLEAN,
			"layer %s: its files are not what was loaded (or its tar had the same "
			"name twice): what would be saved has the digest %s",
			layer->diff_id, digest);
	return 0;
}

static int write_blob(struct save *v, const char *text, size_t n, int64_t mtime_s,
		      char digest[static IMAGE_ID_SIZE], struct err *err)
{
	char name[128];
	int rc = hash_bytes(text, n, digest, err);

	if (rc < 0 || strv_contains(&v->written, digest))
		return rc;
	strv_add(&v->written, digest);
	snprintf(name, sizeof(name), BLOB(id_hex(digest)));
	return tar_write_file(&v->w, name, text, n, mtime_s, err);
}

static struct json_object *descriptor(const char *type, const char *digest, uint64_t size)
{
	struct json_object *o = json_object_new_object();

	json_add_string(o, "mediaType", type);
	json_add_string(o, "digest", digest);
	json_add_u64(o, "size", size);
	return o;
}

/* ---- documents ---- */

/* "bb" -> "docker.io/library/bb". */
static char *canonical_name(const char *name)
{
	const char *slash = strchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;

	if (!slash)
		return xasprintf("docker.io/library/%s", name);
	if (memchr(name, '.', n) || memchr(name, ':', n) ||
	    (n == 9 && !memcmp(name, "localhost", 9)))
		return xstrdup(name);
	return xasprintf("docker.io/%s", name);
}

static void add_to_index(struct save *v, const char *digest, uint64_t size, const char *tag)
{
	struct json_object *o = descriptor(OCI "manifest.v1+json", digest, size);
	struct json_object *annotations;
	struct reference r;
	struct err ignored;

	json_object_array_add(v->index, o);
	if (!tag || reference_parse(tag, &r, &ignored) < 0)
		return;
	annotations = json_object_new_object();
	{
		auto_free char *name = canonical_name(r.name);
		auto_free char *whole = xasprintf("%s:%s", name, r.tag);

		json_add_string(annotations, "io.containerd.image.name", whole);
	}
	json_add_string(annotations, "org.opencontainers.image.ref.name", r.tag);
	json_object_object_add(o, "annotations", annotations);
}

static void add_to_repositories(struct save *v, const char *tag, const char *top)
{
	struct json_object *repository;
	struct reference r;
	struct err ignored;

	if (reference_parse(tag, &r, &ignored) < 0)
		return;
	if (!json_object_object_get_ex(v->repositories, r.name, &repository)) {
		repository = json_object_new_object();
		json_object_object_add(v->repositories, r.name, repository);
	}
	json_add_string(repository, r.tag, top);
}

/* What the layers of an image are in the three documents. */
struct layer_lists {
	struct json_object *descriptors, *names, *sources;
};

static int write_layers(struct save *v, const struct image_layer *layers, size_t count,
			int64_t mtime_s, const struct layer_lists *out, struct err *err)
{
	for (size_t n = 0; n < count; n++) {
		auto_free char *name = xasprintf(BLOB(id_hex(layers[n].diff_id)));
		uint64_t size;
		int rc = write_layer(v, &layers[n], mtime_s, &size, err);

		if (rc < 0)
			return rc;
		json_object_array_add(out->descriptors,
				      descriptor(OCI "layer.v1.tar", layers[n].diff_id, size));
		json_object_array_add(out->names, json_object_new_string(name));
		json_object_object_add(out->sources, layers[n].diff_id,
				       descriptor(OCI "layer.v1.tar", layers[n].diff_id, size));
	}
	return 0;
}

static int write_manifest(struct save *v, const struct saved_image *i, struct json_object *config,
			  struct json_object *layers, int64_t mtime_s, struct err *err)
{
	auto_json struct json_object *o = json_object_new_object();
	char digest[IMAGE_ID_SIZE];
	const char *text;
	int rc;

	json_add_i64(o, "schemaVersion", 2);
	json_add_string(o, "mediaType", OCI "manifest.v1+json");
	json_object_object_add(o, "config", config);
	json_object_object_add(o, "layers", layers);
	text = json_text(o);
	rc = write_blob(v, text, strlen(text), mtime_s, digest, err);
	for (size_t n = 0; rc == 0 && n < i->tags.count; n++)
		add_to_index(v, digest, strlen(text), i->tags.items[n]);
	if (rc == 0 && i->tags.count == 0)
		add_to_index(v, digest, strlen(text), NULL);
	return rc;
}

static int read_config_text(struct save *v, const char *id, char **text, size_t *n, struct err *err)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), LAYOUT_CONFIGS "/%s", id_hex(id));
	rc = file_read_at(v->s->image_fd, path, IMAGE_CONFIG_MAX, text, n);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read %s: %s", path, err_errno_text(-rc)) : 0;
}

static int write_image(struct save *v, const struct saved_image *i, struct err *err)
{
	const struct layer_lists lists = {json_object_new_array(), json_object_new_array(),
					  json_object_new_object()};
	struct json_object *entry = json_object_new_object();
	auto_image_config struct oci_image_config config = {0};
	auto_free struct image_layer *layers = NULL;
	auto_free char *text = NULL, *name = xasprintf(BLOB(id_hex(i->id)));
	char digest[IMAGE_ID_SIZE];
	size_t n = 0, count = 0;
	int64_t mtime_s;
	int rc = read_config_text(v, i->id, &text, &n, err);

	json_add_string(entry, "Config", name);
	json_add_strv(entry, "RepoTags", &i->tags, true);
	json_object_object_add(entry, "Layers", lists.names);
	json_object_object_add(entry, "LayerSources", lists.sources);
	json_object_array_add(v->manifest, entry);
	if (rc == 0)
		rc = oci_image_config_decode(text, n, i->id, &config, err);
	mtime_s = (int64_t)(config.created_ns / NS_PER_S);
	if (rc == 0)
		rc = image_layers(v->s, i->id, &layers, &count, err);
	if (rc == 0)
		rc = write_blob(v, text, n, mtime_s, digest, err);
	if (rc == 0)
		rc = write_layers(v, layers, count, mtime_s, &lists, err);
	if (rc < 0) {
		json_object_put(lists.descriptors);
		return rc;
	}
	for (size_t t = 0; count && t < i->tags.count; t++)
		add_to_repositories(v, i->tags.items[t], id_hex(layers[count - 1].diff_id));
	return write_manifest(v, i, descriptor(OCI "config.v1+json", i->id, n), lists.descriptors,
			      mtime_s, err);
}

static int write_document(struct save *v, const char *name, struct json_object *o, struct err *err)
{
	auto_free char *text = xasprintf("%s\n", json_text(o));

	return tar_write_file(&v->w, name, text, strlen(text), 0, err);
}

static int write_documents(struct save *v, struct err *err)
{
	auto_json struct json_object *index = json_object_new_object();
	auto_json struct json_object *layout = json_object_new_object();
	int rc;

	json_add_i64(index, "schemaVersion", 2);
	json_add_string(index, "mediaType", OCI "index.v1+json");
	json_object_object_add(index, "manifests", json_object_get(v->index));
	json_add_string(layout, "imageLayoutVersion", "1.0.0");
	rc = write_document(v, "index.json", index, err);
	if (rc == 0)
		rc = write_document(v, "manifest.json", v->manifest, err);
	if (rc == 0)
		rc = write_document(v, "oci-layout", layout, err);
	if (rc == 0 && json_object_object_length(v->repositories) > 0)
		rc = write_document(v, "repositories", v->repositories, err);
	return rc;
}

static int save_all(struct save *v, const struct strv *references, struct err *err)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < references->count; n++)
		rc = add_reference(v, references->items[n], err);
	if (rc == 0)
		rc = tar_write_directory(&v->w, "blobs/", 0, err);
	if (rc == 0)
		rc = tar_write_directory(&v->w, "blobs/sha256/", 0, err);
	for (size_t n = 0; rc == 0 && n < v->count; n++)
		rc = write_image(v, &v->images[n], err);
	if (rc == 0)
		rc = write_documents(v, err);
	return rc < 0 ? rc : tar_writer_finish(&v->w, err);
}

int image_save(struct image_store *s, const struct strv *references, int fd, struct err *err)
{
	struct save v = {.s = s,
			 .manifest = json_object_new_array(),
			 .index = json_object_new_array(),
			 .repositories = json_object_new_object()};
	auto_close int load_lock = -1;
	/* nothing of what is being written is removed */
	int rc = s->image_fd < 0 ? err_set(err, ERR_NOT_FOUND, ENOENT, "reference does not exist")
				 : store_load_lock(s, IMAGE_LOCK_SHARED, &load_lock, err);

	tar_writer_init(&v.w, tar_sink_fd, &fd);
	if (rc == 0)
		rc = save_all(&v, references, err);
	tar_writer_free(&v.w);
	for (size_t n = 0; n < v.count; n++)
		strv_free(&v.images[n].tags);
	free(v.images);
	strv_free(&v.written);
	json_object_put(v.manifest);
	json_object_put(v.index);
	json_object_put(v.repositories);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie in the image store, and names.json access; for the files of image/ only. Paths
 * under LAYOUT_IMAGE are relative to image_store.image_fd, the others to the data root.
 */
#ifndef CLOCHE_IMAGE_LAYOUT_H
#define CLOCHE_IMAGE_LAYOUT_H

#include <json-c/json.h>
#include <sys/types.h>

#include "image/image.h"

#define LAYOUT_IMAGE "image/overlay2"
#define LAYOUT_OVERLAY "overlay2"
#define LAYOUT_LINKS "overlay2/l"
#define LAYOUT_LOCK "lock"
#define LAYOUT_LOAD_LOCK "load.lock"
#define LAYOUT_NAMES "repositories.json"
#define LAYOUT_CONFIGS "imagedb/content/sha256"
#define LAYOUT_METADATA "imagedb/metadata/sha256"
#define LAYOUT_LAYERS "layerdb/sha256"
#define LAYOUT_MANIFESTS "content/sha256"
/* Temporary names start with this in every directory of the store. */
#define LAYOUT_TMP "tmp-"
/* In an image's metadata until its load has named it: an image with this and without a name is what
 * a killed load left. */
#define LAYOUT_LOADING "loading"

#define LAYOUT_NAMES_MAX (64u << 20)
#define LINK_ID_LEN 26

/* The 64 hex digits of an id. */
static inline const char *id_hex(const char *id)
{
	return id + sizeof(DIGEST_PREFIX) - 1;
}

/* Reads a small file of the store as one line without its newline. -ENOENT, or ERR_CORRUPT text in
 * *err. */
int must_check store_read_line(int dirfd, const char *path, char *out, size_t size,
			       struct err *err);

/* Reads repositories.json; none is an empty document. The caller puts *out. */
int must_check names_read(struct image_store *s, struct json_object **out, struct err *err);
/* The id a reference stands for, or NULL. With a digest the tag does not count. */
const char *names_get(struct json_object *names, const struct reference *r);
void names_set(struct json_object *names, const struct reference *r, const char *id);
void names_remove(struct json_object *names, const char *repository, const char *reference);
/* Adds every reference to id: "bb:latest" to tags, "bb@sha256:..." to digests, both sorted. Either
 * may be NULL. */
void names_of(struct json_object *names, const char *id, struct strv *tags, struct strv *digests);
/* Replaces repositories.json durably. The caller holds the exclusive lock. */
int must_check names_write(struct image_store *s, struct json_object *names, struct err *err);

/* The id for a reference or id prefix; *name is its familiar name or "" when it was an id. */
int must_check resolve_id(struct image_store *s, struct json_object *names, const char *text,
			  char id[static IMAGE_ID_SIZE], struct reference *found, bool *by_id,
			  struct err *err);
/* Reads and decodes the configuration of an image. */
int must_check store_read_config(struct image_store *s, const char *id,
				 struct oci_image_config *out, struct err *err);
/* The topmost chain id of an image, "" when it has no layers. */
int must_check store_top_chain(struct image_store *s, const char *id,
			       char out[static IMAGE_ID_SIZE], struct err *err);
/* Reads one layer record by chain id, and its parent's chain id ("" for the lowest). */
int must_check store_read_layer(struct image_store *s, const char *chain_id,
				struct image_layer *out, char parent[static IMAGE_ID_SIZE],
				struct err *err);
/* Takes load.lock: shared by loads, exclusive by removers. */
int must_check store_load_lock(struct image_store *s, enum image_lock kind, int *fd,
			       struct err *err);
/* Writes lastUpdated of an image: the time of its last naming. Failure is nobody's loss. */
void store_touch_tag_time(struct image_store *s, const char *id);

#endif

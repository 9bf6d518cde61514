/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store, reading side and names: what `run`, `images`, `rmi`, `tag`, `inspect` need. Links
 * json-c only; unpacking lives in image/load.h and the program cloche-image.
 *
 * Layout below the data root is Docker's (docs/architecture.md). What must hold: everything that has
 * a final name is complete and on disk; names change only under the exclusive lock.
 *
 * Locks: <image>/load.lock (shared by a load from start to end, exclusive by whoever removes layers)
 * before <image>/lock (shared while references are taken, exclusive while names change).
 */
#ifndef CLOCHE_IMAGE_IMAGE_H
#define CLOCHE_IMAGE_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "image/reference.h"
#include "oci/image_config.h"

struct json_object;

#define IMAGE_ID_SIZE (DIGEST_LEN + 1)
#define IMAGE_BUILTIN "cloche/busybox"
#define IMAGE_CONFIG_MAX (4u << 20) /* bytes; also of manifests and indexes */

struct image_store {
	int root_fd;         /* the data root; borrowed from the caller */
	int image_fd;        /* <data>/image/overlay2, -1 while nothing was ever loaded */
	char root[PATH_MAX]; /* absolute path of the data root, for programs we start */
};

enum image_store_mode {
	IMAGE_STORE_READ,  /* makes nothing; a missing store is an empty one */
	IMAGE_STORE_WRITE, /* makes the directories that are missing */
};

/* Opens the store of the data root root_fd (borrowed, must stay open) at the absolute path root. */
int must_check image_store_open(struct image_store *s, int root_fd, const char *root,
				enum image_store_mode mode, struct err *err);
void image_store_close(struct image_store *s);
#define auto_image_store __attribute__((cleanup(image_store_close)))

enum image_lock { IMAGE_LOCK_SHARED, IMAGE_LOCK_EXCLUSIVE };
/* Takes the store's lock and waits for it; closing *fd lets go. An empty store gives *fd -1. */
int must_check image_store_lock(struct image_store *s, enum image_lock kind, int *fd,
				struct err *err);

/* ---- one image ---- */

struct image {
	char id[IMAGE_ID_SIZE]; /* "sha256:<64 hex>" */
	char *name;             /* familiar name it was found by ("bb:latest"), NULL when by id */
	struct oci_image_config config;
	/* overlay's lowerdir relative to <data>/overlay2, topmost first: "l/AAA:l/BBB". "" when the
	 * image has no layers. */
	char *lower;
	/* /etc/passwd and /etc/group as the whole image shows them, NULL when it has none. */
	char *passwd, *group;
};

void image_free(struct image *i);
#define auto_image __attribute__((cleanup(image_free)))

/* Finds an image by "name[:tag]", "name@sha256:digest", "sha256:id", full id or a unique prefix of
 * it (a name wins over an id prefix). Reads one index for names and scans only for prefixes.
 * ERR_NOT_FOUND "No such image: x:latest"; ERR_INVALID with Docker's text for a bad reference. The
 * caller holds the lock if the image must not vanish. */
int must_check image_resolve(struct image_store *s, const char *reference, struct image *out,
			     struct err *err);
/* What `run` and `create` call: takes the shared lock, resolves, and when the built-in image is
 * meant but not in the store yet, loads it (cloche-image load --builtin) first. *lock_fd keeps the
 * image from being removed until the caller has written a record that refers to it and closes it.
 * Must not be called with a lock of the store held. */
int must_check image_acquire(struct image_store *s, const char *reference, struct image *out,
			     int *lock_fd, struct err *err);
/* "linux/arm64/v8" of the image, and of this host ("linux/amd64"). */
void image_platform(const struct oci_image_config *c, char *out, size_t size);
void image_host_platform(char *out, size_t size);
/* False when the image's os or architecture is not the host's: `run` then warns as Docker does. */
bool image_platform_matches(const struct oci_image_config *c);

/* ---- the whole store, for listings ---- */

struct image_layer {
	char chain_id[IMAGE_ID_SIZE];
	char diff_id[IMAGE_ID_SIZE];
	char cache_id[DIGEST_HEX_LEN + 1]; /* directory below <data>/overlay2 */
	uint64_t size_bytes;               /* sum of the sizes of its files */
};

/* One image as listings show it. */
struct image_summary {
	char id[IMAGE_ID_SIZE];
	uint64_t created_ns;  /* wall clock, 0 unknown */
	uint64_t last_tag_ns; /* wall clock; 0: never tagged by hand */
	uint64_t size_bytes;  /* all its layers */
	struct strv tags;     /* "bb:latest", sorted */
	struct strv digests;  /* "bb@sha256:...", sorted */
	struct strv labels;   /* KEY=VALUE */
};

/* All images, newest first (equal times by id). Broken ones are left out. The caller frees. */
int must_check image_list(struct image_store *s, struct image_summary **out, size_t *count,
			  struct err *err);
void image_list_free(struct image_summary *list, size_t count);
/* The summary of one image of which the id is known. */
int must_check image_summarize(struct image_store *s, const char *id, struct image_summary *out,
			       struct err *err);
void image_summary_free(struct image_summary *i);
/* The layers of an image, lowest first; the caller frees *out with free(). */
int must_check image_layers(struct image_store *s, const char *id, struct image_layer **out,
			    size_t *count, struct err *err);

/* What `image inspect` shows, in Docker's field order; the caller puts *out. Errors as
 * image_resolve(), a bad reference also as ERR_NOT_FOUND with Docker's words. */
int must_check image_inspect(struct image_store *s, const char *reference, struct json_object **out,
			     struct err *err);

/* One step of how an image was built. */
struct image_step {
	uint64_t created_ns; /* wall clock, 0 unknown */
	char *created_by, *comment;
	uint64_t size_bytes; /* of the layer it made, 0 when it made none */
};

/* The steps of an image, newest first, and its id. The caller frees *out even after an error. */
int must_check image_history(struct image_store *s, const char *reference,
			     char id[static IMAGE_ID_SIZE], struct image_step **out, size_t *count,
			     struct err *err);
void image_history_free(struct image_step *steps, size_t count);

/* Keeps those of list (ended by image_list_free with the new *count) that pass every filter
 * "key=value": dangling, label, before, since, until, reference. Of one key any value will do, of
 * label all must; `reference` also drops the names that do not match. ERR_INVALID for an unknown key
 * or a value that cannot be. */
int must_check image_filter(struct image_store *s, const struct strv *filters,
			    struct image_summary *list, size_t *count, struct err *err);

/* ---- changes ---- */

/* Gives the image `source` (as for image_resolve) the name `target` too. A target that exists moves.
 * ERR_INVALID with Docker's texts for a target that is no name or has a digest. */
int must_check image_tag(struct image_store *s, const char *source, const char *target,
			 struct err *err);

/* Says who uses an image: returns 1 and fills container_id and *running (a running one preferred),
 * 0 when nobody does, or -errno with *err. */
typedef int (*image_user_fn)(void *context, const char *image_id, char container_id[65],
			     bool *running, struct err *err);

struct image_removal {
	struct strv lines; /* "Untagged: bb:latest", "Deleted: sha256:...", in Docker's order */
};

/* Removes a name, and with the last name the image and the layers nobody else has. force as in
 * `rmi -f`. ERR_CONFLICT with Docker's texts while a container uses it; find_user may be NULL when
 * there are no containers. What was done before a failure is in *out; the caller frees out->lines. */
int must_check image_remove(struct image_store *s, const char *reference, bool force,
			    image_user_fn find_user, void *context, struct image_removal *out,
			    struct err *err);

/* ---- leftovers ---- */

/* Told of each leftover: its path below the data root and why it should not be there. */
typedef void (*image_leftover_fn)(void *context, const char *path, const char *why);

/* Finds what killed loads and removals left: temporary directories without an owner, layers,
 * records, links, configurations nobody refers to, names of images that are gone. repair removes
 * them. Returns 0 whatever was found; -errno when the store cannot be read. */
int must_check image_store_check(struct image_store *s, bool repair, image_leftover_fn report,
				 void *context, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load in progress. load_docker.c and load_oci.c say which images there are; load_layers.c
 * unpacks into overlay2/tmp-<random>/; commit.c gives everything its name.
 */
#ifndef CLOCHE_IMAGE_LOAD_INTERNAL_H
#define CLOCHE_IMAGE_LOAD_INTERNAL_H

#include <stdio.h>

#include "image/image_archive.h"
#include "image/layer.h"
#include "image/layout.h"
#include "image/load.h"

/* A layer of an image of this load: in the store already, or unpacked below the temporary
 * directory. */
struct load_layer {
	char chain_id[IMAGE_ID_SIZE], diff_id[IMAGE_ID_SIZE], parent[IMAGE_ID_SIZE];
	char cache_id[DIGEST_HEX_LEN + 1];
	char link[LINK_ID_LEN + 1];
	uint64_t size_bytes;
	bool fresh; /* unpacked by this load, lies in <tmp>/<cache_id> */
	int fd;     /* its diff directory, readable */
};

/* An image found in the archive. */
struct load_image {
	char id[IMAGE_ID_SIZE];
	char *config_text;
	size_t config_len;
	struct oci_image_config config;
	char manifest_digest[IMAGE_ID_SIZE]; /* "" with a Docker archive */
	char *manifest_text;
	size_t manifest_len;
	struct strv names;        /* familiar, with tag */
	struct strv blobs;        /* layers' names in the archive, lowest first */
	struct strv blob_digests; /* expected digest of each blob, "" where the archive gives none */
	bool present;             /* in the store already: only names are given */
	size_t *layers;           /* indexes into load.layers, lowest first */
	char *passwd, *group;
};

struct load {
	struct image_store *store;
	const struct image_load_options *options;
	struct image_archive archive;
	struct stream_budget budget;
	char tmp_name[64]; /* below the data root: "overlay2/tmp-<16 hex>" */
	int tmp_fd;
	struct load_image *images;
	size_t image_count;
	struct load_layer *layers;
	size_t layer_count;
};

/* Appends an image whose configuration is text (taken over). Checks that it decodes and has as many
 * diff ids as layers; sets its id. */
int must_check load_add_image(struct load *l, char *text, size_t len, struct load_image **out,
			      struct err *err);
/* Adds a name given by the archive. */
int must_check load_add_name(struct load_image *i, const char *name, struct err *err);

int must_check load_docker_archive(struct load *l, struct err *err);
int must_check load_legacy_archive(struct load *l, struct err *err);
int must_check load_oci_layout(struct load *l, struct err *err);

/* Sets the budget by what is free, and makes and locks the temporary directory. */
int must_check load_begin(struct load *l, struct err *err);
/* Frees everything and removes the temporary directory. Returns rc or the error of that. */
int load_end(struct load *l, int rc, struct err *err);

/* ---- load_layers.c ---- */

struct load_layer *load_new_layer(struct load *l);
/* Looks for a chain among those of this load and in the store. 1 found, 0 not. */
int must_check load_find_layer(struct load *l, const char *chain, size_t *index, struct err *err);
/* Makes the directory of a fresh layer below the temporary one. */
int must_check load_make_layer(struct load *l, struct load_layer *layer, struct err *err);
/* The fds of the layers below position n of image i, topmost first; the caller frees. */
int *load_lower_fds(struct load *l, const struct load_image *i, size_t n);
/* Applies a tar to a fresh layer and keeps its record (tar_record.h). */
int must_check load_apply(struct load *l, struct load_layer *layer, struct stream *tar,
			  const struct merged *lower, struct layer_result *result, struct err *err);
int must_check load_read_accounts(struct load *l, struct load_image *i, struct err *err);
/* True when the store has the image whole. */
bool load_is_present(struct load *l, const struct load_image *i);
/* Where the record of a fresh layer lies in the temporary directory. */
static inline void load_record_name(const struct load *l, const struct load_layer *layer, char *out,
				    size_t size)
{
	snprintf(out, size, "tar-record-%zu", (size_t)(layer - l->layers));
}
/* Unpacks what the store lacks of all images. */
int must_check load_layers(struct load *l, struct err *err);
/* Names everything. */
int must_check load_commit(struct load *l, struct err *err);

#endif

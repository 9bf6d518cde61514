/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load in progress. load_docker.c and load_oci.c say which images there are; load_layers.c
 * unpacks into overlay2/tmp-<random>/; commit.c gives everything its name.
 */
#ifndef CLOCHE_IMAGE_LOAD_INTERNAL_H
#define CLOCHE_IMAGE_LOAD_INTERNAL_H

#include "image/image_archive.h"
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

/* Unpacks what the store lacks of all images. */
int must_check load_layers(struct load *l, struct err *err);
/* Names everything. */
int must_check load_commit(struct load *l, struct err *err);

#endif

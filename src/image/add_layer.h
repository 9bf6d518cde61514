/* SPDX-License-Identifier: Apache-2.0 */
/* A new image out of one tar: a layer on top of those of another image (`commit`) or alone (`import`).
 * All or nothing, as a load. */
#ifndef CLOCHE_IMAGE_ADD_LAYER_H
#define CLOCHE_IMAGE_ADD_LAYER_H

#include "image/load.h"

struct image_add_request {
	/* The configuration of the image to be; rootfs.diff_ids are those of the layers below, which
	 * the store must have. The new layer's is appended; when the tar has no entries and there are
	 * layers below, the last step of history is marked as an empty layer instead. */
	const char *config;
	size_t config_len;
	const char *name; /* "repo[:tag]" to give, or NULL */
	int input;        /* the tar, plain, gzip or zstd; borrowed */
};

/* Needs what image_load() needs. */
int must_check image_add_layer(struct image_store *s, const struct image_add_request *request,
			       const struct image_load_options *options,
			       char id[static IMAGE_ID_SIZE], struct err *err);

#endif

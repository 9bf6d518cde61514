/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading images from an archive into the store: Docker archives (manifest.json, or repositories
 * before Docker 1.10) and OCI layouts in tar (index.json), plain, gzip or zstd. All or nothing: every digest and diff id is checked, content
 * is on disk before anything gets its name, and a failure leaves the store as it was.
 */
#ifndef CLOCHE_IMAGE_LOAD_H
#define CLOCHE_IMAGE_LOAD_H

#include "image/image.h"

/* Told of each line a user should see: "Loaded image: bt:1". */
typedef void (*image_load_report)(void *context, const char *line);

struct image_load_options {
	image_load_report report; /* results, as docker prints them */
	image_load_report warn;   /* attributes that could not be kept */
	void *context;
};

/* Loads the archive that input (borrowed) gives into s, which is open for writing. Needs umask 0, the
 * C locale and CAP_SYS_ADMIN over the data root's file system (trusted xattrs). ERR_INVALID for a bad
 * archive, ERR_UNSUPPORTED for one this version cannot read. */
int must_check image_load(struct image_store *s, int input,
			  const struct image_load_options *options, struct err *err);

#endif

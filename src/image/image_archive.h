/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image archive (`docker save`, OCI layout in tar) as a set of named files that can be read in any
 * order. The tar is indexed once; blobs are then read in place. A stream or a compressed archive is
 * first written, decompressed, to an unnamed temporary file.
 *
 * libarchive does the reading, with its tar formats only. Names are normalised; a name that leaves
 * the archive ("..") is refused; symlinks and hard links inside it are followed a bounded number of
 * times; the last entry of a name counts.
 */
#ifndef CLOCHE_IMAGE_IMAGE_ARCHIVE_H
#define CLOCHE_IMAGE_IMAGE_ARCHIVE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/stream.h"

struct archive_entry_index {
	char *name;      /* normalised */
	char *target;    /* of a link, normalised; NULL for a file */
	uint64_t offset; /* of its first header in the tar */
	uint64_t size_bytes;
	size_t order;
};

struct image_archive {
	int fd;                              /* the tar, plain and seekable */
	struct archive_entry_index *entries; /* sorted by name */
	size_t count;
};

/* Opens the archive that input (borrowed) gives; tmp_dir is where a copy may be made. Charges the
 * budget and sets its input_bytes. ERR_INVALID for what is no tar, is truncated, has a name that
 * leaves it or more entries than any image archive. */
int must_check image_archive_open(int input, int tmp_dir, struct stream_budget *budget,
				  struct image_archive *out, struct err *err);
void image_archive_close(struct image_archive *a);
#define auto_image_archive __attribute__((cleanup(image_archive_close)))

bool image_archive_has(const struct image_archive *a, const char *name);
/* The length of a file; false when there is none of that name. */
bool image_archive_size(const struct image_archive *a, const char *name, uint64_t *bytes);
/* Reads a whole file of at most max bytes, with a NUL after it; the caller frees *out. ERR_NOT_FOUND,
 * or ERR_INVALID "... is larger than ...". */
int must_check image_archive_read(const struct image_archive *a, const char *name, size_t max,
				  char **out, size_t *len, struct err *err);
/* A stream of a file's bytes; *size is its length. The archive must outlive it. */
int must_check image_archive_stream(const struct image_archive *a, const char *name,
				    struct stream **out, uint64_t *size, struct err *err);

/* "./a//b/" -> "a/b", "/" -> "." in place of out. -EINVAL when ".." leads out of it. Used for names in
 * layers too. */
int must_check archive_clean_name(const char *name, char out[static PATH_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies one layer (a tar stream) to an empty directory, in the form overlayfs wants: whiteouts as
 * character devices 0:0, opaque directories by trusted.overlay.opaque. Everything of an entry is
 * kept: owner, mode, times, xattrs, ACLs, capabilities, links, holes.
 *
 * The tar comes from a stranger. Every name goes through kernel/path below the layer's directory; a
 * name or hard link that leaves it is refused; overlayfs's own xattrs are never taken from a tar.
 * Does the work of, and is meant to agree with, moby's pkg/archive (Unpack with overlay whiteouts).
 */
#ifndef CLOCHE_IMAGE_LAYER_H
#define CLOCHE_IMAGE_LAYER_H

#include <stdint.h>

#include "base/err.h"
#include "image/merged.h"
#include "image/reference.h"
#include "image/stream.h"

struct layer_result {
	char diff_id[DIGEST_LEN + 1]; /* of the whole tar stream, computed while it passed */
	uint64_t size_bytes;          /* of its regular files and symlinks, as Docker counts */
	uint64_t skipped_attributes;  /* xattrs and ACLs that the file system cannot hold */
};

/* Reads tar to its end and applies it to dir (a readable directory fd, empty). lower are the layers
 * below, topmost first: hard links may point into them, and directories that the tar does not
 * mention take their attributes from there. Needs umask 0. On failure the directory holds part of the
 * layer; the caller removes it. */
int must_check layer_apply(struct stream *tar, int dir, const struct merged *lower,
			   struct layer_result *out, struct err *err);

#endif

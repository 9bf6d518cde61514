/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks a tar into a directory that exists and has content, as `docker cp` does: entries replace
 * what is there, except that a directory and something else never replace each other.
 *
 * The tar comes from a stranger and the tree may belong to a container that changes it meanwhile.
 * Names may not leave the tar's top; symlinks on the way, whoever made them, resolve inside the root;
 * and a thing is only ever made, exclusively, in a directory that was opened before.
 */
#ifndef CLOCHE_IMAGE_EXTRACT_H
#define CLOCHE_IMAGE_EXTRACT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/stream.h"

struct extract_options {
	const char *directory; /* below the root: where the tar goes; exists */
	const char *shown;     /* what messages call that directory */
	bool keep_owner;       /* as the tar says; else uid and gid */
	uid_t uid;
	gid_t gid;
	bool foreign; /* the content is a container's and the root is the host's: no devices, set-id
		       * bits, capabilities or other attributes; implies nothing about names */
	bool replace_directories; /* by other things, and the other way round */
};

struct extract_result {
	uint64_t devices_left_out;
};

/* Reads tar to its end into root (a directory fd). Needs umask 0. What was unpacked before an error
 * stays. ERR_CONFLICT for a directory in the way of something else and the other way round. */
int must_check extract_tar(struct stream *tar, int root, const struct extract_options *options,
			   struct extract_result *out, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where export, save and pictures go: standard output, or a file that is complete or absent. */
#ifndef CLOCHE_CLI_OUTPUT_FILE_H
#define CLOCHE_CLI_OUTPUT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct output_file {
	int fd;
	const char *path; /* NULL: standard output */
	char aside[PATH_MAX];
};

/* path NULL is standard output, refused with Docker's words when that is a terminal. */
int must_check output_file_open(const char *path, struct output_file *out, struct err *err);
/* Puts a complete file in place (mode 0600), or takes away what an error left. Returns rc, or the
 * error of its own. */
int must_check output_file_end(struct output_file *f, int rc, struct err *err);
/* Whether a file can be put there: asked before long work whose result it is to take. NULL and "-" can
 * always be written. */
int must_check output_file_check(const char *path, struct err *err);
/* A picture or report in one piece; everybody may read it. path "-" is standard output. */
int must_check output_file_write(const char *path, const void *bytes, size_t n, struct err *err);

#endif

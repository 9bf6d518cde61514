/* SPDX-License-Identifier: Apache-2.0 */
/* Which directory a copy goes to and under which name: the rules of `docker cp`, which are those of
 * cp(1) with the meaning of a slash at the end made strict. No system calls but for host paths. */
#ifndef CLOCHE_CLI_CP_PATHS_H
#define CLOCHE_CLI_CP_PATHS_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

/* One side of a copy. */
struct cp_side {
	char path[PATH_MAX];
	bool exists, is_directory;
};

/* "name:path" -> true and both parts. An absolute path, one that begins with '.', or one without a
 * colon is of the host. container must have PATH_MAX bytes. */
bool cp_split(const char *argument, char *container, const char **path);
/* Absolute and clean, with what "/" or "/." at the end says kept. */
int must_check cp_absolute(const char *path, char out[static PATH_MAX], struct err *err);
/* Where a source of the given kind, whose last component is `base`, goes: the existing directory to
 * unpack in and the name to give. ERR_USAGE with Docker's words when it cannot. */
int must_check cp_place(const struct cp_side *destination, bool source_is_directory,
			const char *base, char directory[static PATH_MAX],
			char name[static PATH_MAX], struct err *err);
/* Looks at a destination on the host; symlinks of the last component are followed, also dangling
 * ones. */
int must_check cp_host_destination(const char *path, struct cp_side *out, struct err *err);
/* Docker's check of an output path: its directory exists, and it is no device. */
int must_check cp_check_output(const char *path, struct err *err);
/* Opens the directory that holds a source on the host. leaf: its name there ("." for a directory
 * with a slash at the end); base: the name that it goes by. */
int must_check cp_host_source(const char *path, bool follow, int *dir, char leaf[static PATH_MAX],
			      char base[static PATH_MAX], struct err *err);
/* "op PATH: no such file or directory", as Go says it. Returns -errnum. */
int cp_path_error(struct err *err, const char *op, const char *path, int errnum);

#endif

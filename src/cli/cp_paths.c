/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of docker/cli's cp.go and of moby's pkg/archive/copy.go, each function named there. */
#include "cli/cp_paths.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "engine/archive.h"

#define LINKS_MAX 10

bool cp_split(const char *argument, char *container, const char **path)
{
	const char *colon = strchr(argument, ':');

	*path = argument;
	if (argument[0] == '/' || argument[0] == '.' || !colon ||
	    (size_t)(colon - argument) >= PATH_MAX)
		return false;
	memcpy(container, argument, (size_t)(colon - argument));
	container[colon - argument] = '\0';
	*path = colon + 1;
	return colon != argument;
}

int cp_path_error(struct err *err, const char *op, const char *path, int errnum)
{
	char text[128];

	snprintf(text, sizeof(text), "%s", err_errno_text(errnum));
	text[0] = (char)tolower((unsigned char)text[0]);
	return err_set(err, ERR_SYSTEM, errnum, "%s %.350s: %s", op, path, text);
}

int cp_absolute(const char *path, char out[static PATH_MAX], struct err *err)
{
	char cwd[PATH_MAX] = "", whole[2 * PATH_MAX];
	const char *end = "";

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(err, "find the working directory");
	snprintf(whole, sizeof(whole), "%s/%s", cwd, path);
	if (archive_clean_path(whole, out) < 0 || strlen(out) + 3 > PATH_MAX)
		return cp_path_error(err, "lstat", path, ENAMETOOLONG);
	if (archive_names_content(path))
		end = str_eq(out, "/") ? "." : "/.";
	else if (str_ends(path, "/") && !str_eq(out, "/"))
		end = "/";
	strcat(out, end);
	return 0;
}

/* SplitPathDirEntry */
static void split(const char *path, char directory[static PATH_MAX], char name[static PATH_MAX])
{
	char clean[PATH_MAX];
	char *slash;

	if (archive_clean_path(path, clean) < 0)
		strcpy(clean, "/");
	if (archive_names_content(path)) {
		strcpy(directory, clean);
		strcpy(name, ".");
		return;
	}
	slash = strrchr(clean, '/');
	strcpy(name, slash[1] ? slash + 1 : "/");
	slash[slash == clean] = '\0';
	strcpy(directory, clean);
}

/* PrepareArchiveCopy */
int cp_place(const struct cp_side *destination, bool source_is_directory, const char *base,
	     char directory[static PATH_MAX], char name[static PATH_MAX], struct err *err)
{
	if (destination->exists && destination->is_directory) {
		strcpy(directory, destination->path);
		/* name and base may be one */
		memmove(name, base, strlen(base) + 1);
		return 0;
	}
	if (destination->exists && source_is_directory)
		return err_set(err, ERR_USAGE, 0, "cannot copy directory");
	if (!destination->exists && !source_is_directory &&
	    archive_asserts_directory(destination->path))
		return err_set(err, ERR_USAGE, 0, "no such directory");
	split(destination->path, directory, name);
	return 0;
}

/* CopyInfoDestinationPath */
int cp_host_destination(const char *path, struct cp_side *out, struct err *err)
{
	char directory[PATH_MAX], name[PATH_MAX], target[PATH_MAX];
	struct stat st;
	int rc = 0;

	snprintf(out->path, sizeof(out->path), "%s", path);
	for (int i = 0; lstat(out->path, &st) == 0; i++) {
		ssize_t n;

		out->exists = true;
		out->is_directory = S_ISDIR(st.st_mode);
		if (!S_ISLNK(st.st_mode))
			return 0;
		out->exists = false;
		if (i > LINKS_MAX)
			return err_set(err, ERR_USAGE, ELOOP, "too many symlinks in %s", path);
		n = readlink(out->path, target, sizeof(target) - 1);
		if (n < 0)
			return cp_path_error(err, "readlink", out->path, errno);
		target[n] = '\0';
		split(out->path, directory, name);
		if (str_format(out->path, sizeof(out->path), "%s%s%s",
			       target[0] == '/' ? "" : directory, target[0] == '/' ? "" : "/",
			       target) < 0)
			return cp_path_error(err, "lstat", path, ENAMETOOLONG);
	}
	if (errno != ENOENT)
		return cp_path_error(err, "lstat", out->path, errno);
	split(out->path, directory, name);
	rc = stat(directory, &st);
	if (rc < 0)
		return cp_path_error(err, "stat", directory, errno);
	return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_USAGE, ENOTDIR, "not a directory");
}

/* ValidateOutputPath */
int cp_check_output(const char *path, struct err *err)
{
	char clean[PATH_MAX], directory[PATH_MAX], name[PATH_MAX];
	struct stat st;

	if (archive_clean_path(path, clean) == 0) {
		split(clean, directory, name);
		if (stat(directory, &st) < 0 && errno == ENOENT)
			return err_set(err, ERR_USAGE, ENOENT,
				       "invalid output path: directory \"%s\" does not exist",
				       directory);
	}
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : cp_path_error(err, "stat", path, errno);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return err_set(err, ERR_USAGE, ENODEV,
			       "invalid output path: \"%s\" must be a directory or a regular file: "
			       "got a device",
			       path);
	return 0;
}

/* CopyInfoSourcePath */
int cp_host_source(const char *path, bool follow, int *dir, char leaf[static PATH_MAX],
		   char base[static PATH_MAX], struct err *err)
{
	char directory[PATH_MAX], target[PATH_MAX];
	struct stat st;

	split(path, directory, base);
	if (archive_asserts_directory(path) || str_eq(path, "/")) {
		*dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		strcpy(leaf, ".");
		if (*dir < 0 && errno == ENOTDIR)
			return err_set(err, ERR_USAGE, ENOTDIR, "not a directory");
		return *dir < 0 ? cp_path_error(err, "lstat", path, errno) : 0;
	}
	strcpy(leaf, base);
	if (lstat(path, &st) < 0)
		return cp_path_error(err, "lstat", path, errno);
	if (follow && S_ISLNK(st.st_mode)) {
		if (!realpath(path, target))
			return cp_path_error(err, "lstat", path, errno);
		split(target, directory, leaf);
		if (str_eq(leaf, "/"))
			strcpy(leaf, ".");
	}
	*dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *dir < 0 ? cp_path_error(err, "lstat", directory, errno) : 0;
}

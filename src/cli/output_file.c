/* SPDX-License-Identifier: Apache-2.0 */
/* The checks and words are those of moby's atomicwriter, which docker's -o uses. */
#include "cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/cp_paths.h"

static int check_type(mode_t mode, struct err *err)
{
	static const struct {
		mode_t type;
		const char *what;
	} refused[] = {
		{S_IFDIR, "a directory"},
		{S_IFLNK, "a symbolic link directly"},
		{S_IFIFO, "a named pipe (FIFO)"},
		{S_IFSOCK, "a socket"},
		{S_IFCHR, "a character device file"},
		{S_IFBLK, "a block device file"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if ((mode & S_IFMT) == refused[i].type)
			return err_set(err, ERR_USAGE, EINVAL, "cannot write to %s",
				       refused[i].what);
	}
	return 0;
}

int output_file_open(const char *path, struct output_file *out, struct err *err)
{
	char directory[PATH_MAX];
	const char *slash;
	struct stat st;
	int rc;

	*out = (struct output_file){.fd = STDOUT_FILENO, .path = path};
	if (!path || !*path) {
		out->path = NULL;
		return isatty(STDOUT_FILENO)
			       ? err_set(err, ERR_USAGE, 0,
					 "cowardly refusing to save to a terminal. Use the -o flag "
					 "or redirect")
			       : 0;
	}
	slash = strrchr(path, '/');
	if (str_format(directory, sizeof(directory), "%.*s",
		       slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".") < 0)
		return cp_path_error(err, "stat", path, ENAMETOOLONG);
	rc = stat(directory, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (rc) {
		rc = cp_path_error(err, "stat", directory, rc);
		return rc < 0 ? err_wrap(err, "invalid output path") : rc;
	}
	rc = lstat(path, &st) == 0 ? check_type(st.st_mode, err) : 0;
	if (rc < 0)
		return rc;
	if (str_format(out->aside, sizeof(out->aside), "%s/.cloche-%d.tmp", directory,
		       (int)getpid()) < 0)
		return cp_path_error(err, "open", path, ENAMETOOLONG);
	out->fd = open(out->aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return out->fd < 0 ? cp_path_error(err, "open", out->aside, errno) : 0;
}

int output_file_end(struct output_file *f, int rc, struct err *err)
{
	if (!f->path || f->fd < 0)
		return rc;
	if (close(f->fd) < 0 && rc == 0)
		rc = cp_path_error(err, "close", f->path, errno);
	if (rc == 0 && rename(f->aside, f->path) < 0)
		rc = cp_path_error(err, "rename", f->path, errno);
	if (rc < 0)
		unlink(f->aside);
	f->fd = -1;
	return rc;
}

int output_file_check(const char *path, struct err *err)
{
	struct output_file f = {.fd = STDOUT_FILENO};
	int rc = !path || str_eq(path, "-") ? 0 : output_file_open(path, &f, err);

	if (rc == 0 && output_file_end(&f, -ECANCELED, err) == -ECANCELED)
		*err = ERR_INIT;
	return rc;
}

int output_file_write(const char *path, const void *bytes, size_t n, struct err *err)
{
	struct output_file f = {.fd = STDOUT_FILENO};
	int rc = str_eq(path, "-") ? 0 : output_file_open(path, &f, err);

	if (rc < 0)
		return rc;
	rc = fd_write_all(f.fd, bytes, n);
	if (rc == 0 && f.path && fchmod(f.fd, 0644) < 0)
		rc = -errno;
	if (rc < 0)
		rc = err_set(err, ERR_SYSTEM, -rc, "write %s: %s", path, err_errno_text(-rc));
	return output_file_end(&f, rc, err);
}

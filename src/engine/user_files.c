/* SPDX-License-Identifier: Apache-2.0 */
/* Reading two files that belong to the container: they may be anything, and lead anywhere. */
#include "engine/user_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "kernel/path.h"

#define USER_FILE_MAX (1 << 20)

static char *read_in_root(int root, const char *path)
{
	auto_close int fd = path_open(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	char *text = NULL;
	struct stat st;

	/* Only a plain file: a fifo or device from the container must not hold us up. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    file_read_fd(fd, USER_FILE_MAX, &text, NULL) < 0)
		return NULL;
	return text;
}

static void take(int root, const char *path, char **slot)
{
	char *text = read_in_root(root, path);

	if (text) {
		free(*slot);
		*slot = text;
	}
}

void user_files_read(int root, char **passwd, char **group)
{
	take(root, "/etc/passwd", passwd);
	take(root, "/etc/group", group);
}

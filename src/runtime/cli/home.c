/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the container's /etc/passwd through the one safe door. The file is the image's: lines that
 * are malformed or too long are passed over, and of a huge file only the start is read.
 */
#include "runtime/cli/home.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/path.h"

#define PASSWD_MAX (256 * 1024)
#define FIELD_UID 2
#define FIELD_HOME 5

/* The home of uid in one line of name:password:uid:gid:comment:home:shell, or NULL. */
static char *home_of_line(char *line, uint32_t uid)
{
	char *home = NULL;
	uint64_t number = UINT64_MAX;
	int field = 0;

	for (char *at = line; at; field++) {
		char *value = strsep(&at, ":");

		if (field == FIELD_UID && str_to_u64(value, &number))
			return NULL;
		if (field == FIELD_HOME)
			home = value;
	}
	return number == uid && home && home[0] == '/' ? home : NULL;
}

static char *find_home(const char *rootfs, uint32_t uid)
{
	auto_close int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int file = root < 0 ? -1
				       : path_open(root, "/etc/passwd",
						   O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	auto_free char *text = file < 0 ? NULL : xcalloc(1, PASSWD_MAX + 1);
	char *rest = text;

	if (!text || fd_read_full(file, text, PASSWD_MAX) < 0)
		return NULL;
	while (rest) {
		char *home = home_of_line(strsep(&rest, "\n"), uid);

		if (home)
			return xstrdup(home);
	}
	return NULL;
}

void home_add(struct oci_process *p, const char *rootfs)
{
	auto_free char *home = NULL;

	if (strv_get_env(&p->env, "HOME"))
		return;
	home = find_home(rootfs, p->uid);
	strv_add_taken(&p->env, xasprintf("HOME=%s", home ? home : "/"));
}

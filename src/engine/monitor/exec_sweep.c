/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing the states of execs that ended some minutes ago, so that a container in which something is
 * executed every second does not gather them. Done by a supervisor after it has answered, and only by
 * one in sixteen, so that a burst of execs does not look through the same directory each.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine/monitor/exec.h"
#include "engine/monitor/monitor.h"

#define KEEP_SECONDS 300

struct directory_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static bool has_ended_long_ago(int dir, const char *name)
{
	auto_close int own = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	/* One without a state is being made. */
	return own >= 0 && fstatat(own, EXEC_STATE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtim.tv_sec + KEEP_SECONDS < time(NULL) && flock(own, LOCK_EX | LOCK_NB) == 0;
}

void exec_sweep(struct monitor *m)
{
	const char *own = strrchr(plan_string(m->plan, m->plan->early.run_directory), '/') + 1;
	auto_close int dir = -1;
	long n;

	if (*own != '0')
		return;
	dir = openat(m->run_dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (dir >= 0 &&
	       (n = syscall(SYS_getdents64, dir, m->frame_bytes, sizeof(m->frame_bytes))) > 0) {
		for (const unsigned char *at = m->frame_bytes; at < m->frame_bytes + n;) {
			const struct directory_entry *e = (const void *)at;

			at += e->length;
			if (e->name[0] != '.' && has_ended_long_ago(dir, e->name) &&
			    remove_tree_at(dir, e->name) < 0)
				return;
		}
	}
}

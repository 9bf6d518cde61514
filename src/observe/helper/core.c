/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that belong to no test: who the helper is, what time it is, nothing at all, a file of a size. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

/* pid and uid as the container sees them; pid_namespace: the inode, 0 where there is no /proc. */
static int hello(const struct helper_request *r)
{
	struct stat st = {.st_ino = 0};

	(void)r;
	if (stat("/proc/self/ns/pid", &st) < 0)
		st.st_ino = 0;
	helper_answer("hello pid=%d uid=%u pid_namespace=%llu now_ns=%llu", (int)getpid(), getuid(),
		      (unsigned long long)st.st_ino, (unsigned long long)helper_now_ns());
	return 0;
}

/* The least a program can do: on the command line what a start is measured with. */
static int do_nothing(const struct helper_request *r)
{
	(void)r;
	return 0;
}

/* The monotonic clock. */
static int now(const struct helper_request *r)
{
	(void)r;
	helper_answer("now_ns=%llu", (unsigned long long)helper_now_ns());
	return 0;
}

/* path bytes: writes a file that compresses badly, so that no store can make it small. */
static int fill(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");
	uint64_t left, state = helper_now_ns() | 1;
	uint64_t block[4096];
	int fd, rc;

	if (!path || helper_u64(r, "bytes", &left) < 0)
		return -EINVAL;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	rc = fd < 0 ? -errno : 0;
	while (rc == 0 && left) {
		size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);

		for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			block[i] = state;
		}
		rc = fd_write_all(fd, block, n);
		left -= n;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

const struct helper_verb helper_verb_hello = {"hello", hello};
const struct helper_verb helper_verb_fill = {"fill", fill};
const struct helper_verb helper_verb_true = {"true", do_nothing};
const struct helper_verb helper_verb_now = {"now", now};

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs against limits: forks until the kernel refuses, writes to a device as fast as it is let. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define FORKS_MAX 4096
#define BLOCK (1U << 16)

/* forks max=N: children that only wait. forked: how many there were besides the helper; error: the errno
 * of the fork that was refused, 0 when none was. All of them are gone when it answers. */
static int forks(const struct helper_request *r)
{
	pid_t pids[FORKS_MAX];
	uint64_t max = helper_u64_or(r, "max", FORKS_MAX), n = 0;
	int error = 0;

	if (max > FORKS_MAX)
		return -EINVAL;
	while (n < max) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (pid < 0) {
			error = errno;
			break;
		}
		pids[n++] = pid;
	}
	for (uint64_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (uint64_t i = 0; i < n; i++)
		while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
			continue;
	helper_answer("forked=%llu error=%d", (unsigned long long)n, error);
	return 0;
}

/* pour path=P bytes=N: into a device or file past the page cache, or with a sync at the end where the
 * file system knows no direct writing. */
static int pour(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");
	uint64_t bytes, done = 0, begin, end;
	int rc = helper_u64(r, "bytes", &bytes);
	bool direct = true;
	void *block;
	int fd;

	if (rc < 0 || !path)
		return -EINVAL;
	fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EINVAL) {
		direct = false;
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		return -errno;
	block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	memset(block, 0x5a, BLOCK);
	begin = helper_now_ns();
	while (rc == 0 && done < bytes) {
		ssize_t n = write(fd, block, BLOCK);

		if (n > 0)
			done += (uint64_t)n;
		else if (n < 0 && errno != EINTR)
			rc = -errno;
	}
	if (rc == 0 && !direct && fsync(fd) < 0)
		rc = -errno;
	end = helper_now_ns();
	close(fd);
	munmap(block, BLOCK);
	if (rc == 0)
		helper_answer("bytes=%llu took_ns=%llu direct=%d", (unsigned long long)done,
			      (unsigned long long)(end - begin), direct);
	return rc;
}

const struct helper_verb helper_verb_forks = {"forks", forks};
const struct helper_verb helper_verb_pour = {"pour", pour};

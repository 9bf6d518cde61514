/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace is held by a descriptor alone: no process, no mount point on the host. */
#include "observe/subject/private_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

int private_mounts_hide_hybrid(void)
{
	static const char *const places[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (umount2(places[i], MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int private_mounts_enter(const struct subject *s)
{
	return s->mount_namespace >= 0 && setns(s->mount_namespace, CLONE_NEWNS) < 0 ? -errno : 0;
}

struct maker {
	const struct subject *subject;
	int (*furnish)(const struct subject *s, const void *arg);
	const void *arg;
	int answer_fd, wait_fd; /* its ends */
};

/* Says how it went, and holds the namespace until it is told to go. */
static void make_in_child(const struct maker *m)
{
	int answer = 0;
	char end;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		answer = -errno;
	else
		answer = m->furnish(m->subject, m->arg);
	if (write(m->answer_fd, &answer, sizeof(answer)) < 0 || read(m->wait_fd, &end, 1) < 0)
		_exit(1);
	_exit(0);
}

static int hear_of_it(struct subject *s, pid_t pid, int fd)
{
	char path[64];
	int answer;

	if (read(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		return -EIO;
	if (answer < 0)
		return answer;
	answer = str_format(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (answer < 0)
		return answer;
	s->mount_namespace = open(path, O_RDONLY | O_CLOEXEC);
	return s->mount_namespace < 0 ? -errno : 0;
}

int private_mounts_make(struct subject *s, int (*furnish)(const struct subject *s, const void *arg),
			const void *arg, struct err *err)
{
	int to_child[2], from_child[2], rc;
	pid_t pid;

	if (pipe2(to_child, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	if (pipe2(from_child, O_CLOEXEC) < 0) {
		rc = err_sys(err, "make a pipe");
		close(to_child[0]);
		close(to_child[1]);
		return rc;
	}
	pid = fork();
	if (pid == 0) {
		close(to_child[1]);
		make_in_child(&(struct maker){s, furnish, arg, from_child[1], to_child[0]});
	}
	close(to_child[0]);
	close(from_child[1]);
	rc = pid < 0 ? -errno : hear_of_it(s, pid, from_child[0]);
	close(to_child[1]);
	close(from_child[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "make private mounts for %s: %s", s->name,
				err_errno_text(-rc))
		      : 0;
}

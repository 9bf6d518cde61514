/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of a running container: /proc/PID/root, opened between two looks that prove that PID is still the
 * monitor's child. Of a stopped one: a child process unshares its mount namespace, mounts the layers
 * and what the record says, makes that the root of the namespace and drops the host's mounts; its
 * parent gets the root and the namespace as descriptors. The old mount(2) is used for the overlay
 * since fsconfig(2) takes at most 255 bytes per value, which is eight layers.
 */
#include "engine/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/internal.h"
#include "engine/root_internal.h"
#include "kernel/pidfd.h"
#include "kernel/proc.h"

#define MOUNT_LOCK_FILE "mount.lock"
#define TRIES 200 /* of a millisecond at least */
#define NAP_NS 1000000

void container_root_close(struct container_root *root)
{
	const int fds[] = {root->fd, root->namespace_fd, root->mount_lock_fd, root->lock_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		cleanup_close(&fds[i]);
	*root = CONTAINER_ROOT_NONE;
}

/* ---- a child that answers with an error or with descriptors ---- */

static int receive_answer(int sock, int fds[2], size_t want, struct err *err)
{
	struct err answer;
	size_t count = 0;
	ssize_t n = fd_receive(sock, &answer, sizeof(answer), fds, want, &count);

	if (n != (ssize_t)sizeof(answer))
		return err_set(err, ERR_SYSTEM, ECHILD, "the process that mounts it died");
	if (answer.kind == ERR_NONE && count == want)
		return 0;
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	fds[0] = fds[1] = -1;
	*err = answer;
	return answer.kind == ERR_NONE ? err_set(err, ERR_SYSTEM, EPROTO, "no descriptor came")
				       : err_code(err);
}

int root_in_child(root_child_fn work, const struct root_job *job, int fds[2], size_t want,
		  struct err *err)
{
	int ends[2], status, rc;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "make a socket");
	child = fork();
	if (child == 0) {
		struct err answer = ERR_INIT;
		int out[2] = {-1, -1};

		rc = work(job, out, &answer);
		_exit(fd_send(ends[1], &answer, sizeof(answer), out, rc < 0 ? 0 : want) < 0);
	}
	close(ends[1]);
	rc = child < 0 ? err_sys(err, "fork") : receive_answer(ends[0], fds, want, err);
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return rc;
}

/* ---- running ---- */

/* Before its exec PID 1 may still stand in the host's root. */
static int check_not_host(int fd, const struct container *c, struct err *err)
{
	struct stat ours, root;

	if (c->config.rootfs)
		return 0;
	if (fstat(fd, &root) < 0 || stat("/", &ours) < 0)
		return err_sys(err, "look at the root of %.12s", c->id);
	if (root.st_dev == ours.st_dev && root.st_ino == ours.st_ino)
		return err_set(err, ERR_CONFLICT, EBUSY, "container %s is being started", c->name);
	return 0;
}

/* True if pid, which pidfd holds, is the child of the monitor that the state names. */
static bool is_container_init(const struct container *c, pid_t pid, int pidfd)
{
	struct proc_stat stat;

	return proc_read_stat(pid, &stat) == 0 && stat.parent == c->state.monitor_pid &&
	       process_fd_signal(pidfd, 0) == 0;
}

/* 1: gone meanwhile, look again. */
static int open_running(const struct container *c, enum container_root_view view,
			struct container_root *out, struct err *err)
{
	const bool whole = view == CONTAINER_ROOT_WHOLE;
	auto_close int pidfd = process_fd_open(c->state.pid);
	auto_close int fd = -1;
	struct root_job job = {.c = c};
	int fds[2] = {-1, -1}, rc;
	char path[64];

	if (pidfd < 0)
		return errno == ESRCH ? 1 : err_sys(err, "open process %d", c->state.pid);
	if (!is_container_init(c, c->state.pid, pidfd))
		return 1;
	snprintf(path, sizeof(path), "/proc/%d/%s", c->state.pid, whole ? "root" : "ns/mnt");
	fd = open(path, whole ? O_PATH | O_DIRECTORY | O_CLOEXEC : O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ESRCH)
		return err_sys(err, "open %s", path);
	if (fd < 0 || !is_container_init(c, c->state.pid, pidfd))
		return 1;
	out->running = true;
	if (whole) {
		rc = check_not_host(fd, c, err);
		out->fd = rc == 0 ? take_fd(&fd) : -1;
		return rc;
	}
	job.namespace_fd = fd;
	rc = root_in_child(root_clone_bare, &job, fds, 1, err);
	out->fd = fds[0];
	return rc == 0 ? check_not_host(out->fd, c, err) : rc;
}

/* ---- not running ---- */

/* Shared, so that readers of the state see no life in it and a starter waits. 1: look again. */
static int lock_stopped(struct engine *e, struct container *c, struct container_root *out,
			struct err *err)
{
	auto_close int run_dir = -1;
	int rc = container_lock(e, c->id, true, &out->lock_fd);

	if (rc == 0 && flock(out->lock_fd, LOCK_SH | LOCK_NB) < 0)
		rc = -errno;
	if (rc == -EBUSY || rc == -EWOULDBLOCK)
		return 1;
	run_dir = rc < 0 ? rc : container_run_dir(e, c->id);
	if (run_dir >= 0)
		out->mount_lock_fd =
			openat(run_dir, MOUNT_LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (run_dir < 0 || out->mount_lock_fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "lock container %s: %s", c->name,
			       err_errno_text(errno));
	while (flock(out->mount_lock_fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return err_sys(err, "lock container %s", c->name);
	}
	return 0;
}

static int open_stopped(struct engine *e, struct container *c, enum container_root_view view,
			struct container_root *out, struct err *err)
{
	const struct root_job job = {.e = e, .c = c, .whole = view == CONTAINER_ROOT_WHOLE};
	int fds[2] = {-1, -1};
	int rc = lock_stopped(e, c, out, err);

	if (rc != 0)
		return rc;
	rc = container_state_read(e, c, err);
	if (rc < 0)
		return rc;
	if (container_is_gone(e, c->id))
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", c->name);
	if (container_is_alive(c))
		return 1;
	rc = root_in_child(root_mount_stopped, &job, fds, 2, err);
	if (rc < 0)
		return rc;
	out->fd = fds[0];
	out->namespace_fd = fds[1];
	return 0;
}

int container_root_open(struct engine *e, struct container *c, enum container_root_view view,
			struct container_root *out, struct err *err)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};

	*out = CONTAINER_ROOT_NONE;
	for (int i = 0; i < TRIES; i++) {
		int rc = container_state_read(e, c, err);

		if (rc == 0)
			rc = container_is_alive(c) && c->state.pid > 0
				     ? open_running(c, view, out, err)
				     : open_stopped(e, c, view, out, err);
		if (rc <= 0)
			return rc;
		container_root_close(out);
		nanosleep(&nap, NULL);
	}
	return err_set(err, ERR_CONFLICT, EBUSY, "container %s is being started or removed",
		       c->name);
}

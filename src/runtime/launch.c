/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3() and execveat(). The new process runs on a copy of our address space until its exec; it
 * only places descriptors, so nothing of ours is disturbed.
 */
#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/subprocess.h"
#include "kernel/mount.h"

#define HIGH_FD 64 /* above every place a descriptor is put, so that no dup2 overwrites another */

/* Where the monitor's program comes from: its own read-only mount. */
static int open_program(struct err *err)
{
	char path[PATH_MAX];
	auto_close int tree = -1;
	int rc = subprocess_own_program("cloche-monitor", path, sizeof(path), err);

	if (rc < 0)
		return rc;
	tree = mount_open_program_read_only(path);
	if (tree < 0)
		return err_set(err, ERR_SYSTEM, -tree, "open %s read-only: %s (root is needed)", path,
			       err_errno_text(-tree));
	return take_fd(&tree);
}

/* In the new process: descriptor list[i] goes to first + i; -1 leaves a gap. */
static int place_all(const int *list, int count, int first)
{
	int high[8];

	for (int i = 0; i < count; i++) {
		high[i] = list[i] < 0 ? -1 : fcntl(list[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (list[i] >= 0 && high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count; i++) {
		if (high[i] >= 0 && fd_place(high[i], first + i) < 0)
			return -errno;
	}
	return 0;
}

static _Noreturn void exec_program(int program, char *const argv[])
{
	static char *const no_environment[] = {NULL};

	syscall(SYS_execveat, program, "", argv, no_environment, AT_EMPTY_PATH);
	_exit(errno == ENOENT ? 127 : 126);
}

static _Noreturn void become_monitor(const struct launch_monitor *l, int program)
{
	static char *const argv[] = {(char *)(uintptr_t) "cloche-monitor", NULL};
	const int list[] = {l->control_fd, l->plan_fd, l->lock_fd, l->cgroup_fd};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD);

	if (null < 0 || high < 0 || place_all(list, 4, PLAN_FD_CONTROL) < 0)
		_exit(126);
	for (int i = 0; i < 3; i++) {
		if (fd_place(null, i) < 0)
			_exit(126);
	}
	exec_program(high, argv);
}

/* vfork semantics without sharing memory: the caller resumes once exec is done. */
static pid_t clone_process(uint64_t flags, int cgroup_fd, int *pidfd)
{
	struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};

	if (pidfd) {
		args.flags |= (__u64)CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	if (cgroup_fd >= 0) {
		args.flags |= (__u64)CLONE_INTO_CGROUP;
		args.cgroup = (__u64)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int launch_monitor(const struct launch_monitor *l, pid_t *pid, struct err *err)
{
	auto_close int program = open_program(err);

	if (program < 0)
		return program;
	*pid = clone_process(CLONE_VFORK, l->monitor_cgroup_fd, NULL);
	if (*pid < 0)
		return err_sys(err, "start cloche-monitor");
	if (*pid == 0)
		become_monitor(l, program);
	return 0;
}

static _Noreturn void become_init(const struct launch_init *l, int program)
{
	char base[16];
	char *const argv[] = {(char *)(uintptr_t) "cloche-monitor", (char *)(uintptr_t) "init", base,
			      NULL};
	const int list[] = {l->report_fd, l->plan_fd, l->gate_fd};
	int first = 3 + (int)l->preserve_fds;
	int high = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD + (int)l->preserve_fds);

	snprintf(base, sizeof(base), "%d", first);
	if (high < 0 || place_all(list, 3, first) < 0)
		_exit(126);
	syscall(SYS_close_range, first + 3, ~0U, CLOSE_RANGE_CLOEXEC);
	exec_program(high, argv);
}

int launch_init(const struct launch_init *l, pid_t *pid, int *pidfd, struct err *err)
{
	auto_close int program = open_program(err);

	if (program < 0)
		return program;
	if (l->pid_namespace_fd >= 0 && syscall(SYS_setns, l->pid_namespace_fd, CLONE_NEWPID) < 0)
		return err_sys(err, "join the pid namespace");
	*pid = clone_process(l->clone_flags, l->cgroup_fd, pidfd);
	if (*pid < 0)
		return err_sys(err, "make the container's namespaces");
	if (*pid == 0)
		become_init(l, program);
	return 0;
}

void launch_release(struct plan *p, enum plan_release how)
{
	__atomic_store_n(&p->shared.released, (uint32_t)how, __ATOMIC_RELEASE);
	syscall(SYS_futex, &p->shared.released, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3() and execveat(). The new process shares our memory until its exec, as after vfork(): a copy
 * of the page tables would cost more than the exec.
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
		return err_set(err, ERR_SYSTEM, -tree, "open %s read-only: %s (root is needed)",
			       path, err_errno_text(-tree));
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

/* Comes back with -errno only. */
static int exec_program(int program, char *const argv[])
{
	static char *const no_environment[] = {NULL};

	syscall(SYS_execveat, program, "", argv, no_environment, AT_EMPTY_PATH);
	return -errno;
}

static int become_monitor(const void *launch, int program)
{
	const struct launch_monitor *l = launch;
	static char *const argv[] = {(char *)(uintptr_t) "cloche-monitor", NULL};
	const int list[] = {l->control_fd, l->plan_fd, l->lock_fd, l->cgroup_fd, l->target_fd};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD);

	int rc = null < 0 || high < 0 ? -errno : place_all(list, 5, PLAN_FD_CONTROL);

	for (int i = 0; rc == 0 && i < 3; i++)
		rc = fd_place(null, i);
	return rc < 0 ? rc : exec_program(high, argv);
}

/* What the new process does: places descriptors and executes. Runs on the caller's memory while the
 * caller is suspended, so it changes nothing but its own stack and descriptors, and *failed. */
struct entry {
	int (*run)(const void *launch, int program); /* -errno when it could not execute */
	const void *launch;
	int program;
	int *failed; /* errno of that */
};

static _Noreturn void enter(const struct entry *e)
{
	*e->failed = -e->run(e->launch, e->program);
	_exit(126);
}

#ifdef __x86_64__
#define ENTRY_STACK_BYTES 32768

/* clone3() with CLONE_VM needs a stack of its own, which C cannot switch to: the child calls
 * enter(e) at once and never comes back. */
static pid_t clone_on_stack(struct clone_args *args, const struct entry *e)
{
	static char stack[ENTRY_STACK_BYTES] __attribute__((aligned(16)));
	register const struct entry *arg asm("r8") = e;
	register void (*fn)(const struct entry *) asm("r9") = enter;
	long rc;

	args->flags |= CLONE_VM;
	args->stack = (uint64_t)(uintptr_t)stack;
	args->stack_size = sizeof(stack);
	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "xor %%ebp, %%ebp\n\t"
		     "mov %%r8, %%rdi\n\t"
		     "call *%%r9\n\t"
		     "hlt\n"
		     "1:"
		     : "=a"(rc)
		     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(arg), "r"(fn)
		     : "rcx", "r11", "memory");
	if (rc < 0) {
		errno = (int)-rc;
		return -1;
	}
	return (pid_t)rc;
}
#else
static pid_t clone_on_stack(struct clone_args *args, const struct entry *e)
{
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof(*args));

	if (pid == 0)
		enter(e);
	return pid;
}
#endif

/* vfork with all that clone3() offers; handlers of the caller do not run in the new process. */
static pid_t clone_process(uint64_t flags, int cgroup_fd, int *pidfd, const struct entry *e)
{
	struct clone_args args = {.flags = flags | CLONE_VFORK | CLONE_CLEAR_SIGHAND,
				  .exit_signal = SIGCHLD};

	if (pidfd) {
		args.flags |= (__u64)CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	if (cgroup_fd >= 0) {
		args.flags |= (__u64)CLONE_INTO_CGROUP;
		args.cgroup = (__u64)cgroup_fd;
	}
	return clone_on_stack(&args, e);
}

/* The new process could not execute: it is a zombie by now. */
static int reap_failed(pid_t *pid, int failed, struct err *err)
{
	if (*pid > 0)
		waitpid(*pid, NULL, 0);
	*pid = 0;
	if (failed == EINVAL || failed == EMFILE)
		return err_set(
			err, ERR_SYSTEM, failed,
			"start cloche-monitor: no free descriptor above %d: %s (raise the limit "
			"on open files, ulimit -n)",
			HIGH_FD, err_errno_text(failed));
	return err_set(err, ERR_SYSTEM, failed, "start cloche-monitor: %s", err_errno_text(failed));
}

int launch_monitor(const struct launch_monitor *l, pid_t *pid, struct err *err)
{
	int failed = 0;

	if (*l->program_fd < 0)
		*l->program_fd = open_program(err);
	if (*l->program_fd < 0)
		return *l->program_fd;
	*pid = clone_process(0, l->monitor_cgroup_fd, NULL,
			     &(struct entry){become_monitor, l, *l->program_fd, &failed});
	if (*pid < 0)
		failed = errno;
	return failed ? reap_failed(pid, failed, err) : 0;
}

static int become_init(const void *launch, int program)
{
	const struct launch_init *l = launch;
	char base[16];
	char *const argv[] = {(char *)(uintptr_t) "cloche-monitor", (char *)(uintptr_t) "init",
			      base, NULL};
	const int list[] = {l->report_fd, l->plan_fd, l->gate_fd};
	int first = 3 + (int)l->preserve_fds;
	int high = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD + (int)l->preserve_fds);

	int rc = high < 0 ? -errno : place_all(list, 3, first);

	snprintf(base, sizeof(base), "%d", first);
	if (rc == 0 && syscall(SYS_close_range, first + 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		rc = -errno;
	return rc < 0 ? rc : exec_program(high, argv);
}

int launch_init(const struct launch_init *l, pid_t *pid, int *pidfd, struct err *err)
{
	auto_close int program = open_program(err);
	int failed = 0;

	if (program < 0)
		return program;
	if (l->pid_namespace_fd >= 0 && syscall(SYS_setns, l->pid_namespace_fd, CLONE_NEWPID) < 0)
		return err_sys(err, "join the pid namespace");
	*pid = clone_process(l->clone_flags, l->cgroup_fd, pidfd,
			     &(struct entry){become_init, l, program, &failed});
	if (*pid < 0)
		return err_sys(err, "make the container's namespaces");
	if (failed && pidfd)
		close(*pidfd);
	return failed ? reap_failed(pid, failed, err) : 0;
}

void launch_release(struct plan *p, enum plan_release how)
{
	__atomic_store_n(&p->shared.released, (uint32_t)how, __ATOMIC_RELEASE);
	syscall(SYS_futex, &p->shared.released, FUTEX_WAKE, 1, NULL, NULL, 0);
}

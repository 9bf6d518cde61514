/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd cgroup manager's part of a start: the child is there and waits, and a program is run that
 * asks systemd for a scope around it. What must hold: the child is not let go outside its scope.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/monitor/monitor.h"
#include "kernel/pidfd.h"

/* The argument that is the process. */
#define PID_ARGUMENT 2

static _Noreturn void become_helper(struct monitor *m, plan_ref command, int errors)
{
	static char *const no_environment[] = {NULL};
	struct plan_list *list = plan_at(m->plan, command);
	char **argv = plan_at(m->plan, list->pointers);
	char pid[16];
	sigset_t none;

	for (uint32_t i = 0; i < list->count; i++)
		argv[i] = plan_at(m->plan, list->items[i]);
	argv[list->count] = NULL;
	snprintf(pid, sizeof(pid), "%d", m->pid);
	if (command == m->plan->early.scope)
		argv[PID_ARGUMENT] = pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (argv[0] && fd_place(errors, STDERR_FILENO) == 0)
		execve(argv[0], argv, no_environment);
	_exit(127);
}

/* What it says on the way, up to its end. */
static int run_helper(struct monitor *m, plan_ref command, char *said, size_t size)
{
	auto_close int from = -1, to = -1;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	*said = '\0';
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	from = fds[0];
	to = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_helper(m, command, to);
	close(take_fd(&to));
	n = fd_read_full(from, said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

static void tell(struct monitor *m, enum plan_scope_state state)
{
	__atomic_store_n(&m->plan->shared.scope_state, (uint32_t)state, __ATOMIC_RELEASE);
	syscall(SYS_futex, &m->plan->shared.scope_state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void set_release(struct monitor *m, enum plan_release how)
{
	__atomic_store_n(&m->plan->shared.released, (uint32_t)how, __ATOMIC_RELEASE);
	syscall(SYS_futex, &m->plan->shared.released, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void scope_hold(struct monitor *m)
{
	/* The first time whoever launched us lets the child go; in a restart it would not wait. */
	if (m->plan->early.scope && m->released)
		set_release(m, PLAN_WAIT);
}

int scope_start(struct monitor *m, struct err *err)
{
	char said[ERR_MSG_MAX / 2];
	int status;

	if (!m->plan->early.scope)
		return 0;
	status = run_helper(m, m->plan->early.scope, said, sizeof(said));
	if (status == 0) {
		tell(m, PLAN_SCOPE_MADE);
		if (m->released)
			set_release(m, PLAN_GO);
		return 0;
	}
	process_fd_signal(m->pidfd, SIGKILL);
	waitid(P_PIDFD, (id_t)m->pidfd, &(siginfo_t){0}, WEXITED);
	close(m->pidfd);
	m->pidfd = -1;
	err_set(err, ERR_SYSTEM, status < 0 ? -status : ECANCELED, "make the container's scope: %s",
		*said        ? said
		: status < 0 ? err_errno_text(-status)
			     : "cloche-systemd could not be run");
	tell(m, PLAN_SCOPE_FAILED);
	return -ECANCELED;
}

void scope_stop(struct monitor *m)
{
	char said[ERR_MSG_MAX / 2];

	if (m->plan->early.scope_stop &&
	    run_helper(m, m->plan->early.scope_stop, said, sizeof(said)) < 0)
		return;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the child: its pipes, one clone3() with all its namespaces, born in its v2 group. The child
 * arms its parent-death signal before it waits, and keeps no descriptor by which it could hold the
 * container's lock or a client's connection open. The group stays open here, for the next run.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/monitor/monitor.h"
#include "runtime/child/child.h"
#include "runtime/stamp.h"

struct stdio_pipes {
	int child[3];   /* the container's ends */
	int monitor[3]; /* ours */
};

static int open_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

static int open_stdio(const struct monitor *m, struct stdio_pipes *s, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 3; i++)
		s->child[i] = s->monitor[i] = -1;
	if (m->plan->early.terminal)
		return 0;
	if (m->plan->early.open_stdin)
		rc = open_pipe(&s->child[0], &s->monitor[0]);
	else
		s->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 1; rc == 0 && i < 3; i++)
		rc = open_pipe(&s->monitor[i], &s->child[i]);
	for (int i = 0; rc == 0 && i < 3; i++) {
		if (s->monitor[i] >= 0)
			rc = fd_set_nonblocking(s->monitor[i], 1);
	}
	return rc < 0 || s->child[0] < 0 ? err_set(err, ERR_SYSTEM, rc < 0 ? -rc : EMFILE,
						   "make the container's pipes: %s",
						   err_errno_text(rc < 0 ? -rc : EMFILE))
					 : 0;
}

/* Of a later run than the first the monitor has more open. */
static void close_others(const struct monitor *m)
{
	const int fds[] = {m->run_dir,  m->listen_fd,       m->log.fd,    m->oom.counter,
			   m->event_fd, m->restart.peak_fd, m->keeper.fd, m->oom.fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		if (m->clients[i].fd >= 0)
			close(m->clients[i].fd);
	}
}

void monitor_keep_copy(struct plan *p, int fd, off_t at)
{
	char *rest = (char *)p + PLAN_SHARED_BYTES;

	/* What the launcher still writes shows, since nothing is written here before the release. */
	if (mmap(rest, PLAN_BYTES - PLAN_SHARED_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, fd, at + PLAN_SHARED_BYTES) == MAP_FAILED)
		_exit(1);
	close(fd);
}

pid_t monitor_made_child(const struct monitor *m, const struct plan *p)
{
	pid_t pid = __atomic_load_n(&p->shared.child_pid, __ATOMIC_RELAXED);

	if (pid <= 0 || pid == m->pid ||
	    waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 0;
	return pid;
}

static _Noreturn void become_child(struct monitor *m, const struct stdio_pipes *s, int report)
{
	struct child_context c = {.root_fd = -1,
				  .stdio = {s->child[0], s->child[1], s->child[2]},
				  .report_fd = report,
				  .gate_fd = -1,
				  .mask_fd = -1,
				  .groups = m->groups,
				  .group_fd = PLAN_FD_COUNT,
				  .group_count = m->group_count,
				  .die_with_parent = 1};

	close(PLAN_FD_LOCK);
	close(m->report_fd);
	close_others(m);
	monitor_keep_copy(m->plan, PLAN_FD_PLAN, 0);
	if (m->health.plan)
		munmap(m->health.plan, PLAN_BYTES);
	if (!c.groups)
		c.groups = plan_string(m->plan, m->plan->early.groups);
	/* It leads to the host's directories (CVE-2024-21626). */
	if (m->plan->early.has_cgroup_fd)
		close(PLAN_FD_CGROUP);
	child_run(m->plan, &c);
}

/* Only children go into a pid namespace that is joined. */
static int join_pid_namespace(const struct monitor *m, struct err *err)
{
	const struct plan_early *early = &m->plan->early;
	const char *path = plan_string(m->plan, early->pid_namespace);
	auto_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;

	if (!path)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "join PID namespace %s", path);
	if (st.st_ino != early->pid_namespace_inode)
		return err_set(err, ERR_CONFLICT, ESTALE,
			       "join PID namespace %s: the container it was of has ended", path);
	return syscall(SYS_setns, fd, CLONE_NEWPID) < 0
		       ? err_sys(err, "join PID namespace %s", path)
		       : 0;
}

static pid_t clone_child(const struct monitor *m, int *pidfd)
{
	struct clone_args args = {
		.flags = m->plan->early.clone_flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};

	if (m->plan->early.has_cgroup_fd) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = PLAN_FD_CGROUP;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int monitor_spawn_child(struct monitor *m, struct err *err)
{
	struct stdio_pipes s;
	int report[2];
	int rc = foreign_prepare(m, err);

	if (rc == 0)
		rc = open_stdio(m, &s, err);
	if (rc < 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) < 0)
		return err_sys(err, "make the report socket");
	m->report_fd = report[0];
	scope_hold(m);
	rc = join_pid_namespace(m, err);
	if (rc < 0)
		return rc;
	m->pid = clone_child(m, &m->pidfd);
	if (m->pid < 0)
		return err_sys(err, "%s",
			       m->plan->early.exec ? "make a process for the container"
						   : "make the container's namespaces");
	if (m->pid == 0)
		become_child(m, &s, report[1]);
	stamp(m->plan, POINT_MONITOR_CLONED);
	close(report[1]);
	for (int i = 0; i < 3; i++) {
		if (s.child[i] >= 0)
			close(s.child[i]);
	}
	m->input = s.monitor[0];
	m->output[0] = s.monitor[1];
	m->output[1] = s.monitor[2];
	return scope_start(m, err);
}

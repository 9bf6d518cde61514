/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor of an exec: the monitor's program watching over one more process in a container that
 * runs. Streams, clients and the loop are the monitor's; what is here is the beginning and the end of
 * that process. It has no log and is not restarted. It ends with the container, since the kernel kills
 * its process then, and the process ends with it (parent-death signal).
 *
 * What must hold: the state in its directory is final before anybody is told of the end.
 */
#include "engine/monitor/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"
#include "runtime/plan_error.h"

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

static void store(struct monitor *m, const char *status)
{
	const struct exec_head head = {.status = status,
				       .pid = m->exited ? 0 : m->pid,
				       .exit_code = m->exit_code,
				       .started_ns = m->started_wall_ns,
				       .finished_ns = m->finished_wall_ns};
	auto_close int fd = openat(m->run_dir, EXEC_STATE_FILE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[EXEC_HEAD_SIZE];
	int n = exec_head_format(&head, text);

	/* The file has its length already, so only a failing disk could refuse. */
	if (fd >= 0 && n > 0 && pwrite(fd, text, (size_t)n, 0) != n)
		return;
}

static void say_died(struct monitor *m)
{
	const char *path = plan_string(m->plan, m->plan->early.run_directory);
	const char *slash = strrchr(path, '/');
	struct monitor_attribute attributes[] = {{"execID", slash + 1}, {"exitCode", NULL}};
	char code[16];

	snprintf(code, sizeof(code), "%d", m->exit_code);
	attributes[1].value = code;
	event_say(m, "exec_die", attributes, 2);
}

/* The container, and with it this directory, may have been removed while we made things in it; then
 * whoever removed it could not see them. */
static void follow_container(struct monitor *m)
{
	const char *own = plan_string(m->plan, m->plan->early.run_directory);
	char path[PATH_MAX];

	if (faccessat(m->run_dir, "../../lock", F_OK, 0) == 0 ||
	    str_format(path, sizeof(path), "%s", own) < 0 || remove_tree_at(AT_FDCWD, own) < 0)
		return;
	/* .../<id>/exec, then .../<id>, if nothing else is left there. */
	for (int i = 0; i < 2; i++) {
		*strrchr(path, '/') = '\0';
		if (rmdir(path) < 0)
			return;
	}
}

/* Nothing is waited for any more: the final state stands when the lock is free, and only then is the
 * end told. */
static _Noreturn void conclude(struct monitor *m, enum frame_type type, const void *payload,
			       size_t n)
{
	store(m, "exited");
	flock(PLAN_FD_LOCK, LOCK_UN);
	if (m->started)
		say_died(m);
	client_accept(m);
	if (type == FRAME_EXIT)
		client_answer_all(m);
	else
		client_send_all(m, type, payload, n);
	/* Who waits may have been woken on this very processor, behind us. */
	sched_yield();
	follow_container(m);
	exec_sweep(m);
	client_linger(m);
	_exit(0);
}

static bool container_has_ended(const struct plan *p)
{
	uint32_t failed = p->shared.failed_op;
	int type = failed && failed <= p->op_count ? p->ops[failed - 1].type : OP_NONE;
	int rc = p->shared.failed_errno;

	/* A pid namespace without its first process takes in no other: the kernel says ENOMEM. Groups
	 * are removed by the monitor at the end. */
	return (type == OP_JOIN && rc == ESRCH) || (type == OP_CLONE && rc == ENOMEM) ||
	       (type == OP_JOIN_GROUPS && (rc == ENOENT || rc == ENODEV));
}

_Noreturn void exec_refuse(struct monitor *m)
{
	const pid_t made = monitor_made_child(m, m->plan);
	siginfo_t info = {0};

	/* It may have failed on either side of OP_CLONE; none may stay a zombie of the container's. */
	if (made)
		waitid(P_PID, (id_t)made, &info, WEXITED);
	if (m->pidfd >= 0 && waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED) == 0 &&
	    !m->plan->shared.failed_op)
		err_set(&m->start_error, ERR_SYSTEM, ECANCELED,
			"the process that enters the container %s %d",
			info.si_code == CLD_EXITED ? "ended with status" : "was killed by signal",
			info.si_status);
	else if (m->pidfd >= 0 && container_has_ended(m->plan))
		err_set(&m->start_error, ERR_CONFLICT, ESRCH, "Container %s is not running",
			plan_string(m->plan, m->plan->monitor.id));
	else if (m->pidfd >= 0)
		plan_error(m->plan, &m->start_error);
	m->exited = true;
	m->finished_wall_ns = clock_wall_ns();
	m->exit_code = m->start_error.kind == ERR_NO_COMMAND ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	conclude(m, FRAME_ERROR, &m->start_error, sizeof(m->start_error));
}

/* The process that OP_CLONE made is our child, the one that made it has nothing left to do. */
static int adopt(struct monitor *m)
{
	const pid_t made = monitor_made_child(m, m->plan);
	/* Not reaped yet, so the number is its own. */
	int pidfd = made ? (int)syscall(SYS_pidfd_open, made, 0) : -1;

	if (pidfd < 0)
		return made ? -errno : -ESRCH;
	m->pid = made;
	waitid(P_PIDFD, (id_t)m->pidfd, &(siginfo_t){0}, WEXITED);
	close(m->pidfd);
	m->pidfd = pidfd;
	return 0;
}

void exec_on_report_end(struct monitor *m)
{
	const struct plan *p = m->plan;
	struct frame_started started;
	uint32_t last = p->op_count;
	pid_t made;
	int rc;

	if (p->shared.failed_op || last < 2 || p->shared.op_end_ns[last - 2] == 0)
		exec_refuse(m);
	rc = adopt(m);
	if (rc < 0) {
		err_set(&m->start_error, ERR_SYSTEM, -rc, "open the process: %s",
			err_errno_text(-rc));
		made = monitor_made_child(m, p);
		if (made)
			kill(made, SIGKILL);
		exec_refuse(m);
	}
	m->started = true;
	m->started_wall_ns = clock_wall_ns();
	store(m, "running");
	started = (struct frame_started){.pid = m->pid};
	client_send(m, &m->clients[0], FRAME_STARTED, &started, sizeof(started));
	event_get_ready(m);
}

void exec_reap(struct monitor *m)
{
	siginfo_t info = {0};

	if (m->exited)
		return;
	if (waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED | WNOHANG) < 0)
		info = (siginfo_t){.si_code = CLD_KILLED, .si_status = SIGKILL};
	else if (info.si_pid == 0)
		return;
	m->exited = true;
	m->finished_wall_ns = clock_wall_ns();
	m->exit_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	m->exit_code = m->exit_signal ? 128 + m->exit_signal : info.si_status & 0xff;
}

_Noreturn void exec_finish(struct monitor *m)
{
	conclude(m, FRAME_EXIT, NULL, 0);
}

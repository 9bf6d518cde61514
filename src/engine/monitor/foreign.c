/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that another OCI runtime makes: `RUNTIME create` runs in the helper that spawn.c cloned
 * and whose plan mounted the root; here its end is awaited, the container's PID 1 becomes our child
 * (as the nearest subreaper we inherit it), the terminal is received, `RUNTIME start` lets it go, and
 * `RUNTIME delete --force` follows its end. All command lines come ready in the plan.
 *
 * What must hold: from foreign_start() on everything is as for a container of our own: m->pid and
 * m->pidfd are PID 1, which dies when we do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/monitor/monitor.h"
#include "kernel/pidfd.h"

/* How long the terminal may take to arrive once `create` has ended. */
#define CONSOLE_WAIT_MS 2000

static char **pointers_of(struct plan *p, plan_ref ref)
{
	struct plan_list *list = plan_at(p, ref);
	char **out = plan_at(p, list->pointers);

	for (uint32_t i = 0; i < list->count; i++)
		out[i] = plan_at(p, list->items[i]);
	out[list->count] = NULL;
	return out;
}

/* Runs one command of the runtime to its end: its wait status, or -errno. Our own standard streams
 * are /dev/null; every other descriptor closes on exec. */
static int run_runtime(struct monitor *m, plan_ref command)
{
	char **argv = pointers_of(m->plan, command);
	char **envp = pointers_of(m->plan, m->plan->monitor.foreign.environment);
	posix_spawnattr_t attributes;
	sigset_t all;
	int status, rc;
	pid_t pid;

	if (!argv[0])
		return -EINVAL;
	sigfillset(&all);
	if (posix_spawnattr_init(&attributes) || posix_spawnattr_setsigdefault(&attributes, &all) ||
	    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF))
		return -ENOMEM;
	rc = posix_spawn(&pid, argv[0], NULL, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

static int listen_for_console(struct monitor *m)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = FOREIGN_CONSOLE};
	auto_close int run = open(plan_string(m->plan, m->plan->early.run_directory),
				  O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int bundle =
		run < 0 ? -1 : openat(run, FOREIGN_BUNDLE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bundle < 0 || fd < 0 || fchdir(bundle) < 0)
		return -errno;
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ||
	    chdir("/") < 0)
		return -errno;
	m->console_fd = take_fd(&fd);
	return 0;
}

int foreign_prepare(struct monitor *m, struct err *err)
{
	int rc;

	m->console_fd = -1;
	if (!m->plan->early.foreign)
		return 0;
	/* What the last run of this container left. */
	foreign_remove(m);
	if (m->guard_pid > 0 && waitpid(m->guard_pid, NULL, WNOHANG) == m->guard_pid)
		m->guard_pid = 0;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(err, "become the container's reaper");
	rc = m->plan->early.terminal ? listen_for_console(m) : 0;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "make the console socket: %s",
				err_errno_text(-rc))
		      : 0;
}

/* The runtime connects and sends one descriptor. */
static void receive_console(struct monitor *m)
{
	const struct plan_foreign *f = &m->plan->monitor.foreign;
	struct winsize size = {.ws_row = (unsigned short)f->rows,
			       .ws_col = (unsigned short)f->columns};
	auto_close int connection = accept4(m->console_fd, NULL, NULL, SOCK_CLOEXEC);
	size_t count = 0;
	char name[256];
	int master = -1;

	if (connection < 0 || fd_receive(connection, name, sizeof(name), &master, 1, &count) < 0 ||
	    count != 1)
		return;
	if (fd_set_nonblocking(master, 1) < 0) {
		close(master);
		return;
	}
	if (size.ws_row && size.ws_col)
		ioctl(master, TIOCSWINSZ, &size);
	m->output[0] = m->input = master;
}

/* `create` has ended, or *status is -errno. Its terminal is taken on the way. */
static int await_create(struct monitor *m)
{
	struct pollfd p[2] = {{.fd = m->pidfd, .events = POLLIN},
			      {.fd = m->console_fd, .events = POLLIN}};
	int status;

	while (!p[0].revents) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents) {
			receive_console(m);
			p[1].fd = m->output[0] < 0 ? m->console_fd : -1;
		}
	}
	if (p[1].fd >= 0 && poll(&p[1], 1, CONSOLE_WAIT_MS) > 0)
		receive_console(m);
	if (waitpid(m->pid, &status, 0) < 0)
		return -errno;
	return status;
}

static int fail(struct monitor *m, int rc, const char *what)
{
	err_set(&m->start_error, ERR_SYSTEM, -rc, "OCI runtime create failed: %s: %s", what,
		err_errno_text(-rc));
	return -1;
}

/* PID 1 in place of the process that was `create`. */
static int take_over(struct monitor *m)
{
	siginfo_t info;
	char text[32];
	uint64_t pid;
	ssize_t n = file_read_small_at(m->run_dir, FOREIGN_PID_FILE, text, sizeof(text));
	int fd;

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (n < 0 || str_to_u64(text, &pid) < 0 || pid < 2 || pid > INT32_MAX)
		return fail(m, n < 0 ? (int)n : -EINVAL, "read the runtime's pid file");
	fd = process_fd_open((pid_t)pid);
	if (fd < 0)
		return fail(m, -ESRCH, "find the container's first process");
	close(m->pidfd);
	m->pidfd = fd;
	m->pid = (pid_t)pid;
	/* Of anybody else's child we would never hear how it ended. */
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return fail(m, -errno, "the runtime keeps the container's first process to itself");
	/* Later orphans of the container belong to the host's init, as ever. */
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	return 0;
}

/* Makes a group's directory: true when it was not there, so the runtime does not know its hierarchy. */
static bool make_group(const char *path)
{
	char parent[CGROUP_PATH_MAX];
	char *slash;

	if (mkdir(path, 0755) == 0)
		return true;
	if (errno != ENOENT || str_format(parent, sizeof(parent), "%s", path) < 0)
		return false;
	slash = strrchr(parent, '/');
	*slash = '\0';
	return mkdir(parent, 0755) == 0 && mkdir(path, 0755) == 0;
}

/* Whoever looks for the container's processes, or joins them, does so in every hierarchy; a runtime
 * that leaves one out, as those that know version 1 alone do with the unified one, leaves its PID 1 in
 * our own group there. A cpuset takes in nobody before it is set up, and no runtime leaves it out. */
static int join_missing(struct monitor *m)
{
	const struct plan_monitor *pm = &m->plan->monitor;
	char procs[CGROUP_PATH_MAX], text[16];

	snprintf(text, sizeof(text), "%d", m->pid);
	for (uint32_t i = 0; pm->foreign.join_missing && i < pm->cgroup_count; i++) {
		const char *path = plan_string(m->plan, pm->cgroups[i].path);
		bool made = make_group(path);
		int rc;

		if ((!made && !pm->cgroups[i].v2) || (pm->cgroups[i].controllers & CGROUP_CPUSET) ||
		    str_format(procs, sizeof(procs), "%s/cgroup.procs", path) < 0)
			continue;
		rc = file_write_kernel_at(AT_FDCWD, procs, text);
		if (rc < 0)
			return fail(m, rc, "join a group of the container");
	}
	return 0;
}

static _Noreturn void guard(int monitor, int container)
{
	struct pollfd p[2];

	/* On the lowest numbers, so that all others can be closed in one go: the lock among them. */
	if (fd_place(monitor, 0) < 0 || fd_place(container, 1) < 0)
		_exit(1);
	syscall(SYS_close_range, 2, ~0U, 0);
	p[0] = (struct pollfd){.fd = 0, .events = POLLIN};
	p[1] = (struct pollfd){.fd = 1, .events = POLLIN};
	while (!p[0].revents && !p[1].revents) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
	}
	if (!p[1].revents)
		process_fd_signal(1, SIGKILL);
	_exit(0);
}

/* Our own child has a parent-death signal; that of another runtime has none, and nobody can give it
 * one from outside. So a process waits for our death, or the container's. */
static int start_guard(struct monitor *m)
{
	auto_close int self = process_fd_open(getpid());
	pid_t pid;

	if (self < 0)
		return fail(m, -errno, "watch over the container");
	pid = fork();
	if (pid < 0)
		return fail(m, -errno, "watch over the container");
	if (pid == 0)
		guard(self, m->pidfd);
	m->guard_pid = pid;
	return 0;
}

int foreign_start(struct monitor *m)
{
	int status = await_create(m);

	if (m->console_fd >= 0)
		close(m->console_fd);
	m->console_fd = -1;
	m->foreign_made = true;
	if (status < 0)
		return fail(m, status, "wait for the runtime");
	if (status) {
		foreign_error(m, "create", status);
		return -1;
	}
	if (m->plan->early.terminal && m->output[0] < 0)
		return fail(m, -EPROTO, "the runtime sent no terminal");
	if (take_over(m) < 0 || join_missing(m) < 0 || start_guard(m) < 0)
		return -1;
	if (network_connect(m) < 0) {
		m->start_error = m->network.error;
		return -1;
	}
	status = run_runtime(m, m->plan->monitor.foreign.start);
	if (status < 0)
		return fail(m, status, "run the runtime's start command");
	if (status)
		foreign_error(m, "start", status);
	return status ? -1 : 0;
}

void foreign_remove(struct monitor *m)
{
	if (!m->foreign_made)
		return;
	m->foreign_made = false;
	unlinkat(m->run_dir, FOREIGN_LOG, 0);
	/* Nobody is left to tell; what a runtime leaves is in the run directory and in the groups. */
	if (run_runtime(m, m->plan->monitor.foreign.remove) < 0)
		return;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Running hooks. A hook that hangs is killed when its time is over. Source: runtime-spec config.md
 * "POSIX-platform Hooks". */
#include "runtime/cli/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static _Noreturn void become(const struct oci_hook *h, int input)
{
	static char *const empty[] = {NULL};
	char *only_path[] = {h->path, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (fd_place(input, STDIN_FILENO) == 0)
		execve(h->path, h->args.count ? h->args.items : only_path,
		       h->env.count ? h->env.items : empty);
	_exit(errno == ENOENT ? 127 : 126);
}

/* The state in a file of its own: a hook that does not read it cannot block us. */
static int state_input(const char *state, struct err *err)
{
	auto_close int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (fd_write_all(fd, state, strlen(state)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, ERR_SYSTEM, EIO, "write the state for a hook");
	return take_fd(&fd);
}

static int await(pid_t pid, int timeout_seconds, int *status)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int ready;

	if (pidfd < 0)
		return -errno;
	do
		ready = poll(&p, 1, timeout_seconds > 0 ? timeout_seconds * 1000 : -1);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, status, 0) < 0)
		return -errno;
	return ready == 0 ? -ETIMEDOUT : 0;
}

static int run_one(const struct oci_hook *h, const char *stage, const char *state, struct err *err)
{
	auto_close int input = state_input(state, err);
	int status, r;
	pid_t pid;

	if (input < 0)
		return input;
	pid = fork();
	if (pid < 0)
		return err_sys(err, "run %s hook %s", stage, h->path);
	if (pid == 0)
		become(h, input);
	r = await(pid, h->timeout_seconds, &status);
	if (r == -ETIMEDOUT)
		return err_set(err, ERR_SYSTEM, ETIMEDOUT,
			       "error running %s hook %s: no end after %d seconds", stage, h->path,
			       h->timeout_seconds);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "error running %s hook %s: %s", stage, h->path,
			       err_errno_text(-r));
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM, ECANCELED, "error running %s hook %s: signal %d",
			       stage, h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(err, ERR_SYSTEM, ECANCELED,
			       "error running %s hook %s: exit status %d", stage, h->path,
			       WEXITSTATUS(status));
	return 0;
}

int hooks_run(const struct oci_config *c, enum oci_hook_stage stage, const char *state,
	      struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->hooks[stage].count && r == 0; i++)
		r = run_one(&c->hooks[stage].hooks[i], oci_hook_stage_name(stage), state, err);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning programs by path. posix_spawn shares the address space until exec, so it costs the same
 * for a small and a large caller. */
#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

int subprocess_own_program(const char *name, char *out, size_t size, struct err *err)
{
	static const char *const places[] = {"../libexec/cloche", "."};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	bool forbidden = false;

	if (n < 0)
		return err_sys(err, "read /proc/self/exe");
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (str_format(out, size, "%s/%s/%s", self, places[i], name) == 0 &&
		    access(out, X_OK) == 0)
			return 0;
		forbidden |= errno == EACCES;
	}
	if (forbidden)
		return err_set(
			err, ERR_SYSTEM, EACCES,
			"use %s beside %s: permission denied (is each directory on the way open "
			"to this user?)",
			name, self);
	return err_set(err, ERR_NOT_FOUND, ENOENT,
		       "%s is not installed beside %s (expected %s/../libexec/cloche/%s)", name,
		       self, self, name);
}

int subprocess_run(char *const argv[], char *const envp[], struct err *err)
{
	int status, rc;
	pid_t pid;

	rc = posix_spawn(&pid, argv[0], NULL, NULL, argv, envp);
	if (rc)
		return err_set(err, ERR_SYSTEM, rc, "start %s: %s", argv[0], err_errno_text(rc));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, "wait for %s", argv[0]);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static _Noreturn void become_detached(char *const argv[])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	if (setsid() < 0 || fork() != 0)
		_exit(0);
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(null, fd) < 0)
			_exit(127);
	}
	syscall(SYS_close_range, 3, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	execv(argv[0], argv);
	_exit(127);
}

int subprocess_detach(char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_detached(argv);
	while (waitpid(pid, NULL, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

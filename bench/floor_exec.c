/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of an exec: what the kernel alone takes to run a program in a container's namespaces.
 *
 *   floor-exec PID PROGRAM
 *
 * No group is joined, nothing is given up, nobody watches: less than any engine may do.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP;
	int status = 0, pidfd = argc == 3 ? (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0) : -1;
	char *const program[] = {argc == 3 ? argv[2] : NULL, NULL};
	char *const environment[] = {NULL};
	pid_t pid;

	if (pidfd < 0 || setns(pidfd, namespaces) < 0) {
		perror("floor-exec");
		return 125;
	}
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): the cheapest there is */
	pid = vfork();
	if (pid == 0) {
		execve(program[0], program, environment);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of containers made with --init: starts the container's command as its child, passes signals on
 * to it, and reaps whatever the kernel hands to PID 1. Ends as its child ends. Static and alone in its
 * file, since it runs among the container's own programs: it reads nothing and allocates nothing.
 *
 * docker-init [--] COMMAND [ARG...]
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NO_COMMAND 127
#define EXIT_NO_EXEC 126
#define EXIT_BROKEN 125

/* What tells of this process's own faults, or would stop it, is not for the child. */
static void blocked_signals(sigset_t *set)
{
	static const int own[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(set, own[i]);
}

/* In the child: a process group of its own, in the foreground where there is a terminal, so that keys
 * reach the command and not us as well. */
static _Noreturn void become_command(char **argv, const sigset_t *mask)
{
	int error;

	setpgid(0, 0);
	/* Not our terminal, or none: then there is nothing to hand over. */
	(void)tcsetpgrp(STDIN_FILENO, getpid());
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	fprintf(stderr, "[FATAL docker-init (%d)] exec %s failed: %s\n", (int)getpid(), argv[0],
		strerror(error));
	_exit(error == ENOENT ? EXIT_NO_COMMAND : EXIT_NO_EXEC);
}

/* Reaps all that have ended. True when the command is among them; *status is then its. */
static int reap(pid_t command, int *status)
{
	int ended = 0, one;
	pid_t pid;

	while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
		if (pid == command) {
			*status = one;
			ended = 1;
		}
	}
	return ended;
}

int main(int argc, char **argv)
{
	int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1, status = 0;
	sigset_t set, before;
	pid_t command;

	if (argc <= first)
		return EXIT_BROKEN;
	blocked_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	command = fork();
	if (command < 0) {
		fprintf(stderr, "[FATAL docker-init] fork failed: %s\n", strerror(errno));
		return EXIT_BROKEN;
	}
	if (command == 0)
		become_command(argv + first, &before);
	for (;;) {
		int number = sigwaitinfo(&set, NULL);

		if (number == SIGCHLD) {
			if (reap(command, &status))
				break;
		} else if (number > 0) {
			kill(command, number);
		}
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

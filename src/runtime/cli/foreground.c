/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop over signals, the terminal and standard input. The container's last output is read before
 * its exit is believed.
 */
#include "runtime/cli/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/cli/console.h"

struct loop {
	pid_t pid;
	int pidfd, terminal, signals;
	bool input_open, exited;
	int status;
};

void foreground_block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	/* These tell of our own faults and must not wait. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static void reap(struct loop *l)
{
	int status;

	if (waitpid(l->pid, &status, WNOHANG) != l->pid)
		return;
	l->exited = true;
	l->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void on_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap(l);
		break;
	case SIGWINCH:
		if (l->terminal >= 0)
			console_resize(l->terminal);
		break;
	case SIGPIPE:
	case SIGURG:
	case SIGTTIN:
	case SIGTTOU:
		break;
	default:
		/* Already gone: the SIGCHLD is on its way. */
		if (syscall(SYS_pidfd_send_signal, l->pidfd, (int)info.ssi_signo, NULL, 0) < 0)
			errno = 0;
	}
}

/* From the container to standard output. False at the end. */
static bool pump_out(const struct loop *l)
{
	char buf[16384];
	ssize_t n = read(l->terminal, buf, sizeof(buf));

	return n > 0 && fd_write_all(STDOUT_FILENO, buf, (size_t)n) == 0;
}

static bool pump_in(const struct loop *l)
{
	char buf[4096];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	return n > 0 && fd_write_all(l->terminal, buf, (size_t)n) == 0;
}

static void drain(const struct loop *l)
{
	struct pollfd p = {.fd = l->terminal, .events = POLLIN};

	while (l->terminal >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		if (!pump_out(l))
			return;
}

static int run_loop(struct loop *l, struct err *err)
{
	bool output_open = l->terminal >= 0;

	reap(l);
	while (!l->exited) {
		struct pollfd fds[3] = {
			{.fd = l->signals, .events = POLLIN},
			{.fd = output_open ? l->terminal : -1, .events = POLLIN},
			{.fd = output_open && l->input_open ? STDIN_FILENO : -1, .events = POLLIN},
		};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (fds[0].revents)
			on_signal(l);
		if (fds[1].revents)
			output_open = pump_out(l);
		if (fds[2].revents)
			l->input_open = pump_in(l);
	}
	drain(l);
	return l->status;
}

int foreground_wait(pid_t pid, int pidfd, int terminal, struct err *err)
{
	struct loop l = {.pid = pid, .pidfd = pidfd, .terminal = terminal, .input_open = true};
	struct console_mode mode = {0};
	auto_close int signals = -1;
	sigset_t all;
	int r;

	sigfillset(&all);
	signals = signalfd(-1, &all, SFD_CLOEXEC);
	if (signals < 0)
		return err_sys(err, "signalfd");
	l.signals = signals;
	if (terminal >= 0)
		console_enter(terminal, &mode);
	r = run_loop(&l, err);
	if (terminal >= 0)
		console_leave(&mode);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's beginning and end: its place in the run root, its socket, its loop. What it does stands
 * in watch.c, names.c and table_watch.c. It opens no engine, so that it stays small while it
 * waits; helpers do what needs one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/keeper/keeper.h"
#include "engine/keeper/protocol.h"

/* Without anything to watch over: the first connection comes within milliseconds of our start. */
#define IDLE_FIRST_NS (3000 * NS_PER_MS)
#define BACKLOG 4096

static void on_helper_end(struct keeper *k, pid_t pid, int status)
{
	if (pid == k->scan) {
		k->scan = 0;
		watch_when_idle(k, IDLE_FIRST_NS);
	} else if (!table_watch_helper_ended(k, pid, status)) {
		watch_helper_ended(k, pid, status);
	}
}

static void on_idle(struct timer *t)
{
	struct keeper *k = container_of(t, struct keeper, idle);

	if (!k->watched_count && !k->scan)
		k->loop.stop = true;
}

static void on_signal(struct source *s, uint32_t events)
{
	struct keeper *k = container_of(s, struct keeper, signals);
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)events;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			k->loop.stop = true;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		on_helper_end(k, pid, status);
}

/* 0; 1: another keeper is there; or -errno. */
static int take_place(struct keeper *k)
{
	k->run_fd = open(k->options->run_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->run_fd < 0)
		return -errno;
	k->log.dir = k->run_fd;
	k->lock_fd = openat(k->run_fd, KEEPER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->lock_fd < 0)
		return -errno;
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -errno;
	return 0;
}

static int listen_for_monitors(struct keeper *k)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = KEEPER_SOCKET};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Relative: a path may be longer than an address. */
	if (fd < 0 || fchdir(k->run_fd) < 0)
		return -errno;
	unlink(address.sun_path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0 || chdir("/") < 0)
		return -errno;
	k->listener.fd = take_fd(&fd);
	return loop_add(&k->loop, &k->listener, EPOLLIN);
}

/* Nothing of the monitor that started us, or of a user's shell, is kept. */
static int leave_caller(struct keeper *k)
{
	struct rlimit files;
	sigset_t set;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	syscall(SYS_close_range, 3, ~0U, 0);
	for (int fd = 0; fd < 3; fd++) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || fd_place(null, fd) < 0)
			return -errno;
		if (null > 2)
			close(null);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return -errno;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	k->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signals.fd < 0 ? -errno : 0;
}

static int open_all(struct keeper *k)
{
	int rc = loop_open(&k->loop);

	if (rc < 0)
		return rc;
	loop_add_queue(&k->loop, &k->pauses);
	rc = loop_add(&k->loop, &k->signals, EPOLLIN);
	/* What the name service is to expect it must know before anybody can connect. */
	if (rc == 0)
		rc = names_open(k);
	if (rc == 0)
		rc = table_watch_open(k);
	return rc < 0 ? rc : listen_for_monitors(k);
}

int keeper_serve(const struct keeper_options *o)
{
	struct keeper k = {
		.options = o,
		.listener = {.fd = -1, .urgent = true, .ready = watch_accept},
		.signals = {.fd = -1, .ready = on_signal},
		.idle = {.fire = on_idle},
	};
	int rc = leave_caller(&k);

	if (rc == 0)
		rc = take_place(&k);
	if (rc)
		return rc < 0;
	if (open_all(&k) < 0)
		return 1;
	k.scan = keeper_spawn(&k, "--heal", KEEPER_HEAL_ALL);
	watch_when_idle(&k, IDLE_FIRST_NS);
	loop_run(&k.loop);
	/* Before the lock goes: the next keeper's is not ours to remove. */
	unlinkat(k.run_fd, KEEPER_SOCKET, 0);
	watch_close(&k);
	loop_close(&k.loop);
	table_watch_close(&k);
	names_close(&k);
	return 0;
}

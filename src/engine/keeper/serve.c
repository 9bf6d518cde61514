/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's loop: connections of monitors, pauses before lost containers are started again, and the
 * helpers that do so. Parses nothing and opens no engine, so that it stays small while it waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
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
#include "base/clock.h"
#include "base/fd.h"
#include "engine/keeper/keeper.h"
#include "engine/keeper/protocol.h"
#include "engine/monitor/restart_policy.h"

#define NS_PER_MS 1000000ull
/* Without anything to watch over: the first connection comes within milliseconds of our start. */
#define IDLE_FIRST_NS (3000 * NS_PER_MS)
#define IDLE_NS (300 * NS_PER_MS)
/* How long a container that was started again may take to have its monitor connect. */
#define CONNECT_NS (5000 * NS_PER_MS)
#define TRIES_MAX 5
#define BACKLOG 4096

/* A container, or (id empty) a connection that has not said which. */
struct watched {
	char id[ID_LEN + 1];
	int fd; /* -1: its monitor is gone */
	struct keeper_hello hello;
	size_t got; /* of the next one */
	uint8_t flags;
	uint64_t since_ns; /* connected */
	uint64_t delay_ns; /* the last pause */
	uint64_t due_ns;   /* start it again then; 0: not lost */
	uint64_t forget_ns;
	pid_t helper; /* 0: none */
	unsigned tries;
};

struct keeper {
	const struct keeper_options *options;
	int run_fd, lock_fd, listen_fd, signal_fd;
	struct watched *list;
	size_t count, room;
	struct pollfd *polled; /* room + 2 */
	pid_t scan;            /* the helper that looks for all that was lost before; 0: none */
	uint64_t idle_ns;      /* when to end if nothing is watched by then */
};

static struct watched *add(struct keeper *k)
{
	if (k->count == k->room) {
		size_t room = k->room ? 2 * k->room : 16;
		struct watched *list = realloc(k->list, room * sizeof(*list));
		struct pollfd *polled = realloc(k->polled, (room + 2) * sizeof(*polled));

		/* Whatever was not lost by realloc is still pointed to. */
		k->list = list ? list : k->list;
		k->polled = polled ? polled : k->polled;
		if (!list || !polled)
			return NULL;
		k->room = room;
	}
	k->list[k->count] = (struct watched){.fd = -1};
	return &k->list[k->count++];
}

static void drop(struct keeper *k, size_t i)
{
	if (k->list[i].fd >= 0)
		close(k->list[i].fd);
	k->list[i] = k->list[--k->count];
	k->idle_ns = clock_now_ns() + IDLE_NS;
}

/* ---- helpers ---- */

static pid_t spawn_helper(const struct keeper *k, const char *what)
{
	const struct keeper_options *o = k->options;
	const char *argv[] = {"cloche-keeper",           "--run-root", o->run_root, "--heal", what,
			      o->root ? "--root" : NULL, o->root,      NULL};
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? 0 : pid;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", (char **)(uintptr_t)argv);
	_exit(127);
}

static void try_again(struct watched *w, uint64_t now)
{
	w->delay_ns = restart_delay(w->delay_ns, 0);
	w->due_ns = now + w->delay_ns;
}

static void on_helper_end(struct keeper *k, pid_t pid, int status)
{
	uint64_t now = clock_now_ns();

	if (pid == k->scan) {
		k->scan = 0;
		k->idle_ns = now + IDLE_FIRST_NS;
		return;
	}
	for (size_t i = 0; i < k->count; i++) {
		struct watched *w = &k->list[i];

		if (w->helper != pid)
			continue;
		w->helper = 0;
		w->forget_ns = now + CONNECT_NS;
		if (w->fd < 0 && status != 0 && ++w->tries < TRIES_MAX)
			try_again(w, now);
		return;
	}
}

/* False when we are to end. */
static bool on_signal(struct keeper *k)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			return false;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		on_helper_end(k, pid, status);
	return true;
}

/* ---- connections ---- */

static void accept_all(struct keeper *k)
{
	int fd;

	while ((fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct watched *w = add(k);

		if (w)
			w->fd = fd;
		else
			close(fd);
	}
}

/* It has said which container it is: what was remembered of that one is its own now. */
static void recognise(struct keeper *k, size_t at)
{
	struct watched *w = &k->list[at];

	w->since_ns = clock_now_ns();
	for (size_t i = 0; i < k->count; i++) {
		if (i == at || strcmp(k->list[i].id, w->id) != 0)
			continue;
		w->delay_ns = k->list[i].delay_ns;
		w->helper = k->list[i].helper;
		drop(k, i);
		return;
	}
}

/* True if the entry is of no use any more. */
static bool on_hang_up(struct watched *w)
{
	uint64_t now = clock_now_ns();

	close(w->fd);
	w->fd = -1;
	if (!*w->id || !(w->flags & KEEPER_REVIVE))
		return true;
	w->delay_ns = restart_delay(w->delay_ns, now - w->since_ns);
	w->due_ns = now + w->delay_ns;
	w->tries = 0;
	return false;
}

static void take_hello(struct keeper *k, size_t at)
{
	struct watched *w = &k->list[at];

	w->got = 0;
	w->flags = w->hello.flags;
	if (*w->id)
		return;
	memcpy(w->id, w->hello.id, ID_LEN);
	recognise(k, at);
}

/* True if the entry is of no use any more. */
static bool receive(struct keeper *k, size_t at)
{
	struct watched *w = &k->list[at];
	/* Sockets that come along are let go by the kernel, since there is no room for them. */
	ssize_t n = recv(w->fd, (char *)&w->hello + w->got, sizeof(w->hello) - w->got, 0);

	if (n > 0) {
		w->got += (size_t)n;
		if (w->hello.id[0] == KEEPER_FAREWELL)
			return true;
		if (w->got == sizeof(w->hello))
			take_hello(k, at);
	}
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	return on_hang_up(w);
}

/* ---- the loop ---- */

/* Starts what is due. True if the entry is of no use any more. */
static bool tend(struct keeper *k, struct watched *w, uint64_t now)
{
	if (w->fd >= 0 || w->helper)
		return false;
	if (w->due_ns && now >= w->due_ns) {
		w->due_ns = 0;
		w->forget_ns = now + CONNECT_NS;
		w->helper = spawn_helper(k, w->id);
		return false;
	}
	return !w->due_ns && now >= w->forget_ns;
}

static void earlier(uint64_t *next, uint64_t t)
{
	if (t && t < *next)
		*next = t;
}

/* Fills the list for poll; returns how long it may wait, in ms. */
static int prepare(struct keeper *k, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	k->polled[0] = (struct pollfd){.fd = k->listen_fd, .events = POLLIN};
	k->polled[1] = (struct pollfd){.fd = k->signal_fd, .events = POLLIN};
	for (size_t i = 0; i < k->count; i++) {
		const struct watched *w = &k->list[i];

		k->polled[2 + i] = (struct pollfd){.fd = w->fd, .events = POLLIN};
		if (w->fd < 0 && !w->helper)
			earlier(&next, w->due_ns ? w->due_ns : w->forget_ns);
	}
	if (!k->count && !k->scan)
		earlier(&next, k->idle_ns);
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now) / NS_PER_MS) + 1;
}

static void serve(struct keeper *k)
{
	for (;;) {
		uint64_t now = clock_now_ns();
		size_t polled = k->count;

		if (!k->count && !k->scan && now >= k->idle_ns)
			return;
		if (poll(k->polled, polled + 2, prepare(k, now)) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		/* From the end, since the last entry takes the place of one that goes. */
		for (size_t i = polled; i-- > 0;) {
			if (k->polled[2 + i].revents && i < k->count &&
			    k->list[i].fd == k->polled[2 + i].fd && receive(k, i))
				drop(k, i);
		}
		if (k->polled[1].revents && !on_signal(k))
			return;
		now = clock_now_ns();
		for (size_t i = k->count; i-- > 0;) {
			if (tend(k, &k->list[i], now))
				drop(k, i);
		}
		if (k->polled[0].revents)
			accept_all(k);
	}
}

/* 0; 1: another keeper is there; or -errno. */
static int take_place(struct keeper *k)
{
	k->run_fd = open(k->options->run_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->run_fd < 0)
		return -errno;
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
	k->listen_fd = take_fd(&fd);
	return 0;
}

/* Nothing of the monitor that started us, or of a user's shell, is kept. */
static int leave_caller(struct keeper *k)
{
	struct rlimit files;
	sigset_t set;

	setsid();
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
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd < 0 ? -errno : 0;
}

int keeper_serve(const struct keeper_options *o)
{
	struct keeper k = {.options = o, .idle_ns = clock_now_ns() + IDLE_FIRST_NS};
	int rc = leave_caller(&k);

	if (rc == 0)
		rc = take_place(&k);
	if (rc)
		return rc < 0;
	if (!add(&k) || listen_for_monitors(&k) < 0)
		return 1;
	k.count = 0;
	k.scan = spawn_helper(&k, KEEPER_HEAL_ALL);
	serve(&k);
	/* Before the lock goes: the next keeper's is not ours to remove. */
	unlinkat(k.run_fd, KEEPER_SOCKET, 0);
	return 0;
}

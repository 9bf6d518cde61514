/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and waiting for children. The child is made with CLONE_VFORK and the parent's memory, so that
 * what is timed does not grow with the observer; it therefore runs nothing here that allocates.
 */
#include "observe/subject/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/subject/interrupt.h"
#include "observe/subject/subject.h"

#define CHILD_STACK_BYTES 65536

/* Where an engine finds its daemon, its store and its configuration; nothing else of the caller's
 * environment may make a difference to what is measured. */
static bool is_kept(const char *pair)
{
	static const char *const kept[] = {
		"HOME=",       "PATH=",   "DOCKER_",       "CLOCHE_",        "XDG_",
		"CONTAINERS_", "TMPDIR=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};

	if (str_starts(pair, "CLOCHE_TIMELINE_FD="))
		return false;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (str_starts(pair, kept[i]))
			return true;
	}
	return false;
}

static void make_environment(struct strv *out)
{
	for (char **e = environ; *e; e++) {
		if (is_kept(*e))
			strv_add(out, *e);
	}
	strv_add(out, "LC_ALL=C");
}

struct child {
	const struct subject *subject;
	char *const *argv, *const *envp;
	int fds[3];
	int failed; /* errno; the parent sees it: its memory is shared */
};

/* The child runs on the parent's memory until it executes: async-signal-safe calls only. */
static int child_main(void *arg)
{
	static const int defaults[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	struct child *c = arg;
	sigset_t none;
	int rc = 0;

	setpgid(0, 0);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct sigaction a = {.sa_handler = SIG_DFL};

		sigaction(defaults[i], &a, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(c->fds[fd], fd) < 0)
			rc = -errno;
	}
	if (rc == 0 && c->subject && c->subject->ops->prepare_child)
		rc = c->subject->ops->prepare_child(c->subject);
	if (rc == 0) {
		execve(c->argv[0], c->argv, c->envp);
		rc = -errno;
	}
	c->failed = -rc;
	_exit(127);
}

static int clone_child(struct child *c, struct spawned *out, struct err *err)
{
	char *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int pid, rc = 0;

	if (stack == MAP_FAILED)
		return err_sys(err, "make a stack");
	out->spawned_ns = clock_now_ns();
	pid = clone(child_main, stack + CHILD_STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, &out->pidfd);
	if (pid < 0)
		rc = err_sys(err, "start %s", c->argv[0]);
	munmap(stack, CHILD_STACK_BYTES);
	if (rc < 0)
		return rc;
	out->pid = pid;
	if (!c->failed)
		return 0;
	spawned_end(out, SIGKILL);
	return err_set(err, ERR_SYSTEM, c->failed, "start %s: %s", c->argv[0],
		       err_errno_text(c->failed));
}

/* Above the standard ones, so that placing one does not overwrite another. */
static int above_standard(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3), saved = errno;

	close(fd);
	errno = saved;
	return moved;
}

static int make_pipe(int *read_end, int *write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	*read_end = above_standard(fds[0]);
	*write_end = above_standard(fds[1]);
	return *read_end < 0 || *write_end < 0 ? -1 : 0;
}

int spawn(const struct subject *s, const struct strv *argv, bool with_input, struct spawned *out,
	  struct err *err)
{
	auto_close int in = -1;
	auto_close int output = -1;
	auto_strv struct strv environment = {0};
	struct child c = {.subject = s, .argv = argv->items};
	int rc;

	*out = SPAWNED_NONE;
	make_environment(&environment);
	out->errors = memfd_create("errors", MFD_CLOEXEC);
	in = with_input ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (out->errors < 0 || (with_input ? make_pipe(&in, &out->in) : in) < 0 ||
	    make_pipe(&out->out, &output) < 0) {
		rc = err_sys(err, "make pipes for %s", argv->items[0]);
	} else {
		c.envp = environment.items;
		c.fds[0] = in;
		c.fds[1] = output;
		c.fds[2] = out->errors;
		rc = clone_child(&c, out, err);
	}
	if (rc < 0)
		spawned_close(out);
	return rc;
}

uint64_t spawn_deadline(int timeout_ms)
{
	return clock_now_ns() + (uint64_t)timeout_ms * 1000000;
}

int spawn_wait_fds(int first, int second, uint64_t deadline_ns)
{
	auto_close int signals = interrupt_fd();
	struct pollfd p[] = {{.fd = first, .events = POLLIN},
			     {.fd = second, .events = POLLIN},
			     {.fd = signals, .events = POLLIN}};

	for (;;) {
		uint64_t now = clock_now_ns();
		uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
		struct timespec t = {.tv_sec = (time_t)(left / 1000000000),
				     .tv_nsec = (long)(left % 1000000000)};
		int n = ppoll(p, 3, &t, NULL);

		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (p[2].revents)
			return -EINTR;
		return p[1].revents ? 2 : 1;
	}
}

static int reap(struct spawned *p)
{
	int status;

	while (wait4(p->pid, &status, 0, &p->usage) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	p->ended_ns = clock_now_ns();
	p->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	p->pid = 0;
	return 0;
}

int spawned_wait(struct spawned *p, int timeout_ms)
{
	int rc;

	if (!p->pid)
		return 0;
	rc = spawn_wait_fds(p->pidfd, -1, spawn_deadline(timeout_ms));
	return rc < 0 ? rc : reap(p);
}

int spawned_wait_anyway(struct spawned *p, int timeout_ms)
{
	struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};

	if (!p->pid)
		return 0;
	return poll(&ended, 1, timeout_ms) == 1 ? reap(p) : -ETIMEDOUT;
}

void spawned_end(struct spawned *p, int signal)
{
	if (!p->pid)
		return;
	kill(-p->pid, signal);
	kill(p->pid, signal);
	if (reap(p) < 0)
		p->pid = 0;
}

void spawned_close(struct spawned *p)
{
	int *fds[] = {&p->pidfd, &p->in, &p->out, &p->errors};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

char *spawned_errors(const struct spawned *p, size_t max)
{
	struct stat st;
	char *out;
	size_t n;
	ssize_t got;

	if (p->errors < 0 || fstat(p->errors, &st) < 0)
		return xstrdup("");
	n = (size_t)st.st_size < max ? (size_t)st.st_size : max;
	out = xcalloc(n + 1, 1);
	got = pread(p->errors, out, n, st.st_size - (off_t)n);
	n = got > 0 ? (size_t)got : 0;
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	out[n] = '\0';
	return out;
}

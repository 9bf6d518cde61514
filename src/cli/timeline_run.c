/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer and the inner half of --timeline. The outer half must be invisible to the terminal and to
 * who signals it: keyboard signals reach the inner process by itself, others are passed on.
 */
#include "cli/timeline_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "observe/timeline/timeline.h"
#include "runtime/plan_build.h"

#define FD_VARIABLE "CLOCHE_TIMELINE_FD"
/* The inner process's words: id, name, data root, layers; each ends with a NUL. */
#define MESSAGE_MAX 16384
enum word { WORD_ID, WORD_NAME, WORD_ROOT, WORD_LOWER, WORD_COUNT };

/* The fd that the outer process left for us; it is ours alone from now on. -1: there is none. */
static int take_inner_fd(void)
{
	const char *value = getenv(FD_VARIABLE);
	int type, fd;
	socklen_t n = sizeof(type);
	uint64_t number;

	if (!value || str_to_u64(value, &number) < 0 || number < 3 || number > 1 << 20)
		return -1;
	unsetenv(FD_VARIABLE);
	fd = (int)number;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_SEQPACKET ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return fd;
}

void timeline_hand_over(const struct cli_context *ctx, const struct engine *e,
			const struct container *c, int plan_fd)
{
	const char *lower = c->lower ? c->lower : c->config.rootfs;
	const char *words[WORD_COUNT] = {c->id, c->name, e->root, lower ? lower : ""};
	char message[MESSAGE_MAX];
	size_t n = 0;

	if (ctx->timeline_fd <= 0 || plan_fd < 0)
		return;
	for (int i = 0; i < WORD_COUNT; i++) {
		const char *word = words[i] ? words[i] : "";
		size_t len = strlen(word) + 1;

		if (len > sizeof(message) - n)
			return;
		memcpy(message + n, word, len);
		n += len;
	}
	if (fd_send(ctx->timeline_fd, message, n, &plan_fd, 1) < 0)
		cli_note("cloche: the start bill could not be handed over");
}

struct outer {
	int socket;  /* ours */
	int plan_fd; /* received; -1 when the start did not come so far */
	char message[MESSAGE_MAX];
	const char *words[WORD_COUNT];
	uint64_t wall_ns;
};

/* Starts this program again with the same arguments. */
static int spawn_inner(struct cli_context *ctx, int inner_fd, const sigset_t *mask, pid_t *pid,
		       struct err *err)
{
	posix_spawnattr_t attr;
	char value[16];
	int rc;

	snprintf(value, sizeof(value), "%d", inner_fd);
	if (setenv(FD_VARIABLE, value, 1) < 0)
		return err_sys(err, "set " FD_VARIABLE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(pid, "/proc/self/exe", NULL, &attr, ctx->argv, environ);
	posix_spawnattr_destroy(&attr);
	return rc ? err_set(err, ERR_SYSTEM, rc, "start this program again: %s", err_errno_text(rc))
		  : 0;
}

/* Waits until the inner process has ended, passing on what was sent to this one. Signals from the
 * terminal went to the whole foreground group already (si_code SI_KERNEL). */
static int wait_inner(pid_t pid, int signals)
{
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			kill(pid, (int)info.ssi_signo);
	}
}

static int run_inner(struct cli_context *ctx, struct outer *o, int inner_fd, struct err *err)
{
	static const int passed_on[] = {SIGCHLD, SIGHUP,  SIGINT,  SIGQUIT,
					SIGTERM, SIGUSR1, SIGUSR2, SIGCONT};
	auto_close int signals = -1;
	sigset_t wanted, before;
	uint64_t start_ns;
	int rc;
	pid_t pid;

	sigemptyset(&wanted);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&wanted, passed_on[i]);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	if (signals < 0)
		return err_sys(err, "wait for signals");
	start_ns = clock_now_ns();
	rc = spawn_inner(ctx, inner_fd, &before, &pid, err);
	if (rc < 0)
		return rc;
	rc = wait_inner(pid, signals);
	o->wall_ns = clock_now_ns() - start_ns;
	return rc;
}

/* What the inner process left in the socket before it ended. */
static void receive(struct outer *o)
{
	size_t count = 0, at = 0;
	ssize_t n;

	if (fd_set_nonblocking(o->socket, 1) < 0)
		return;
	n = fd_receive(o->socket, o->message, sizeof(o->message), &o->plan_fd, 1, &count);
	if (n <= 0 || !count || o->message[n - 1] != '\0') {
		o->plan_fd = -1;
		return;
	}
	for (int i = 0; i < WORD_COUNT; i++) {
		o->words[i] = at < (size_t)n ? o->message + at : "";
		at += strlen(o->words[i]) + 1;
	}
}

static int measure_floor(const struct outer *o, struct floor_bill *bill, struct err *err)
{
	auto_free char *layers = xasprintf("%s/overlay2", o->words[WORD_ROOT]);

	return floor_bill_measure(layers, o->words[WORD_LOWER], o->words[WORD_ROOT],
				  FLOOR_RUNS_DEFAULT, bill, err);
}

static int print_bill(const struct outer *o, bool with_floor, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	auto_stamps struct timeline_stamps stamps = {0};
	auto_timeline struct timeline bill = {0};
	auto_free char *title = NULL;
	struct floor_bill floor;
	struct plan *plan;
	int rc = plan_map(o->plan_fd, &plan, err);

	if (rc < 0)
		return rc;
	timeline_stamps_from_plan(plan, &stamps);
	plan_unmap(plan);
	rc = timeline_compute(&stamps, &bill, err);
	if (rc < 0)
		return rc;
	bill.wall_ns = o->wall_ns;
	if (with_floor) {
		rc = measure_floor(o, &floor, err);
		if (rc < 0)
			return rc;
	}
	title = xasprintf("%s (%.12s)", o->words[WORD_NAME], o->words[WORD_ID]);
	timeline_text(&bill, title, with_floor ? &floor : NULL, &text);
	fflush(stdout);
	cli_note("\n%.*s", (int)text.len - 1, text.data);
	return 0;
}

int timeline_run(struct cli_context *ctx, bool floor)
{
	struct outer o = {.plan_fd = -1};
	struct err err = ERR_INIT;
	int pair[2], code;

	ctx->timeline_fd = take_inner_fd();
	if (ctx->timeline_fd >= 0)
		return CLI_GO_ON;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0) {
		err_sys(&err, "make a socket pair");
		return cli_fail_start(ctx, &err);
	}
	o.socket = pair[0];
	if (fcntl(pair[0], F_SETFD, FD_CLOEXEC) < 0)
		code = err_sys(&err, "close-on-exec");
	else
		code = run_inner(ctx, &o, pair[1], &err);
	close(pair[1]);
	if (code < 0) {
		close(pair[0]);
		return cli_fail_start(ctx, &err);
	}
	receive(&o);
	close(pair[0]);
	if (o.plan_fd < 0)
		return code;
	if (print_bill(&o, floor, &err) < 0)
		cli_note("cloche: no start bill: %s", err.msg);
	close(o.plan_fd);
	return code;
}

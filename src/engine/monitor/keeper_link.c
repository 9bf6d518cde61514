/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the keeper of a monitor whose container has a restart policy, or networks: the
 * keeper starts the one again when it breaks, and serves names of the other with copies of our sockets. Whoever finds no keeper starts one; of many started at once all but one end at
 * once. Nothing here waits, and what the sockets have received waits in them for the next keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/keeper/protocol.h"
#include "engine/monitor/monitor.h"

/* The pause before another try: a keeper needs some milliseconds to listen. */
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS 10000
/* Many monitors lose their keeper at the same moment; not all of them should start one. */
#define SPREAD_MS 64
/* A container without names of its own can do without a keeper for so long: a short one needs none. */
#define NETWORK_DELAY_MS 25
#define NS_PER_MS 1000000ull

static uint8_t flags_of(const struct monitor *m)
{
	bool revive = m->restart.policy != PLAN_RESTART_NO && !m->plan->monitor.auto_remove;

	return (uint8_t)((revive ? KEEPER_REVIVE : 0) |
			 (m->plan->early.network ? KEEPER_NETWORK : 0) |
			 (m->started && !m->exited ? KEEPER_RUNNING : 0));
}

static bool is_wanted(const struct monitor *m)
{
	return m->plan->monitor.keeper_argv && (flags_of(m) & (KEEPER_REVIVE | KEEPER_NETWORK));
}

/* When to connect, monotonic. */
static uint64_t due_ns(const struct monitor *m)
{
	uint64_t later = m->run_began_ns + NETWORK_DELAY_MS * NS_PER_MS;

	if ((flags_of(m) & KEEPER_REVIVE) || m->network.name_count || m->keeper.due_ns > later)
		return m->keeper.due_ns;
	return later;
}

/* The run root is two directories above our own; its whole path may exceed what an address holds. */
static int connect_keeper(const struct monitor *m)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX,
						   .sun_path = "../../" KEEPER_SOCKET};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 || fchdir(m->run_dir) < 0 ? -errno : 0;

	if (rc == 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		rc = -errno;
	if (chdir("/") < 0 || rc < 0)
		return rc < 0 ? rc : -errno;
	return take_fd(&fd);
}

static char **fill_pointers(struct plan *p, plan_ref ref)
{
	struct plan_list *list = plan_at(p, ref);
	char **out = plan_at(p, list->pointers);

	for (uint32_t i = 0; i < list->count; i++)
		out[i] = plan_at(p, list->items[i]);
	out[list->count] = NULL;
	return out;
}

static _Noreturn void become_keeper(char **argv, char **envp)
{
	/* Whoever waits for us may close a port next, which must then be free. */
	syscall(SYS_close_range, 3, ~0U, 0);
	/* Not our child: its end is nobody's business but init's. */
	if (fork() != 0)
		_exit(0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	execve(argv[0], argv, envp);
	_exit(127);
}

static void spawn_keeper(struct monitor *m)
{
	char **argv = fill_pointers(m->plan, m->plan->monitor.keeper_argv);
	char **envp = fill_pointers(m->plan, m->plan->monitor.keeper_env);
	pid_t pid = fork();

	if (pid == 0)
		become_keeper(argv, envp);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void retry_after(struct keeper_link *k, uint64_t ms)
{
	k->due_ns = clock_now_ns() + ms * NS_PER_MS;
}

/* What the keeper has not been told yet. */
static int say_hello(struct monitor *m)
{
	struct keeper_link *k = &m->keeper;
	struct monitor_network *n = &m->network;
	size_t count = n->name_count - k->names_sent;
	struct keeper_hello hello = {.flags = flags_of(m), .count = (uint8_t)count};
	int rc;

	memcpy(hello.id, plan_string(m->plan, m->plan->monitor.id), sizeof(hello.id));
	/* A connection has room for so little; what it does not take ends it. */
	rc = fd_send(k->fd, &hello, sizeof(hello), n->names + k->names_sent, count);
	k->names_sent = n->name_count;
	return rc;
}

static void close_link(struct keeper_link *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	k->names_sent = 0;
}

void keeper_tell(struct monitor *m)
{
	struct keeper_link *k = &m->keeper;

	if (k->names_sent > m->network.name_count)
		k->names_sent = 0;
	if (k->fd < 0 || say_hello(m) == 0)
		return;
	close_link(k);
	retry_after(k, RETRY_FIRST_MS);
}

void keeper_tick(struct monitor *m)
{
	struct keeper_link *k = &m->keeper;

	if (k->fd >= 0 || !m->started || !is_wanted(m) || clock_now_ns() < due_ns(m))
		return;
	k->fd = connect_keeper(m);
	if (k->fd >= 0) {
		k->retry_ms = 0;
		if (say_hello(m) == 0)
			return;
		close_link(k);
	} else if (k->fd == -ENOENT || k->fd == -ECONNREFUSED) {
		spawn_keeper(m);
	}
	k->fd = -1;
	k->retry_ms = !k->retry_ms                     ? RETRY_FIRST_MS
		      : k->retry_ms < RETRY_MAX_MS / 2 ? k->retry_ms * 2
						       : RETRY_MAX_MS;
	retry_after(k, k->retry_ms);
}

int keeper_timeout_ms(const struct monitor *m)
{
	const struct keeper_link *k = &m->keeper;
	uint64_t now, due;

	if (k->fd >= 0 || !m->started || !is_wanted(m))
		return -1;
	now = clock_now_ns();
	due = due_ns(m);
	return now >= due ? 0 : (int)((due - now) / NS_PER_MS) + 1;
}

void keeper_hear(struct monitor *m)
{
	struct keeper_link *k = &m->keeper;
	char byte;
	ssize_t n = recv(k->fd, &byte, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close_link(k);
	retry_after(k, (uint64_t)m->pid % SPREAD_MS);
}

void keeper_hear_of_start(struct monitor *m)
{
	if (m->plan->early.network && m->keeper.fd >= 0)
		keeper_tell(m);
	else if (m->network.name_count) /* a container started next must find it */
		keeper_tick(m);
}

void keeper_leave(struct monitor *m)
{
	static const char farewell = KEEPER_FAREWELL;
	struct keeper_link *k = &m->keeper;

	/* It has gone itself, or will see the end of the connection and find the container ended. */
	if (k->fd >= 0 && send(k->fd, &farewell, 1, MSG_NOSIGNAL) == 1)
		k->due_ns = 0;
	close_link(k);
}

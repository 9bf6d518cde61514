/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiment 6, what is not in the container and yet there because of it: its supervisor and its client,
 * told from everything else by who descends from whom and when it was started; and the engine's daemons,
 * found by who answers on its socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "observe/experiment/memory.h"
#include "observe/probe/processes.h"

#define ANCESTORS_MAX 32
/* Start times are in ticks of 10 ms. */
#define TICK_S 0.02
#define DOCKER_SOCKET "/var/run/docker.sock"
#define CLOCHE_RUN_DIR "/run/cloche"

static uint64_t pss_of(pid_t pid)
{
	struct memory_totals totals = {0};

	return memory_add_process(pid, &totals) == 0 ? totals.pss : 0;
}

static bool descends_from(const struct process_table *t, const struct process *p, pid_t ancestor)
{
	for (int depth = 0; p && depth < ANCESTORS_MAX; depth++) {
		if (p->parent == ancestor)
			return true;
		p = process_find(t, p->parent);
	}
	return false;
}

/* Younger than the command that started the container. */
static bool is_new(const struct process_table *t, const struct process *p, const struct session *s)
{
	double since_s = (double)(clock_now_ns() - session_spawned_ns(s)) / 1e9;

	return process_age_s(t, p) <= since_s + TICK_S;
}

/* Of those above the container's first process: not we, nor the command that we started. */
static bool is_supervisor(const struct process_table *t, const struct process *p,
			  const struct session *s)
{
	return !p->member && p->pid != getpid() && p->parent != getpid() && is_new(t, p, s);
}

void memory_supervisors(struct memory_container *c)
{
	auto_processes struct process_table t = {0};
	const struct process *above[ANCESTORS_MAX];
	struct err none = ERR_INIT;
	size_t n;

	c->supervisor_bytes = c->client_bytes = 0;
	if (process_table_read(session_pid(c->session), true, &t, &none) < 0)
		return;
	n = process_ancestors(&t, session_pid(c->session), above, ANCESTORS_MAX);
	for (size_t i = 0; i < n && i < ANCESTORS_MAX; i++)
		if (is_supervisor(&t, above[i], c->session))
			c->supervisor_bytes += pss_of(above[i]->pid);
	for (size_t i = 0; i < t.count; i++) {
		bool above_it = false;

		for (size_t k = 0; k < n && k < ANCESTORS_MAX; k++)
			above_it |= above[k] == &t.items[i] &&
				    is_supervisor(&t, above[k], c->session);
		if (!above_it && !t.items[i].member && is_new(&t, &t.items[i], c->session) &&
		    descends_from(&t, &t.items[i], getpid()))
			c->client_bytes += pss_of(t.items[i].pid);
	}
}

/* Who answers on a unix socket; 0: nobody. */
static pid_t peer_of(const char *path)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	if (fd < 0 || str_format(address.sun_path, sizeof(address.sun_path), "%s", path) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return peer.pid;
}

/* The daemon and what it runs itself, containerd above all. Shims are somebody's container's and
 * supervisors; they have left the daemon's tree or are named so. */
static uint64_t docker_daemons(const struct process_table *t, struct strbuf *what)
{
	const char *host = getenv("DOCKER_HOST");
	pid_t daemon = peer_of(host && str_starts(host, "unix://") ? host + strlen("unix://")
								   : DOCKER_SOCKET);
	uint64_t sum = 0;

	for (size_t i = 0; daemon > 0 && i < t->count; i++) {
		const struct process *p = &t->items[i];

		if (p->pid != daemon &&
		    !(descends_from(t, p, daemon) && str_eq(p->name, "containerd")))
			continue;
		sum += pss_of(p->pid);
		strbuf_printf(what, "%s%s (%d)", what->len ? ", " : "", p->name, (int)p->pid);
	}
	return sum;
}

static uint64_t cloche_keeper(const struct process_table *t, struct strbuf *what)
{
	const char *run_root = getenv("CLOCHE_RUN_ROOT");
	uint64_t sum = 0;

	if (!run_root)
		run_root = CLOCHE_RUN_DIR;
	for (size_t i = 0; i < t->count; i++) {
		const struct process *p = &t->items[i];

		if (!str_eq(p->name, "cloche-keeper") || !strstr(p->command, run_root))
			continue;
		sum += pss_of(p->pid);
		strbuf_printf(what, "%s (%d)", p->name, (int)p->pid);
	}
	return sum;
}

uint64_t memory_engine(const struct subject *s, char **what)
{
	auto_processes struct process_table t = {0};
	auto_strbuf struct strbuf names = {0};
	struct err none = ERR_INIT;
	uint64_t sum = 0;

	if (process_table_read(getpid(), false, &t, &none) == 0) {
		if (s->ops->kind == SUBJECT_DOCKER)
			sum = docker_daemons(&t, &names);
		else if (s->ops->kind == SUBJECT_CLOCHE)
			sum = cloche_keeper(&t, &names);
	}
	*what = strbuf_take(&names);
	return sum;
}

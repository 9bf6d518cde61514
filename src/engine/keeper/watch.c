/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of monitors: what each says of its container, pauses before lost ones are started again,
 * and the helpers that do so. What a container's networks need of us is begun and ended here with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/keeper/keeper.h"
#include "engine/keeper/protocol.h"
#include "engine/monitor/restart_policy.h"

#define IDLE_NS (300 * NS_PER_MS)
/* How long a container that was started again may take to have its monitor connect, and how often we
 * look whether it still has one. */
#define CONNECT_NS (5000 * NS_PER_MS)
#define LOOK_NS (100 * NS_PER_MS)
#define TRIES_MAX 5

union message {
	char kind;
	struct keeper_hello hello;
	struct keeper_word word;
};

/* A container, or (id empty) a connection that has not said which. */
struct watched {
	struct keeper *keeper;
	struct watched *previous, *next;
	char id[ID_LEN + 1];
	struct source link; /* fd -1: its monitor is gone */
	bool linked;        /* link is not released yet */
	bool dropped;       /* to be freed with it */
	union message message;
	size_t got;        /* of it */
	uint8_t flags;     /* of the last hello */
	uint64_t since_ns; /* connected */
	uint64_t delay_ns; /* the last pause */
	struct timer timer;
	bool lost;          /* the timer is for its start; else for a look at its monitor */
	uint64_t forget_ns; /* then without a connection it is nothing of ours any more */
	pid_t helper;       /* 0: none */
	unsigned tries;
	bool has_network; /* counted, and its networks are known */
	struct names_client *names;
};

static void on_link(struct source *s, uint32_t events);
static void on_timer(struct timer *t);
static void release_link(struct source *s);

void watch_when_idle(struct keeper *k, uint64_t after_ns)
{
	timer_set(&k->pauses, &k->idle, clock_now_ns() + after_ns);
}

static struct watched *add(struct keeper *k, int fd)
{
	struct watched *w = calloc(1, sizeof(*w));

	if (!w) {
		close(fd);
		return NULL;
	}
	*w = (struct watched){
		.keeper = k,
		.next = k->watched,
		.link = {.fd = fd, .urgent = true, .ready = on_link, .release = release_link},
		.linked = true,
		.timer = {.fire = on_timer}};
	if (loop_add(&k->loop, &w->link, EPOLLIN) < 0) {
		free(w);
		return NULL;
	}
	if (w->next)
		w->next->previous = w;
	k->watched = w;
	k->watched_count++;
	return w;
}

/* ---- what its networks need ---- */

static void leave_networks(struct watched *w)
{
	names_leave(w->names);
	w->names = NULL;
	if (w->has_network)
		w->keeper->network_count--;
	w->has_network = false;
	table_watch_adjust(w->keeper);
}

static int open_run_dir(const struct watched *w)
{
	char path[sizeof("containers/") + ID_LEN];

	if (str_format(path, sizeof(path), "containers/%s", w->id) < 0)
		return -ENAMETOOLONG;
	return openat(w->keeper->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Reads network.json (anew): what it is called. */
static void read_networks(struct watched *w)
{
	auto_close int run_dir = open_run_dir(w);
	auto_sandbox struct sandbox s;
	struct err err = ERR_INIT;
	int rc;

	sandbox_init(&s);
	rc = run_dir < 0 ? -ENOENT : sandbox_read(run_dir, &s, &err);
	if (rc < 0) {
		if (rc != -ENOENT)
			program_log(&w->keeper->log, LOG_LEVEL_WARN, w->id,
				    "its networks are unknown: %s", err.msg);
		return;
	}
	if (!w->has_network)
		w->keeper->network_count++;
	w->has_network = true;
	table_watch_adjust(w->keeper);
	if (w->names)
		names_change(w->names, &s);
	else
		w->names = names_join(w->keeper, w->id, &s);
}

/* ---- connections ---- */

static void release_link(struct source *s)
{
	struct watched *w = container_of(s, struct watched, link);

	w->linked = false;
	if (w->dropped)
		free(w);
}

static void drop(struct watched *w)
{
	struct keeper *k = w->keeper;

	if (w->previous)
		w->previous->next = w->next;
	else
		k->watched = w->next;
	if (w->next)
		w->next->previous = w->previous;
	k->watched_count--;
	timer_set(&k->pauses, &w->timer, 0);
	leave_networks(w);
	watch_when_idle(k, IDLE_NS);
	w->dropped = true;
	if (w->linked)
		loop_end(&k->loop, &w->link);
	else
		free(w);
}

void watch_close(struct keeper *k)
{
	while (k->watched)
		drop(k->watched);
}

static struct watched *find(const struct keeper *k, const char *id, const struct watched *except)
{
	for (struct watched *w = k->watched; w; w = w->next) {
		if (w != except && strcmp(w->id, id) == 0)
			return w;
	}
	return NULL;
}

/* It has said which container it is: what was remembered of that one is its own now. */
static void recognise(struct watched *w)
{
	struct watched *before;

	memcpy(w->id, w->message.hello.id, ID_LEN);
	w->since_ns = clock_now_ns();
	before = find(w->keeper, w->id, w);
	if (before) {
		w->delay_ns = before->delay_ns;
		w->helper = before->helper;
		drop(before);
	}
	names_arrived(w->keeper, w->id);
}

static void take_sockets(struct watched *w, const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (w->names)
			names_add_socket(w->names, fds[i]);
		else
			close(fds[i]);
	}
}

static void take_hello(struct watched *w, const int *fds, size_t count)
{
	if (!*w->id)
		recognise(w);
	w->flags = w->message.hello.flags;
	/* Between two runs it is called nothing, and no socket of ours holds its namespace. */
	if (!(w->flags & KEEPER_RUNNING)) {
		names_leave(w->names);
		w->names = NULL;
	}
	if ((w->flags & KEEPER_NETWORK) && (w->flags & KEEPER_RUNNING) && !w->names)
		read_networks(w);
	take_sockets(w, fds, count);
}

/* A helper is to start it, after a pause. */
static void start_after(struct watched *w, uint64_t pause_ns)
{
	w->lost = true;
	timer_set(&w->keeper->pauses, &w->timer, clock_now_ns() + pause_ns);
}

static void on_hang_up(struct watched *w)
{
	if (!*w->id || !(w->flags & KEEPER_REVIVE)) {
		drop(w);
		return;
	}
	loop_end(&w->keeper->loop, &w->link);
	leave_networks(w);
	w->delay_ns = restart_delay(w->delay_ns, clock_now_ns() - w->since_ns);
	w->tries = 0;
	start_after(w, w->delay_ns);
}

/* One that never connected, or whose keeper was killed with it, is remembered from here on. */
static void take_word(struct watched *from)
{
	const struct keeper_word *word = &from->message.word;
	char id[ID_LEN + 1] = "";
	struct watched *w;

	memcpy(id, word->id, ID_LEN);
	w = find(from->keeper, id, from);
	if (!w && word->kind == KEEPER_LOST && id_is_hex(id, ID_LEN)) {
		memcpy(from->id, id, sizeof(id));
		loop_end(&from->keeper->loop, &from->link);
		/* What looks for all that was lost before may be about to start it. */
		start_after(from, LOOK_NS);
		return;
	}
	if (w && word->kind == KEEPER_RELOAD && (w->flags & KEEPER_RUNNING))
		read_networks(w);
	/* What a helper is about it will find out itself. */
	if (w && word->kind == KEEPER_STOPPED && w->link.fd < 0 && !w->helper)
		drop(w);
	drop(from);
}

static bool is_word(const struct watched *w)
{
	char kind = w->message.kind;

	return kind == KEEPER_RELOAD || kind == KEEPER_LOST || kind == KEEPER_STOPPED;
}

/* True while there may be more to hear. */
static bool hear(struct watched *w)
{
	int fds[FD_PASS_MAX];
	size_t count;
	ssize_t n = fd_receive(w->link.fd, (char *)&w->message + w->got,
			       sizeof(w->message) - w->got, fds, FD_PASS_MAX, &count);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		on_hang_up(w);
		return false;
	}
	w->got += (size_t)n;
	if (w->message.kind == KEEPER_FAREWELL) {
		drop(w);
		return false;
	}
	if (is_word(w) && w->got >= sizeof(struct keeper_word)) {
		take_word(w);
		return false;
	}
	if (w->got == sizeof(struct keeper_hello)) {
		w->got = 0;
		take_hello(w, fds, count);
		return true;
	}
	/* A monitor says it all at once: the rest of a hello brings no sockets. */
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return true;
}

static void on_link(struct source *s, uint32_t events)
{
	struct watched *w = container_of(s, struct watched, link);

	(void)events;
	while (w->link.fd >= 0 && hear(w))
		;
}

void watch_accept(struct source *listener, uint32_t events)
{
	struct keeper *k = container_of(listener, struct keeper, listener);
	int fd;

	(void)events;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		add(k, fd);
}

/* ---- starting again ---- */

pid_t keeper_spawn(const struct keeper *k, const char *option, const char *value)
{
	const struct keeper_options *o = k->options;
	const char *argv[8] = {"cloche-keeper", "--run-root", o->run_root};
	size_t n = 3;
	pid_t pid;

	if (o->root) {
		argv[n++] = "--root";
		argv[n++] = o->root;
	}
	argv[n++] = option;
	argv[n++] = value;
	pid = fork();
	if (pid != 0)
		return pid < 0 ? 0 : pid;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execv("/proc/self/exe", (char **)(uintptr_t)argv);
	_exit(127);
}

bool keeper_has_monitor(int run_dir)
{
	auto_close int lock = openat(run_dir, "lock", O_RDONLY | O_CLOEXEC);

	return lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* The next try, unless there were enough. */
static void try_again(struct watched *w)
{
	if (++w->tries >= TRIES_MAX) {
		drop(w);
		return;
	}
	w->delay_ns = restart_delay(w->delay_ns, 0);
	start_after(w, w->delay_ns);
}

/* It was started, and its monitor is to connect, unless that is lost, too. */
static void look_for_monitor(struct watched *w)
{
	auto_close int run_dir = open_run_dir(w);
	uint64_t now = clock_now_ns();

	if (now >= w->forget_ns)
		drop(w);
	else if (run_dir < 0 || !keeper_has_monitor(run_dir))
		try_again(w);
	else
		timer_set(&w->keeper->pauses, &w->timer, now + LOOK_NS);
}

static void on_timer(struct timer *t)
{
	struct watched *w = container_of(t, struct watched, timer);

	if (!w->lost) {
		if (w->link.fd < 0)
			look_for_monitor(w);
		return;
	}
	w->lost = false;
	w->helper = keeper_spawn(w->keeper, "--heal", w->id);
	if (!w->helper)
		try_again(w);
}

void watch_helper_ended(struct keeper *k, pid_t pid, int status)
{
	struct watched *w = k->watched;

	while (w && w->helper != pid)
		w = w->next;
	if (!w)
		return;
	w->helper = 0;
	/* Connected already, perhaps lost once more. */
	if (w->link.fd >= 0 || w->lost)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == KEEPER_HELPER_STARTED) {
		w->forget_ns = clock_now_ns() + CONNECT_NS;
		timer_set(&k->pauses, &w->timer, clock_now_ns() + LOOK_NS);
	} else if (status != 0) {
		try_again(w);
	} else {
		/* Removed, stopped, or started by somebody else: its monitor tells us who it is. */
		drop(w);
	}
}

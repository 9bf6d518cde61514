/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's main loop. Order of events: spawned by a front end, leaves its groups and session,
 * clones the child, waits for release, sees exec, relays, reaps, records, answers, sweeps.
 *
 * The same program is `cloche-monitor init BASE`, which cloche-runtime executes inside new
 * namespaces: it then only runs the plan, in the process that becomes the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"
#include "runtime/child/child.h"
#include "runtime/stamp.h"

/* How often a terminal that nobody holds is looked at. */
#define TERMINAL_IDLE_MS 50
/* How long the container may run before its bill is stored: a short one should not pay for it. */
#define TIMELINE_DELAY_MS 25
#define RELEASE_POLL_MS 2
/* How long nothing may happen before buffers are given back. */
#define REST_DELAY_MS 1000

struct plan *monitor_map_plan(int fd)
{
	struct plan *p = mmap(NULL, PLAN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED || p->shared.version != PLAN_VERSION ? NULL : p;
}

/* `cloche-monitor init BASE`: descriptors BASE.. are report socket, plan, gate. */
static int run_as_init(const char *base_text)
{
	int base = atoi(base_text);
	struct child_context c = {.root_fd = -1,
				  .stdio = {-1, -1, -1},
				  .report_fd = base,
				  .gate_fd = base + 2,
				  .mask_fd = -1,
				  .preserve_fds = base > 3 ? (unsigned)base - 3 : 0};
	struct plan *p = base >= 3 ? monitor_map_plan(base + 1) : NULL;

	if (!p)
		return 125;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* It keeps the plan itself: `start` looks into it through our descriptor. */
	child_run(p, &c);
}

static void listen_for_clients(struct monitor *m)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "attach.sock"};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Relative, since the whole path may exceed what a socket address holds. */
	if (fd < 0 || fchdir(m->run_dir) < 0)
		return;
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 64) == 0)
		m->listen_fd = take_fd(&fd);
	if (chdir("/") < 0)
		return;
}

static void on_released(struct monitor *m)
{
	const struct plan_monitor *pm = &m->plan->monitor;
	struct client *launcher = &m->clients[0];

	m->released = true;
	restart_init(m);
	launcher->wants_output = pm->launcher_output;
	launcher->wants_stdin = pm->launcher_stdin;
	/* It may have let the child go as the last thing it did. */
	if (launcher->fd < 0 && pm->launcher_stdin && pm->stdin_once)
		m->input_end = true;
	m->run_dir = open(plan_string(m->plan, m->plan->early.run_directory),
			  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nothing may be said about a start, nor swept, before the launcher has made all that there is to
 * sweep: it does so while we work. Ends this process when the launcher gives up or dies. */
static void await_release(struct monitor *m)
{
	struct client *launcher = &m->clients[0];

	while (!m->released) {
		struct pollfd p = {.fd = launcher->fd, .events = POLLIN};
		int seen;

		/* The release is a futex, which poll cannot wait for; this is no hot path. */
		if (poll(&p, 1, RELEASE_POLL_MS) < 0 && errno != EINTR)
			end_abandon(m);
		if (p.revents & POLLIN)
			client_receive(m, launcher);
		seen = (int)__atomic_load_n(&m->plan->shared.released, __ATOMIC_ACQUIRE);
		if (seen == PLAN_GO)
			on_released(m);
		else if (seen == PLAN_CANCEL || launcher->fd < 0 ||
			 (p.revents & (POLLHUP | POLLERR)))
			end_abandon(m);
	}
}

/* The report socket ended: the program runs, or the child gave up, or it was killed. */
static void on_report_end(struct monitor *m)
{
	const struct plan *p = m->plan;
	struct frame_started started = {.pid = m->pid};
	uint32_t last;
	int rc;

	close(m->report_fd);
	m->report_fd = -1;
	await_release(m);
	if (p->early.exec) {
		exec_on_report_end(m);
		/* Only the size of a terminal is ever told by another way than the launcher's. */
		if (p->early.terminal)
			listen_for_clients(m);
		return;
	}
	last = p->op_count;
	if (p->shared.failed_op || last < 2 || p->shared.op_end_ns[last - 2] == 0) {
		end_start_failed(m);
		return;
	}
	if (p->early.foreign && foreign_start(m) < 0)
		end_refuse(m);
	stamp(m->plan, POINT_MONITOR_EXEC);
	m->started = true;
	m->started_wall_ns = clock_wall_ns();
	m->run_began_ns = clock_now_ns();
	/* Whoever hears that it runs must find it running. */
	rc = store_state(m, "running");
	if (rc < 0)
		end_unrecorded(m, rc);
	event_start(m);
	health_begin(m);
	keeper_hear_of_start(m);
	if (m->runs)
		return;
	client_send(m, &m->clients[0], FRAME_STARTED, &started, sizeof(started));
	listen_for_clients(m);
	forward_begin(m);
}

static void on_report(struct monitor *m)
{
	size_t fd_count = 0;
	char tag = 0;
	int fd = -1;
	ssize_t n = fd_receive(m->report_fd, &tag, 1, &fd, 1, &fd_count);

	if (n <= 0) {
		if (n != -EAGAIN)
			on_report_end(m);
		return;
	}
	if (tag == CHILD_REPORT_CONSOLE && fd_count == 1) {
		if (fd_set_nonblocking(fd, 1) < 0)
			close(fd);
		else
			m->output[0] = m->input = fd;
		relay_input(m);
	}
#ifdef CLOCHE_TEST_HOOKS
	if (tag == CHILD_REPORT_KILL_ME)
		syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
	if (tag == CHILD_REPORT_KILL_ME && m->plan->shared.child_pid > 0)
		kill(m->plan->shared.child_pid, SIGKILL);
#endif
}

enum poll_slot {
	SLOT_PIDFD,
	SLOT_REPORT,
	SLOT_LISTEN,
	SLOT_INPUT,
	SLOT_OUTPUT,
	SLOT_ERROR,
	SLOT_MARKER,
	SLOT_KEEPER,
	SLOT_FORWARD,
	SLOT_OOM,
	SLOT_HEALTH,
	SLOT_CLIENTS = SLOT_HEALTH + HEALTH_SLOTS,
	SLOT_COUNT = SLOT_CLIENTS + MONITOR_CLIENTS_MAX,
};

static void fill_poll(struct monitor *m, struct pollfd p[SLOT_COUNT])
{
	bool frame_pending = client_frame_pending(m);
	bool input_pending = m->input_len > m->input_sent;
	short want = frame_pending ? 0 : POLLIN;

	for (int i = 0; i < SLOT_COUNT; i++)
		p[i] = (struct pollfd){.fd = -1};
	p[SLOT_PIDFD] = (struct pollfd){.fd = m->exited ? -1 : m->pidfd, .events = POLLIN};
	/* Before release nobody but the launcher may speak, so the report socket can wait. */
	p[SLOT_REPORT] = (struct pollfd){.fd = m->report_fd, .events = POLLIN};
	p[SLOT_LISTEN] = (struct pollfd){.fd = m->listen_fd, .events = POLLIN};
	p[SLOT_MARKER] = (struct pollfd){.fd = m->restart.watch_fd, .events = POLLIN};
	health_prepare(m, p + SLOT_HEALTH);
	p[SLOT_OOM] = cgroup_oom_poll(&m->oom);
	p[SLOT_KEEPER] = (struct pollfd){.fd = m->keeper.fd, .events = POLLIN};
	p[SLOT_FORWARD] = (struct pollfd){.fd = m->forwarding.epoll_fd, .events = POLLIN};
	if (m->input >= 0 && input_pending)
		p[SLOT_INPUT] = (struct pollfd){.fd = m->input, .events = POLLOUT};
	for (int s = 0; s < 2; s++) {
		/* A hung-up pipe would wake us at once, again and again, while a frame is under way. And
		 * before the report ends nothing is relayed: an exec's program may run by then (whoever
		 * made its process still holds the socket), and STARTED must not go into a frame. */
		if (m->output[s] >= 0 && want && m->report_fd < 0 &&
		    !(m->terminal_idle && !m->exited))
			p[SLOT_OUTPUT + s] = (struct pollfd){.fd = m->output[s], .events = want};
	}
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];
		bool other = m->input_owner && m->input_owner != c;
		bool blocked = c->answer_len || ((input_pending || other) && c->payload_left &&
						 c->header.type == FRAME_STDIN);
		bool sending = c->answer_len || (c->wants_output && frame_pending &&
						 c->sent < sizeof(m->frame) + m->frame_len);

		/* A client held back is not polled at all: its hang-up would be told for ever. */
		if (c->fd < 0 || (blocked && !sending))
			continue;
		p[SLOT_CLIENTS + i].fd = c->fd;
		p[SLOT_CLIENTS + i].events =
			(short)((blocked ? 0 : POLLIN) | (sending ? POLLOUT : 0));
	}
}

static void handle_clients(struct monitor *m, const struct pollfd p[SLOT_COUNT])
{
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];
		short got = p[SLOT_CLIENTS + i].revents;

		if (c->fd < 0 || c->fd != p[SLOT_CLIENTS + i].fd)
			continue;
		if ((got & POLLOUT) || (got && c->answer_len))
			client_push(m, c);
		if (c->fd >= 0 && !c->answer_len && (got & (POLLIN | POLLHUP | POLLERR)))
			client_receive(m, c);
	}
}

static void handle(struct monitor *m, const struct pollfd p[SLOT_COUNT])
{
	if (!m->released && __atomic_load_n(&m->plan->shared.released, __ATOMIC_ACQUIRE) == PLAN_GO)
		on_released(m);
	if (p[SLOT_REPORT].revents)
		on_report(m);
	handle_clients(m, p);
	/* It may have let the child go as the last thing it did. */
	if (!m->released && m->clients[0].fd < 0)
		await_release(m);
	if (p[SLOT_INPUT].revents)
		relay_input(m);
	for (int s = 0; s < 2; s++) {
		if (p[SLOT_OUTPUT + s].revents && !client_frame_pending(m))
			relay_output(m, s);
	}
	if (p[SLOT_LISTEN].revents)
		client_accept(m);
	if (p[SLOT_OOM].revents)
		oom_hear(m);
	if (p[SLOT_KEEPER].revents)
		keeper_hear(m);
	if (p[SLOT_FORWARD].revents)
		forward_hear(m);
	if (p[SLOT_PIDFD].revents && m->report_fd < 0)
		m->plan->early.exec ? exec_reap(m) : end_reap(m);
	if (m->exited)
		health_end(m);
}

/* How long the container itself can do without us. */
static int quiet_ms(const struct monitor *m)
{
	if (m->exited)
		return 0;
	if (m->restart.waiting)
		return restart_timeout_ms(m);
	if (m->terminal_idle)
		return TERMINAL_IDLE_MS;
	if (m->started && !m->timeline_stored)
		return TIMELINE_DELAY_MS;
	return m->log.used ? REST_DELAY_MS : -1;
}

static int poll_timeout(const struct monitor *m)
{
	const int all[] = {quiet_ms(m), health_timeout_ms(m), keeper_timeout_ms(m),
			   forward_timeout_ms(m), oom_timeout_ms(m)};
	int first = -1;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] >= 0 && (first < 0 || all[i] < first))
			first = all[i];
	}
	return first;
}

/* What can wait until the start is over, or until there is nothing to do. */
static void on_quiet(struct monitor *m, bool quiet)
{
	bool due = m->started && !m->timeline_stored &&
		   clock_now_ns() - m->run_began_ns >= TIMELINE_DELAY_MS * 1000000ull;

	if (due && !client_frame_pending(m)) {
		tell_started(m);
		store_running_in_record(m);
		store_timeline(m);
		oom_begin(m);
	} else if (quiet && !due && m->log.used) {
		log_rest(m);
	}
	if (quiet)
		m->terminal_idle = false;
}

static _Noreturn void finish(struct monitor *m)
{
	m->plan->early.exec ? exec_finish(m) : end_finish(m);
}

static _Noreturn void run(struct monitor *m)
{
	for (;;) {
		struct pollfd p[SLOT_COUNT];
		bool quiet;
		int n;

		fill_poll(m, p);
		n = poll(p, SLOT_COUNT, poll_timeout(m));
		/* Blind, we watch over nothing: the kernel ends the container with us, and the record
		 * says that its monitor was lost. */
		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			_exit(1);
		if (m->supervisors)
			supervise_reap(m);
		/* What clients send to forwarded ports says nothing of the container's streams. */
		quiet = n == (n > 0 && p[SLOT_FORWARD].revents);
		if (!m->exited && !m->restart.waiting)
			on_quiet(m, quiet);
		if (n > 0)
			handle(m, p);
		health_tick(m, p + SLOT_HEALTH);
		keeper_tick(m);
		forward_tick(m);
		oom_tick(m);
		if (m->restart.waiting)
			restart_tick(m);
		if (m->exited && !client_frame_pending(m) && m->output[0] < 0 && m->output[1] < 0) {
			if (!m->restart.again)
				finish(m);
			restart_pause(m);
			continue;
		}
		if (m->exited && quiet) {
			/* Only a client that does not read can hold us up now: wait for it. */
			if (!client_frame_pending(m)) {
				relay_close_output(m, 0);
				relay_close_output(m, 1);
			} else if (poll(p, SLOT_COUNT, -1) > 0) {
				handle(m, p);
			}
		}
	}
}

static _Noreturn void refuse(struct monitor *m)
{
	m->plan->early.exec ? exec_refuse(m) : end_start_failed(m);
}

_Noreturn void monitor_main(struct monitor *m, bool forked)
{
	stamp(m->plan, POINT_MONITOR_MAIN);
	caller_leave_descriptors(m);
	m->run_dir = m->pidfd = m->report_fd = m->listen_fd = m->input = m->output[0] =
		m->output[1] = -1;
	m->log.fd = m->console_fd = m->restart.watch_fd = m->restart.peak_fd = m->keeper.fd = -1;
	m->event_fd = m->oom.fd = m->oom.counter = m->forwarding.epoll_fd = -1;
	/* Only a container has a bill. */
	m->timeline_stored = m->plan->early.exec;
	client_init_all(m);
	client_add(m, PLAN_FD_CONTROL, true);
	if (!forked)
		caller_leave_session();
	if (monitor_spawn_child(m, &m->start_error) < 0) {
		await_release(m);
		refuse(m);
	}
	if (!forked) {
		caller_leave_groups(m);
		caller_leave_limits();
	}
	if (!m->plan->early.exec)
		store_read_boot_id(m);
	run(m);
}

static struct monitor monitor;

int main(int argc, char **argv)
{
	struct monitor *m = &monitor;

	if (argc == 3 && strcmp(argv[1], "init") == 0)
		return run_as_init(argv[2]);
	m->plan = monitor_map_plan(PLAN_FD_PLAN);
	if (!m->plan) {
		static const char text[] = "cloche-monitor is started by cloche, not by hand\n";

		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		return 125;
	}
	monitor_main(m, false);
}

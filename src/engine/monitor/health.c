/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running health checks. A check enters the container as an exec does (exec.c), but it is a child of
 * the monitor itself and its output goes nowhere but into the state. What must hold: a check that
 * hangs never makes the monitor wait, and each is reaped at once, since the kernel keeps PID 1 in its
 * last system call until every process of its pid namespace is gone.
 */
#include "engine/monitor/health.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"
#include "runtime/child/child.h"
#include "runtime/plan_error.h"

#define NS_PER_MS 1000000u
#define CHILD_REPORT_FD 3
#define READS_MAX 64

static const struct plan_health *config_of(const struct monitor *m)
{
	return &m->plan->monitor.health;
}

static void store(struct monitor *m)
{
	struct health_check *h = &m->health;
	size_t n = health_state_format(&h->state, h->text);

	/* One that cannot be stored is followed by another. */
	if (file_replace_at(m->run_dir, HEALTH_FILE, h->text, n, 0644, FILE_VOLATILE) < 0)
		return;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void plan_next(struct monitor *m)
{
	struct health_check *h = &m->health;
	uint64_t now = clock_now_ns();

	h->due_ns = now + health_state_wait_ns(&h->state, config_of(m), now - m->run_began_ns);
}

void health_begin(struct monitor *m)
{
	struct health_check *h = &m->health;

	if (!config_of(m)->enabled)
		return;
	if (!h->plan) {
		void *p = mmap(NULL, PLAN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, PLAN_FD_PLAN,
			       PLAN_HEALTH_OFFSET);

		if (p == MAP_FAILED)
			return;
		h->plan = p;
		h->report_fd = h->output_fd = h->pidfd = -1;
	}
	h->over = false;
	health_state_begin(&h->state);
	store(m);
	plan_next(m);
}

/* ---- the check's process ---- */

/* Nothing of the monitor's crosses: places 0-2 are its streams, then report socket and pidfd. */
static _Noreturn void become_check(struct monitor *m, int null, int output, int report)
{
	struct child_context c = {.root_fd = -1,
				  .stdio = {-1, -1, -1},
				  .report_fd = CHILD_REPORT_FD,
				  .gate_fd = -1,
				  .mask_fd = -1,
				  .die_with_parent = 1};
	/* The descriptors may stand in each other's places. */
	int high_report = fcntl(report, F_DUPFD, PLAN_FD_COUNT + 8);
	int high_target = fcntl(m->pidfd, F_DUPFD, PLAN_FD_COUNT + 8);

	monitor_keep_copy(m->health.plan, PLAN_FD_PLAN, PLAN_HEALTH_OFFSET);
	munmap(m->plan, PLAN_BYTES);
	if (high_report < 0 || high_target < 0 || fd_place(null, 0) < 0 ||
	    fd_place(output, 1) < 0 || fd_place(output, 2) < 0 ||
	    fd_place(high_report, CHILD_REPORT_FD) < 0 || fd_place(high_target, PLAN_FD_TARGET) < 0)
		_exit(1);
	syscall(SYS_close_range, CHILD_REPORT_FD + 1, PLAN_FD_TARGET - 1, 0);
	syscall(SYS_close_range, PLAN_FD_TARGET + 1, ~0U, 0);
	child_run(m->health.plan, &c);
}

static void clear_plan(struct plan *p)
{
	struct plan_shared *s = &p->shared;

	s->failed_op = s->failed_step = s->warned_count = 0;
	s->failed_errno = s->failed_detail = 0;
	s->child_pid = 0;
	s->released = PLAN_GO;
	memset(s->op_end_ns, 0, sizeof(s->op_end_ns));
}

static int spawn(struct monitor *m)
{
	struct health_check *h = &m->health;
	struct clone_args args = {.flags = CLONE_PIDFD,
				  .pidfd = (uint64_t)(uintptr_t)&h->pidfd,
				  .exit_signal = SIGCHLD};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), output[2] = {-1, -1};
	int report[2] = {-1, -1};

	clear_plan(h->plan);
	if (m->plan->early.has_cgroup_fd) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = PLAN_FD_CGROUP;
	}
	h->pid = -1;
	if (null >= 0 && pipe2(output, O_CLOEXEC) == 0 && fd_set_nonblocking(output[0], 1) == 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) == 0)
		h->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (h->pid == 0)
		become_check(m, null, output[1], report[1]);
	h->output_fd = output[0];
	h->report_fd = report[0];
	close_fd(&null);
	close_fd(&output[1]);
	close_fd(&report[1]);
	return h->pid < 0 ? -errno : 0;
}

/* ---- its result ---- */

static void say(struct health_result *r, const char *text)
{
	size_t n = strlen(text);

	r->output_len = n < sizeof(r->output) ? n : sizeof(r->output);
	memcpy(r->output, text, r->output_len);
}

/* Docker's words in front of what the check itself has said. */
static void say_late(struct monitor *m)
{
	struct health_result *r = &m->health.result;
	const char *text = plan_string(m->plan, config_of(m)->timeout_text);
	size_t n = strlen(text), room = sizeof(r->output) - n - 2;

	if (!r->output_len) {
		say(r, text);
		return;
	}
	r->output_len = r->output_len < room ? r->output_len : room;
	memmove(r->output + n + 2, r->output, r->output_len);
	memcpy(r->output, text, n);
	memcpy(r->output + n, ": ", 2);
	r->output_len += n + 2;
}

static void take_output(struct health_check *h)
{
	char more[1024];
	ssize_t n = 1;

	/* Not for ever: one that never stops talking is ended by its time. */
	for (int i = 0; h->output_fd >= 0 && n > 0 && i < READS_MAX; i++) {
		struct health_result *r = &h->result;
		size_t room = HEALTH_OUTPUT_MAX - r->output_len;

		n = read(h->output_fd, room ? r->output + r->output_len : more,
			 room ? room : sizeof(more));
		if (n > 0 && room)
			r->output_len += (size_t)n;
		else if (n > 0)
			h->cut = true;
	}
	/* All of its writers have gone. */
	if (n == 0)
		close_fd(&h->output_fd);
}

static void conclude(struct monitor *m, int exit_code)
{
	struct health_check *h = &m->health;
	struct health_result *r = &h->result;
	char action[64];

	close_fd(&h->report_fd);
	close_fd(&h->output_fd);
	close_fd(&h->pidfd);
	h->running = false;
	r->exit_code = exit_code;
	r->end_wall_ns = clock_wall_ns();
	if (h->cut) {
		memcpy(r->output + r->output_len, HEALTH_CUT, strlen(HEALTH_CUT));
		r->output_len += strlen(HEALTH_CUT);
	}
	if (h->late)
		say_late(m);
	if (health_state_add(&h->state, config_of(m), h->began_ns - m->run_began_ns, r)) {
		snprintf(action, sizeof(action), "health_status: %s",
			 health_status_text(h->state.status));
		store(m);
		event_say(m, action, NULL, 0);
	} else {
		store(m);
	}
	plan_next(m);
}

static void begin_check(struct monitor *m)
{
	struct health_check *h = &m->health;
	int rc;

	h->running = true;
	h->entered = h->late = h->cut = false;
	h->began_ns = clock_now_ns();
	h->due_ns = h->began_ns + config_of(m)->timeout_ns;
	h->result.start_wall_ns = clock_wall_ns();
	h->result.output_len = 0;
	rc = spawn(m);
	if (rc < 0) {
		say(&h->result, err_errno_text(-rc));
		conclude(m, -1);
	}
}

/* The end of the report socket: the command runs, or there is none. */
static void on_report_end(struct monitor *m)
{
	static const char prefix[] =
		"OCI runtime exec failed: exec failed: unable to start container process: ";
	struct health_check *h = &m->health;
	const struct plan *p = h->plan;
	const pid_t made = monitor_made_child(m, p);
	struct err err = ERR_INIT;
	char text[ERR_MSG_MAX + sizeof(prefix) + sizeof(": unknown")];
	int pidfd = -1;

	close_fd(&h->report_fd);
	if (!p->shared.failed_op && p->op_count >= 2 && p->shared.op_end_ns[p->op_count - 2])
		pidfd = made ? (int)syscall(SYS_pidfd_open, made, 0) : -1;
	else if (made)
		waitid(P_PID, (id_t)made, &(siginfo_t){0}, WEXITED);
	waitid(P_PIDFD, (id_t)h->pidfd, &(siginfo_t){0}, WEXITED);
	close_fd(&h->pidfd);
	if (pidfd >= 0) {
		h->pidfd = pidfd;
		h->pid = made;
		h->entered = true;
		return;
	}
	if (!h->late && plan_error(p, &err) == 0)
		err_set(&err, ERR_SYSTEM, ECANCELED, "the process that enters was killed");
	snprintf(text, sizeof(text), "%s%s: unknown", prefix, err.msg);
	say(&h->result, h->late ? "" : text);
	conclude(m, -1);
}

static void reap(struct monitor *m)
{
	struct health_check *h = &m->health;
	siginfo_t info = {0};
	int code;

	if (waitid(P_PIDFD, (id_t)h->pidfd, &info, WEXITED | WNOHANG) < 0)
		info = (siginfo_t){.si_code = CLD_KILLED, .si_status = SIGKILL};
	else if (info.si_pid == 0)
		return;
	take_output(h);
	code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	conclude(m, h->late ? -1 : code);
}

/* Its session is its own, so the group is all that it started and did not let go. */
static void kill_check(struct monitor *m)
{
	struct health_check *h = &m->health;
	const pid_t made = h->entered ? 0 : monitor_made_child(m, h->plan);

	if (h->entered)
		kill(-h->pid, SIGKILL);
	else if (made)
		kill(made, SIGKILL);
	if (h->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
}

void health_end(struct monitor *m)
{
	struct health_check *h = &m->health;

	if (!h->plan || h->over)
		return;
	h->over = true;
	if (h->running) {
		kill_check(m);
		if (h->pidfd >= 0)
			waitid(P_PIDFD, (id_t)h->pidfd, &(siginfo_t){0}, WEXITED | WNOHANG);
		close_fd(&h->report_fd);
		close_fd(&h->output_fd);
		close_fd(&h->pidfd);
		h->running = false;
	}
	h->due_ns = UINT64_MAX;
	/* Docker says so of what does not run. */
	h->state.status = HEALTH_UNHEALTHY;
	if (!m->plan->monitor.auto_remove)
		store(m);
}

int health_timeout_ms(const struct monitor *m)
{
	const struct health_check *h = &m->health;
	uint64_t now, ms;

	if (!h->plan || !m->started || m->exited || h->due_ns == UINT64_MAX)
		return -1;
	now = clock_now_ns();
	ms = now >= h->due_ns ? 0 : (h->due_ns - now) / NS_PER_MS + 1;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

void health_prepare(const struct monitor *m, struct pollfd p[static HEALTH_SLOTS])
{
	const struct health_check *h = &m->health;

	if (!h->plan || !h->running)
		return;
	p[HEALTH_SLOT_REPORT] = (struct pollfd){.fd = h->report_fd, .events = POLLIN};
	p[HEALTH_SLOT_OUTPUT] = (struct pollfd){.fd = h->output_fd, .events = POLLIN};
	if (h->entered)
		p[HEALTH_SLOT_PIDFD] = (struct pollfd){.fd = h->pidfd, .events = POLLIN};
}

static bool is_paused(const struct monitor *m)
{
	return faccessat(m->run_dir, PAUSED_FILE, F_OK, 0) == 0;
}

void health_tick(struct monitor *m, const struct pollfd p[static HEALTH_SLOTS])
{
	struct health_check *h = &m->health;
	bool due;

	if (!h->plan || !m->started || m->exited)
		return;
	due = clock_now_ns() >= h->due_ns;
	if (!h->running) {
		if (due && is_paused(m))
			plan_next(m);
		else if (due)
			begin_check(m);
		return;
	}
	if (p[HEALTH_SLOT_OUTPUT].revents)
		take_output(h);
	if (p[HEALTH_SLOT_REPORT].revents)
		on_report_end(m);
	else if (p[HEALTH_SLOT_PIDFD].revents)
		reap(m);
	else if (due && is_paused(m)) /* it is frozen with the rest */
		h->due_ns = clock_now_ns() + config_of(m)->timeout_ns;
	else if (due) {
		h->late = true;
		h->due_ns = UINT64_MAX;
		kill_check(m);
	}
}

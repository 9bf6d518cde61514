/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container: reap, read its counters, record, release the name, answer, and only then
 * remove directories and groups, so that nobody waits for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine/monitor/event.h"
#include "engine/monitor/monitor.h"
#include "runtime/plan_error.h"
#include "runtime/stamp.h"

#define KILL_TIMEOUT_MS 2000
#define REMOVE_TIMEOUT_MS 10000

size_t end_cgroup_dirs(const struct monitor *m, struct cgroup_dir out[PLAN_MAX_CGROUPS])
{
	const struct plan_monitor *pm = &m->plan->monitor;
	size_t n = pm->cgroup_count < PLAN_MAX_CGROUPS ? pm->cgroup_count : PLAN_MAX_CGROUPS;

	for (size_t i = 0; i < n; i++)
		out[i] = (struct cgroup_dir){.path = plan_string(m->plan, pm->cgroups[i].path),
					     .controllers = pm->cgroups[i].controllers,
					     .v2 = pm->cgroups[i].v2};
	return n;
}

/* What earlier runs in the same group have counted is not this one's. */
static void subtract_earlier(struct monitor *m)
{
	const struct cgroup_stats *before = &m->restart.before;
	char text[32];
	ssize_t n;

	m->stats.oom_kills -= before->oom_kills;
	m->stats.cpu_usage_ns -= before->cpu_usage_ns;
	m->stats.throttled_periods -= before->throttled_periods;
	m->stats.throttled_ns -= before->throttled_ns;
	m->pids_max_hits -= m->restart.pids_max_before;
	m->pressure_us -= m->restart.pressure_before_us;
	n = m->restart.peak_fd < 0 ? -1 : pread(m->restart.peak_fd, text, sizeof(text) - 1, 0);
	if (n > 0) {
		text[n] = '\0';
		m->stats.memory_peak_bytes = strtoull(text, NULL, 10);
	}
}

void end_read_stats(struct monitor *m)
{
	struct cgroup_dir dirs[PLAN_MAX_CGROUPS];
	size_t n = end_cgroup_dirs(m, dirs);

	if (n && cgroup_read_death(dirs, n, &m->stats) < 0) {
		m->stats = (struct cgroup_stats){0};
		return;
	}
	/* Nobody can ask about one that is removed. */
	if (n && !m->plan->monitor.auto_remove)
		cgroup_read_evidence(dirs, n, &m->pids_max_hits, &m->pressure_us);
	if (n && m->runs)
		subtract_earlier(m);
}

static void kill_the_rest(struct monitor *m)
{
	struct cgroup_dir dirs[PLAN_MAX_CGROUPS];
	size_t n = end_cgroup_dirs(m, dirs);

	/* Without a pid namespace of its own nothing died with PID 1. */
	if (n && !m->plan->monitor.own_pid_namespace &&
	    cgroup_kill_all(dirs, n, KILL_TIMEOUT_MS) < 0)
		return;
}

static void decode_status(struct monitor *m, const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED) {
		m->exit_code = info->si_status & 0xff;
		m->exit_signal = 0;
	} else {
		m->exit_signal = info->si_status;
		m->exit_code = 128 + info->si_status;
	}
}

/* Faults of a program's own come with these, and with no signal from anybody. */
static bool is_fault(int number)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (faults[i] == number)
			return true;
	}
	return false;
}

/* The kernel does not tell a parent who sent the signal; what can be excluded is. The kernel keeps
 * signals from inside, of those that end it, from PID 1 of a pid namespace. */
static const char *signal_sender(const struct monitor *m)
{
	if (!m->exit_signal)
		return "";
	if (m->exit_signal == SIGKILL && m->stats.oom_kills)
		return "kernel-oom";
	if (restart_is_stopped(m))
		return "user";
	if (m->client_signal == m->exit_signal)
		return "client";
	if (is_fault(m->exit_signal))
		return "self";
	return m->plan->monitor.own_pid_namespace ? "host" : "";
}

void end_reap(struct monitor *m)
{
	siginfo_t info = {0};

	if (m->exited)
		return;
	/* It has ended; when the kernel will not say how, it was not by its own will. */
	if (waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED | WNOHANG) < 0)
		info = (siginfo_t){.si_code = CLD_KILLED, .si_status = SIGKILL};
	else if (info.si_pid == 0)
		return;
	stamp(m->plan, POINT_MONITOR_EXITED);
	m->exited = true;
	/* Half of a restart: whoever asked for the end starts it again. */
	if (m->plan->monitor.auto_remove && unlinkat(m->run_dir, "keep", 0) == 0)
		m->plan->monitor.auto_remove = 0;
	m->finished_wall_ns = clock_wall_ns();
	decode_status(m, &info);
	kill_the_rest(m);
	end_read_stats(m);
	if (!m->plan->monitor.auto_remove) {
		m->signal_sender = signal_sender(m);
		restart_decide(m);
		store_state(m, m->restart.again ? "restarting" : "exited");
	}
	event_die(m);
	network_run_ended(m);
}

/* From here on the container does not exist for anybody who looks. */
static void release_record(struct monitor *m)
{
	const char *name = plan_string(m->plan, m->plan->monitor.name_link);
	char renamed[PATH_MAX];
	ssize_t n = readlinkat(m->run_dir, "name_link", renamed, sizeof(renamed) - 1);

	if (n > 0) {
		renamed[n] = '\0';
		name = renamed;
	}
	unlinkat(m->run_dir, "config.v2.json", 0);
	if (name)
		unlink(name);
	event_destroy(m);
}

/* False when some are left: processes that were killed take their time on a busy machine. */
static bool remove_groups(struct monitor *m)
{
	struct cgroup_dir dirs[PLAN_MAX_CGROUPS];
	size_t n = end_cgroup_dirs(m, dirs);

	foreign_remove(m);
	scope_stop(m);
	return !n || cgroup_remove(dirs, n, REMOVE_TIMEOUT_MS) == 0;
}

/* An anonymous volume bears the id of the container that it was made for until another takes it too,
 * which then needs it longer (engine/volume.h). */
static bool volume_is_ours(const struct monitor *m, const char *volume)
{
	const char *id = plan_string(m->plan, m->plan->monitor.id);
	char link[PATH_MAX], owner[128];
	ssize_t n;

	if (snprintf(link, sizeof(link), "%s/owner", volume) >= (int)sizeof(link))
		return false;
	n = readlink(link, owner, sizeof(owner) - 1);
	if (n < 0)
		return false;
	owner[n] = '\0';
	return id && strcmp(owner, id) == 0;
}

static void remove_directories(struct monitor *m)
{
	const struct plan_monitor *pm = &m->plan->monitor;
	const char *overlay = plan_string(m->plan, pm->overlay_directory);
	const struct plan_list *volumes = plan_at(m->plan, pm->volume_directories);

	/* What cannot be removed now is found by `system check`. */
	if (overlay && remove_tree_at(AT_FDCWD, overlay) < 0)
		overlay = NULL;
	for (uint32_t i = 0; volumes && i < volumes->count; i++) {
		const char *volume = plan_string(m->plan, volumes->items[i]);

		if (volume_is_ours(m, volume) && remove_tree_at(AT_FDCWD, volume) < 0)
			continue;
	}
	if (remove_tree_at(AT_FDCWD, plan_string(m->plan, m->plan->early.run_directory)) < 0)
		return;
}

static void sync_record(struct monitor *m)
{
	static const char *const files[] = {"hostconfig.json", "config.v2.json", "state.json", "."};
	const char *record = plan_string(m->plan, m->plan->monitor.record_directory);
	auto_close int dir = record ? open(record, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	for (size_t i = 0; dir >= 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		auto_close int fd = openat(dir, files[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			fsync(fd);
	}
}

/* Whoever waits for the end may at once want the same ports or address, or remove the network. */
static void leave_networks(struct monitor *m)
{
	keeper_leave(m);
	network_undo(m);
}

/* Removes everything that the launch made; the lock goes with the process. */
static _Noreturn void sweep_and_exit(struct monitor *m)
{
	/* What is left of the groups is found by the run directory. */
	if (remove_groups(m) && m->plan->monitor.auto_remove) {
		remove_directories(m);
	} else {
		unlinkat(m->run_dir, "attach.sock", 0);
		stamp(m->plan, POINT_MONITOR_CLEANED);
		store_timeline_in_record(m);
		sync_record(m);
	}
	stamp(m->plan, POINT_MONITOR_CLEANED);
	/* A client that is stopped keeps us, but not the container, from being gone. */
	close(PLAN_FD_LOCK);
	client_linger(m);
	forward_linger(m);
	_exit(0);
}

_Noreturn void end_finish(struct monitor *m)
{
	log_flush(m, true);
	if (m->plan->monitor.auto_remove)
		release_record(m);
	stamp(m->plan, POINT_MONITOR_RECORDED);
	leave_networks(m);
	/* Those who connected while we were at it want to know as well. */
	client_accept(m);
	client_answer_all(m);
	stamp(m->plan, POINT_MONITOR_ANSWERED);
	if (m->restart.waiting_ended)
		tell_stopped_restarting(m);
	else
		tell_ended(m);
	sweep_and_exit(m);
}

_Noreturn void end_refuse(struct monitor *m)
{
	m->exited = true;
	m->exit_signal = 0;
	m->signal_sender = "";
	m->restart.again = false;
	m->finished_wall_ns = clock_wall_ns();
	m->exit_code = m->start_error.kind == ERR_NO_COMMAND ? 127
		       : m->start_error.kind == ERR_NO_EXEC  ? 126
							     : 128;
	if (m->plan->monitor.auto_remove)
		release_record(m);
	else if (store_state(m, m->runs ? "exited" : "created") < 0)
		/* Without this file no state means "created"; with it, that the monitor was lost. */
		unlinkat(m->run_dir, "hostname", 0);
	leave_networks(m);
	/* Who came by the socket had no part in the start: the end of the container is all it asked for. */
	if (m->runs)
		client_answer_all(m);
	else
		client_send_all(m, FRAME_ERROR, &m->start_error, sizeof(m->start_error));
	tell_refused(m);
	sweep_and_exit(m);
}

_Noreturn void end_start_failed(struct monitor *m)
{
	siginfo_t info = {0};

	/* Without a pidfd there never was a child, and why is known. */
	if (m->pidfd >= 0 && waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED) == 0 &&
	    !m->plan->shared.failed_op)
		err_set(&m->start_error, ERR_SYSTEM, ECANCELED,
			"the process that sets the container up %s %d",
			info.si_code == CLD_EXITED ? "ended with status" : "was killed by signal",
			info.si_status);
	else if (m->pidfd >= 0)
		plan_error(m->plan, &m->start_error);
	if (network_is_to_blame(m))
		m->start_error = m->network.error;
	end_refuse(m);
}

_Noreturn void end_unrecorded(struct monitor *m, int rc)
{
	/* Nobody could list, stop or wait for it. */
	syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
	waitid(P_PIDFD, (id_t)m->pidfd, &(siginfo_t){0}, WEXITED);
	err_set(&m->start_error, ERR_SYSTEM, -rc, "write %s/state.json: %s%s",
		plan_string(m->plan, m->plan->early.run_directory), err_errno_text(-rc),
		rc == -ENOSPC || rc == -EDQUOT ? " (make room in the run root)" : "");
	kill_the_rest(m);
	end_refuse(m);
}

_Noreturn void end_abandon(struct monitor *m)
{
	/* The launcher gave up, or died before it let the child go. Its half-made record is recognised
	 * as such by the next command; what can be removed from here goes now. */
	if (m->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)m->pidfd, &(siginfo_t){0}, WEXITED);
	}
	network_undo(m);
	(void)remove_groups(m);
	_exit(1);
}

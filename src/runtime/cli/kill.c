/* SPDX-License-Identifier: Apache-2.0 */
/* kill, delete, pause and resume: acting on containers that exist. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/signal_name.h"
#include "kernel/cgroup.h"
#include "kernel/proc.h"
#include "runtime/cli/hooks.h"
#include "runtime/cli/make.h"
#include "runtime/cli/store.h"

#define KILL_TIMEOUT_MS 10000
#define FREEZE_TIMEOUT_MS 10000

static const struct option_row kill_options[] = {
	{"all", 'a', NULL, "all processes of the container", NULL},
};
static const struct option_row delete_options[] = {
	{"force", 'f', NULL, "kill the container first if it runs", NULL},
};

/* By pidfd, after the start time was compared: a reused pid is never hit. */
static int signal_init(const struct oci_state *s, int signal_number, struct err *err)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);

	if (pidfd < 0 || !proc_is_alive(s->pid, s->pid_start_ticks))
		return err_set(err, ERR_CONFLICT, ESRCH, "container not running");
	if (syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0)
		return errno == ESRCH ? err_set(err, ERR_CONFLICT, ESRCH, "container not running")
				      : err_sys(err, "signal container %s", s->id);
	return 0;
}

static int group_dirs(const struct oci_state *s, struct cgroup_dirs *dirs, struct err *err)
{
	struct cgroup_layout layout;
	int r = cgroup_detect(&layout, err);

	return r ? r : cgroup_dirs_of(&layout, s->cgroup_path, dirs, err);
}

static int signal_one(int pid, void *arg)
{
	const int *number = arg;

	return kill(pid, *number) < 0 && errno != ESRCH ? -errno : 0;
}

static int signal_all(const struct oci_state *s, int number, struct err *err)
{
	struct cgroup_dirs dirs;
	int r = group_dirs(s, &dirs, err);

	if (r)
		return r;
	r = number == SIGKILL ? cgroup_kill_all(dirs.dirs, dirs.count, KILL_TIMEOUT_MS)
			      : cgroup_for_each_pid(dirs.dirs, dirs.count, signal_one, &number);
	return r && r != -ENOENT ? err_set(err, ERR_SYSTEM, -r, "signal container %s: %s", s->id,
					   err_errno_text(-r))
				 : 0;
}

int command_kill(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	int number = SIGTERM;
	int r = args->count > 1 ? signal_parse(args->positional[1], &number, err) : 0;

	if (r == 0)
		r = store_load(rt, args->positional[0], &dirfd, &s, err);
	if (r)
		return r;
	if (args->values[0])
		return signal_all(&s, number, err);
	if (s.status == OCI_STATUS_STOPPED)
		return err_set(err, ERR_CONFLICT, ESRCH, "container not running");
	return signal_init(&s, number, err);
}

/* A frozen process dies only once it is thawed. */
static int kill_and_wait(const struct oci_state *s, struct err *err)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, s->pid, 0), .events = POLLIN};
	auto_close int pidfd = p.fd;
	struct cgroup_dirs dirs;
	int r;

	if (pidfd < 0 || !proc_is_alive(s->pid, s->pid_start_ticks))
		return 0;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(err, "kill container %s", s->id);
	r = group_dirs(s, &dirs, err);
	if (r)
		return r;
	if (s->status == OCI_STATUS_PAUSED)
		r = cgroup_freeze(dirs.dirs, dirs.count, false, FREEZE_TIMEOUT_MS);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "thaw container %s: %s", s->id,
			       err_errno_text(-r));
	if (poll(&p, 1, KILL_TIMEOUT_MS) <= 0)
		return err_set(err, ERR_SYSTEM, ETIMEDOUT, "container %s does not die", s->id);
	return 0;
}

static void run_poststop(const struct runtime *rt, const struct oci_config *config,
			 const struct oci_state *s)
{
	auto_free char *text = oci_state_encode(s, OCI_STATE_FOR_HOOKS);
	struct err err = ERR_INIT;

	if (hooks_run(config, OCI_HOOK_POSTSTOP, text, &err))
		report_warning(rt, err.msg);
}

static int delete_loaded(const struct runtime *rt, int dirfd, struct oci_state *s, bool force,
			 struct err *err)
{
	auto_oci_config struct oci_config config = {0};
	struct cgroup_layout layout;
	struct err ignored = ERR_INIT;
	bool has_config;
	int r;

	/* A created one has run nothing yet; one being made belongs to its maker unless forced. */
	if (s->status != OCI_STATUS_STOPPED && s->status != OCI_STATUS_CREATED && !force)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "cannot delete container %s that is not stopped: %s", s->id,
			       oci_status_name(s->status));
	r = kill_and_wait(s, err);
	if (r)
		return r;
	has_config = oci_config_read_at(dirfd, &config, &ignored) == 0;
	s->status = OCI_STATUS_STOPPED;
	r = cgroup_detect(&layout, err);
	if (r == 0)
		r = make_remove(rt, s, &layout, err);
	if (r == 0 && has_config)
		run_poststop(rt, &config, s);
	return r;
}

int command_delete(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	bool force = args->values[0];
	const char *id = args->positional[0];
	int r = store_load(rt, id, &dirfd, &s, err);

	/* Half made: the directory alone is left of a maker that was killed. */
	if (r == -ENOENT && force)
		return dirfd >= 0 ? store_remove(rt, id, err) : 0;
	return r ? r : delete_loaded(rt, dirfd, &s, force, err);
}

static int set_frozen(const struct runtime *rt, const char *id, bool frozen, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	struct cgroup_dirs dirs;
	int r = store_load(rt, id, &dirfd, &s, err);

	if (r)
		return r;
	if (frozen && s.status != OCI_STATUS_RUNNING && s.status != OCI_STATUS_CREATED)
		return err_set(err, ERR_CONFLICT, EINVAL, "container not running or created: %s",
			       oci_status_name(s.status));
	if (!frozen && s.status != OCI_STATUS_PAUSED)
		return err_set(err, ERR_CONFLICT, EINVAL, "container not paused");
	r = group_dirs(&s, &dirs, err);
	if (r)
		return r;
	r = cgroup_freeze(dirs.dirs, dirs.count, frozen, FREEZE_TIMEOUT_MS);
	return r ? err_set(err, ERR_SYSTEM, -r, "%s container %s: %s", frozen ? "pause" : "resume",
			   id, err_errno_text(-r))
		 : 0;
}

int command_pause(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	return set_frozen(rt, args->positional[0], true, err);
}

int command_resume(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	return set_frozen(rt, args->positional[0], false, err);
}

const struct command command_kill_row = {"kill",
					 "CONTAINER [SIGNAL]",
					 "send a signal (default SIGTERM) to the container's init",
					 kill_options,
					 1,
					 1,
					 2,
					 command_kill};
const struct command command_delete_row = {
	"delete", "CONTAINER",   "remove what is left of a stopped container", delete_options, 1, 1,
	1,        command_delete};
const struct command command_pause_row = {"pause", "CONTAINER", "freeze all processes", NULL, 0,
					  1,       1,           command_pause};
const struct command command_resume_row = {
	"resume", "CONTAINER", "let frozen processes go on", NULL, 0, 1, 1, command_resume};

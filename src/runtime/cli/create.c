/* SPDX-License-Identifier: Apache-2.0 */
/* create, start and run: bringing containers to life. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/proc.h"
#include "runtime/cli/foreground.h"
#include "runtime/cli/hooks.h"
#include "runtime/cli/make.h"
#include "runtime/cli/store.h"
#include "runtime/plan_error.h"

#define PRESERVE_FDS_MAX 1024
#define REAP_WAIT_MS 1000

enum create_option {
	OPTION_BUNDLE,
	OPTION_CONSOLE_SOCKET,
	OPTION_PID_FILE,
	OPTION_NO_PIVOT,
	OPTION_NO_NEW_KEYRING,
	OPTION_PRESERVE_FDS,
	OPTION_PIDFD_SOCKET,
	OPTION_DETACH,
	OPTION_KEEP,
	OPTION_NO_SUBREAPER,
	OPTION_COUNT
};
#define CREATE_OPTION_COUNT OPTION_DETACH

static const struct option_row options[OPTION_COUNT] = {
	[OPTION_BUNDLE] = {"bundle", 'b', "DIR", "the bundle (default: working directory)", NULL},
	[OPTION_CONSOLE_SOCKET] = {"console-socket", 0, "SOCKET",
				   "unix socket that gets the terminal's master", NULL},
	[OPTION_PID_FILE] = {"pid-file", 0, "FILE", "where to write the process id", NULL},
	[OPTION_NO_PIVOT] = {"no-pivot", 0, NULL, "do not pivot_root",
			     "without pivot_root the host's tree stays reachable"},
	[OPTION_NO_NEW_KEYRING] = {"no-new-keyring", 0, NULL, "keep the session keyring",
				   "the container never gets the caller's keyring"},
	[OPTION_PRESERVE_FDS] = {"preserve-fds", 0, "N",
				 "descriptors 3 to 3+N-1 go to the container", NULL},
	[OPTION_PIDFD_SOCKET] = {"pidfd-socket", 0, "SOCKET", "unix socket that gets a pidfd",
				 "not yet"},
	[OPTION_DETACH] = {"detach", 'd', NULL, "do not wait for the container", NULL},
	[OPTION_KEEP] = {"keep", 0, NULL, "do not delete the container when it ends", NULL},
	[OPTION_NO_SUBREAPER] = {"no-subreaper", 0, NULL, "ignored", NULL},
};

static int preserve_count(const char *text, unsigned *out, struct err *err)
{
	uint64_t n = 0;

	if (text && (str_to_u64(text, &n) || n > PRESERVE_FDS_MAX))
		return err_set(err, ERR_INVALID, EINVAL, "invalid --preserve-fds \"%s\"", text);
	*out = (unsigned)n;
	for (unsigned i = 0; i < *out; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return err_set(err, ERR_INVALID, EBADF,
				       "--preserve-fds: descriptor %u is not open", 3 + i);
	return 0;
}

static int take_options(const struct arguments *args, struct make_options *o, struct err *err)
{
	*o = (struct make_options){
		.id = args->positional[0],
		.bundle = args->values[OPTION_BUNDLE],
		.console_socket = args->values[OPTION_CONSOLE_SOCKET],
		.pid_file = args->values[OPTION_PID_FILE],
	};
	return preserve_count(args->values[OPTION_PRESERVE_FDS], &o->preserve_fds, err);
}

int command_create(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	struct make_options o;
	auto_free struct making *m = xcalloc(1, sizeof(*m));
	int r = take_options(args, &o, err);

	if (r)
		return r;
	o.gate = true;
	r = make_container(rt, &o, m, err);
	make_free(m);
	return r;
}

static int run_hooks_after(const struct runtime *rt, int dirfd, const struct oci_state *s,
			   enum oci_hook_stage stage)
{
	auto_oci_config struct oci_config config = {0};
	auto_free char *text = oci_state_encode(s, OCI_STATE_FOR_HOOKS);
	struct err err = ERR_INIT;
	int r = oci_config_read_at(dirfd, &config, &err);

	/* Kept only when it has hooks. */
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = hooks_run(&config, stage, text, &err);
	/* The specification: these are warned of and the lifecycle goes on. */
	if (r)
		report_warning(rt, err.msg);
	return 0;
}

/* The plan of an init that waits at its gate, through its own descriptor. */
static int map_waiting_plan(const struct oci_state *s, struct plan **out, struct err *err)
{
	char path[64], link[64];

	for (int fd = 3; fd < 3 + PRESERVE_FDS_MAX + 8; fd++) {
		auto_close int plan = -1;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->pid, fd);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		if (!str_starts(link, "/memfd:"))
			continue;
		plan = open(path, O_RDWR | O_CLOEXEC);
		if (plan >= 0)
			return plan_map(plan, out, err);
	}
	return err_set(err, ERR_SYSTEM, ENOENT, "container init is gone");
}

/* Opens the gate and waits until init holds it no more: it has executed, or it has failed. */
static int pass_gate(int dirfd, const struct plan *plan, struct err *err)
{
	auto_close int gate = openat(dirfd, STORE_GATE, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (gate < 0)
		return err_sys(err, "open the start gate");
	r = fd_write_all(gate, "", 1);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "open the start gate: %s", err_errno_text(-r));
	while (flock(gate, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, "wait for the start");
	r = plan_error(plan, err);
	return r;
}

/* Who called us deletes the container next, and finds it stopped only once init's parent has taken
 * its end; give that a moment. */
static void await_reaping(const struct oci_state *s)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct proc_stat st;

	for (int i = 0; i < REAP_WAIT_MS; i++) {
		if (proc_read_stat(s->pid, &st) < 0 || st.start_ticks != s->pid_start_ticks)
			return;
		nanosleep(&pause, NULL);
	}
}

int command_start(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	auto_oci_state struct oci_state s = {0};
	auto_close int dirfd = -1;
	struct plan *plan = NULL;
	int r = store_load(rt, args->positional[0], &dirfd, &s, err);

	if (r)
		return r;
	if (s.status == OCI_STATUS_STOPPED)
		return err_set(err, ERR_CONFLICT, EINVAL,
			       "cannot start a container that has stopped");
	if (s.status != OCI_STATUS_CREATED)
		return err_set(err, ERR_CONFLICT, EINVAL,
			       "cannot start an already running container");
	r = map_waiting_plan(&s, &plan, err);
	if (r)
		return r;
	r = pass_gate(dirfd, plan, err);
	plan_unmap(plan);
	if (r) {
		await_reaping(&s);
		return r;
	}
	if (unlinkat(dirfd, STORE_GATE, 0) < 0)
		return err_sys(err, "remove the start gate");
	s.status = OCI_STATUS_RUNNING;
	return run_hooks_after(rt, dirfd, &s, OCI_HOOK_POSTSTART);
}

static int finish_run(const struct runtime *rt, struct making *m, int status, bool keep,
		      struct err *err)
{
	int r;

	if (keep)
		return status;
	m->state.status = OCI_STATUS_STOPPED;
	r = make_remove(rt, &m->state, &m->layout, err);
	if (r)
		return r;
	if (m->config.hooks[OCI_HOOK_POSTSTOP].count) {
		auto_free char *text = oci_state_encode(&m->state, OCI_STATE_FOR_HOOKS);
		struct err warning = ERR_INIT;

		if (hooks_run(&m->config, OCI_HOOK_POSTSTOP, text, &warning))
			report_warning(rt, warning.msg);
	}
	return status;
}

static int run_made(const struct runtime *rt, const struct arguments *args, struct making *m,
		    struct err *err)
{
	auto_free char *text = oci_state_encode(&m->state, OCI_STATE_FOR_HOOKS);
	struct err warning = ERR_INIT;
	int status;

	if (hooks_run(&m->config, OCI_HOOK_POSTSTART, text, &warning))
		report_warning(rt, warning.msg);
	if (args->values[OPTION_DETACH])
		return 0;
	status = foreground_wait(m->pid, m->pidfd, m->terminal_fd, err);
	if (status < 0)
		return status;
	return finish_run(rt, m, status, args->values[OPTION_KEEP] != NULL, err);
}

int command_run(const struct runtime *rt, const struct arguments *args, struct err *err)
{
	struct make_options o;
	auto_free struct making *m = xcalloc(1, sizeof(*m));
	int r = take_options(args, &o, err);

	if (r)
		return r;
	o.relay = !args->values[OPTION_DETACH] && !o.console_socket;
	if (!args->values[OPTION_DETACH])
		foreground_block_signals();
	r = make_container(rt, &o, m, err);
	if (r == 0)
		r = run_made(rt, args, m, err);
	make_free(m);
	return r;
}

const struct command command_create_row = {
	"create", "CONTAINER",         "make a container and stop before its program",
	options,  CREATE_OPTION_COUNT, 1,
	1,        command_create};
const struct command command_run_row = {
	"run", "CONTAINER", "make and start a container", options, OPTION_COUNT, 1, 1, command_run};
const struct command command_start_row = {
	"start", "CONTAINER",  "start the program of a created container", NULL, 0, 1,
	1,       command_start};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting one more process in a container: who it is, and the order of events. The supervisor is set
 * going first; user, filter, environment and plan are prepared meanwhile; then its child is released.
 *
 * What must hold: the process that is joined is the container's PID 1 and no other. Its pidfd is
 * opened between two looks at the state, and everything else (root, namespaces) goes by that pidfd.
 */
#include "engine/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/brief.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/event.h"
#include "engine/exec_internal.h"
#include "engine/internal.h"
#include "engine/monitor/exec.h"
#include "engine/monitor/protocol.h"
#include "engine/start_internal.h"
#include "engine/user_files.h"
#include "kernel/pidfd.h"
#include "runtime/launch.h"
#include "runtime/plan_build.h"

/* One exec under way. */
struct exec_launch {
	struct launch l; /* plan, groups, descriptors, as for a start */
	const struct exec_options *options;
	const char *id;
	int target; /* pidfd of PID 1 */
};

static int check_running(const struct container *c, struct err *err)
{
	switch (c->state.status) {
	case CONTAINER_RUNNING:
		return 0;
	case CONTAINER_PAUSED:
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "Container %s is paused, unpause the container before exec",
			       c->name);
	case CONTAINER_RESTARTING:
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
	default:
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
	}
}

/* The container's variables and then the command's own, of which a name without a value takes the
 * container's away. */
static void overlay_env(const struct strv *container, const struct strv *own, struct strv *out)
{
	auto_strv struct strv all = {0};

	strv_add_all(&all, container);
	for (size_t i = 0; i < own->count; i++)
		strv_set_env(&all, own->items[i]);
	for (size_t i = 0; i < all.count; i++) {
		if (strchr(all.items[i], '='))
			strv_add(out, all.items[i]);
	}
}

/* c as the process shall have it: the same container with another command. Borrows everything but
 * env. */
static void overlay(const struct container *c, const struct exec_options *o, struct container *out)
{
	*out = *c;
	out->argv = o->argv;
	out->config.tty = o->tty;
	out->config.privileged = c->config.privileged || o->privileged;
	if (o->working_dir)
		out->working_dir = o->working_dir;
	out->env = (struct strv){0};
	overlay_env(&c->env, &o->env, &out->env);
}

/* The files as they are now, through the root of the process that the pidfd stands for. */
static int read_user_files(struct exec_launch *x, struct err *err)
{
	char path[32];
	auto_close int root = -1;

	snprintf(path, sizeof(path), "/proc/%d/root", x->l.c->state.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Alive after that: then the number was its own when the root was opened. */
	if (root < 0 || process_fd_signal(x->target, 0) < 0)
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", x->l.c->id);
	user_files_read(root, &x->l.passwd, &x->l.group);
	return 0;
}

static int fill_operations(struct exec_launch *x, struct container *as, struct err *err)
{
	auto_free struct user_identity *user = xcalloc(1, sizeof(*user));
	auto_seccomp_program struct seccomp_program seccomp = {0};
	const char *name = x->options->user ? x->options->user : as->user;
	struct launch *l = &x->l;
	struct plan_input input = {.rows = x->options->rows,
				   .columns = x->options->columns,
				   .clone_before_filter = container_has_own_profile(&as->config),
				   .limits_best_effort = true};
	uint64_t caps;
	int rc = user_resolve(name, &as->config.group_add, l->passwd, l->group, user, err);

	if (rc == 0)
		rc = container_process(as, user, &l->oci, &input.quiet_limits, err);
	/* More capabilities open no system call that the container may not make. */
	if (rc == 0)
		rc = container_capabilities(&l->c->config, &caps, err);
	if (rc == 0)
		rc = container_seccomp(l->e, &l->c->config, caps, &seccomp, err);
	if (rc < 0)
		return rc;
	input.seccomp = seccomp.count ? &seccomp : NULL;
	return plan_build_exec(l->plan, &l->oci.process, &input, err);
}

static int fill_plan(struct exec_launch *x, struct err *err)
{
	struct container as;
	int rc = read_user_files(x, err);

	if (rc < 0)
		return rc;
	overlay(x->l.c, x->options, &as);
	rc = fill_operations(x, &as, err);
	strv_free(&as.env);
	if (rc < 0)
		return rc;
	x->l.plan->monitor.id = plan_add_string(x->l.plan, x->l.c->id);
	x->l.plan->monitor.stdin_once = true;
	x->l.plan->monitor.launcher_stdin = x->options->open_stdin;
	x->l.plan->monitor.launcher_output = !x->options->detach;
	event_fill_plan(x->l.e, x->l.c, NULL, x->l.plan);
	return plan_check(x->l.plan, err);
}

/* The rest of a container of which only the brief was read, while the supervisor is on its way. The
 * state stays the one that the pidfd was opened by. */
static int complete(struct exec_launch *x, struct err *err)
{
	struct container *c = x->l.c, full;
	int rc;

	if (!c->brief)
		return 0;
	container_init(&full);
	rc = container_record_load(x->l.e, c->id, &full, err);
	if (rc < 0) {
		container_free(&full);
		return rc;
	}
	full.state = c->state;
	c->state = (struct container_state){0};
	container_free(c);
	*c = full;
	return 0;
}

static int write_state(struct exec_launch *x, struct err *err)
{
	const struct exec_options *o = x->options;
	struct exec_state s = {.options = *o};

	memcpy(s.id, x->id, sizeof(s.id));
	memcpy(s.container_id, x->l.c->id, sizeof(s.container_id));
	s.detach_keys = (char *)(uintptr_t)o->detach_keys;
	if (!o->user)
		s.options.user = x->l.c->user;
	return exec_state_write(x->l.lock_fd, &s, err);
}

static void say(struct exec_launch *x, const char *what)
{
	auto_strbuf struct strbuf action = {0};

	strbuf_printf(&action, "%s: %s", what, x->options->argv.items[0]);
	for (size_t i = 1; i < x->options->argv.count; i++)
		strbuf_printf(&action, " %s", x->options->argv.items[i]);
	event_container(x->l.e, x->l.c, strbuf_str(&action), "execID", x->id);
}

/* The v2 group that the process is born in. */
static int open_group(struct launch *l, struct err *err)
{
	const struct cgroup_hierarchy *v2 = cgroup_unified_of(&l->e->cgroups);
	auto_free char *dir = NULL;

	if (!v2)
		return 0;
	dir = xasprintf("%s%s", v2->mount, l->cgroup_path);
	l->cgroup_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->cgroup_fd < 0 && errno == ENOENT)
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", l->c->id);
	return l->cgroup_fd < 0 ? err_sys(err, "open %s", dir) : 0;
}

static void fill_early(struct exec_launch *x)
{
	struct plan_early *early = &x->l.plan->early;

	early->exec = 1;
	early->terminal = x->options->tty;
	early->open_stdin = x->options->open_stdin;
	early->run_directory = plan_add_string(x->l.plan, x->l.run_path);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Has the container's monitor fork the supervisor: FRAME_EXEC. Whether it did is seen later. */
static void ask_monitor(struct exec_launch *x)
{
	const int fds[EXEC_DESCRIPTORS] = {x->l.plan_fd, x->l.lock_fd, x->target};
	struct frame_header header;
	auto_close int fd = monitor_connect(x->l.e, x->l.c->id);

	frame_header_set(&header, FRAME_EXEC, 0);
	if (fd >= 0 && fd_send(fd, &header, sizeof(header), fds, EXEC_DESCRIPTORS) == 0)
		x->l.control_fd = take_fd(&fd);
	/* The kernel often wakes the monitor on this very processor, where it would wait until we have
	 * nothing left to do; the processor that its fork gets is idle all that while. */
	sched_yield();
}

/* What a monitor has of its container, for a supervisor that is started instead. */
static int fill_groups(struct launch *l, struct err *err)
{
	struct cgroup_join join;
	plan_ref end = 0;
	int rc = engine_detect_cgroups(l->e, err);

	if (rc == 0)
		rc = container_cgroup_path(l->e, l->c, l->cgroup_path, err);
	if (rc == 0)
		rc = cgroup_join_of(&l->e->cgroups, l->cgroup_path, &join, err);
	if (rc == 0)
		rc = open_group(l, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < join.count; i++) {
		plan_ref at = plan_add_string(l->plan, join.tasks[i]);

		l->plan->early.groups = i == 0 ? at : l->plan->early.groups;
	}
	end = plan_add_string(l->plan, "");
	if (!l->plan->early.groups)
		l->plan->early.groups = end;
	l->plan->early.has_cgroup_fd = l->cgroup_fd >= 0;
	return plan_check(l->plan, err);
}

/* Where the monitor cannot be asked. */
static int spawn_supervisor(struct exec_launch *x, struct err *err)
{
	int rc = fill_groups(&x->l, err);

	return rc < 0 ? rc : launch_spawn_monitor(&x->l, x->target, err);
}

/* A monitor that was asked has hung up if it would not fork, or is at its end; what it has forked has
 * stamped the plan before it could say anything. */
static bool was_refused(const struct launch *l)
{
	const uint64_t *begun = &l->plan->shared.point_ns[POINT_MONITOR_MAIN];
	struct pollfd p = {.fd = l->control_fd, .events = POLLIN};

	while (!__atomic_load_n(begun, __ATOMIC_ACQUIRE)) {
		if (poll(&p, 1, -1) > 0)
			return !__atomic_load_n(begun, __ATOMIC_ACQUIRE);
	}
	return false;
}

static int confirm(struct exec_launch *x, struct err *err)
{
	if (x->l.monitor_pid > 0 || !was_refused(&x->l))
		return 0;
	close_fd(&x->l.control_fd);
	return spawn_supervisor(x, err);
}

/* The supervisor, and with it the operations that need nothing of the record. */
static int begin_process(struct exec_launch *x, struct err *err)
{
	struct launch *l = &x->l;
	int rc = plan_create(&l->plan_fd, &l->plan, err);

	if (rc < 0)
		return rc;
	fill_early(x);
	plan_begin_exec(l->plan);
	launch_test_hooks(l->plan);
	ask_monitor(x);
	return l->control_fd < 0 ? spawn_supervisor(x, err) : 0;
}

/* From a running container to a released child. */
static int run(struct exec_launch *x, struct err *err)
{
	struct launch *l = &x->l;
	bool made = l->lock_fd >= 0; /* by exec_create(), and taken again */
	int rc = made ? 0 : exec_state_make(l->e, l->c->id, x->id, l->run_path, &l->lock_fd, err);

	if (rc == 0)
		rc = begin_process(x, err);
	if (rc == 0)
		rc = complete(x, err);
	if (rc == 0 && !made)
		rc = write_state(x, err);
	if (rc == 0)
		rc = fill_plan(x, err);
	if (rc < 0)
		return rc;
	if (!made)
		say(x, "exec_create");
	say(x, "exec_start");
	launch_test_hooks(l->plan);
	launch_release(l->plan, PLAN_GO);
	return confirm(x, err);
}

/* Takes everything back but what is in *handle. */
static void end(struct exec_launch *x, bool failed)
{
	struct launch *l = &x->l;

	if (failed && l->plan)
		launch_release(l->plan, PLAN_CANCEL);
	close_fd(&l->control_fd);
	if (failed && l->monitor_pid > 0)
		waitpid(l->monitor_pid, NULL, 0);
	if (failed && l->lock_fd >= 0)
		undo_remove_tree(AT_FDCWD, l->run_path);
	close_fd(&l->plan_fd);
	close_fd(&l->lock_fd);
	close_fd(&l->cgroup_fd);
	close_fd(&l->program_fd);
	close_fd(&x->target);
	plan_unmap(l->plan);
	free(l->passwd);
	free(l->group);
	oci_config_free(&l->oci);
	free(x);
}

static struct exec_launch *begin(struct engine *e, struct container *c,
				 const struct exec_options *options, const char *id)
{
	struct exec_launch *x = xcalloc(1, sizeof(*x));

	x->l.e = e;
	x->l.c = c;
	x->l.plan_fd = x->l.lock_fd = x->l.run_dir = x->l.control_fd = x->l.cgroup_fd =
		x->l.image_lock = x->l.program_fd = -1;
	x->target = -1;
	x->options = options;
	x->id = id;
	snprintf(x->l.run_path, sizeof(x->l.run_path), "%s/containers/%s/" EXEC_DIRECTORY "/%s",
		 e->run_root, c->id, id);
	return x;
}

/* The pidfd of PID 1. Mostly c->state is of a moment ago: then one more look at the same, now that the
 * process cannot be taken for another, is enough. */
static int open_target(struct engine *e, struct container *c, struct err *err)
{
	int pid = c->state.status == CONTAINER_RUNNING && !c->state.error ? c->state.pid : 0;
	auto_close int fd = pid > 0 ? process_fd_open(pid) : -1;

	if (fd >= 0 && container_state_peek(e, c) && c->state.status == CONTAINER_RUNNING &&
	    c->state.pid == pid)
		return take_fd(&fd);
	return container_open_init(e, c, err);
}

static int check(struct engine *e, struct container *c, const struct exec_options *options,
		 int *target, struct err *err)
{
	int rc;

	if (!options->argv.count)
		return err_set(err, ERR_INVALID, EINVAL, "No exec command specified");
	if (options->working_dir && *options->working_dir && *options->working_dir != '/')
		return err_set(
			err, ERR_INVALID, EINVAL,
			"OCI runtime exec failed: exec failed: Cwd must be an absolute path: "
			"unknown");
	*target = open_target(e, c, err);
	rc = check_running(c, err);
	return rc == 0 && *target < 0 ? *target : rc;
}

/* Takes lock_fd; -1: the state is not made yet. */
static int start(struct engine *e, struct container *c, const struct exec_options *options,
		 const char *id, int lock_fd, struct start_handle *handle, struct err *err)
{
	struct exec_launch *x = begin(e, c, options, id);
	int rc;

	x->l.lock_fd = lock_fd;
	rc = check(e, c, options, &x->target, err);
	if (rc == 0)
		rc = run(x, err);
	if (rc == 0)
		handle->client_fd = take_fd(&x->l.control_fd);
	end(x, rc < 0);
	return rc;
}

int container_exec(struct engine *e, struct container *c, const struct exec_options *options,
		   char exec_id[static ID_LEN + 1], struct start_handle *handle, struct err *err)
{
	*handle = (struct start_handle){.client_fd = -1, .plan_fd = -1};
	if (id_generate(exec_id) < 0)
		return err_sys(err, "make an id");
	return start(e, c, options, exec_id, -1, handle, err);
}

void exec_detached(struct engine *e, const struct container *c, const char *exec_id)
{
	event_container(e, c, "exec_detach", "execID", exec_id);
}

int exec_create(struct engine *e, struct container *c, const struct exec_options *options,
		char exec_id[static ID_LEN + 1], struct err *err)
{
	struct exec_launch *x;
	int rc;

	if (id_generate(exec_id) < 0)
		return err_sys(err, "make an id");
	x = begin(e, c, options, exec_id);
	rc = check(e, c, options, &x->target, err);
	if (rc == 0)
		rc = complete(x, err);
	if (rc == 0)
		rc = exec_state_make(e, c->id, exec_id, x->l.run_path, &x->l.lock_fd, err);
	if (rc == 0)
		rc = write_state(x, err);
	if (rc == 0)
		say(x, "exec_create");
	end(x, rc < 0);
	return rc;
}

int exec_start(struct engine *e, const char *exec_id, uint16_t rows, uint16_t columns,
	       struct start_handle *handle, struct err *err)
{
	auto_exec_state struct exec_state s = {.pid = 0};
	auto_container struct container c;
	int lock_fd, rc;

	*handle = (struct start_handle){.client_fd = -1, .plan_fd = -1};
	container_init(&c);
	rc = exec_state_take(e, exec_id, &s, &lock_fd, err);
	if (rc < 0)
		return rc;
	rc = container_find(e, s.container_id, &c, err);
	if (rc < 0) {
		close_fd(&lock_fd);
		return rc;
	}
	s.options.rows = rows;
	s.options.columns = columns;
	return start(e, &c, &s.options, s.id, lock_fd, handle, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a container into being, parent side:
 *	state directory, v2 cgroup                undone in reverse on failure
 *	init cloned with its namespaces           waits for its plan
 *	v1 cgroups, limits                        while init starts
 *	prestart and createRuntime hooks          namespaces exist, the root does not yet
 *	plan laid out, init released              terminal, then "created" come back as reports
 *	state and pid file written
 */
#include "runtime/cli/make.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/proc.h"
#include "runtime/child/child.h"
#include "runtime/cli/console.h"
#include "runtime/cli/home.h"
#include "runtime/cli/hooks.h"
#include "runtime/cli/store.h"
#include "runtime/launch.h"
#include "runtime/plan_error.h"

#define CGROUP_PARENT "/cloche-runtime"
#define KILL_TIMEOUT_MS 10000

/* --- bundle, state directory --- */

static int open_bundle(struct making *m, struct err *err)
{
	const char *given = m->options->bundle ? m->options->bundle : ".";
	auto_free char *bundle = realpath(given, NULL);
	auto_free char *root = NULL, *joined = NULL;

	if (!bundle)
		return err_sys(err, "open bundle %s", given);
	m->bundle_dirfd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->bundle_dirfd < 0)
		return err_sys(err, "open bundle %s", bundle);
	if (oci_config_read_at(m->bundle_dirfd, &m->config, err) ||
	    oci_config_check_supported(&m->config, err))
		return err_wrap(err, "bundle %s", bundle);
	if (!m->config.has_process)
		return err_set(err, ERR_INVALID, EINVAL,
			       "bundle %s: process property must be non-null", bundle);
	joined = m->config.root_path[0] == '/' ? xstrdup(m->config.root_path)
					       : xasprintf("%s/%s", bundle, m->config.root_path);
	root = realpath(joined, NULL);
	if (!root)
		return err_sys(err, "invalid rootfs %s", joined);
	m->state.bundle = take_ptr(&bundle);
	m->state.rootfs = take_ptr(&root);
	return 0;
}

/* What this host, or whoever started us, has given up cannot be granted; as runc, go on without. */
static int limit_capabilities(struct making *m, struct err *err)
{
	struct capability_sets *sets = &m->config.process.capabilities;
	uint64_t *const masks[] = {&sets->bounding, &sets->effective, &sets->permitted,
				   &sets->inheritable, &sets->ambient};
	uint64_t available, wanted = 0;
	int r = capability_bounding_mask(&available);

	if (r)
		return err_set(err, ERR_SYSTEM, -r, "read the bounding set: %s",
			       err_errno_text(-r));
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		wanted |= *masks[i];
		*masks[i] &= available;
	}
	for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
		if (wanted & ~available & CAPABILITY_BIT(i))
			strv_add_taken(&m->warnings, xasprintf("%s is not available here and not "
							       "granted",
							       capability_name(i)));
	return 0;
}

static void describe(struct making *m)
{
	char now[CLOCK_RFC3339_MAX];
	const char *group = m->config.cgroups_path;

	clock_format_rfc3339(clock_wall_ns(), now);
	m->state.id = xstrdup(m->options->id);
	m->state.created = xstrdup(now);
	/* A name service would need the dynamic linker; who is not root cannot be here yet. */
	m->state.owner = xstrdup(getuid() == 0 ? "root" : "");
	m->state.cgroup_path = group ? xasprintf("%s%s", group[0] == '/' ? "" : "/", group)
				     : xasprintf(CGROUP_PARENT "/%s", m->options->id);
	m->state.own_pid_namespace = m->config.namespaces[OCI_NS_PID].present &&
				     !m->config.namespaces[OCI_NS_PID].path;
	for (size_t i = 0; i < m->config.annotation_count; i++) {
		m->state.annotations =
			xrealloc(m->state.annotations, (i + 1) * sizeof(*m->state.annotations));
		m->state.annotations[i] =
			(struct oci_annotation){.key = xstrdup(m->config.annotations[i].key),
						.value = xstrdup(m->config.annotations[i].value)};
		m->state.annotation_count = i + 1;
	}
}

/* Hooks of later commands see the configuration of now, whatever becomes of the bundle. */
static int keep_config(struct making *m, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r;

	if (!m->config.hooks[OCI_HOOK_POSTSTART].count && !m->config.hooks[OCI_HOOK_POSTSTOP].count)
		return 0;
	r = file_read_at(m->bundle_dirfd, "config.json", OCI_CONFIG_MAX_BYTES, &text, &len);

	if (r == 0)
		r = file_replace_at(m->state_dirfd, "config.json", text, len, 0600, FILE_VOLATILE);
	return r ? err_set(err, ERR_SYSTEM, -r, "copy config.json: %s", err_errno_text(-r)) : 0;
}

static int make_state_directory(struct making *m, struct err *err)
{
	char path[PATH_MAX];
	int r = store_check_id(m->options->id, err);

	if (r == 0)
		r = store_make(m->rt, m->options->id, &m->state_dirfd, err);
	if (r)
		return r;
	r = str_format(path, sizeof(path), "%s/%s", m->rt->root, m->options->id);
	if (r == 0)
		r = undo_push(&m->undo, undo_remove_tree, AT_FDCWD, path);
	if (r) {
		undo_remove_tree(AT_FDCWD, path);
		return err_set(err, ERR_INVALID, -r, "--root is too long");
	}
	m->state.status = OCI_STATUS_CREATING;
	r = store_write_state(m->state_dirfd, &m->state, err);
	return r ? r : keep_config(m, err);
}

/* --- cgroups --- */

static int has_process(int pid, void *arg)
{
	(void)pid;
	(void)arg;
	return 1;
}

static int check_unused(const struct making *m, struct err *err)
{
	struct cgroup_dirs dirs;
	int r = cgroup_dirs_of(&m->layout, m->state.cgroup_path, &dirs, err);

	if (r)
		return r;
	if (cgroup_for_each_pid(dirs.dirs, dirs.count, has_process, NULL) == 1)
		return err_set(err, ERR_CONFLICT, EBUSY, "container's cgroup %s is not empty",
			       m->state.cgroup_path);
	return 0;
}

/* The hierarchies of one version alone. */
static struct cgroup_layout part_of(const struct cgroup_layout *layout, bool v2)
{
	struct cgroup_layout part = {.mode = layout->mode};

	for (size_t i = 0; i < layout->count; i++)
		if (layout->hierarchies[i].v2 == v2)
			part.hierarchies[part.count++] = layout->hierarchies[i];
	return part;
}

/* What must be there before the clone: the v2 group, which init is born in. */
static int make_birth_group(struct making *m, struct err *err)
{
	int r = cgroup_detect(&m->layout, err);

	if (r == 0)
		r = cgroup_join_of(&m->layout, m->state.cgroup_path, &m->join, err);
	if (r == 0)
		r = check_unused(m, err);
	if (r == 0 && m->join.v2_dir[0]) {
		struct cgroup_layout v2 = part_of(&m->layout, true);

		r = cgroup_create(&v2, m->state.cgroup_path, true, &m->undo, err);
	}
	if (r || !m->join.v2_dir[0])
		return r;
	m->cgroup_fd = open(m->join.v2_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->cgroup_fd < 0 ? err_sys(err, "open %s", m->join.v2_dir) : 0;
}

/* The others, and the limits, while init starts: it enters v1 groups itself once released. */
static int make_other_groups(struct making *m, struct err *err)
{
	struct cgroup_layout v1 = part_of(&m->layout, false);
	int r = cgroup_create(&v1, m->state.cgroup_path, true, &m->undo, err);

	oci_config_allow_default_devices(&m->config);
	return r ? r
		 : cgroup_apply(&m->layout, m->state.cgroup_path, &m->config.resources,
				m->options->id, err);
}

/* --- the process --- */

/* The gate is locked through the very open file that init inherits: the kernel drops the lock when
 * init's program runs (close-on-exec) or init dies, whoever looks. */
static int make_gate(struct making *m, struct err *err)
{
	if (!m->options->gate)
		return 0;
	if (mkfifoat(m->state_dirfd, STORE_GATE, 0600) < 0)
		return err_sys(err, "make the start gate");
	m->gate_fd = openat(m->state_dirfd, STORE_GATE, O_RDWR | O_CLOEXEC);
	if (m->gate_fd < 0 || flock(m->gate_fd, LOCK_EX) < 0)
		return err_sys(err, "lock the start gate");
	return 0;
}

static int pid_namespace(const struct making *m, struct err *err)
{
	const char *path = m->config.namespaces[OCI_NS_PID].path;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	return path && fd < 0 ? err_sys(err, "open namespace %s", path) : fd;
}

static int clone_init(struct making *m, struct err *err)
{
	struct launch_init l = {.plan_fd = m->plan_fd,
				.gate_fd = m->gate_fd,
				.cgroup_fd = m->cgroup_fd,
				.preserve_fds = m->options->preserve_fds};
	auto_close int theirs = -1, pid_ns = pid_namespace(m, err);
	struct proc_stat st;
	int pair[2], r = plan_clone_flags(&m->config, &l.clone_flags, err);

	if (r == 0 && err->kind)
		r = err_code(err);
	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "socketpair");
	m->report_fd = pair[0];
	theirs = pair[1];
	l.report_fd = theirs;
	l.pid_namespace_fd = pid_ns;
	/* Hooks of ours may want it as soon as there is a process. */
	if (!m->config.hooks[OCI_HOOK_PRESTART].count &&
	    !m->config.hooks[OCI_HOOK_CREATE_RUNTIME].count)
		m->plan->early.own_namespaces = l.clone_flags & CLONE_NEWNET;
	l.clone_flags &= ~m->plan->early.own_namespaces;
	r = launch_init(&l, &m->pid, &m->pidfd, err);
	if (r)
		return r;
	r = proc_read_stat(m->pid, &st);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "read state of init: %s", err_errno_text(-r));
	m->state.pid = m->pid;
	m->state.pid_start_ticks = st.start_ticks;
	close(m->gate_fd);
	m->gate_fd = -1;
	return store_write_state(m->state_dirfd, &m->state, err);
}

static int fill_plan(struct making *m, const char *hook_state, struct err *err)
{
	auto_seccomp_program struct seccomp_program seccomp = {0};
	struct plan_input input = {.cgroups = &m->layout,
				   .join = &m->join,
				   .cgroup_path = m->state.cgroup_path,
				   .rootfs = m->state.rootfs,
				   .bundle = m->state.bundle,
				   .gate = m->options->gate,
				   .limits_best_effort = false,
				   .hook_state = hook_state};
	char cache[PATH_MAX];
	int r = str_format(cache, sizeof(cache), "%s/.seccomp", m->rt->root);

	if (r)
		return err_set(err, ERR_INVALID, -r, "--root is too long");
	if (m->config.has_seccomp) {
		r = seccomp_program_of_profile(&m->config.seccomp, cache, &seccomp, err);
		if (r)
			return r;
		input.seccomp = &seccomp;
	}
	return plan_build(m->plan, &m->config, &input, &m->warnings, err);
}

static int on_terminal(struct making *m, int *fd, struct err *err)
{
	if (m->options->relay) {
		m->terminal_fd = take_fd(fd);
		return 0;
	}
	return console_send(m->options->console_socket, *fd, err);
}

/* Init's report: its terminal, "created", and the end of the stream when it executes or dies. */
static int await_init(struct making *m, struct err *err)
{
	for (;;) {
		auto_close int fd = -1;
		size_t fds = 0;
		char tag;
		ssize_t n = fd_receive(m->report_fd, &tag, 1, &fd, 1, &fds);
		int r;

		if (n < 0)
			return err_set(err, ERR_SYSTEM, (int)-n, "read from init: %s",
				       err_errno_text((int)-n));
		r = plan_error(m->plan, err);
		if (r)
			return r;
		if (n == 0 && m->options->gate)
			return err_set(err, ERR_SYSTEM, ECHILD, "container init died");
		if (n == 0 || tag == CHILD_REPORT_CREATED)
			return 0;
		if (tag == CHILD_REPORT_CONSOLE && fds == 1)
			r = on_terminal(m, &fd, err);
		if (r)
			return r;
	}
}

static int bring_up(struct making *m, struct err *err)
{
	auto_free char *hook_state = NULL;
	int r = clone_init(m, err);

	if (r)
		return r;
	r = make_other_groups(m, err);
	if (r)
		return r;
	hook_state = oci_state_encode(&m->state, OCI_STATE_FOR_HOOKS);
	r = hooks_run(&m->config, OCI_HOOK_PRESTART, hook_state, err);
	if (r == 0)
		r = hooks_run(&m->config, OCI_HOOK_CREATE_RUNTIME, hook_state, err);
	if (r == 0)
		r = fill_plan(m, hook_state, err);
	if (r)
		return r;
	launch_release(m->plan, PLAN_GO);
	return await_init(m, err);
}

static int write_pid_file(const struct making *m, struct err *err)
{
	char text[16];
	int r;

	if (!m->options->pid_file)
		return 0;
	snprintf(text, sizeof(text), "%d", m->pid);
	r = file_replace_at(AT_FDCWD, m->options->pid_file, text, strlen(text), 0644,
			    FILE_VOLATILE);
	return r ? err_set(err, ERR_SYSTEM, -r, "write pid file %s: %s", m->options->pid_file,
			   err_errno_text(-r))
		 : 0;
}

static void warn_all(struct making *m)
{
	char text[512];

	for (size_t i = 0; i < m->warnings.count; i++)
		report_warning(m->rt, m->warnings.items[i]);
	for (uint32_t i = 0; i < plan_warning_count(m->plan); i++) {
		plan_warning(m->plan, i, text, sizeof(text));
		report_warning(m->rt, text);
	}
}

static int make_all(struct making *m, struct err *err)
{
	int r = open_bundle(m, err);

	if (r)
		return r;
	describe(m);
	home_add(&m->config.process, m->state.rootfs);
	r = limit_capabilities(m, err);
	if (r == 0)
		r = console_check(&m->config, m->options, err);
	if (r == 0)
		r = make_state_directory(m, err);
	if (r == 0)
		r = make_birth_group(m, err);
	if (r == 0)
		r = make_gate(m, err);
	if (r == 0)
		r = plan_create(&m->plan_fd, &m->plan, err);
	if (r == 0)
		r = bring_up(m, err);
	if (r)
		return r;
	warn_all(m);
	m->state.status = m->options->gate ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
	r = store_write_state(m->state_dirfd, &m->state, err);
	return r ? r : write_pid_file(m, err);
}

/* Init is our own child here: killed, it is reaped before its groups are removed. */
static void abandon(struct making *m)
{
	struct cgroup_dirs dirs;
	struct err err;

	if (m->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
		waitpid(m->pid, NULL, 0);
	}
	if (m->join.count || m->join.v2_dir[0]) {
		if (cgroup_dirs_of(&m->layout, m->state.cgroup_path, &dirs, &err) == 0 &&
		    cgroup_kill_all(dirs.dirs, dirs.count, KILL_TIMEOUT_MS) < 0)
			report_warning(m->rt, "processes are left in the container's cgroup");
	}
	undo_unwind(&m->undo);
}

int make_container(const struct runtime *rt, const struct make_options *options, struct making *m,
		   struct err *err)
{
	int r;

	memset(m, 0, sizeof(*m));
	m->rt = rt;
	m->options = options;
	m->state_dirfd = m->bundle_dirfd = m->plan_fd = m->report_fd = m->gate_fd = -1;
	m->cgroup_fd = m->pidfd = m->terminal_fd = -1;
	r = make_all(m, err);
	if (r == 0) {
		undo_disarm(&m->undo);
		return 0;
	}
	abandon(m);
	return r;
}

void make_free(struct making *m)
{
	int *const fds[] = {&m->state_dirfd, &m->bundle_dirfd, &m->plan_fd, &m->report_fd,
			    &m->gate_fd,     &m->cgroup_fd,    &m->pidfd,   &m->terminal_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		cleanup_close(fds[i]);
	if (m->plan)
		plan_unmap(m->plan);
	oci_config_free(&m->config);
	oci_state_free(&m->state);
	strv_free(&m->warnings);
}

int make_remove(const struct runtime *rt, const struct oci_state *s,
		const struct cgroup_layout *layout, struct err *err)
{
	struct cgroup_dirs dirs;
	int r = cgroup_dirs_of(layout, s->cgroup_path, &dirs, err);

	if (r)
		return r;
	r = cgroup_kill_all(dirs.dirs, dirs.count, KILL_TIMEOUT_MS);
	if (r == 0)
		r = cgroup_remove(dirs.dirs, dirs.count, KILL_TIMEOUT_MS);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "remove cgroup %s: %s", s->cgroup_path,
			       err_errno_text(-r));
	return store_remove(rt, s->id, err);
}

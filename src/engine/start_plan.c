/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a launch puts into the plan: the early section for the monitor, the groups, the operations
 * from the container's OCI configuration, and what the monitor needs to sweep up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/subprocess.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/event.h"
#include "engine/health.h"
#include "engine/internal.h"
#include "engine/join.h"
#include "engine/log_attributes.h"
#include "engine/log_options.h"
#include "engine/revive.h"
#include "engine/scope.h"
#include "engine/start_internal.h"
#include "engine/user_files.h"
#include "runtime/launch.h"
#include "runtime/plan_build.h"
#include "runtime/stamp.h"

#define MONITOR_GROUP "/cloche-monitor"
#define MONITOR_GROUP_TRIES 10
#define LOG_MAX_BYTES (16u << 20)
#define LOG_MAX_FILES 4u
/* A --rm container's log lies in the run root, which may be memory. */
#define LOG_MAX_BYTES_VOLATILE (4u << 20)
#define LOG_MAX_FILES_VOLATILE 2u

static int launch_monitor_group(struct launch *l, int *fd, struct err *err)
{
	struct cgroup_join join;
	int rc = cgroup_join_of(&l->e->cgroups, MONITOR_GROUP, &join, err);
	bool missing = false;

	*fd = -1;
	if (rc < 0)
		return rc;
	/* Beside a container that runs its monitor is in there. */
	if (!l->plan->early.exec) {
		for (size_t i = 0; i < join.count; i++)
			missing = missing || access(join.tasks[i], F_OK) < 0;
		missing = missing || (*join.v2_dir && access(join.v2_dir, F_OK) < 0);
	}
	/* Empty as it is at first, another engine's repair may take it away while we are at it. */
	for (int i = 0; missing && i < MONITOR_GROUP_TRIES; i++) {
		rc = cgroup_create(&l->e->cgroups, MONITOR_GROUP, true, NULL, err);
		missing = rc == -ENOENT || rc == -ENODEV;
	}
	if (rc < 0)
		return rc;
	l->plan->early.monitor_tasks_count = 0;
	for (size_t i = 0; i < join.count && i < PLAN_MAX_CGROUPS; i++)
		l->plan->early.monitor_tasks[l->plan->early.monitor_tasks_count++] =
			plan_add_string(l->plan, join.tasks[i]);
	if (*join.v2_dir) {
		*fd = open(join.v2_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* A repair of another engine may just have removed the empty group. */
		if (*fd < 0 && errno == ENOENT && mkdir(join.v2_dir, 0755) == 0)
			*fd = open(join.v2_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (*fd < 0)
			return err_sys(err, "open %s", join.v2_dir);
	}
	return 0;
}

/* The group may be taken away as long as nobody is in it: then it is made once more. */
static int spawn_in_group(struct launch *l, struct launch_monitor *spawn, struct err *err)
{
	int rc = -ENOENT;

	for (int i = 0; i < MONITOR_GROUP_TRIES && (rc == -ENOENT || rc == -ENODEV); i++) {
		auto_close int group = -1;

		rc = launch_monitor_group(l, &group, err);
		if (rc < 0)
			return rc;
		stamp(l->plan, POINT_CLI_PREPARED);
		spawn->monitor_cgroup_fd = group;
		rc = launch_monitor(spawn, &l->monitor_pid, err);
		if (group < 0)
			break;
	}
	return rc;
}

int launch_spawn_monitor(struct launch *l, int target, struct err *err)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make the monitor's socket");
	l->control_fd = pair[0];
	rc = spawn_in_group(l,
			    &(struct launch_monitor){.control_fd = pair[1],
						     .plan_fd = l->plan_fd,
						     .lock_fd = l->lock_fd,
						     .cgroup_fd = l->cgroup_fd,
						     .target_fd = target,
						     .program_fd = &l->program_fd},
			    err);
	close(pair[1]);
	return rc;
}

/* A v2 group must stand before the child is born in it. With v1 controllers beside, only that one
 * directory is made now and the rest while the kernel makes the namespaces. */
static int make_birth_group(struct launch *l, struct err *err)
{
	const struct cgroup_hierarchy *v2 = cgroup_unified_of(&l->e->cgroups);
	char dir[CGROUP_MOUNT_MAX + CGROUP_PATH_MAX];
	int rc;

	if (!v2)
		return 0;
	snprintf(dir, sizeof(dir), "%s%s", v2->mount, l->cgroup_path);
	if (l->e->cgroups.mode == CGROUP_V2 || mkdir(dir, 0755) < 0) {
		rc = cgroup_create(&l->e->cgroups, l->cgroup_path, true, &l->undo, err);
		if (rc < 0)
			return rc;
	} else {
		rc = undo_push(&l->undo, undo_rmdir, AT_FDCWD, dir);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "remember %s", dir);
	}
	l->cgroup_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->cgroup_fd < 0 ? err_sys(err, "open %s", dir) : 0;
}

/* Known to the monitor from its first moment, so that it can remove them if we die. */
static void fill_cgroups(struct launch *l)
{
	struct plan_monitor *m = &l->plan->monitor;
	struct cgroup_dirs dirs;
	struct err ignored = ERR_INIT;

	if (cgroup_dirs_of(&l->e->cgroups, l->cgroup_path, &dirs, &ignored) < 0)
		return;
	for (size_t i = 0; i < dirs.count && i < PLAN_MAX_CGROUPS; i++)
		m->cgroups[m->cgroup_count++] =
			(struct plan_cgroup){.path = plan_add_string(l->plan, dirs.dirs[i].path),
					     .controllers = dirs.dirs[i].controllers,
					     .v2 = dirs.dirs[i].v2};
}

int launch_fill_early(struct launch *l, struct err *err)
{
	struct plan_early *early = &l->plan->early;
	int rc = container_namespaces(&l->c->config, &l->oci, err);

	if (rc == 0)
		rc = join_namespaces(l, err);
	if (rc == 0)
		rc = plan_clone_flags(&l->oci, &early->clone_flags, err);
	if (rc == 0)
		rc = launch_choose_runtime(l, err);
	if (rc < 0)
		return rc;
	early->terminal = l->c->config.tty;
	early->open_stdin = l->c->config.open_stdin;
	early->network = l->c->config.endpoint_count > 0;
	early->run_directory = plan_add_string(l->plan, l->run_path);
	rc = container_cgroup_path(l->e, l->c, l->cgroup_path, err);
	if (rc == 0)
		fill_cgroups(l);
	if (rc == 0 && !l->e->runtimes.systemd)
		rc = make_birth_group(l, err);
	else if (rc == 0 && !early->foreign)
		rc = launch_plan_scope(l, err);
	/* Another runtime puts the container there itself. */
	if (early->foreign && l->cgroup_fd >= 0)
		close(take_fd(&l->cgroup_fd));
	early->has_cgroup_fd = l->cgroup_fd >= 0;
	return rc;
}

int launch_make_cgroups(struct launch *l, struct err *err)
{
	bool scope = l->plan->early.scope, made = true;
	int rc = scope ? launch_await_scope(l, &made, err) : 0;

	if (rc < 0 || l->foreign.path || !made)
		return rc;
	/* On version 2 systemd has made all there is. */
	if (!scope || l->e->cgroups.mode != CGROUP_V2)
		rc = cgroup_create(&l->e->cgroups, l->cgroup_path, true, &l->undo, err);
	if (rc < 0)
		return rc;
	return cgroup_apply(&l->e->cgroups, l->cgroup_path, &l->oci.resources, l->c->name, err);
}

void launch_read_user_files(struct launch *l)
{
	auto_free char *path = l->c->config.rootfs
				       ? xstrdup(l->c->config.rootfs)
				       : xasprintf("%s/overlay2/%s/diff", l->e->root, l->c->id);
	auto_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return;
	user_files_read(root, &l->passwd, &l->group);
}

bool container_has_own_profile(const struct container_config *config)
{
	const char *profile = container_security_option(config, "seccomp");

	return profile && !str_eq(profile, "unconfined") && !str_eq(profile, "builtin") &&
	       !str_eq(profile, "default");
}

int container_seccomp(const struct engine *e, const struct container_config *config, uint64_t caps,
		      struct seccomp_program *out, struct err *err)
{
	const char *wanted = container_security_option(config, "seccomp");
	auto_free char *cache = xasprintf("%s/seccomp", e->run_root);
	auto_free char *text = NULL;
	size_t n = 0;
	int rc;

	if (config->privileged && !wanted)
		return 0;
	if (wanted && str_eq(wanted, "unconfined"))
		return 0;
	if (!wanted || str_eq(wanted, "builtin") || str_eq(wanted, "default"))
		return seccomp_program_default(caps, cache, out, err);
	if (*wanted == '{')
		return seccomp_program_of_text(wanted, strlen(wanted), "seccomp profile", caps,
					       cache, out, err);
	rc = file_read_at(AT_FDCWD, wanted, OCI_CONFIG_MAX_BYTES, &text, &n);
	if (rc < 0)
		return err_set(err, ERR_INVALID, -rc, "opening seccomp profile (%s) failed: %s",
			       wanted, err_errno_text(-rc));
	return seccomp_program_of_text(text, n, wanted, caps, cache, out, err);
}

static plan_ref add_path(struct plan *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static plan_ref add_path(struct plan *p, const char *fmt, ...)
{
	char path[2 * PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) ? plan_add_string(p, path) : 0;
}

static plan_ref add_anonymous_volumes(struct launch *l)
{
	const struct container *c = l->c;
	auto_strv struct strv paths = {0};
	size_t volume = 0;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *r = &c->config.mounts[i];
		char *slash;

		if (r->kind != MOUNT_KIND_VOLUME)
			continue;
		if (!r->source && volume < c->volume_paths.count) {
			/* <volumes>/<name>/_data: the volume is the directory above. */
			strv_add(&paths, c->volume_paths.items[volume]);
			slash = strrchr(paths.items[paths.count - 1], '/');
			if (slash)
				*slash = '\0';
		}
		volume++;
	}
	return paths.count ? plan_add_list(l->plan, &paths) : 0;
}

/* What the monitor executes when its run root has no keeper, which starts the container again should
 * the monitor be lost. Not installed: then nobody does. */
static void fill_keeper(struct launch *l)
{
	static const char *const passed_on[] = {"PATH", "CLOCHE_CONFIG", "CLOCHE_LOG_LEVEL"};
	auto_strv struct strv argv = {0}, env = {0};
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];

	if (subprocess_own_program("cloche-keeper", path, sizeof(path), &ignored) < 0)
		return;
	strv_add(&argv, path);
	strv_add(&argv, "--root");
	strv_add(&argv, l->e->root);
	strv_add(&argv, "--run-root");
	strv_add(&argv, l->e->run_root);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
		const char *value = getenv(passed_on[i]);

		if (value)
			strv_add_taken(&env, xasprintf("%s=%s", passed_on[i], value));
	}
	l->plan->monitor.keeper_argv = plan_add_list(l->plan, &argv);
	l->plan->monitor.keeper_env = plan_add_list(l->plan, &env);
}

#define LOG_ATTRIBUTES_MEMBER ",\"attrs\":"
_Static_assert(sizeof(LOG_ATTRIBUTES_MEMBER) + LOG_ATTRIBUTES_MAX <= PLAN_LOG_ATTRIBUTES_MAX,
	       "the monitor's buffer has room for them");

/* Composed as they stand in the log, so that the monitor only copies. */
static int add_log_attributes(struct launch *l, struct err *err)
{
	auto_free char *json = NULL, *member = NULL;
	int rc = log_attributes(l->c, &json, err);

	if (rc < 0 || !json)
		return rc;
	member = xasprintf(LOG_ATTRIBUTES_MEMBER "%s", json);
	l->plan->monitor.log_attributes = plan_add_string(l->plan, member);
	return 0;
}

static void fill_monitor(struct launch *l)
{
	struct plan_monitor *m = &l->plan->monitor;
	const struct container *c = l->c;
	struct err ignored = ERR_INIT;
	bool log = !c->config.log_driver || !str_eq(c->config.log_driver, "none");

	m->id = plan_add_string(l->plan, c->id);
	m->auto_remove = c->config.auto_remove;
	m->own_pid_namespace = l->oci.namespaces[OCI_NS_PID].present &&
			       !l->oci.namespaces[OCI_NS_PID].path;
	if (c->persistent)
		m->record_directory = add_path(l->plan, "%s/containers/%s", l->e->root, c->id);
	if (c->config.auto_remove) {
		m->name_link = add_path(l->plan, "%s/names/%s", l->e->root, c->name);
		if (!c->config.rootfs)
			m->overlay_directory =
				add_path(l->plan, "%s/overlay2/%s", l->e->root, c->id);
		m->volume_directories = add_anonymous_volumes(l);
	}
	m->log_journal = l->e->log.journal;
	m->stdin_once = c->config.stdin_once;
	m->launcher_stdin = l->options->stdin_open;
	m->launcher_output = l->options->attach;
	m->restart_policy = container_restart_policy(c);
	m->restart_max = (uint32_t)c->config.restart_max_retries;
	m->restart_count = l->options->restart_count;
	m->log_max_bytes = c->persistent ? LOG_MAX_BYTES : LOG_MAX_BYTES_VOLATILE;
	m->log_max_files = c->persistent ? LOG_MAX_FILES : LOG_MAX_FILES_VOLATILE;
	if (l->plan->early.network || (c->persistent && !c->config.auto_remove))
		fill_keeper(l);
	/* Checked when the container was made. */
	if (log_options_parse(&c->config.log_options, &m->log_max_bytes, &m->log_max_files,
			      &ignored) < 0)
		m->log_max_files = 1;
	if (log && c->persistent)
		m->log_path =
			add_path(l->plan, "%s/containers/%s/%s-json.log", l->e->root, c->id, c->id);
	else if (log)
		m->log_path = add_path(l->plan, "%s/%s-json.log", l->run_path, c->id);
}

/* Relative to <data>/overlay2, so that a hundred layers fit into the one page mount(2) takes. */
static int overlay_options(const struct launch *l, char **out, struct err *err)
{
	const char *id = l->c->id;

	*out = xasprintf("lowerdir=%s,upperdir=%s/diff,workdir=%s/work%s", l->c->lower, id, id,
			 l->c->config.auto_remove ? ",volatile" : "");
	if (strlen(*out) >= 4096)
		return err_set(err, ERR_UNSUPPORTED, E2BIG,
			       "the image has more layers than one mount takes");
	return 0;
}

int launch_fill_plan(struct launch *l, struct strv *warnings, struct err *err)
{
	auto_free struct user_identity *user = xcalloc(1, sizeof(*user));
	auto_seccomp_program struct seccomp_program seccomp = {0};
	auto_free char *base = xasprintf("%s/overlay2", l->e->root);
	auto_free char *overlay = NULL, *own = NULL;
	struct plan_input input = {.cgroups = &l->e->cgroups,
				   .cgroup_path = l->cgroup_path,
				   .donor_mounts = l->donor_mounts,
				   .donor_mounts_inode = l->donor_mounts_inode,
				   .rows = l->options->rows,
				   .columns = l->options->columns,
				   .limits_best_effort = true};
	struct cgroup_join join;
	int rc = user_resolve(l->c->user, &l->c->config.group_add, l->passwd, l->group, user, err);

	if (rc == 0)
		rc = container_to_oci(l->e, l->c, user,
				      l->network_dir ? l->network_dir : l->run_path, l->cgroup_path,
				      &l->oci, &input.quiet_limits, err);
	if (rc == 0 && !l->foreign.path)
		rc = container_seccomp(l->e, &l->c->config, l->oci.process.capabilities.bounding,
				       &seccomp, err);
	if (rc == 0)
		rc = cgroup_join_of(&l->e->cgroups, l->cgroup_path, &join, err);
	if (rc < 0)
		return rc;
	input.join = &join;
	input.seccomp = seccomp.count ? &seccomp : NULL;
	if (l->c->config.rootfs) {
		input.rootfs = l->c->config.rootfs;
	} else if (!*l->c->lower) {
		/* An image without layers: overlay wants one, so the container's own is all there is. */
		input.rootfs = own = xasprintf("%s/%s/diff", base, l->c->id);
	} else {
		rc = overlay_options(l, &overlay, err);
		if (rc < 0)
			return rc;
		input.overlay_options = overlay;
		input.overlay_base = base;
		/* On its own directory: one directory less to make, and nothing else is hidden. */
		input.overlay_target = l->c->id;
	}
	rc = l->foreign.path ? launch_plan_foreign(l, &input, err)
			     : plan_build(l->plan, &l->oci, &input, warnings, err);
	if (rc < 0)
		return rc;
	fill_monitor(l);
	event_fill_plan(l->e, l->c, l->sandbox, l->plan);
	rc = add_log_attributes(l, err);
	if (rc == 0)
		rc = health_fill_plan(l, user, &join, err);
	if (rc < 0)
		return rc;
	return plan_check(l->plan, err);
}

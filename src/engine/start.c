/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and starting containers: the order of events, and the undoing of all of them when one
 * fails. The monitor and the kernel's namespaces are set going first; the image, the record, the
 * directories and the groups are prepared meanwhile; the child is released last.
 *
 * What must hold: the container's lock is taken before anything of it exists, so whatever a crash
 * leaves can be told from what is being made.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/join.h"
#include "engine/marker.h"
#include "engine/merge.h"
#include "engine/network.h"
#include "engine/network_start.h"
#include "engine/revive.h"
#include "engine/start_internal.h"
#include "engine/volume.h"
#include "runtime/launch.h"
#include "runtime/plan_build.h"
#include "runtime/stamp.h"

#define START_LOCK_TIMEOUT_MS 10000

static void launch_init_struct(struct launch *l, struct engine *e, struct container *c,
			       const struct start_options *options)
{
	l->e = e;
	l->c = c;
	l->options = options;
	l->plan_fd = l->lock_fd = l->run_dir = l->control_fd = l->cgroup_fd = l->image_lock =
		l->program_fd = -1;
	snprintf(l->run_path, sizeof(l->run_path), "%s/containers/%s", e->run_root, c->id);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void launch_free(struct launch *l)
{
	close_fd(&l->plan_fd);
	close_fd(&l->lock_fd);
	close_fd(&l->run_dir);
	close_fd(&l->control_fd);
	close_fd(&l->cgroup_fd);
	close_fd(&l->image_lock);
	close_fd(&l->program_fd);
	for (size_t i = 0; i < l->joined_count; i++)
		close_fd(&l->joined[i]);
	plan_unmap(l->plan);
	launch_network_free(l);
	free(l->network_dir);
	free(l->donor_mounts);
	free(l->passwd);
	free(l->group);
	oci_config_free(&l->oci);
	foreign_runtime_free(&l->foreign);
	free(l);
}

static int fail_step(struct err *err, int rc, const char *what)
{
	return err_set(err, ERR_SYSTEM, -rc, "%s: %s", what, err_errno_text(-rc));
}

/* A monitor that was killed has left its child to the kernel, which ends it a little later: until then
 * its groups cannot be removed. */
static void remove_groups(struct launch *l)
{
	struct err ignored = ERR_INIT;

	if (*l->cgroup_path &&
	    container_remove_cgroup(l->e, l->c->config.cgroup_parent, l->c->id, &ignored) < 0)
		log_message(LOG_LEVEL_WARN, "%s: %s", l->cgroup_path, ignored.msg);
}

/* Takes back what was done. The monitor goes first: its child sits in the groups. */
static void launch_abort(struct launch *l)
{
	if (l->plan)
		launch_release(l->plan, PLAN_CANCEL);
	close_fd(&l->control_fd);
	if (l->monitor_pid > 0)
		waitpid(l->monitor_pid, NULL, 0);
	/* Under the lock: nobody may sweep, or take for ready, what is being removed. */
	remove_groups(l);
	undo_unwind(&l->undo);
	close_fd(&l->lock_fd);
}

/* Lock and run directory: from here on the id is ours. */
static int take_id(struct launch *l, struct err *err)
{
	const char *below_run_root = l->run_path + strlen(l->e->run_root) + 1;
	/* A container that has run may still be swept up after. */
	int rc = l->c->state.monitor_pid > 0
			 ? container_wait_lock(l->e, l->c, START_LOCK_TIMEOUT_MS, &l->lock_fd)
			 : container_lock(l->e, l->c->id, true, &l->lock_fd);

	if (rc == -EBUSY)
		return err_set(err, ERR_CONFLICT, EBUSY, "container %s is being started or removed",
			       l->c->id);
	if (rc < 0) {
		/* Its directory may have been made without it; one of a whole record is not ours. */
		if (container_is_gone(l->e, l->c->id))
			undo_remove_tree(l->e->run_fd, below_run_root);
		return err_set(err, ERR_SYSTEM, -rc, "make and lock %s: %s%s", l->run_path,
			       err_errno_text(-rc),
			       rc == -ENOSPC || rc == -EDQUOT ? " (make room in the run root)"
							      : "");
	}
	rc = undo_push(&l->undo, undo_remove_tree, l->e->run_fd, below_run_root);
	if (rc < 0)
		return fail_step(err, rc, "remember the run directory");
	l->run_dir = open(l->run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->run_dir < 0 ? err_sys(err, "open %s", l->run_path) : 0;
}

static int spawn_monitor(struct launch *l, struct err *err)
{
	int rc = plan_create(&l->plan_fd, &l->plan, err);

	if (rc < 0)
		return rc;
	launch_test_hooks(l->plan);
	l->plan->shared.point_ns[POINT_CLI_MAIN] = l->options->main_ns;
	l->plan->shared.point_ns[POINT_CLI_PARSED] = l->options->parsed_ns;
	rc = launch_fill_early(l, err);
	if (rc == 0)
		rc = launch_spawn_monitor(l, -1, err);
	stamp(l->plan, POINT_CLI_SPAWNED);
	return rc;
}

static int check_platform(const struct container *c, const struct image *image,
			  struct strv *warnings, struct err *err)
{
	const char *wanted = c->config.platform;
	char own[64], host[64];

	image_platform(&image->config, own, sizeof(own));
	if (wanted && *wanted && !str_eq(wanted, own) && !str_eq(wanted, image->config.os) &&
	    !str_eq(wanted, image->config.architecture))
		return err_set(err, ERR_NOT_FOUND, ENOENT,
			       "image with reference %s was found but does not match the specified "
			       "platform: wanted %s, actual: %s",
			       c->config.image, wanted, own);
	if (image_platform_matches(&image->config) || (wanted && *wanted))
		return 0;
	image_host_platform(host, sizeof(host));
	strv_add_taken(
		warnings,
		xasprintf("The requested image's platform (%s) does not match the detected host "
			  "platform (%s) and no specific platform was requested",
			  own, host));
	return 0;
}

/* Image and options become the container. */
static int resolve_image(struct launch *l, struct strv *warnings, struct err *err)
{
	struct container *c = l->c;
	auto_image struct image image = {0};
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	int rc = container_validate(&c->config, err);

	if (rc < 0)
		return rc;
	container_discard_unsupported(&l->e->cgroups, &c->config, warnings);
	rc = container_volumes_from(l->e, c, err);
	if (rc < 0)
		return rc;
	if (c->config.rootfs)
		return container_merge(c, NULL, err);
	rc = image_store_open(&store, l->e->root_fd, l->e->root, IMAGE_STORE_READ, err);
	if (rc == 0)
		rc = image_acquire(&store, c->config.image, &image, &l->image_lock, err);
	if (rc == 0)
		rc = check_platform(c, &image, warnings, err);
	if (rc == 0)
		rc = container_merge(c, &image, err);
	l->passwd = take_ptr(&image.passwd);
	l->group = take_ptr(&image.group);
	return rc;
}

static int take_name(struct launch *l, const char *name, struct err *err)
{
	struct container *c = l->c;
	auto_free char *link = NULL;
	int rc;

	if (name) {
		rc = name_reserve(l->e, name, c->id, err);
		if (rc == 0)
			c->name = xstrdup(name);
	} else {
		rc = name_reserve_random(l->e, c->id, &c->name, err);
	}
	if (rc < 0)
		return rc;
	link = xasprintf("names/%s", c->name);
	rc = undo_push(&l->undo, undo_unlink, l->e->root_fd, link);
	return rc < 0 ? fail_step(err, rc, "remember the name") : 0;
}

static int make_one_dir(struct launch *l, const char *path, mode_t mode, bool remember,
			struct err *err)
{
	int rc = file_mkdir_all_at(l->e->root_fd, path, mode);

	if (rc == 0 && remember)
		rc = undo_push(&l->undo, undo_remove_tree, l->e->root_fd, path);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "make %s/%s: %s", l->e->root, path,
				err_errno_text(-rc))
		      : 0;
}

static int make_layer(struct launch *l, struct err *err)
{
	static const char *const parts[] = {"", "/diff", "/work"};
	static const mode_t modes[] = {0710, 0755, 0700};

	if (l->c->config.rootfs)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		auto_free char *path = xasprintf("overlay2/%s%s", l->c->id, parts[i]);
		int rc = make_one_dir(l, path, modes[i], i == 0, err);

		if (rc < 0)
			return rc;
		/* The root of the container: exact, whatever the umask. */
		if (i == 1 && fchmodat(l->e->root_fd, path, 0755, 0) < 0)
			return err_sys(err, "set the mode of %s", path);
	}
	return 0;
}

/* Layer, volumes, record. */
static int write_record(struct launch *l, bool durable, struct err *err)
{
	struct container *c = l->c;
	auto_free char *dir = xasprintf("containers/%s", c->id);
	auto_close int record_dir = -1, volumes_lock = -1;
	int rc = make_layer(l, err);

	if (rc == 0)
		rc = container_volumes_make(l->e, c, &l->undo, &volumes_lock, err);
	if (rc < 0)
		return rc;
	if (!c->persistent) {
		rc = container_record_write(c, l->run_dir, false, err);
		return rc < 0 ? err_wrap(err, "in %s", l->run_path) : 0;
	}
	rc = make_one_dir(l, dir, 0710, true, err);
	if (rc < 0)
		return rc;
	record_dir = openat(l->e->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (record_dir < 0)
		return err_sys(err, "open %s/%s", l->e->root, dir);
	rc = container_record_write(c, record_dir, durable, err);
	return rc < 0 ? err_wrap(err, "in %s/%s", l->e->root, dir) : 0;
}

static int make_bind_sources(const struct container *c, struct err *err)
{
	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *r = &c->config.mounts[i];
		int rc;

		if (r->kind != MOUNT_KIND_BIND || !r->create_source || access(r->source, F_OK) == 0)
			continue;
		rc = file_mkdir_all_at(AT_FDCWD, r->source, 0755);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "make the bind source %s: %s",
				       r->source, err_errno_text(-rc));
	}
	return 0;
}

/* From here on, and until the monitor has said how it stands, a free lock means that it was lost:
 * container_state_read() goes by the first of these files. */
static int write_host_files(struct launch *l, struct err *err)
{
	int rc = undo_push(&l->undo, undo_unlink, l->run_dir, HOSTNAME_FILE);

	if (rc < 0)
		return fail_step(err, rc, "remember " HOSTNAME_FILE);
	return launch_host_files(l, err);
}

/* Before the release nobody else would notice its death, or sweep up after it. */
static int check_monitor(struct launch *l, struct err *err)
{
	int status;
	pid_t pid = waitpid(l->monitor_pid, &status, WNOHANG);

	if (pid != l->monitor_pid)
		return 0;
	l->monitor_pid = 0;
	if (WIFSIGNALED(status))
		return err_set(
			err, ERR_SYSTEM, ECHILD,
			"monitor lost: cloche-monitor was killed by signal %d before the container "
			"was started%s",
			WTERMSIG(status), WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "");
	return err_set(
		err, ERR_SYSTEM, ECHILD,
		"monitor lost: cloche-monitor ended with status %d before the container was started",
		WEXITSTATUS(status));
}

/* From a written record to a released child. */
static int prepare_and_release(struct launch *l, struct strv *warnings, struct err *err)
{
	int rc = make_bind_sources(l->c, err);

	/* First, since the monitor then connects it while the rest is being prepared. */
	if (rc == 0)
		rc = launch_network(l, warnings, err);
	if (rc == 0)
		rc = write_host_files(l, err);
	stamp(l->plan, POINT_CLI_RECORDED);
	if (rc == 0)
		rc = launch_fill_plan(l, warnings, err);
	launch_test_hooks(l->plan);
	stamp(l->plan, POINT_CLI_PLANNED);
	if (rc == 0)
		rc = launch_make_cgroups(l, err);
	stamp(l->plan, POINT_CLI_CGROUP);
	if (rc == 0)
		rc = check_monitor(l, err);
	if (rc == 0)
		rc = join_verify(l, err);
	if (rc < 0)
		return rc;
	launch_tell_network(l);
	event_volume_mounts(l->e, l->c);
	stamp(l->plan, POINT_CLI_RELEASED);
	launch_release(l->plan, PLAN_GO);
	/* From here on the monitor owns all of it. */
	undo_disarm(&l->undo);
	return 0;
}

/* The same for a container that was made just now. */
static int tell_and_release(struct launch *l, struct strv *warnings, struct err *err)
{
	int rc;

	if (l->options->attach)
		event_container(l->e, l->c, "attach", NULL, NULL);
	rc = prepare_and_release(l, warnings, err);
	if (rc < 0)
		event_container(l->e, l->c, "destroy", NULL, NULL);
	return rc;
}

static void fill_handle(struct launch *l, struct start_handle *handle)
{
	handle->client_fd = take_fd(&l->control_fd);
	handle->plan_fd = take_fd(&l->plan_fd);
	handle->pid = 0;
}

/* Says so to whoever wants to know, before anything of it runs. */
static void tell_created(const struct launch *l)
{
	event_container(l->e, l->c, "create", NULL, NULL);
	if (l->options->created)
		l->options->created(l->options->created_context, l->c);
}

static struct launch *launch_new(struct engine *e, struct container *c,
				 const struct start_options *options)
{
	struct launch *l = xcalloc(1, sizeof(*l));

	launch_init_struct(l, e, c, options);
	return l;
}

/* The end of every launch: handle NULL when nothing was to be started. */
static int launch_end(struct launch *l, int rc, struct start_handle *handle, const struct err *err)
{
	if (rc < 0)
		program_log(&l->e->log, LOG_LEVEL_WARN, l->c->id, "%s: %s",
			    handle ? "not started" : "not created", err->msg);
	if (rc < 0)
		launch_abort(l);
	else if (handle)
		fill_handle(l, handle);
	launch_free(l);
	return rc;
}

static int begin(struct engine *e, struct container_config *config, struct container *c,
		 bool persistent, struct strv *warnings, struct err *err)
{
	char group[CGROUP_PATH_MAX];

	c->config = *config;
	container_config_init(config);
	c->persistent = persistent;
	c->created_ns = clock_wall_ns();
	if (!c->config.runtime || !*c->config.runtime) {
		free(c->config.runtime);
		c->config.runtime = xstrdup(runtime_config_default(&e->runtimes));
	}
	if (runtime_config_validate(&e->runtimes, c->config.runtime, err) < 0)
		return err_code(err);
	if (container_network_resolve(e, &c->config, warnings, err) < 0 ||
	    join_resolve(e, &c->config, err) < 0)
		return err_code(err);
	if (id_generate(c->id) < 0)
		return err_sys(err, "make an id");
	if (container_cgroup_path(e, c, group, err) < 0)
		return err_code(err);
	return engine_detect_cgroups(e, err);
}

/* Image, name, record: what create and run have in common. */
static int make_record(struct launch *l, const char *name, bool durable, struct strv *warnings,
		       struct err *err)
{
	int rc = resolve_image(l, warnings, err);

	if (rc == 0 && l->plan)
		stamp(l->plan, POINT_CLI_RESOLVED);
	if (rc == 0)
		rc = take_name(l, name, err);
	if (rc == 0 && l->plan && l->c->config.rootfs)
		launch_read_user_files(l);
	if (rc == 0)
		rc = write_record(l, durable, err);
	if (rc == 0)
		tell_created(l);
	return rc;
}

int container_create(struct engine *e, struct container_config *config, const char *name,
		     struct container *c, struct strv *warnings, struct err *err)
{
	static const struct start_options no_options;
	struct launch *l;
	int rc = begin(e, config, c, true, warnings, err);

	if (rc < 0)
		return rc;
	l = launch_new(e, c, &no_options);
	rc = take_id(l, err);
	if (rc == 0)
		rc = make_record(l, name, true, warnings, err);
	return launch_end(l, rc, NULL, err);
}

int container_run(struct engine *e, struct container_config *config, const char *name,
		  const struct start_options *options, struct container *c,
		  struct start_handle *handle, struct strv *warnings, struct err *err)
{
	struct launch *l;
	int rc = begin(e, config, c, !config->auto_remove, warnings, err);

	*handle = (struct start_handle){.client_fd = -1, .plan_fd = -1};
	if (rc < 0)
		return rc;
	l = launch_new(e, c, options);
	rc = take_id(l, err);
	if (rc == 0)
		rc = spawn_monitor(l, err);
	if (rc == 0)
		rc = make_record(l, name, false, warnings, err);
	if (rc == 0)
		rc = tell_and_release(l, warnings, err);
	return launch_end(l, rc, handle, err);
}

/* The image's passwd and group, under what the container itself has written since. */
static int read_users_for_restart(struct launch *l, struct err *err)
{
	auto_image struct image image = {0};
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	int rc;

	if (!l->c->config.rootfs) {
		rc = image_store_open(&store, l->e->root_fd, l->e->root, IMAGE_STORE_READ, err);
		if (rc == 0)
			rc = image_acquire(&store, l->c->image_id, &image, &l->image_lock, err);
		if (rc < 0)
			return rc;
		l->passwd = take_ptr(&image.passwd);
		l->group = take_ptr(&image.group);
	}
	launch_read_user_files(l);
	return 0;
}

/* A monitor that was lost may have left its container's groups and work directory. */
static int sweep_last_run(struct launch *l, struct err *err)
{
	auto_free char *work = xasprintf("overlay2/%s/work/work/incompat", l->c->id);
	struct cgroup_dirs dirs;
	int rc = cgroup_dirs_of(&l->e->cgroups, l->cgroup_path, &dirs, err);

	if (rc < 0)
		return rc;
	rc = cgroup_kill_all(dirs.dirs, dirs.count, 2000);
	if (rc == 0 || rc == -ENOENT)
		rc = cgroup_remove(dirs.dirs, dirs.count, 2000);
	if (rc < 0 && rc != -ENOENT)
		return fail_step(err, rc, "remove what the last run left");
	container_network_sweep(l->e, l->c->id);
	rc = remove_tree_at(l->e->root_fd, work);
	return rc < 0 ? fail_step(err, rc, "clear the overlay's work directory") : 0;
}

/* Taking the lock made its run directory anew. */
static int refuse_gone(const struct launch *l, struct err *err)
{
	undo_remove_tree(AT_FDCWD, l->run_path);
	return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", l->c->id);
}

/* The lock of a container that stands. 1: it lives already (another start was faster). */
static int take_standing(struct launch *l, struct err *err)
{
	int rc = take_id(l, err);

	/* The run directory belongs to the container, not to this attempt. */
	undo_disarm(&l->undo);
	if (rc < 0)
		return container_is_alive(l->c) ? 1 : rc;
	return container_is_gone(l->e, l->c->id) ? refuse_gone(l, err) : 0;
}

/* The end that its monitor could not tell of, unless that was between two runs. Under the lock: told
 * once. */
static void tell_lost(struct launch *l)
{
	if (!l->c->state.monitor_lost || l->c->state.next_start_ns)
		return;
	program_log(&l->e->log, LOG_LEVEL_WARN, l->c->id, "its monitor was lost");
	event_container(l->e, l->c, "die", "exitCode", "137");
}

/* A user's start takes back a user's stop. */
static int begin_again(struct launch *l, struct err *err)
{
	int rc = container_cgroup_path(l->e, l->c, l->cgroup_path, err);

	if (rc < 0)
		return rc;
	/* But who restarts it by its policy has no such right. */
	if (l->options->restart_count && revive_is_stopped(l->e, l->c))
		return err_set(err, ERR_CONFLICT, ECANCELED, "container %.12s was stopped",
			       l->c->id);
	if (l->options->restart_count) {
		tell_lost(l);
	} else {
		marker_clear(l->e, l->c, MARKER_STOPPED);
		marker_clear(l->e, l->c, MARKER_SIGNALLED);
	}
	marker_clear(l->e, l->c, MARKER_PAUSED);
	marker_clear(l->e, l->c, MARKER_KEEP);
	return sweep_last_run(l, err);
}

int container_start(struct engine *e, struct container *c, const struct start_options *options,
		    struct start_handle *handle, struct err *err)
{
	auto_strv struct strv warnings = {0};
	struct launch *l;
	int rc = engine_detect_cgroups(e, err);

	*handle = (struct start_handle){.client_fd = -1, .plan_fd = -1};
	if (rc < 0)
		return rc;
	if (c->state.status == CONTAINER_PAUSED)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "cannot start a paused container, try unpause instead");
	if (container_is_alive(c))
		return 0;
	l = launch_new(e, c, options);
	rc = take_standing(l, err);
	if (rc) {
		launch_free(l);
		return rc < 0 ? rc : 0;
	}
	rc = begin_again(l, err);
	if (rc == 0)
		rc = spawn_monitor(l, err);
	if (rc == 0)
		rc = read_users_for_restart(l, err);
	if (rc == 0)
		stamp(l->plan, POINT_CLI_RESOLVED);
	if (rc == 0 && options->attach)
		event_container(e, c, "attach", NULL, NULL);
	if (rc == 0)
		rc = prepare_and_release(l, &warnings, err);
	return launch_end(l, rc, handle, err);
}

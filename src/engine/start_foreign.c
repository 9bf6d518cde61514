/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A launch by another OCI runtime: the container's configuration as a bundle below its run directory,
 * and a plan that mounts the root in a mount namespace of its own and executes `RUNTIME create` there.
 * The monitor does the rest with the command lines prepared here (engine/monitor/foreign.c).
 *
 * What must hold: the bundle asks for what our own runtime would do; what it cannot say, or what this
 * process has no right to give, is left out only where our own would only warn.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/internal.h"
#include "engine/start_internal.h"
#include "kernel/seccomp_profile.h"
#include "runtime/plan_build.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int launch_choose_runtime(struct launch *l, struct err *err)
{
	static const char *const stale[] = {FOREIGN_BUNDLE, FOREIGN_STATE, FOREIGN_LOG,
					    FOREIGN_PID_FILE};
	int rc;

	foreign_runtime_free(&l->foreign);
	rc = runtime_config_find(&l->e->runtimes, l->c->config.runtime, &l->foreign, err);
	if (rc < 0 || !l->foreign.path)
		return rc;
	/* A monitor that was lost leaves its runtime's state, with which the id would be taken. */
	for (size_t i = 0; rc == 0 && i < sizeof(stale) / sizeof(stale[0]); i++)
		rc = remove_tree_at(l->run_dir, stale[i]);
	if (rc == 0 && mkdirat(l->run_dir, FOREIGN_BUNDLE, 0700) < 0)
		rc = -errno;
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make %s/" FOREIGN_BUNDLE ": %s", l->run_path,
			       err_errno_text(-rc));
	l->plan->early.foreign = 1;
	/* The helper that mounts the root; the container's own namespaces are the runtime's to make. */
	l->plan->early.clone_flags = CLONE_NEWNS;
	/* The bundle names the pid namespace to join; the runtime itself needs ours. */
	l->plan->early.pid_namespace = 0;
	return 0;
}

static int read_profile(const char *wanted, uint64_t caps, struct seccomp_profile *out,
			struct err *err)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int rc;

	if (!wanted || str_eq(wanted, "builtin") || str_eq(wanted, "default")) {
		seccomp_profile_default(caps, out);
		return 0;
	}
	if (*wanted == '{')
		return seccomp_profile_parse(wanted, strlen(wanted), "seccomp profile", caps, out,
					     err);
	rc = file_read_at(AT_FDCWD, wanted, OCI_CONFIG_MAX_BYTES, &text, &n);
	if (rc < 0)
		return err_set(err, ERR_INVALID, -rc, "opening seccomp profile (%s) failed: %s",
			       wanted, err_errno_text(-rc));
	return seccomp_profile_parse(text, n, wanted, caps, out, err);
}

static int add_seccomp(struct launch *l, struct err *err)
{
	const struct container_config *config = &l->c->config;
	const char *wanted = container_security_option(config, "seccomp");
	int rc;

	if (wanted ? str_eq(wanted, "unconfined") : config->privileged)
		return 0;
	rc = read_profile(wanted, l->oci.process.capabilities.bounding, &l->oci.seccomp, err);
	l->oci.has_seccomp = rc == 0;
	return rc;
}

/* Our own limits of every container are best effort; a runtime fails on one it may not raise. */
static void clamp_limits(struct oci_process *p, uint32_t quiet)
{
	for (size_t i = 0; i < p->rlimit_count; i++) {
		struct rlimit_value *r = &p->rlimits[i];
		struct rlimit own;

		if (!(quiet & (1u << r->resource)) ||
		    syscall(SYS_prlimit64, 0, r->resource, NULL, &own) < 0 ||
		    own.rlim_max == RLIM_INFINITY)
			continue;
		if (r->hard > own.rlim_max)
			r->hard = own.rlim_max;
		if (r->soft > r->hard)
			r->soft = r->hard;
	}
}

static int write_bundle(struct launch *l, const struct plan_input *input, struct err *err)
{
	struct oci_config *oci = &l->oci;
	auto_free char *text = NULL;
	char group[CGROUP_PATH_MAX + UNIT_NAME_MAX];
	int rc = add_seccomp(l, err);

	if (rc == 0)
		rc = engine_oci_cgroup_path(l->e, l->c->config.cgroup_parent, l->c->id, group,
					    sizeof(group), err);
	if (rc < 0)
		return rc;
	free(oci->cgroups_path);
	oci->cgroups_path = xstrdup(group);
	free(oci->oci_version);
	oci->oci_version = xstrdup(OCI_BUNDLE_VERSION);
	free(oci->root_path);
	oci->root_path = input->rootfs
				 ? xstrdup(input->rootfs)
				 : xasprintf("%s/%s", input->overlay_base, input->overlay_target);
	if (input->rows && input->columns) {
		oci->process.has_console_size = true;
		oci->process.console_height = input->rows;
		oci->process.console_width = input->columns;
	}
	/* Else crun puts limits and processes one group further down. */
	if (l->e->runtimes.systemd)
		oci_config_add_annotation(oci, "run.oci.systemd.subgroup", "");
	clamp_limits(&oci->process, input->quiet_limits);
	text = oci_config_encode(oci);
	rc = file_replace_at(l->run_dir, FOREIGN_BUNDLE "/config.json", text, strlen(text), 0600,
			     FILE_VOLATILE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s/" FOREIGN_BUNDLE "/config.json: %s",
				l->run_path, err_errno_text(-rc))
		      : 0;
}

/* *path: where in the bundle the mount goes that is another container's; NULL when there is none. */
static int bring_shared_memory(struct launch *l, char **path, struct err *err)
{
	for (size_t i = 0; i < l->oci.mount_count; i++) {
		struct oci_mount *m = &l->oci.mounts[i];

		if (!m->donor)
			continue;
		*path = xasprintf("%s/" FOREIGN_BUNDLE "/shm", l->run_path);
		if (mkdirat(l->run_dir, FOREIGN_BUNDLE "/shm", 0700) < 0)
			return err_sys(err, "make %s", *path);
		free(m->source);
		m->source = xstrdup(*path);
		return 0;
	}
	return 0;
}

/* RUNTIME [ARG...] --root DIR --log FILE --log-format json: what every command begins with. */
static void begin_command(const struct launch *l, struct strv *out)
{
	strv_add(out, l->foreign.path);
	strv_add_all(out, &l->foreign.args);
	strv_add(out, "--root");
	strv_add_taken(out, xasprintf("%s/" FOREIGN_STATE, l->run_path));
	strv_add(out, "--log");
	strv_add_taken(out, xasprintf("%s/" FOREIGN_LOG, l->run_path));
	strv_add(out, "--log-format");
	strv_add(out, "json");
	if (l->e->runtimes.systemd)
		strv_add(out, "--systemd-cgroup");
}

static plan_ref add_command(struct launch *l, const char *command, const char *option)
{
	auto_strv struct strv argv = {0};

	begin_command(l, &argv);
	strv_add(&argv, command);
	if (option)
		strv_add(&argv, option);
	strv_add(&argv, l->c->id);
	return plan_add_list(l->plan, &argv);
}

static plan_ref add_create(struct launch *l)
{
	auto_strv struct strv argv = {0};

	begin_command(l, &argv);
	strv_add(&argv, "create");
	strv_add(&argv, "--bundle");
	strv_add_taken(&argv, xasprintf("%s/" FOREIGN_BUNDLE, l->run_path));
	strv_add(&argv, "--pid-file");
	strv_add_taken(&argv, xasprintf("%s/" FOREIGN_PID_FILE, l->run_path));
	if (l->c->config.tty) {
		/* Relative to the bundle, which is the working directory. */
		strv_add(&argv, "--console-socket");
		strv_add(&argv, FOREIGN_CONSOLE);
	}
	strv_add(&argv, l->c->id);
	return plan_add_list(l->plan, &argv);
}

/* Runtimes and their wrappers look for programs; nothing else of the caller's reaches them. */
static plan_ref add_environment(struct launch *l)
{
	const char *path = getenv("PATH");
	auto_strv struct strv env = {0};

	strv_add_taken(&env, xasprintf("PATH=%s", path && *path ? path : DEFAULT_PATH));
	return plan_add_list(l->plan, &env);
}

/* /dev/shm of the container whose IPC namespace is joined: another runtime cannot reach it there, so it
 * is brought into the bundle. */
static void add_shared_memory(struct launch *l, const struct plan_input *input, const char *shm)
{
	struct plan_op *op = plan_add_op(l->plan, OP_BIND, PHASE_MOUNT, "mount %s", shm);

	op->a = plan_add_string(l->plan, "/dev/shm");
	op->b = plan_add_string(l->plan, shm);
	op->d = plan_add_string(l->plan, input->donor_mounts);
	op->l = input->donor_mounts_inode;
}

static void add_operations(struct launch *l, const struct plan_input *input, const char *shm,
			   plan_ref environment)
{
	struct plan *p = l->plan;
	auto_strv struct strv program = {0};
	auto_free char *bundle = xasprintf("%s/" FOREIGN_BUNDLE, l->run_path);
	struct plan_op *op;

	op = plan_add_op(p, OP_BASELINE, PHASE_OTHER, "reset scheduler, signals, keyring");
	op->n = 022;
	op = plan_add_op(p, OP_PROPAGATION, PHASE_MOUNT, "detach the mount tree from the host");
	/* What the host mounts later may still have to arrive below the container's binds. */
	op->n = MS_SLAVE;
	if (shm)
		add_shared_memory(l, input, shm);
	if (input->overlay_options) {
		op = plan_add_op(p, OP_ROOT_OVERLAY, PHASE_MOUNT, "mount / (overlay)");
		op->a = plan_add_string(p, input->overlay_options);
		op->b = plan_add_string(p, input->overlay_target);
		op->c = plan_add_string(p, input->overlay_base);
	}
	if (!l->c->config.tty)
		plan_add_op(p, OP_STDIO, PHASE_OTHER, "connect stdio");
	op = plan_add_op(p, OP_CHDIR, PHASE_OTHER, "enter the bundle");
	op->b = plan_add_string(p, bundle);
	strv_add(&program, l->foreign.path);
	op = plan_add_op(p, OP_EXEC, PHASE_EXEC, "execve %s", l->foreign.path);
	op->a = plan_add_list(p, &program);
	op->b = add_create(l);
	op->c = environment;
}

int launch_plan_foreign(struct launch *l, const struct plan_input *input, struct err *err)
{
	struct plan_foreign *f = &l->plan->monitor.foreign;
	auto_free char *shm = NULL;
	int rc = bring_shared_memory(l, &shm, err);

	if (rc == 0)
		rc = write_bundle(l, input, err);
	if (rc < 0)
		return rc;
	f->environment = add_environment(l);
	f->start = add_command(l, "start", NULL);
	f->remove = add_command(l, "delete", "--force");
	f->rows = input->rows;
	f->columns = input->columns;
	f->join_missing = l->e->cgroups.mode != CGROUP_V2;
	add_operations(l, input, shm, f->environment);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of a container's birth. Each step stands where it does for a reason:
 *   join groups, then unshare the cgroup namespace      so that its root is the container's group
 *   limits and OOM score before the pivot               while the host's /proc and privilege are there
 *   mounts, devices, terminal before the pivot          while host sources can be reached
 *   masked and read-only paths after it                 on the final tree
 *   the network as late as may be                       it is made meanwhile; hooks and sysctls find it
 *   user before seccomp, capabilities after             a filter without no_new_privs needs privilege,
 *                                                       and may deny the calls that change users
 *   the gate before the user changes                    startContainer hooks run with full rights
 */
#include "runtime/plan_build.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/str.h"
#include "kernel/capability.h"
#include "runtime/plan_mounts.h"
#include "runtime/plan_parts.h"

#define PROPAGATION_BITS (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int plan_clone_flags(const struct oci_config *c, uint64_t *flags, struct err *err)
{
	*flags = 0;
	for (int type = 0; type < OCI_NS_COUNT; type++) {
		const struct oci_namespace *ns = &c->namespaces[type];

		if (!ns->present || type == OCI_NS_CGROUP)
			continue;
		if (type == OCI_NS_USER || type == OCI_NS_TIME)
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "%s namespaces are not supported yet",
				       oci_namespace_name((enum oci_namespace_type)type));
		if (!ns->path)
			*flags |= (uint64_t)oci_namespace_clone_flag((enum oci_namespace_type)type);
	}
	if (!c->namespaces[OCI_NS_MOUNT].present || c->namespaces[OCI_NS_MOUNT].path)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "a container without a mount namespace of its own is not supported");
	return 0;
}

void plan_add_groups(struct plan *p, const struct plan_input *input)
{
	for (size_t i = 0; input->join && i < input->join->count; i++) {
		struct plan_op *op = plan_add_op(p, OP_JOIN_CGROUP, PHASE_CGROUP, "join %s",
						 input->join->tasks[i]);

		op->a = plan_add_string(p, input->join->tasks[i]);
	}
}

static void add_namespaces(struct plan *p, const struct oci_config *c)
{
	if (p->early.own_namespaces) {
		struct plan_op *op =
			plan_add_op(p, OP_UNSHARE, PHASE_NAMESPACES, "make the network namespace");

		op->n = p->early.own_namespaces;
		op->flags = OP_FLAG_EARLY;
	}
	for (int type = 0; type < OCI_NS_COUNT; type++) {
		const struct oci_namespace *ns = &c->namespaces[type];
		const char *name = oci_namespace_name((enum oci_namespace_type)type);
		int flag = oci_namespace_clone_flag((enum oci_namespace_type)type);
		struct stat st;

		/* A pid namespace only takes in children: the parent joins it before the clone. */
		if (ns->present && ns->path && type != OCI_NS_PID) {
			struct plan_op *op = plan_add_op(p, OP_SETNS, PHASE_NAMESPACES,
							 "join %s namespace", name);

			op->a = plan_add_string(p, ns->path);
			op->n = (uint64_t)flag;
			op->m = stat(ns->path, &st) == 0 ? st.st_ino : 0;
		} else if (ns->present && type == OCI_NS_CGROUP) {
			plan_add_op(p, OP_UNSHARE, PHASE_NAMESPACES, "new cgroup namespace")->n =
				(uint64_t)flag;
		}
	}
}

void plan_add_limits(struct plan *p, const struct oci_process *process,
		     const struct plan_input *input)
{
	char score[16];
	struct plan_op *op;

	for (size_t i = 0; i < process->rlimit_count; i++) {
		const struct rlimit_value *r = &process->rlimits[i];
		const char *name = rlimit_name(r->resource);

		op = plan_add_op(p, OP_RLIMIT, PHASE_SECURITY, "limit %s", name ? name : "?");
		op->n = (uint64_t)r->resource;
		op->m = r->soft;
		op->k = r->hard;
		if (input->limits_best_effort)
			op->flags = OP_FLAG_BEST_EFFORT;
		if (input->quiet_limits & (1u << r->resource))
			op->flags |= OP_FLAG_QUIET;
	}
	snprintf(score, sizeof(score), "%d",
		 process->has_oom_score_adj ? process->oom_score_adj : 0);
	op = plan_add_op(p, OP_OOM_SCORE_ADJ, PHASE_SECURITY, "oom_score_adj %s", score);
	op->a = plan_add_string(p, score);
	op->flags = OP_FLAG_BEST_EFFORT | (process->has_oom_score_adj ? 0 : OP_FLAG_QUIET);
}

static void add_identity(struct plan *p, const struct oci_config *c)
{
	if (c->hostname && c->namespaces[OCI_NS_UTS].present)
		plan_add_op(p, OP_HOSTNAME, PHASE_NAMESPACES, "set hostname %s", c->hostname)->a =
			plan_add_string(p, c->hostname);
	if (c->domainname && c->namespaces[OCI_NS_UTS].present)
		plan_add_op(p, OP_DOMAINNAME, PHASE_NAMESPACES, "set domainname %s", c->domainname)
			->a = plan_add_string(p, c->domainname);
	if (c->namespaces[OCI_NS_NETWORK].present && !c->namespaces[OCI_NS_NETWORK].path)
		plan_add_op(p, OP_LOOPBACK_UP, PHASE_NETWORK, "loopback up");
}

/* Where the plan waits for the network: as late as what follows allows. */
enum network_wait { WAIT_NEVER, WAIT_BEFORE_HOOKS, WAIT_BEFORE_SYSCTLS, WAIT_LAST };

static enum network_wait network_wait_of(const struct plan *p, const struct oci_config *c)
{
	if (!p->early.network)
		return WAIT_NEVER;
	if (c->hooks[OCI_HOOK_CREATE_CONTAINER].count)
		return WAIT_BEFORE_HOOKS;
	return c->sysctl_count ? WAIT_BEFORE_SYSCTLS : WAIT_LAST;
}

static void add_network(struct plan *p, enum network_wait wait, enum network_wait here)
{
	if (wait == here)
		plan_add_op(p, OP_NETWORK, PHASE_NETWORK, "wait for the network");
}

static void add_root(struct plan *p, const struct oci_config *c, const struct plan_input *input)
{
	unsigned long propagation = c->rootfs_propagation & PROPAGATION_BITS;
	struct plan_op *op =
		plan_add_op(p, OP_PROPAGATION, PHASE_MOUNT, "detach the mount tree from the host");

	/* The host must never see what happens here, whatever the container wants for its own. */
	op->n = propagation == MS_SHARED || propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
	if (input->overlay_options) {
		op = plan_add_op(p, OP_ROOT_OVERLAY, PHASE_MOUNT, "mount / (overlay)");
		op->a = plan_add_string(p, input->overlay_options);
		op->b = plan_add_string(p, input->overlay_target);
		op->c = plan_add_string(p, input->overlay_base);
	} else {
		op = plan_add_op(p, OP_ROOT_BIND, PHASE_MOUNT, "mount / (bind)");
		op->a = plan_add_string(p, input->rootfs);
	}
}

static void add_sysctls(struct plan *p, const struct oci_config *c)
{
	for (size_t i = 0; i < c->sysctl_count; i++) {
		auto_free char *path = xasprintf("/proc/sys/%s", c->sysctls[i].key);
		struct plan_op *op = plan_add_op(p, OP_SYSCTL, PHASE_SECURITY, "set sysctl %s",
						 c->sysctls[i].key);

		/* Names use dots, files use slashes; a slash in a name is an interface's dot. */
		for (char *at = path + strlen("/proc/sys/"); *at; at++)
			*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
		op->a = plan_add_string(p, path);
		op->c = plan_add_string(p, c->sysctls[i].value);
	}
}

static void add_pivot(struct plan *p, const struct oci_config *c, enum network_wait wait)
{
	unsigned long propagation = c->rootfs_propagation & PROPAGATION_BITS;

	plan_add_op(p, OP_PIVOT, PHASE_MOUNT, "pivot_root");
	add_network(p, wait, WAIT_BEFORE_SYSCTLS);
	add_sysctls(p, c);
	plan_add_hidden_paths(p, c);
	if (propagation == MS_SHARED || propagation == MS_UNBINDABLE) {
		struct plan_op *op =
			plan_add_op(p, OP_ROOT_PROPAGATION, PHASE_MOUNT, "propagation of /");

		op->m = propagation;
		op->flags = c->rootfs_propagation & MS_REC ? OP_FLAG_RECURSIVE : 0;
	}
}

plan_ref plan_add_candidates(struct plan *p, const struct oci_process *process)
{
	const char *name = process->args.items[0];
	const char *path = strv_get_env(&process->env, "PATH");
	auto_strv struct strv v = {0};

	if (strchr(name, '/')) {
		strv_add(&v, name);
		return plan_add_list(p, &v);
	}
	for (const char *at = path ? path : DEFAULT_PATH;; at++) {
		size_t n = strcspn(at, ":");

		if (*name)
			strv_add_taken(&v,
				       xasprintf("%.*s/%s", n ? (int)n : 1, n ? at : ".", name));
		at += n;
		if (!*at)
			break;
	}
	return plan_add_list(p, &v);
}

static void add_hooks(struct plan *p, const struct oci_config *c, enum oci_hook_stage stage,
		      const char *name, const struct plan_input *input)
{
	const struct oci_hook_list *list = &c->hooks[stage];

	for (size_t i = 0; i < list->count; i++) {
		const struct oci_hook *h = &list->hooks[i];
		struct plan_op *op =
			plan_add_op(p, OP_HOOK, PHASE_OTHER, "%s hook %s", name, h->path);
		auto_strv struct strv argv = {0};

		strv_add_all(&argv, &h->args);
		if (!argv.count)
			strv_add(&argv, h->path);
		op->a = plan_add_list(p, &argv);
		op->b = plan_add_list(p, &h->env);
		op->c = plan_add_string(p, input->hook_state ? input->hook_state : "");
		op->d = plan_add_string(p, h->path);
		op->n = (uint64_t)h->timeout_seconds;
	}
}

int plan_add_user(struct plan *p, const struct oci_process *process, struct err *err)
{
	const struct capability_sets *caps = &process->capabilities;
	struct plan_op *op;
	uint64_t kernel;
	int rc = capability_kernel_mask(&kernel, err);

	if (rc < 0)
		return rc;
	if (process->has_capabilities) {
		op = plan_add_op(p, OP_BOUNDING, PHASE_SECURITY, "drop bounding capabilities");
		op->n = caps->bounding;
		op->m = (uint64_t)(63 - __builtin_clzll(kernel));
	}
	if (process->no_new_privileges)
		plan_add_op(p, OP_NO_NEW_PRIVS, PHASE_SECURITY, "no_new_privs");
	op = plan_add_op(p, OP_USER, PHASE_SECURITY, "become user %u:%u", process->uid,
			 process->gid);
	op->n = process->uid;
	op->m = process->gid;
	op->a = plan_add_bytes(p, process->additional_gids,
			       process->additional_gid_count * sizeof(gid_t), sizeof(gid_t));
	op->k = process->additional_gid_count;
	op = plan_add_op(p, OP_CHDIR, PHASE_OTHER, "enter %s", process->cwd);
	op->b = plan_add_string(p, process->cwd);
	return 0;
}

int plan_add_confinement(struct plan *p, const struct oci_process *process, plan_ref candidates,
			 const struct plan_input *input, struct err *err)
{
	const struct capability_sets *caps = &process->capabilities;
	struct plan_op *op;
	uint64_t kernel;
	int rc = capability_kernel_mask(&kernel, err);

	if (rc < 0)
		return rc;
	/* Here and not later: a filter may kill for a look. */
	if (((const struct plan_list *)plan_at(p, candidates))->count > 1)
		plan_add_op(p, OP_SKIP_ABSENT, PHASE_EXEC, "look for %s", process->args.items[0])
			->a = candidates;
	if (input->seccomp && input->seccomp->count) {
		op = plan_add_op(p, OP_SECCOMP, PHASE_SECURITY, "load seccomp filter");
		op->a = plan_add_bytes(p, input->seccomp->instructions,
				       input->seccomp->count * sizeof(struct sock_filter), 8);
		op->n = input->seccomp->count;
		op->m = input->seccomp->flags;
	}
	if (process->has_capabilities) {
		op = plan_add_op(p, OP_CAPABILITIES, PHASE_SECURITY, "set capabilities");
		op->n = caps->permitted & kernel;
		op->m = caps->inheritable & kernel;
		op->k = caps->effective & kernel;
		/* The kernel raises only what is both; runc and crun let the others go, too. */
		op->l = caps->ambient & caps->inheritable & caps->permitted & kernel;
	}
	return 0;
}

void plan_add_exec(struct plan *p, const struct oci_process *process, plan_ref candidates)
{
	struct plan_op *op =
		plan_add_op(p, OP_EXEC, PHASE_EXEC, "execve %s", process->args.items[0]);

	op->a = candidates;
	op->b = plan_add_list(p, &process->args);
	op->c = plan_add_list(p, &process->env);
}

static int add_program(struct plan *p, const struct oci_config *c, const struct plan_input *input,
		       struct err *err)
{
	const struct oci_process *process = &c->process;
	plan_ref candidates = plan_add_candidates(p, process);
	int rc;

	if (input->gate) {
		plan_add_op(p, OP_FIND_PROGRAM, PHASE_EXEC, "find %s", process->args.items[0])->a =
			candidates;
		plan_add_op(p, OP_GATE, PHASE_OTHER, "wait for start");
	}
	add_hooks(p, c, OCI_HOOK_START_CONTAINER, "startContainer", input);
	rc = plan_add_user(p, process, err);
	if (rc == 0)
		rc = plan_add_confinement(p, process, candidates, input, err);
	if (rc < 0)
		return rc;
	plan_add_exec(p, process, candidates);
	return 0;
}

void plan_add_streams(struct plan *p, const struct oci_process *process,
		      const struct plan_input *input, uint32_t flags)
{
	struct plan_op *op;

	if (!process->terminal) {
		plan_add_op(p, OP_STDIO, PHASE_OTHER, "connect stdio");
		return;
	}
	op = plan_add_op(p, OP_CONSOLE, PHASE_OTHER, "make the terminal");
	op->n = input->rows ? input->rows : process->console_height;
	op->m = input->columns ? input->columns : process->console_width;
	op->k = process->uid;
	op->flags = flags;
}

int plan_build(struct plan *p, const struct oci_config *c, const struct plan_input *input,
	       struct strv *warnings, struct err *err)
{
	const struct oci_process *process = &c->process;
	enum network_wait wait = network_wait_of(p, c);
	struct plan_op *op;
	int rc;

	if (!process->args.count)
		return err_set(err, ERR_INVALID, EINVAL, "no command specified");
	for (size_t i = 0; i < process->unknown_capabilities.count; i++)
		strv_add_taken(warnings, xasprintf("unknown capability %s is not granted",
						   process->unknown_capabilities.items[i]));
	/* A caller with a realtime policy must not have it any more in a group without a share of it. */
	op = plan_add_op(p, OP_BASELINE, PHASE_OTHER, "reset scheduler, signals, keyring");
	op->n = process->has_umask ? process->umask : 022;
	plan_add_groups(p, input);
	plan_add_op(p, OP_SETSID, PHASE_OTHER, "new session");
	add_namespaces(p, c);
	add_identity(p, c);
	plan_add_limits(p, process, input);
	if (c->has_personality)
		plan_add_op(p, OP_PERSONALITY, PHASE_OTHER, "set personality")->n = c->personality;
	if (process->has_io_priority)
		plan_add_op(p, OP_IO_PRIORITY, PHASE_OTHER, "set I/O priority")->n =
			(uint64_t)IOPRIO_PRIO_VALUE(process->io_priority_class,
						    process->io_priority);
	add_root(p, c, input);
	rc = plan_add_mounts(p, c, input, err);
	if (rc < 0)
		return rc;
	plan_add_devices(p, c);
	op = plan_add_op(p, OP_MKDIR, PHASE_OTHER, "make %s", process->cwd);
	op->b = plan_add_string(p, process->cwd);
	op->n = 0755;
	add_network(p, wait, WAIT_BEFORE_HOOKS);
	add_hooks(p, c, OCI_HOOK_CREATE_CONTAINER, "createContainer", input);
	add_pivot(p, c, wait);
	plan_add_streams(p, process, input, 0);
	if (c->root_readonly)
		plan_add_op(p, OP_ROOT_PROPAGATION, PHASE_SECURITY, "make / read-only")->n =
			MOUNT_ATTR_RDONLY;
	add_network(p, wait, WAIT_LAST);
	rc = add_program(p, c, input, err);
	return rc < 0 ? rc : plan_check(p, err);
}

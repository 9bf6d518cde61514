/* SPDX-License-Identifier: Apache-2.0 */
/* What start.c (the order of events) and start_plan.c (what goes into the plan) share. */
#ifndef CLOCHE_ENGINE_START_INTERNAL_H
#define CLOCHE_ENGINE_START_INTERNAL_H

#include "base/undo.h"
#include "engine/engine.h"
#include "engine/user.h"
#include "kernel/seccomp_profile.h"
#include "oci/runtime_config.h"
#include "runtime/plan.h"

/* One launch under way. All descriptors are -1 until open. */
struct launch {
	struct engine *e;
	struct container *c;
	const struct start_options *options;
	struct undo_stack undo;
	struct plan *plan;
	int plan_fd, lock_fd, run_dir, control_fd, cgroup_fd, image_lock, program_fd;
	pid_t monitor_pid; /* 0: none */
	char run_path[PATH_MAX];
	char cgroup_path[CGROUP_PATH_MAX];
	int joined[3]; /* pidfds of containers whose namespaces are joined */
	size_t joined_count;
	/* Of the container whose IPC namespace is joined: its mounts, as plan_input has them. */
	char *donor_mounts;
	uint64_t donor_mounts_inode;
	struct sandbox *sandbox; /* what it is connected to, NULL: nothing (yet) */
	char *network_dir;    /* where the network files of a joined container lie; NULL: our own */
	char *passwd, *group; /* texts of the container's own files; NULL none */
	struct oci_config oci;
	struct foreign_runtime foreign; /* path NULL: our own */
};

/* Before the monitor is spawned: what it must know at once. */
int must_check launch_fill_early(struct launch *l, struct err *err);
/* Spawns the monitor, born in the group that monitors live in (made on first use), with its connection
 * in l->control_fd. target: pidfd of the PID 1 to join (exec), or -1. */
int must_check launch_spawn_monitor(struct launch *l, int target, struct err *err);
/* Whether its filter is the user's own: that may deny clone(), which every other one allows. */
bool container_has_own_profile(const struct container_config *config);
/* The filter that a container with these capabilities gets; empty when it has none. */
int must_check container_seccomp(const struct engine *e, const struct container_config *config,
				 uint64_t caps, struct seccomp_program *out, struct err *err);
/* Makes and limits the container's groups. */
int must_check launch_make_cgroups(struct launch *l, struct err *err);
/* Everything else: configuration, seccomp, operations, the monitor's section. */
int must_check launch_fill_plan(struct launch *l, struct strv *warnings, struct err *err);
/* Reads passwd and group of a container that has run before or has a plain folder as root. */
void launch_read_user_files(struct launch *l);

/* ---- start_foreign.c ---- */
struct plan_input;
/* Finds the container's runtime. One that is not our own gets a fresh bundle directory, and the early
 * section says so. */
int must_check launch_choose_runtime(struct launch *l, struct err *err);
/* In place of plan_build(): the bundle, the operations up to `RUNTIME create`, the command lines. */
int must_check launch_plan_foreign(struct launch *l, const struct plan_input *input,
				   struct err *err);

#ifdef CLOCHE_TEST_HOOKS
/* CLOCHE_TEST_DELAY / CLOCHE_TEST_KILL: "op:LABEL[=MS]" or "point:NUMBER[=MS]". Called before the
 * monitor is spawned (points) and again once the operations are laid out. */
void launch_test_hooks(struct plan *p);
#else
static inline void launch_test_hooks(struct plan *p)
{
	(void)p;
}
#endif

#endif

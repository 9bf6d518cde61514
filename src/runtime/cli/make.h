/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container, for `create` and `run`. Everything done to the host is on one undo stack until
 * the container stands.
 */
#ifndef CLOCHE_RUNTIME_CLI_MAKE_H
#define CLOCHE_RUNTIME_CLI_MAKE_H

#include "base/undo.h"
#include "kernel/cgroup.h"
#include "oci/runtime_state.h"
#include "runtime/cli/command.h"
#include "runtime/plan_build.h"

struct make_options {
	const char *id;
	const char *bundle;         /* NULL: the working directory */
	const char *console_socket; /* NULL none */
	const char *pid_file;       /* NULL none */
	unsigned preserve_fds;
	bool gate;  /* stop before the program until `start` */
	bool relay; /* the caller keeps the terminal's master itself */
};

struct making {
	const struct runtime *rt;
	const struct make_options *options;
	struct oci_config config;
	struct oci_state state;
	struct cgroup_layout layout;
	struct cgroup_join join;
	struct undo_stack undo;
	struct strv warnings;
	int state_dirfd, bundle_dirfd;
	int plan_fd, report_fd, gate_fd, cgroup_fd;
	struct plan *plan;
	pid_t pid;
	int pidfd;
	int terminal_fd; /* master, when relay; -1 otherwise */
};

/* Makes the container up to its gate, or to its running program without one. On success the state
 * is written and m->pid runs; on failure nothing is left. make_free in both cases. */
int must_check make_container(const struct runtime *rt, const struct make_options *options,
			      struct making *m, struct err *err);
void make_free(struct making *m);
#define auto_making __attribute__((cleanup(make_free)))

/* Removes the container's cgroups and state directory; kills what is left in the cgroups first. */
int must_check make_remove(const struct runtime *rt, const struct oci_state *s,
			   const struct cgroup_layout *layout, struct err *err);

#endif

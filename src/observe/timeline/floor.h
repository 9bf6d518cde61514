/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the kernel itself takes for the work a container start needs, measured by making
 * a container with bare system calls and nothing else. No record, no log, no supervisor, no undo:
 * whatever a `run` takes beyond it is the engine's own doing. It must never be slower than it has to
 * be, and must never skip a primitive that a real start uses.
 */
#ifndef CLOCHE_OBSERVE_TIMELINE_FLOOR_H
#define CLOCHE_OBSERVE_TIMELINE_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FLOOR_PATH_MAX 512
#define FLOOR_LOWER_MAX 4096
#define FLOOR_HIERARCHY_MAX 20
#define FLOOR_RUNS_DEFAULT 30

enum floor_kind {
	FLOOR_IMAGE, /* what `run` makes of an image: overlay, hosts files, all namespaces, seccomp */
	FLOOR_BUNDLE, /* what an OCI runtime makes of `crun spec`: read-only rootfs bind, no overlay,
		       * no seccomp, the host's cgroup namespace */
};

/* What one run is made of, in order. The parent stamps the first two and the last two. */
enum floor_step {
	FLOOR_DIRECTORIES, /* overlay upper, work and mount point */
	FLOOR_CGROUP_MAKE, /* one directory in every hierarchy */
	FLOOR_CLONE,       /* from clone3 until the child runs, all namespaces included */
	FLOOR_CGROUP_JOIN,
	FLOOR_ROOTFS, /* private propagation; overlay, or the bind of the bundle's rootfs */
	FLOOR_PROC,
	FLOOR_DEV, /* tmpfs, six nodes, symlinks */
	FLOOR_DEVPTS,
	FLOOR_SHM,
	FLOOR_MQUEUE,
	FLOOR_SYSFS,
	FLOOR_CGROUP_MOUNT,
	FLOOR_HOSTS, /* bind mounts of hosts, hostname, resolv.conf */
	FLOOR_PIVOT,
	FLOOR_MASK,    /* masked and read-only paths */
	FLOOR_NETWORK, /* loopback up */
	FLOOR_HOSTNAME,
	FLOOR_SECCOMP,  /* before capabilities go: without no_new_privs it needs CAP_SYS_ADMIN */
	FLOOR_SECURITY, /* fds, groups, capabilities */
	FLOOR_EXEC, /* execve, the program's own start and end, and the namespaces' end, to waitid */
	FLOOR_CLEANUP, /* removal of cgroups and directories; not part of the total */
	FLOOR_STEP_COUNT,
};

struct floor_run {
	uint64_t total_ns; /* start to the return of waitid */
	uint64_t step_ns[FLOOR_STEP_COUNT];
	int exit_code; /* 128 + n for signal n */
};

/* Set up by floor_open; then read-only. */
struct floor {
	enum floor_kind kind;
	char group[64];               /* group directory in every hierarchy */
	char scratch[FLOOR_PATH_MAX]; /* on the file system whose overlay is to be measured */
	char base[FLOOR_PATH_MAX]; /* directory that names in lower are relative to; "" for none */
	char lower[FLOOR_LOWER_MAX]; /* overlay's lowerdir option, or the bundle's rootfs */
	const char *const *argv;     /* a program in the rootfs that ends at once */
	bool unified_only;
	size_t hierarchy_count;
	struct floor_hierarchy {
		char path[64];    /* mount point on the host */
		char name[32];    /* directory below /sys/fs/cgroup, "" for v2 alone */
		char options[32]; /* mount data, "" for v2 */
		bool v2;
	} hierarchies[FLOOR_HIERARCHY_MAX];
};

/* "clone", "rootfs"...; for tables and as JSON keys. */
const char *floor_step_name(enum floor_step step);

/* Finds the cgroup hierarchies and fills *f; touches nothing. tag keeps two floors on one host apart.
 * scratch must be absolute; base may be NULL; argv is borrowed and NULL-terminated. 0 or -errno. */
int must_check floor_open(struct floor *f, enum floor_kind kind, const char *tag,
			  const char *scratch, const char *base, const char *lower,
			  const char *const *argv, struct err *err);
/* Makes what every run shares: scratch, hosts files, the parent groups with device rules and cpuset
 * that the runs' groups inherit, as an engine has them. Nothing is left when it fails. */
int must_check floor_prepare(const struct floor *f, struct err *err);
/* One run under a name of its own. On error everything of it is removed. */
int must_check floor_start(const struct floor *f, const char *name, struct floor_run *run,
			   struct err *err);
/* Remove what the run of that name left. Missing parts are fine. */
void floor_remove_groups(const struct floor *f, const char *name);
void floor_remove_directories(const struct floor *f, const char *name);
/* n starts, groups removed after each and directories after the last; both are in
 * step_ns[FLOOR_CLEANUP] of their run. Ends with the first run that fails. */
int must_check floor_measure(const struct floor *f, struct floor_run *runs, size_t n,
			     struct err *err);
/* Undoes floor_prepare, and removes the groups of runs that were interrupted. */
void floor_finish(const struct floor *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of one process, all eight kinds, by inode: two processes are in one namespace exactly
 * when device and inode of their links in /proc/PID/ns are equal (namespaces(7)), and nsfs has one
 * device. Only reads.
 */
#ifndef CLOCHE_OBSERVE_PROBE_NAMESPACES_H
#define CLOCHE_OBSERVE_PROBE_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum namespace_kind {
	NAMESPACE_CGROUP,
	NAMESPACE_IPC,
	NAMESPACE_MNT,
	NAMESPACE_NET,
	NAMESPACE_PID,
	NAMESPACE_TIME,
	NAMESPACE_USER,
	NAMESPACE_UTS,
	NAMESPACE_KINDS,
};
/* The kernel's limit on the depth of pid namespaces (pid_namespaces(7)). */
#define NAMESPACE_PID_LEVELS 33

struct namespace_about {
	const char *name;  /* as /proc/PID/ns has it */
	const char *flag;  /* of clone(2): "CLONE_NEWPID" */
	const char *holds; /* what it keeps apart: "process ids" */
	const char
		*option; /* of `run` that shares it with the host: "--pid host"; NULL: none does */
	uint64_t clone_flag;
};
/* By enum namespace_kind, which is the order of the alphabet. */
extern const struct namespace_about namespace_about[NAMESPACE_KINDS];

struct namespace_set {
	pid_t pid;
	uint64_t inode[NAMESPACE_KINDS]; /* 0: unknown, errors says why */
	int errors[NAMESPACE_KINDS];     /* -ENOENT: this kernel has no such kind; -EACCES */
	/* Inode of the user namespace that owns it (ioctl_ns(2)); 0: unknown, or beyond the caller's
	 * own. Of the user namespace itself: its parent. */
	uint64_t owner[NAMESPACE_KINDS];
	uint64_t pid_parent; /* the pid namespace around this one; 0: none, or not for the caller */
	/* What its next children are born into; differs after unshare(2). 0: unknown. */
	uint64_t pid_for_children, time_for_children;
	/* Its pid at each level, the caller's /proc first, its own namespace last (NSpid). */
	pid_t pids[NAMESPACE_PID_LEVELS];
	size_t pid_count;
};

/* pid 0: the caller's own. -ESRCH when there is no such process. What cannot be read of a living one is
 * in errors, not an error. */
int must_check namespaces_read(pid_t pid, struct namespace_set *out, struct err *err);
/* The host's: the caller's own, which is what an engine started by it calls the host, but the mounts of
 * pid 1, since instruments have mounts of their own. */
int must_check namespaces_read_host(struct namespace_set *out, struct err *err);

enum namespace_relation {
	NAMESPACE_UNKNOWN, /* one of them could not be read */
	NAMESPACE_SAME,
	NAMESPACE_APART,
};
enum namespace_relation namespaces_relate(const struct namespace_set *a,
					  const struct namespace_set *b, enum namespace_kind kind);
/* Whether /proc here has the pids that the kernel's tracepoints tell; ERR_UNSUPPORTED with the reason. */
int must_check namespaces_check_pids(struct err *err);
/* How many kinds are the same in both. */
unsigned namespaces_same_count(const struct namespace_set *a, const struct namespace_set *b);

/* Who is where: all processes that /proc shows, at one moment (a walk, not a snapshot). */
struct namespace_census {
	struct namespace_member {
		pid_t pid;
		uint64_t inode[NAMESPACE_KINDS];
	} * members;
	size_t count, room;
	size_t unreadable; /* processes whose links the caller may not read */
};
int must_check namespaces_census(struct namespace_census *out, struct err *err);
void namespaces_census_free(struct namespace_census *c);
#define auto_namespace_census __attribute__((cleanup(namespaces_census_free)))
/* How many processes are in that namespace. */
size_t namespaces_count(const struct namespace_census *c, enum namespace_kind kind, uint64_t inode);

/* Parses the NSpid line of a status file; returns how many there are, 0 when it has none. */
size_t namespaces_parse_pids(const char *status, pid_t *out, size_t max);

#endif

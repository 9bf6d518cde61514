/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between one process and its host: user, capabilities, seccomp, label, namespaces, mounts,
 * devices, limits; each as the kernel has it for this very process, whatever its engine was told. Only
 * reads; paths of the process' own tree are resolved inside its root (kernel/path).
 */
#ifndef CLOCHE_OBSERVE_PROBE_POSTURE_H
#define CLOCHE_OBSERVE_PROBE_POSTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "base/strv.h"
#include "kernel/capability.h"
#include "observe/probe/mounts.h"
#include "observe/probe/namespaces.h"

/* One line of uid_map or gid_map: `length` ids from `inside` on are those from `outside` on there. */
struct posture_map {
	uint32_t inside, outside, length;
};

struct posture_limit {
	char name[32];           /* as /proc/PID/limits has it: "Max open files" */
	char soft[24], hard[24]; /* a number or "unlimited" */
};

enum posture_mount_kind {
	POSTURE_ENGINE_SOCKET, /* a socket by which an engine takes orders */
	POSTURE_SOCKET,        /* another socket of the host's */
	POSTURE_HOST_PATH,     /* a bind mount of the host's files */
	POSTURE_VOLUME,        /* a volume of the engine's */
	POSTURE_CGROUP,        /* a writable hierarchy of control groups */
	POSTURE_KERNEL,        /* debugfs, tracefs, securityfs, bpf, configfs */
	POSTURE_MOUNT_KINDS,
};

struct posture_mount {
	enum posture_mount_kind kind;
	char *target;    /* as the process sees it */
	char *host_path; /* heap; NULL: unknown */
	char *type;
	bool read_only;
};

struct posture_node {
	char *path; /* "/dev/kvm" */
	char type;  /* 'b' or 'c' */
	unsigned major, minor;
	bool usual; /* one of those that every container has (OCI's default devices) */
};

enum posture_device_rules {
	POSTURE_DEVICES_UNKNOWN,
	POSTURE_DEVICES_ALL,      /* no rule keeps it from any device */
	POSTURE_DEVICES_LISTED,   /* version 1: device_rules has them */
	POSTURE_DEVICES_FILTERED, /* version 2: by programs, which cannot be read back as rules */
};

struct posture {
	pid_t pid;
	struct namespace_set namespaces, host;

	struct capability_sets capabilities;
	uint64_t host_bounding; /* what pid 1 of the host could have: "all" on this host */

	int seccomp_mode;    /* 0 none, 1 strict, 2 filter; -1 unknown */
	int seccomp_filters; /* -1 unknown (before Linux 5.9) */
	bool no_new_privileges;

	uint32_t uid, gid; /* effective, as the host numbers them */
	/* As it numbers them itself; UINT32_MAX: not mapped. */
	uint32_t inside_uid, inside_gid;
	struct posture_map *uid_map, *gid_map;
	size_t uid_map_count, gid_map_count;

	char *label; /* of the security module: "cloche-default (enforce)"; "" when there is none */

	char *root_type; /* of its root file system */
	bool root_read_only;
	struct strv masked;    /* below /proc and /sys, covered by something empty */
	struct strv read_only; /* below /proc and /sys, and these themselves */
	bool proc_sys_writable, sysrq_writable, sys_writable;
	struct posture_mount *mounts;
	size_t mount_count;

	struct posture_node *nodes;
	size_t node_count;
	bool nodes_cut; /* there were more than POSTURE_NODES_MAX */
	enum posture_device_rules device_rules_kind;
	struct strv device_rules; /* "c 1:3 rwm" */
	int device_programs;

	struct posture_limit *limits;
	size_t limit_count;
	int oom_score_adj;
};

#define POSTURE_NODES_MAX 1024

/* -ESRCH when it is gone. What could not be read stays unknown as the fields say. */
int must_check posture_read(pid_t pid, struct posture *out, struct err *err);
void posture_free(struct posture *p);
#define auto_posture __attribute__((cleanup(posture_free)))

/* Appends the names in a mask, without CAP_ and in lower case: "chown, dac_override"; "none" for 0. */
void posture_capability_names(uint64_t mask, struct strbuf *out);
/* Whether its user namespace is another one than the host's. */
bool posture_has_user_namespace(const struct posture *p);
/* Whether it is root and the host takes it for root, too. */
bool posture_is_host_root(const struct posture *p);
/* Every capability the host gives, no filter, every device: what --privileged makes. */
bool posture_is_privileged(const struct posture *p);
/* NULL: it has no such limit. */
const struct posture_limit *posture_limit_of(const struct posture *p, const char *name);
const char *posture_mount_kind_name(enum posture_mount_kind kind);

#endif

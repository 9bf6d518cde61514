/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control groups of one process, in every hierarchy of version 1, hybrid or version 2: where they
 * are as the host sees them, what was written there, what is in force (a group above may be tighter),
 * and the kernel's counters. Reads only, and asks no engine: it works for any container and any
 * process. Each value knows the file that it was read from.
 */
#ifndef CLOCHE_OBSERVE_PROBE_CGROUP_H
#define CLOCHE_OBSERVE_PROBE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/cgroup.h"

#define GROUP_UNLIMITED UINT64_MAX
#define GROUP_DEVICES_MAX 16
#define GROUP_LIST_MAX 256 /* "0-3,8" */

enum group_limit_kind {
	GROUP_CPU_QUOTA,   /* us of processor time per period */
	GROUP_CPU_WEIGHT,  /* shares (1024 is one part) on version 1, weight (100) on version 2 */
	GROUP_MEMORY,      /* bytes */
	GROUP_MEMORY_SWAP, /* bytes of memory and swap together, as version 1 and OCI count */
	GROUP_MEMORY_LOW,  /* bytes that are kept for it: soft limit, memory.low */
	GROUP_MEMORY_HIGH, /* bytes from where it is slowed down; version 2 only */
	GROUP_PIDS,
	GROUP_LIMITS,
};

/* One limit. written: at the container's own group; in_force: the tightest from there up to the root
 * (for the weight the same as written). GROUP_UNLIMITED: none. */
struct group_limit {
	bool known; /* false: this kernel or layout has no such limit */
	uint64_t written, in_force;
	uint64_t period_us, in_force_period_us;   /* of the quota */
	char written_file[CGROUP_PATH_MAX + 48];  /* absolute */
	char in_force_file[CGROUP_PATH_MAX + 48]; /* where the tightest stands */
};

enum group_io_kind { GROUP_READ_BPS, GROUP_WRITE_BPS, GROUP_READ_IOPS, GROUP_WRITE_IOPS };

struct group_io_limit {
	unsigned major, minor;
	enum group_io_kind kind;
	uint64_t per_second;
	char file[CGROUP_PATH_MAX + 48];
};

/* One hierarchy. path is of the container's group: where the process stands, or above it where the
 * process made groups of its own in the part that its cgroup namespace or mount shows it. */
struct group_place {
	char name[CGROUP_NAME_MAX]; /* "cpu,cpuacct", "name=systemd", "" for version 2 */
	bool v2;
	uint32_t controllers; /* CGROUP_* that count in this very group */
	char active[128];     /* the same as the kernel spells them, "cpuset cpu io memory" */
	char mount[CGROUP_MOUNT_MAX];
	char path[CGROUP_PATH_MAX];         /* below mount, "/" for the root */
	char process_path[CGROUP_PATH_MAX]; /* where the process itself stands */
	char dir[CGROUP_PATH_MAX];          /* absolute directory of path */
};

struct group_view {
	pid_t pid;
	enum cgroup_mode mode;
	size_t count;
	struct group_place places[CGROUP_HIERARCHIES_MAX];
	struct group_limit limits[GROUP_LIMITS];
	char cpuset[GROUP_LIST_MAX],
		cpuset_effective[GROUP_LIST_MAX]; /* "" : not limited, unknown */
	char cpuset_file[CGROUP_PATH_MAX + 48];
	struct group_io_limit io[GROUP_DEVICES_MAX];
	size_t io_count;
};

struct group_device_io {
	unsigned major, minor;
	uint64_t read_bytes, written_bytes;
};

/* Counters since the group was made. A has_ flag is false where the kernel has none. */
struct group_counters {
	struct cgroup_stats base; /* CPU, throttling, memory now, peak, OOM kills, processes */
	bool has_memory_stat, has_oom_events, has_memory_failures, has_pids_hits, has_pressure;
	bool has_io;
	/* of memory.stat, bytes, groups below included */
	uint64_t anonymous, file, mapped_file, shmem, kernel;
	uint64_t inactive_file;
	uint64_t oom_events;      /* version 2: the limit was reached and nothing could be freed */
	uint64_t memory_failures; /* how often the limit stood in the way (failcnt, events max) */
	uint64_t pids_hits;       /* forks refused */
	/* time in which some process of it waited, us (version 2 with pressure accounting) */
	uint64_t cpu_pressure_us, memory_pressure_us, io_pressure_us;
	struct group_device_io io[GROUP_DEVICES_MAX];
	size_t io_count;
	char memory_stat_file[CGROUP_PATH_MAX + 48];
	char cpu_stat_file[CGROUP_PATH_MAX + 48];
};

/* The groups and limits of pid. -ESRCH when it is gone. Large: keep *out off small stacks. */
int must_check group_probe(pid_t pid, struct group_view *out, struct err *err);
/* The same from given texts of /proc: cgroup and mountinfo of the process ("" for none) below the
 * given layout; limits are then read from the layout's mounts. For tests. */
int must_check group_probe_texts(const char *own_mountinfo, const char *cgroup,
				 const char *mountinfo, struct group_view *out, struct err *err);
/* May be called again and again. A counter that cannot be read is left out. -ENOENT: all groups are
 * gone. */
int must_check group_counters(const struct group_view *g, struct group_counters *out);
/* The place whose hierarchy counts this controller for the group, or NULL. */
const struct group_place *group_place_of(const struct group_view *g,
					 enum cgroup_controller controller);
/* Every process of the container's group and of those below it, in the hierarchy that has the memory
 * controller (or any): see cgroup_for_each_pid(). */
int must_check group_for_each_pid(const struct group_view *g, int (*fn)(int pid, void *arg),
				  void *arg);
/* Processors' worth that the quota in force allows; 0: no quota. */
double group_cpus(const struct group_view *g);
/* A path of this header for people: long names (ids) are cut to twelve bytes and "..". Returns out. */
const char *group_short_path(const char *path, char *out, size_t size);
/* "memory", "cpu quota"...: for people. */
const char *group_limit_name(enum group_limit_kind kind);
const char *group_io_name(enum group_io_kind kind);

#endif

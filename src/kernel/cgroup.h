/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: one interface over version 2, version 1 and the hybrid of both. Owns the making,
 * limiting, reading, killing and removing of one group that has the same path in every hierarchy.
 *
 * Nothing here allocates: the static monitor links it. A process is never moved by writing its pid
 * from outside (the kernel then takes a global lock and waits for RCU, 6-15 ms): a new process is
 * born in the v2 group (CLONE_INTO_CGROUP) and writes "0" to each v1 `tasks` file itself.
 */
#ifndef CLOCHE_KERNEL_CGROUP_H
#define CLOCHE_KERNEL_CGROUP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/undo.h"

#define CGROUP_HIERARCHIES_MAX 16
#define CGROUP_PATH_MAX 512
#define CGROUP_NAME_MAX 48
#define CGROUP_MOUNT_MAX 128

enum cgroup_controller {
	CGROUP_CPU = 1 << 0,
	CGROUP_CPUACCT = 1 << 1, /* v1 only; v2 counts in every group */
	CGROUP_CPUSET = 1 << 2,
	CGROUP_MEMORY = 1 << 3,
	CGROUP_DEVICES = 1 << 4, /* v1 only; v2 has BPF programs in every group */
	CGROUP_FREEZER = 1 << 5, /* v1 only; v2 has cgroup.freeze in every group */
	CGROUP_IO = 1 << 6,      /* `blkio` on v1 */
	CGROUP_PIDS = 1 << 7,
	CGROUP_HUGETLB = 1 << 8,
	CGROUP_NET_CLS = 1 << 9,
	CGROUP_NET_PRIO = 1 << 10,
	CGROUP_PERF_EVENT = 1 << 11,
	CGROUP_RDMA = 1 << 12,
	CGROUP_MISC = 1 << 13,
};

enum cgroup_mode { CGROUP_V2, CGROUP_V1, CGROUP_HYBRID };

/* One mounted hierarchy. controllers is what this hierarchy offers: for v1 what it was mounted with
 * (0 for a named one), for v2 the root's cgroup.controllers. */
struct cgroup_hierarchy {
	bool v2;
	uint32_t controllers;
	char name[CGROUP_NAME_MAX];   /* "cpu,cpuacct", "name=systemd", "" for v2 */
	char mount[CGROUP_MOUNT_MAX]; /* absolute, "/sys/fs/cgroup/memory" */
	char self[CGROUP_PATH_MAX];   /* this process's own group below mount, "/" for the root */
};

/* Immutable once detected. */
struct cgroup_layout {
	enum cgroup_mode mode;
	size_t count;
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
};

/* One absolute directory of a group. path is borrowed, so that the monitor can point into its plan. */
struct cgroup_dir {
	const char *path;
	uint32_t controllers;
	bool v2;
};

/* The directories of one group, with their storage. Not copyable: dirs point into paths. */
struct cgroup_dirs {
	size_t count;
	struct cgroup_dir dirs[CGROUP_HIERARCHIES_MAX];
	char paths[CGROUP_HIERARCHIES_MAX][CGROUP_PATH_MAX];
};

/* Where a new process must go. Each v1 `tasks` file gets "0" written by the process itself while it
 * has one thread; v2_dir (empty when there is no v2) is opened for CLONE_INTO_CGROUP. */
struct cgroup_join {
	size_t count;
	char tasks[CGROUP_HIERARCHIES_MAX][CGROUP_PATH_MAX];
	char v2_dir[CGROUP_PATH_MAX];
};

enum cgroup_device_access { CGROUP_DEV_READ = 1, CGROUP_DEV_WRITE = 2, CGROUP_DEV_MKNOD = 4 };

/* One rule; later rules override earlier ones (OCI runtime spec, linux.resources.devices). */
struct cgroup_device_rule {
	bool allow;
	char type;      /* 'a' all, 'b' block, 'c' character */
	int64_t major;  /* -1 any */
	int64_t minor;  /* -1 any */
	uint8_t access; /* CGROUP_DEV_* bits */
};

struct cgroup_device_weight {
	uint32_t major, minor;
	uint16_t weight;      /* 10..1000; 0 unset */
	uint16_t leaf_weight; /* 10..1000; 0 unset */
};

struct cgroup_device_rate {
	uint32_t major, minor;
	uint64_t rate; /* bytes or operations per second */
};

struct cgroup_hugepage_limit {
	const char *page_size; /* "2MB", "1GB" */
	uint64_t limit_bytes;
};

struct cgroup_net_priority {
	const char *interface;
	uint32_t priority;
};

struct cgroup_rdma_limit {
	const char *device;
	bool has_handles, has_objects;
	uint32_t handles, objects;
};

/* A file of the v2 group and the text to write to it. */
struct cgroup_unified {
	const char *file;
	const char *value;
};

/* Zero means "leave as it is" for every field unless its has_ flag says otherwise. Arrays and
 * strings are borrowed by this layer; oci/runtime_config owns those it decodes. */
struct cgroup_resources {
	/* memory, bytes; -1 unlimited */
	bool has_memory_limit, has_memory_swap, has_memory_reservation, has_memory_swappiness;
	bool has_memory_kernel, has_memory_kernel_tcp, has_oom_kill_disable;
	bool memory_check_before_update; /* refuse a limit below present use */
	bool memory_use_hierarchy;       /* always so on kernels since 5.11 */
	bool oom_kill_disable;
	int64_t memory_limit;
	int64_t memory_swap; /* memory + swap together, as v1, OCI and Docker count it */
	int64_t memory_reservation;
	int64_t memory_kernel, memory_kernel_tcp; /* ignored: the kernel gave them up */
	uint64_t memory_swappiness;               /* 0..100, v1 only */

	/* cpu */
	bool has_cpu_shares, has_cpu_quota, has_cpu_period, has_cpu_burst;
	bool has_cpu_rt_runtime, has_cpu_rt_period, has_cpu_idle;
	uint64_t cpu_shares;            /* v1 scale 2..262144 */
	int64_t cpu_quota;              /* us per period; -1 unlimited */
	uint64_t cpu_period, cpu_burst; /* us */
	int64_t cpu_rt_runtime;         /* us */
	uint64_t cpu_rt_period;         /* us */
	int64_t cpu_idle;               /* 0 or 1 */
	const char *cpus;               /* "0-1,3"; NULL unset */
	const char *mems;

	bool has_pids_limit;
	int64_t pids_limit; /* -1 or 0 unlimited */

	/* block I/O */
	bool has_io_weight, has_io_leaf_weight;
	uint16_t io_weight; /* 10..1000 */
	uint16_t io_leaf_weight;
	struct cgroup_device_weight *io_device_weights;
	size_t io_device_weight_count;
	struct cgroup_device_rate *read_bps, *write_bps, *read_iops, *write_iops;
	size_t read_bps_count, write_bps_count, read_iops_count, write_iops_count;

	/* devices: set as a whole, starting from none allowed. No rule at all leaves the group as
	 * its parent is. */
	struct cgroup_device_rule *devices;
	size_t device_count;

	struct cgroup_hugepage_limit *hugepages;
	size_t hugepage_count;
	bool has_net_class_id;
	uint32_t net_class_id;
	struct cgroup_net_priority *net_priorities;
	size_t net_priority_count;
	struct cgroup_rdma_limit *rdma;
	size_t rdma_count;
	struct cgroup_unified *unified;
	size_t unified_count;
};

/* Counters of a group at one moment. A has_ flag is false where the kernel or the layout has no such
 * counter; the value is then 0 and means nothing. */
struct cgroup_stats {
	bool has_oom_kills, has_memory, has_memory_peak, has_memory_limit, has_cpu, has_throttling;
	bool has_pids;
	uint64_t oom_kills;    /* processes of the group killed for memory, children included */
	uint64_t memory_bytes; /* now, page cache included */
	uint64_t memory_peak_bytes;
	uint64_t memory_limit_bytes; /* UINT64_MAX: none */
	uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
	uint64_t periods, throttled_periods, throttled_ns;
	uint64_t pids;
};

/* Reads /proc/self/{mountinfo,cgroup}. ERR_UNSUPPORTED when no hierarchy is mounted. */
int must_check cgroup_detect(struct cgroup_layout *out, struct err *err);
/* The same from given texts; controllers of a v2 hierarchy are read from its mount if it exists. */
int must_check cgroup_parse_layout(const char *mountinfo, const char *self_cgroup,
				   struct cgroup_layout *out, struct err *err);
/* The hierarchy that holds a controller, or NULL. The v2 hierarchy only counts for controllers that
 * it offers. */
const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup_layout *layout,
						   enum cgroup_controller controller);
/* CGROUP_* bits of a list separated by blanks or commas; unknown names are passed over. */
uint32_t cgroup_parse_controllers(const char *text);
/* The v2 hierarchy, or NULL. */
const struct cgroup_hierarchy *cgroup_unified_of(const struct cgroup_layout *layout);

/* Whether path may name a group: absolute, no "." or ".." component, no newline, not "/" itself,
 * short enough. 0 or -EINVAL with *err. */
int must_check cgroup_check_path(const char *path, struct err *err);

/* Makes the group ("/cloche/<id>") in every hierarchy, parents as needed; on v2 enables controllers
 * on the way down, on v1 fills in cpuset.cpus and cpuset.mems of groups it makes. Every directory
 * made that is the group itself is pushed on undo; parents made stay (they are shared). An existing
 * group is ERR_CONFLICT, except with may_exist, when it is used as it is. */
int must_check cgroup_create(const struct cgroup_layout *layout, const char *path, bool may_exist,
			     struct undo_stack *undo, struct err *err);

/* Writes the limits. what names the container in errors: "set memory limit of web to 64 MiB: ...".
 * A limit that the kernel refuses, or that this layout has no controller for, is an error. */
int must_check cgroup_apply(const struct cgroup_layout *layout, const char *path,
			    const struct cgroup_resources *resources, const char *what,
			    struct err *err);

/* What a new process must write or be born in to be in the group. */
int must_check cgroup_join_of(const struct cgroup_layout *layout, const char *path,
			      struct cgroup_join *out, struct err *err);
/* The group's absolute directories, one per hierarchy. */
int must_check cgroup_dirs_of(const struct cgroup_layout *layout, const char *path,
			      struct cgroup_dirs *out, struct err *err);
/* Moves the calling, single-threaded process itself into the group, v1 hierarchies only when v1_only:
 * the rare path for tools; a container's process uses its plan. */
int must_check cgroup_enter(const struct cgroup_join *join, bool v1_only, struct err *err);

/* Reads what counters there are. Never fails for a counter that is missing; -ENOENT when no
 * directory of the group exists. */
int must_check cgroup_read_stats(const struct cgroup_dir *dirs, size_t count,
				 struct cgroup_stats *out);
/* The same for what a death record holds only: oom_kills, memory peak, CPU time, throttling. Less
 * than half the files, none of which makes the kernel add up its counters. */
int must_check cgroup_read_death(const struct cgroup_dir *dirs, size_t count,
				 struct cgroup_stats *out);
/* What tells why a container ended: how often a fork met the pids limit, and for how long some process
 * waited for memory (version 2 with pressure accounting; 0 elsewhere). Missing counters are 0. */
void cgroup_read_evidence(const struct cgroup_dir *dirs, size_t count, uint64_t *pids_max_hits,
			  uint64_t *pressure_us);
/* Begins the memory peak anew for the next run in the same group. On version 1 the counter itself is
 * reset. On version 2 (kernel 6.12) it is reset for one open file, *peak_fd, whose reading is the peak
 * from here on; -1 where that cannot be had and the group's own peak goes on. */
void cgroup_reset_peak(const struct cgroup_dir *dirs, size_t count, int *peak_fd);
/* SIGKILL to all processes of the group and of groups below it, until none is left or timeout_ms
 * have passed (-ETIMEDOUT). A group that is gone is empty. */
int must_check cgroup_kill_all(const struct cgroup_dir *dirs, size_t count, int timeout_ms);
/* Calls fn for every process of the group and of groups below it, as seen from our pid namespace,
 * until it returns non-zero, which is returned. -ENOENT when the group is gone. */
int must_check cgroup_for_each_pid(const struct cgroup_dir *dirs, size_t count,
				   int (*fn)(int pid, void *arg), void *arg);
/* Removes the group and the groups that the container made below it, in all hierarchies; retries
 * EBUSY for up to timeout_ms. Gone already is fine. 0 or the first -errno. */
int must_check cgroup_remove(const struct cgroup_dir *dirs, size_t count, int timeout_ms);
/* Freezes or thaws; returns once the kernel says so or -ETIMEDOUT after timeout_ms. -EOPNOTSUPP when
 * the layout has neither a freezer nor v2. */
int must_check cgroup_freeze(const struct cgroup_dir *dirs, size_t count, bool frozen,
			     int timeout_ms);

/* Word of a group that is out of memory. fd and counter are -1 when it is not open. */
struct cgroup_oom_watch {
	int fd;      /* version 1: eventfd */
	int counter; /* the file that counts the victims */
	bool v2;
};
/* 0 or -errno: nothing can be heard of it. Close with cgroup_oom_close(). */
int must_check cgroup_oom_open(const struct cgroup_dir *dirs, size_t count,
			       struct cgroup_oom_watch *w);
void cgroup_oom_close(struct cgroup_oom_watch *w);
/* What to poll for; fd -1 when it is not open. */
struct pollfd cgroup_oom_poll(const struct cgroup_oom_watch *w);
/* Processes killed for memory so far, those of earlier runs in the group included. *woken: the kernel
 * (version 1) has told of one that it may not have counted yet. To be called once before polling. */
uint64_t cgroup_oom_take(const struct cgroup_oom_watch *w, bool *woken);

/* Whether the group is frozen by its own setting. */
bool cgroup_is_frozen(const struct cgroup_dir *dirs, size_t count);

/* Calls fn once for every child group of parent, in any hierarchy, by name; the same name may come
 * once per hierarchy. A non-zero return ends the walk and is returned. Missing parent: 0. */
int must_check cgroup_list_children(const struct cgroup_layout *layout, const char *parent,
				    int (*fn)(const char *name, const char *dir, void *arg),
				    void *arg);

/* The weight of v2's cpu.weight (1..10000) for v1 shares (2..262144), as runc and crun convert. */
uint64_t cgroup_weight_of_shares(uint64_t shares);
/* io.weight (1..10000) for blkio weight (10..1000), as runc converts. */
uint64_t cgroup_io_weight_of(uint64_t blkio_weight);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container as users know it: what was asked for (struct container_config: the command line and
 * the API fill the same struct), what was decided at creation (struct container) and how it stands
 * now (struct container_state). All strings are heap-owned by the struct that holds them.
 */
#ifndef CLOCHE_ENGINE_CONTAINER_H
#define CLOCHE_ENGINE_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"
#include "network/endpoint.h"

#define CONTAINER_NAME_MAX 255

enum mount_kind { MOUNT_KIND_BIND, MOUNT_KIND_VOLUME, MOUNT_KIND_TMPFS };

/* One of -v, --mount, --tmpfs, or a volume that the image declares. */
struct mount_request {
	enum mount_kind kind;
	char *source;      /* bind: host path; volume: its name, NULL for anonymous; tmpfs: NULL */
	char *target;      /* absolute path in the container, cleaned */
	char *mode;        /* what followed the second colon of -v, as typed ("ro,z"), or NULL */
	char *propagation; /* "rprivate" (default, NULL), "rshared", "slave", ... */
	char *tmpfs_options; /* mount options as typed after --tmpfs PATH:, or NULL */
	bool read_only;
	bool non_recursive;
	bool no_copy;       /* volume: do not copy the image's content at first use */
	bool create_source; /* bind: make a missing source directory (-v does, --mount does not) */
	bool from_image;    /* declared by the image */
	bool inherited;     /* by --volumes-from */
	bool long_form;     /* came from --mount: shown under HostConfig.Mounts, not Binds */
	int64_t tmpfs_size_bytes; /* 0: unlimited */
	int64_t tmpfs_mode;       /* -1: 01777 */
};

struct ulimit_request {
	char *name; /* "nofile" */
	int64_t soft;
	int64_t hard; /* -1 in either: unlimited */
};

struct device_request {
	char *host_path;
	char *container_path;
	char *permissions; /* "rwm" */
};

/* One of --device-read-bps and its kin. */
struct rate_request {
	char *path;   /* host path of a block device */
	int64_t rate; /* bytes or operations per second */
};

struct rate_list {
	struct rate_request *items;
	size_t count;
};

/* HEALTHCHECK of the image under --health-*; times in ns, 0 unset (Docker's default then applies). */
struct health_request {
	struct strv test; /* "CMD" ARGS..., "CMD-SHELL" TEXT, "NONE"; empty: no health check */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries;
	bool disabled; /* --no-healthcheck: test is {"NONE"} */
};

/* What `run` and `create` were asked for. Zero-initialise through container_config_init(), which
 * sets the "unset" values noted here. */
struct container_config {
	/* the part Docker calls Config */
	char *image;    /* as typed; NULL with rootfs */
	char *platform; /* "os/architecture" it must be of, NULL: any */
	char *rootfs; /* --rootfs DIR: absolute host path used as root in place of an image; or NULL */
	char *hostname, *domainname, *user, *working_dir; /* NULL: from image or default */
	bool attach_stdin, attach_stdout, attach_stderr, tty, open_stdin, stdin_once;
	struct strv env; /* KEY=VALUE, completed from the caller's environment; a bare KEY takes the
			  * image's variable away */
	struct strv cmd; /* arguments after the image */
	bool entrypoint_set;
	struct strv entrypoint; /* empty with entrypoint_set: reset */
	struct strv labels;     /* KEY=VALUE */
	struct strv exposed_ports;
	char *stop_signal;    /* NULL: image's or SIGTERM */
	int64_t stop_timeout; /* seconds, -1 unset */
	struct health_request health;

	/* the part Docker calls HostConfig */
	struct mount_request *mounts;
	size_t mount_count;
	char *network_mode; /* "none", "host", "default", "bridge", "container:ID", a name */
	/* The networks it is connected to at its start, the first with the default route. What the front
	 * end puts here for the modes "none", "host" and "container:ID" is dropped. */
	struct endpoint_request *endpoints;
	size_t endpoint_count;
	char *mac_address;   /* --mac-address, NULL: none; also in endpoints[0] */
	char *pid_mode;      /* "", "host", "container:ID" */
	char *ipc_mode;      /* "private", "host", "none", "shareable", "container:ID" */
	char *uts_mode;      /* "" or "host" */
	char *cgroupns_mode; /* "private" (default here, also on v1), "host" */
	char *userns_mode;
	char *cgroup_parent;  /* NULL: the engine's */
	char *runtime;        /* NULL: our own */
	char *restart_policy; /* "no", "always", "unless-stopped", "on-failure" */
	int64_t restart_max_retries;
	bool auto_remove, privileged, read_only_rootfs, publish_all, init, oom_kill_disable;
	struct strv cap_add, cap_drop, group_add, security_opt, sysctls, dns, dns_search,
		dns_options, extra_hosts, links, volumes_from, device_cgroup_rules, annotations,
		publish; /* "IP:HOST:PORT/PROTO", IP ("[::1]" in brackets) and HOST may be empty, HOST
			  * a range ("8000-8010"): engine/ports.h */
	struct ulimit_request *ulimits;
	size_t ulimit_count;
	struct device_request *devices;
	size_t device_count;
	int64_t memory_bytes;             /* 0: unlimited */
	int64_t memory_swap_bytes;        /* 0: unset (2 x memory), -1: unlimited; memory + swap */
	int64_t memory_reservation_bytes; /* 0: unset */
	int64_t memory_swappiness;        /* -1: unset */
	int64_t nano_cpus;                /* --cpus x 1e9, 0: unset */
	int64_t cpu_period_us, cpu_quota_us, cpu_shares; /* 0: unset */
	char *cpuset_cpus, *cpuset_mems;                 /* NULL: unset */
	int64_t pids_limit;                              /* 0 or -1: unlimited */
	int64_t blkio_weight;                            /* 0: unset */
	struct rate_list read_bps, write_bps, read_iops, write_iops;
	struct rate_list device_weights; /* rate: weight, 10..1000; 0: unset */
	int64_t shm_size_bytes;          /* default 64 MiB */
	int64_t oom_score_adj;
	char *log_driver; /* "json-file" (default), "none" */
	struct strv log_options;
	char *container_id_file; /* --cidfile */
	char *volume_driver;     /* NULL or "local" */
	struct strv storage_opts;
};

void container_config_init(struct container_config *c);
void container_config_free(struct container_config *c);
/* Frees what it holds; it is then as a new one. */
void mount_request_clear(struct mount_request *m);
struct mount_request *container_config_add_mount(struct container_config *c);
struct endpoint_request *container_config_add_endpoint(struct container_config *c);

enum container_status {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING,
	CONTAINER_REMOVING,
	CONTAINER_EXITED,
	CONTAINER_DEAD,
};

enum container_health {
	CONTAINER_HEALTH_NONE, /* no health check, or not running */
	CONTAINER_HEALTH_STARTING,
	CONTAINER_HEALTH_HEALTHY,
	CONTAINER_HEALTH_UNHEALTHY,
};

/* How it stands, merged from state.json (written by the monitor) and the lock that only a living
 * monitor holds. */
struct container_state {
	enum container_status status;
	bool monitor_lost;   /* the record says running but nobody holds the lock */
	bool host_restarted; /* as monitor_lost, but in an earlier boot of the host */
	bool oom_killed;     /* the cgroup's counter rose, whoever the victim was */
	int pid;             /* on the host, 0 when not running */
	int monitor_pid;
	int exit_code;                    /* 0-255; 128+n for signal n */
	int exit_signal;                  /* 0: exited by itself */
	char *error;                      /* why it could not be started, or NULL */
	uint64_t started_ns, finished_ns; /* wall clock, 0 never */
	uint64_t oom_kills;
	uint64_t peak_memory_bytes; /* 0: unknown */
	uint64_t throttled_periods, throttled_ns;
	uint64_t cpu_usage_ns;
	enum container_health health; /* filled for lists alone (container_list_brief) */
	uint64_t pids_max_hits;       /* forks refused by the pids limit */
	uint64_t pressure_us;   /* time some process waited for memory; 0 also where not counted */
	char signal_sender[16]; /* see engine/monitor/protocol.h; "" unknown */
	uint64_t restart_count; /* by its restart policy, since it was started by a user */
	uint64_t next_start_ns; /* wall clock, while CONTAINER_RESTARTING, or lost as such */
	char boot_id[40];       /* of the boot it last ran in, "" unknown */
};

/* The record. */
struct container {
	char id[ID_LEN + 1];
	char *name; /* without a leading slash */
	uint64_t created_ns;
	struct container_config config;
	/* decided at creation */
	char *image_id;   /* sha256:..., NULL with rootfs */
	struct strv argv; /* entrypoint and command, merged */
	struct strv env; /* merged, PATH included, without what is added at run time (HOSTNAME, HOME,
			     * TERM) */
	char *user;      /* as it will be resolved at each start; "" is root */
	char *working_dir; /* "" is "/" */
	char *stop_signal; /* "SIGTERM" unless given */
	char *lower; /* overlay lowerdir relative to <data>/overlay2 ("l/A:l/B"), NULL with rootfs */
	struct strv volume_paths; /* host path of each of config.mounts of kind volume, same order */
	bool persistent;          /* record in the data root; false: in the run root (--rm) */
	bool brief;               /* only what engine/brief.h holds of it was read */
	uint64_t restart_count;
	struct container_state state;
};

void container_init(struct container *c);
void container_free(struct container *c);
#define auto_container __attribute__((cleanup(container_free)))

#endif

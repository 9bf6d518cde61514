/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime configuration (config.json, runtime-spec 1.0 to 1.2) as plain C structs. The
 * engine fills the same struct directly; cloche-runtime decodes it from a bundle. What must hold: a
 * decoded configuration is valid, and a field this version cannot honour is refused, never dropped.
 * Does no system call beyond reading the file.
 */
#ifndef CLOCHE_OCI_RUNTIME_CONFIG_H
#define CLOCHE_OCI_RUNTIME_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"
#include "kernel/capability.h"
#include "kernel/cgroup.h"
#include "kernel/rlimit.h"
#include "kernel/seccomp_profile.h"

#define OCI_VERSION "1.2.0"
/* What bundles for others say: the oldest version that has all that is in them. crun up to 1.8 takes no
 * other than 1.0, runc 1.1 none above it. */
#define OCI_BUNDLE_VERSION "1.0.2"
/* Limits on what is decoded, so that a hostile bundle costs little. */
#define OCI_CONFIG_MAX_BYTES (4 << 20)
#define OCI_LIST_MAX 65536
#define OCI_MOUNTS_MAX 4096

/* One mount, options already sorted into what the kernel takes. */
struct oci_mount {
	char *destination; /* absolute inside the container */
	char *type;        /* "proc", "tmpfs", "overlay"...; NULL or "bind" for a bind */
	char *source;      /* NULL none; relative ones are below the bundle */
	bool bind, recursive_bind;
	uint64_t flags_set;        /* MS_* that options set (ro nosuid nodev noexec relatime ...) */
	uint64_t flags_clear;      /* MS_* that options clear (rw suid dev exec ...) */
	unsigned long propagation; /* MS_SHARED..., with MS_REC for the r... ones; 0 none given */
	uint64_t attr_recursive_set; /* MOUNT_ATTR_* for mount_setattr with AT_RECURSIVE (rro ...) */
	uint64_t attr_recursive_clear;
	bool copy_up; /* tmpcopyup: fill the tmpfs with what the image has there */
	bool idmap, idmap_recursive;
	char *data;                           /* file system options, comma-separated; NULL none */
	struct oci_id_map *uid_map, *gid_map; /* idmapped mount */
	size_t uid_map_count, gid_map_count;
	struct strv options; /* as given, for the encoder */
	bool donor;          /* never in JSON: the source is in plan_input.donor_mounts */
};

struct oci_id_map {
	uint32_t container_id, host_id, size;
};

/* The namespaces; new ones have path NULL. */
enum oci_namespace_type {
	OCI_NS_MOUNT,
	OCI_NS_UTS,
	OCI_NS_IPC,
	OCI_NS_PID,
	OCI_NS_NETWORK,
	OCI_NS_CGROUP,
	OCI_NS_USER,
	OCI_NS_TIME,
	OCI_NS_COUNT,
};

/* Indexed by type. Neither wanted nor path: the caller's namespace is shared. */
struct oci_namespace {
	bool present; /* listed in the configuration */
	char *path;   /* NULL: a new one; else join this */
};

struct oci_device {
	char *path;
	char type; /* 'c', 'b', 'p'; 'u' is stored as 'c' */
	uint32_t major, minor;
	mode_t mode; /* permission bits, 0666 by default */
	uint32_t uid, gid;
};

struct oci_sysctl {
	char *key; /* "net.ipv4.ip_forward" */
	char *value;
};

struct oci_hook {
	char *path;
	struct strv args; /* argv, args[0] included; empty: path alone */
	struct strv env;
	int timeout_seconds; /* 0 none */
};

enum oci_hook_stage {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
	OCI_HOOK_STAGES,
};

struct oci_hook_list {
	struct oci_hook *hooks;
	size_t count;
};

struct oci_annotation {
	char *key;
	char *value;
};

struct oci_time_offset {
	bool present;
	int64_t seconds;
	uint32_t nanoseconds;
};

/* A program to run: process of config.json, process.json of exec. */
struct oci_process {
	bool terminal;
	bool has_console_size;
	uint16_t console_height, console_width;
	uint32_t uid, gid;
	bool has_umask;
	mode_t umask;
	gid_t *additional_gids;
	size_t additional_gid_count;
	struct strv args;
	struct strv env;
	char *cwd;
	bool has_capabilities; /* false: keep what the runtime has */
	struct capability_sets capabilities;
	struct strv unknown_capabilities; /* named, but unknown here: warned of, never granted */
	struct rlimit_value *rlimits;
	size_t rlimit_count;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	char *apparmor_profile; /* NULL none */
	char *selinux_label;    /* NULL none */
	bool has_io_priority;
	int io_priority_class; /* 1 real time, 2 best effort, 3 idle */
	int io_priority;       /* 0..7 */
	bool has_scheduler;
	struct oci_scheduler {
		int policy; /* SCHED_* */
		int nice;
		uint32_t priority;
		uint64_t flags; /* SCHED_FLAG_* */
		uint64_t runtime_ns, deadline_ns, period_ns;
	} scheduler;
};

struct oci_config {
	char *oci_version;
	char *root_path; /* relative ones are below the bundle; NULL never after validation */
	bool root_readonly;
	bool has_process; /* the specification lets `create` do without */
	struct oci_process process;
	char *hostname;   /* NULL none */
	char *domainname; /* NULL none */
	struct oci_mount *mounts;
	size_t mount_count;
	struct oci_hook_list hooks[OCI_HOOK_STAGES];
	struct oci_annotation *annotations;
	size_t annotation_count;

	/* linux */
	struct oci_namespace namespaces[OCI_NS_COUNT];
	struct oci_id_map *uid_map, *gid_map;
	size_t uid_map_count, gid_map_count;
	struct oci_time_offset monotonic_offset, boottime_offset;
	struct oci_device *devices;
	size_t device_count;
	char *cgroups_path; /* NULL: the runtime chooses */
	/* Strings and arrays in here belong to this configuration (oci_config_free frees them). */
	struct cgroup_resources resources;
	bool has_seccomp;
	struct seccomp_profile seccomp;
	struct oci_sysctl *sysctls;
	size_t sysctl_count;
	unsigned long rootfs_propagation; /* MS_*, MS_REC included; 0: not given */
	struct strv masked_paths;
	struct strv readonly_paths;
	char *mount_label; /* NULL none */
	bool has_personality;
	unsigned long personality; /* PER_LINUX or PER_LINUX32 */
	bool has_intel_rdt;
	char *intel_rdt_clos_id, *intel_rdt_l3_schema, *intel_rdt_mem_bw_schema;
};

/* An empty configuration is all zeroes. Frees everything and zeroes *c. */
void oci_config_free(struct oci_config *c);
#define auto_oci_config __attribute__((cleanup(oci_config_free)))
void oci_process_free(struct oci_process *p);
#define auto_oci_process __attribute__((cleanup(oci_process_free)))

/* Decodes and validates one configuration. what names it in errors ("config.json of web"). On
 * failure *out is empty. ERR_INVALID for malformed, ERR_UNSUPPORTED for what this version refuses. */
int must_check oci_config_parse(const char *text, size_t len, const char *what,
				struct oci_config *out, struct err *err);
/* Reads <bundle>/config.json through dirfd. -ENOENT when there is none. */
int must_check oci_config_read_at(int bundle_dirfd, struct oci_config *out, struct err *err);
/* An update's resources (linux.resources as JSON). The caller frees with oci_resources_free. */
int must_check oci_resources_parse(const char *text, size_t len, const char *what,
				   struct cgroup_resources *out, struct err *err);
void oci_resources_free(struct cgroup_resources *r);
/* Checks a filled configuration: what the decoder checks, for the engine's own. */
int must_check oci_config_validate(const struct oci_config *c, struct err *err);
/* Refuses (ERR_UNSUPPORTED) what is valid and understood, but what no plan can do yet: it must not be
 * dropped in silence. */
int must_check oci_config_check_supported(const struct oci_config *c, struct err *err);
int must_check oci_process_validate(const struct oci_process *p, struct err *err);

/* The configuration as JSON text, indented with tabs as runc writes it; the caller frees it. */
char *oci_config_encode(const struct oci_config *c);
/* What `spec` writes: crun's and runc's default bundle. */
void oci_config_default(struct oci_config *out);

/* Building, for the engine. Strings are copied. */
struct oci_mount *oci_config_add_mount(struct oci_config *c, const char *destination,
				       const char *type, const char *source);
/* Sorts one option ("ro", "rslave", "size=64m") into m. Unknown ones go to data. */
void oci_mount_add_option(struct oci_mount *m, const char *option);
/* The options that are not file system data, by position. */
size_t oci_mount_option_count(void);
const char *oci_mount_option_name(size_t i);
void oci_config_add_namespace(struct oci_config *c, enum oci_namespace_type type, const char *path);
void oci_config_add_device(struct oci_config *c, const char *path, char type, uint32_t major,
			   uint32_t minor, mode_t mode, uint32_t uid, uint32_t gid);
void oci_config_add_device_rule(struct oci_config *c, struct cgroup_device_rule rule);
/* The rules every container has by default: deny all, allow mknod of anything, null zero full random
 * urandom tty ptmx console pts, as runc and crun. The second only allows, behind whatever rules there
 * are: what an OCI runtime does with a bundle's own rules. */
void oci_config_add_default_device_rules(struct oci_config *c);
void oci_config_allow_default_devices(struct oci_config *c);
void oci_config_add_sysctl(struct oci_config *c, const char *key, const char *value);
void oci_config_add_rlimit(struct oci_config *c, struct rlimit_value value);
void oci_config_add_annotation(struct oci_config *c, const char *key, const char *value);

/* CLONE_NEW* of a namespace type; its OCI name ("network"). */
int oci_namespace_clone_flag(enum oci_namespace_type type);
const char *oci_namespace_name(enum oci_namespace_type type);
/* "createRuntime" for OCI_HOOK_CREATE_RUNTIME. */
const char *oci_hook_stage_name(enum oci_hook_stage stage);
/* Annotation value or NULL. */
const char *oci_config_annotation(const struct oci_config *c, const char *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: everything that has to be done inside a container's new namespaces, as a flat,
 * position-independent list of typed operations with every path, number and BPF program already
 * computed and checked by the parent. It lives in one memfd that three processes map:
 *
 *	parent (command line or cloche-runtime)   lays the plan out, then sets `released`
 *	monitor (or cloche-runtime)               clones the child, reads the monitor section
 *	child                                     executes the operations, stamping each
 *
 * The child trusts the plan: it only ever comes from a process with the same privilege. Nothing in
 * the plan is text to be parsed.
 */
#ifndef CLOCHE_RUNTIME_PLAN_H
#define CLOCHE_RUNTIME_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PLAN_VERSION 2u
/* The memfd's size: sparse, so only what is used costs memory. ARG_MAX is 2 MiB. */
#define PLAN_BYTES (4u << 20)
/* In the same memfd: the plan of the container's health check, if it has one. */
#define PLAN_HEALTH_OFFSET PLAN_BYTES
#define PLAN_MAX_OPS 448
#define PLAN_MAX_CGROUPS 20

/* Offset from the start of the memfd; 0 is "none". Strings end with a NUL. */
typedef uint32_t plan_ref;

/* Phases of the start bill, in the order a reader expects them. */
enum plan_phase {
	PHASE_RESOLVE,
	PHASE_RECORD,
	PHASE_CGROUP,
	PHASE_NAMESPACES,
	PHASE_MOUNT,
	PHASE_NETWORK,
	PHASE_SECURITY,
	PHASE_EXEC,
	PHASE_RUN,
	PHASE_EXIT,
	PHASE_CLEANUP,
	PHASE_OTHER,
};

/*
 * Operations of the child. "path" is resolved inside the container's root through kernel/path
 * unless it says "host path"; "target" is made when missing (OP_FLAG_MAKE_*).
 */
enum plan_op_type {
	OP_NONE,
	OP_JOIN_CGROUP, /* a: host path of a `tasks` file; writes "0" */
	OP_JOIN_GROUPS, /* the same with child_context.groups */
	OP_UNSHARE,     /* n: CLONE_NEW* */
	OP_SETNS, /* a: host path of a namespace; n: CLONE_NEW* it must be; m: its inode, 0 any */
	OP_JOIN,  /* n: CLONE_NEW* taken over from the process PLAN_FD_TARGET; / is its root then */
	OP_BASELINE, /* scheduler, umask, signals, keyring back to a fixed state; n: umask */
	OP_SETSID,
	OP_HOSTNAME,   /* a */
	OP_DOMAINNAME, /* a */
	OP_LOOPBACK_UP,
	OP_NETWORK,      /* waits until plan_shared.network_state says that the network stands */
	OP_PROPAGATION,  /* n: MS_PRIVATE, MS_SLAVE, ... set recursively on / */
	OP_ROOT_OVERLAY, /* a: options; b: host path of the mount point; c: host path to chdir to */
	OP_ROOT_BIND, /* a: host path of the directory that becomes the root; n: MOUNT_ATTR_* set */
	OP_MOUNT, /* a: fs type; b: target; c: option list; d: source; n: MOUNT_ATTR_*; m: propagation */
	OP_BIND, /* a: host path; b: target; n: MOUNT_ATTR_* set; k: cleared; m: propagation; d: host path of
		  * the mount namespace that a is in, without symlinks there, l: its inode. Before there is
		  * a root b is a host path. */
	OP_REMOUNT, /* b: path; n: MOUNT_ATTR_* set; m: cleared */
	OP_MKDIR,   /* b: path; n: mode; m: uid << 32 | gid */
	OP_MKNOD,   /* b: path; n: mode with type; m: device; k: uid << 32 | gid */
	OP_SYMLINK, /* a: what it says; b: path */
	OP_PIVOT,
	OP_MASK,             /* b: path; missing is fine */
	OP_READ_ONLY,        /* b: path; missing is fine */
	OP_ROOT_PROPAGATION, /* on the new root, after OP_PIVOT: n: MOUNT_ATTR_* set; m: MS_* */
	OP_SYSCTL,           /* a: path below /proc/sys; c: value */
	OP_RLIMIT,           /* n: resource; m: soft; k: hard */
	OP_OOM_SCORE_ADJ,    /* a: text */
	OP_STDIO,            /* puts the prepared descriptors on 0, 1, 2 */
	OP_CONSOLE, /* terminal from the container's devpts on 0, 1, 2; n: rows; m: columns; k: uid */
	OP_CONTROL_TERMINAL, /* descriptor 0 becomes the session's */
	OP_CLONE,            /* goes on in a new process, which the joined pid namespace takes in */
	OP_CHDIR,            /* b: path; must be inside the root */
	OP_BOUNDING,         /* n: capability mask to keep; m: the kernel's last capability */
	OP_USER,             /* n: uid; m: gid; a: u32 groups; k: how many */
	OP_CAPABILITIES,     /* n: permitted; m: inheritable; k: effective; l: ambient */
	OP_NO_NEW_PRIVS,
	OP_SECCOMP,      /* a: struct sock_filter[]; n: count; flags: SECCOMP_FILTER_FLAG_* in m */
	OP_HOOK,         /* a: argv list; b: envp list; c: state text; d: program; n: timeout s */
	OP_FIND_PROGRAM, /* a: list of candidate paths; fails as OP_EXEC would */
	OP_SKIP_ABSENT, /* a: list of candidate paths; OP_EXEC begins with the first that is there */
	OP_GATE,        /* tells the parent "created", then waits for `start` */
	OP_PERSONALITY, /* n */
	OP_IO_PRIORITY, /* n */
	OP_EXEC,        /* a: list of candidate paths; b: argv list; c: envp list */
	OP_COUNT
};

enum plan_op_flags {
	OP_FLAG_MAKE_DIRECTORY = 1 << 0,
	OP_FLAG_MAKE_FILE = 1 << 1,
	OP_FLAG_RECURSIVE = 1 << 2,
	OP_FLAG_BEST_EFFORT = 1 << 3,    /* failure becomes a warning (see plan_shared.warned) */
	OP_FLAG_NO_SYMLINK = 1 << 4,     /* target: no component may be a symlink */
	OP_FLAG_RECURSIVE_ATTR = 1 << 5, /* attributes on the whole tree (rro and its kin) */
	OP_FLAG_QUIET = 1 << 7,          /* best effort that nobody asked for: no warning */
	OP_FLAG_EARLY = 1 << 6, /* OP_UNSHARE: done before the release, this is its result */
	OP_FLAG_LATER = 1 << 8, /* OP_CONSOLE: not /dev/console, and nobody's session yet */
};

/* Host strings and op arguments are kept apart from the numbers so that a hex dump can be read. */
struct plan_op {
	uint16_t type;  /* enum plan_op_type */
	uint16_t phase; /* enum plan_phase */
	uint32_t flags;
	plan_ref a, b, c, d;
	uint64_t n, m, k, l;
	plan_ref label; /* "mount /proc": what the bill and errors call it */
	uint32_t reserved;
};

/* A list of strings: count, then refs, then room for as many pointers plus a NULL, which the child
 * fills in its own mapping for execve(). 8-byte aligned. */
struct plan_list {
	uint32_t count;
	uint32_t pointers; /* offset of the pointer room */
	plan_ref items[];
};

/* Stamps that are not ops. Order within one process is the order they are taken in. */
enum timeline_point {
	POINT_CLI_MAIN,
	POINT_CLI_PARSED,   /* options understood */
	POINT_CLI_PREPARED, /* id, lock, run directory, memfd */
	POINT_CLI_SPAWNED,  /* monitor's exec done */
	POINT_CLI_RESOLVED, /* image found, configuration merged */
	POINT_CLI_RECORDED, /* record, directories, files written */
	POINT_CLI_CGROUP,   /* cgroups made and limited */
	POINT_CLI_PLANNED,  /* plan laid out */
	POINT_CLI_RELEASED, /* child may go */
	POINT_CLI_STARTED,  /* STARTED received */
	POINT_CLI_EXIT,     /* EXIT received */
	POINT_CLI_END,      /* just before _exit */
	POINT_MONITOR_MAIN,
	POINT_MONITOR_MOVED, /* own cgroups and session */
	POINT_MONITOR_CLONED,
	POINT_MONITOR_EXEC,   /* container's program runs */
	POINT_MONITOR_EXITED, /* PID 1 reaped */
	POINT_MONITOR_RECORDED,
	POINT_MONITOR_ANSWERED,
	POINT_MONITOR_CLEANED,
	POINT_CHILD_MAIN,
	POINT_CHILD_RELEASED,
	/* only with plan_early.network */
	POINT_CLI_NETWORK,       /* addresses and ports taken, script written, monitor told */
	POINT_MONITOR_NETWORK,   /* begins with the script */
	POINT_MONITOR_LINKED,    /* devices made */
	POINT_MONITOR_RULED,     /* ports published */
	POINT_MONITOR_CONNECTED, /* addresses, routes, name service: all of the script */
	POINT_COUNT
};

/* Whether systemd has made the scope around the child, with plan_early.scope. */
enum plan_scope_state {
	PLAN_SCOPE_NONE = 0,
	PLAN_SCOPE_MADE = 1,
	PLAN_SCOPE_FAILED = 2, /* the monitor says why once it is released */
};

/* How far the container's network is, with plan_early.network. */
enum plan_network_state {
	PLAN_NETWORK_WAITING = 0,
	PLAN_NETWORK_DONE = 1,
	PLAN_NETWORK_FAILED = 2, /* the monitor says why */
};

enum plan_release {
	PLAN_WAIT = 0,
	PLAN_GO = 1,
	PLAN_CANCEL = 2,
	PLAN_BEGIN =
		3, /* the first begin_count operations stand and may run; the others are to come */
};

/* Which part of an op failed, for the error's words. */
enum child_step {
	STEP_NONE,
	STEP_TARGET, /* the place in the root cannot be opened or made */
	STEP_SOURCE,
	STEP_ATTACH,
	STEP_VERIFY, /* what was found there is not what it must be */
	STEP_ATTRIBUTES,
	STEP_EXEC,
	STEP_HOOK_STATUS, /* detail: its wait status */
	STEP_WRITE,
};

/* Start of the memfd: written by all three. The child may be traced by others in a container that it joins,
 * so that what it writes is believed as far as it harms nobody outside. */
struct plan_shared {
	uint32_t version;
	uint32_t released;      /* enum plan_release; futex */
	uint32_t scope_state;   /* enum plan_scope_state; futex */
	uint32_t network_state; /* enum plan_network_state; futex */
	uint32_t child_ready;   /* 1: the child waits for release */
	uint32_t failed_op;     /* index + 1 */
	uint32_t failed_step;   /* enum child_step */
	int32_t failed_errno;
	int32_t failed_detail;
	uint32_t warned_count; /* best-effort ops that failed */
	uint32_t begin_count;  /* see PLAN_BEGIN; 0: none before the release */
	int32_t child_pid;     /* of the process that OP_CLONE made, as the host counts */
	uint16_t warned_ops[32];
	int32_t warned_errno[32];
	uint64_t point_ns[POINT_COUNT];   /* CLOCK_MONOTONIC, 0: not reached */
	uint64_t op_end_ns[PLAN_MAX_OPS]; /* the op's begin is the previous op's end */
	/* test builds only */
	uint32_t test_delay_op;    /* index of the op + 1 */
	uint32_t test_delay_point; /* enum timeline_point + 1 */
	uint32_t test_kill_op;     /* index of the op + 1 */
	uint32_t test_kill_point; /* enum timeline_point + 1: the process that stamps it dies there */
	uint64_t test_delay_ns;
};

/* What the monitor needs before the plan exists; written before it is spawned. */
struct plan_early {
	uint64_t clone_flags; /* CLONE_NEW* of the child, without NEWCGROUP */
	uint32_t terminal, open_stdin;
	/* CLONE_NEW* that the child makes itself before it waits, beside its parent's work; the plan
	 * then has an OP_UNSHARE of them with OP_FLAG_EARLY. */
	uint64_t own_namespaces;
	plan_ref pid_namespace; /* host path of one to join before the clone; 0: none */
	uint64_t pid_namespace_inode;
	uint32_t exec;          /* supervise one process in the container of PLAN_FD_TARGET */
	plan_ref run_directory; /* <run>/containers/<id>; with exec its exec/<exec id> */
	plan_ref monitor_tasks[PLAN_MAX_CGROUPS]; /* `tasks` files of the monitor's own v1 groups */
	uint32_t monitor_tasks_count;
	uint32_t has_cgroup_fd; /* PLAN_FD_CGROUP is open: clone into it */
	plan_ref groups;     /* for OP_JOIN_GROUPS, where the monitor does not know them itself */
	plan_ref scope;      /* plan_list: the program that asks systemd for a scope; 0 none */
	plan_ref scope_stop; /* plan_list: the same, to end it */
	uint32_t foreign;    /* another OCI runtime makes the container: see struct plan_foreign */
	uint32_t network; /* the launcher will send FRAME_NETWORK: see engine/monitor/protocol.h */
};

/* One directory of the container's group, as struct cgroup_dir has it. */
struct plan_cgroup {
	plan_ref path;
	uint32_t controllers; /* enum cgroup_controller bits */
	uint32_t v2;
};

/* A container that another OCI runtime makes. The plan's operations then only mount its root and
 * execute `RUNTIME create`; the rest are complete command lines, and files in the run directory. */
struct plan_foreign {
	plan_ref start,
		remove; /* plan_list: argv of `RUNTIME start ID`, `RUNTIME delete --force ID` */
	plan_ref environment;   /* plan_list */
	uint32_t rows, columns; /* of the terminal at first, 0 unknown */
	uint32_t join_missing;  /* version 1: PID 1 is put where the runtime did not put it */
};
/* Their names in the run directory. The socket's is relative to the bundle, since the whole path may
 * exceed what a socket address holds. */
#define FOREIGN_BUNDLE "bundle"
#define FOREIGN_STATE "oci"
#define FOREIGN_LOG "oci.log"
#define PLAN_LOG_ATTRIBUTES_MAX 16400 /* bytes of log_attributes */
#define FOREIGN_PID_FILE "oci.pid"
#define FOREIGN_CONSOLE "console.sock"
/* Docker's restart policies. */
enum plan_restart {
	PLAN_RESTART_NO,
	PLAN_RESTART_ON_FAILURE,
	PLAN_RESTART_ALWAYS,
	PLAN_RESTART_UNLESS_STOPPED,
};

/* Times in ns, defaults filled in. */
struct plan_health {
	uint32_t enabled; /* there is a plan at PLAN_HEALTH_OFFSET */
	uint32_t retries; /* failures in a row before it is unhealthy */
	uint64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	plan_ref timeout_text; /* what is said of a check that takes longer than timeout_ns */
};

/* What the monitor needs from release on. Strings are absolute host paths. */
struct plan_monitor {
	plan_ref id;                /* 64 hex */
	plan_ref record_directory;  /* where the death record of a persistent container goes; 0 */
	plan_ref overlay_directory; /* removed with auto_remove; 0 */
	plan_ref name_link;         /* released with auto_remove; 0 */
	plan_ref log_path;          /* 0: no log */
	plan_ref log_attributes;    /* `,"attrs":{...}`, put into every entry; 0: none */
	struct plan_cgroup cgroups[PLAN_MAX_CGROUPS]; /* read and removed after exit */
	uint32_t cgroup_count;
	uint32_t auto_remove, own_pid_namespace;
	uint64_t log_max_bytes;
	uint32_t log_max_files;
	plan_ref volume_directories; /* plan_list of anonymous volumes removed with auto_remove; 0 */
	/* events: the journal's path, and finished JSON: the image as a string (0: none), members of
	 * the attributes; names of the volumes that it has mounted (plan_list) or 0; "id name" of the
	 * networks that it is connected to (plan_list) or 0 */
	plan_ref event_journal, event_from, event_attributes, event_volumes, event_networks;
	struct plan_foreign foreign; /* with plan_early.foreign */
	/* Standard input ends when the first client that brought it leaves; else it stays open. */
	uint32_t stdin_once;
	uint32_t launcher_stdin, launcher_output; /* what the launching client is attached to */
	uint32_t restart_policy;                  /* enum plan_restart */
	uint32_t restart_max;                     /* on-failure: restarts at most; 0: for ever */
	uint32_t restart_count;                   /* restarts before this monitor was started */
	struct plan_health health;
	uint32_t log_journal;             /* the program log is the journal, not the file */
	plan_ref keeper_argv, keeper_env; /* plan_list: the keeper's program; 0: there is none */
};

/* What all three write stands in pages of its own: of the rest, a process that a monitor puts into a
 * container has a copy (monitor_keep_copy()). */
#define PLAN_SHARED_BYTES 8192u

struct plan {
	union {
		struct plan_shared shared;
		char shared_pages[PLAN_SHARED_BYTES];
	};
	struct plan_early early;
	struct plan_monitor monitor;
	uint32_t op_count;
	uint32_t used; /* bytes of the memfd in use */
	struct plan_op ops[PLAN_MAX_OPS];
	/* strings, lists and programs follow */
};

/* Descriptors that the monitor (and `cloche-monitor init`) is started with. */
enum plan_fd {
	PLAN_FD_CONTROL = 3, /* stream socket to the client (init: report socket) */
	PLAN_FD_PLAN = 4,
	PLAN_FD_LOCK = 5,   /* open file whose flock says "alive" */
	PLAN_FD_CGROUP = 6, /* v2 directory of the container's group, when has_cgroup_fd */
	PLAN_FD_TARGET = 7, /* pidfd of the container's PID 1, for OP_JOIN */
	PLAN_FD_COUNT = 8,
};

_Static_assert(sizeof(struct plan_shared) <= PLAN_SHARED_BYTES, "more than its pages hold");

static inline void *plan_at(struct plan *p, plan_ref ref)
{
	return ref ? (char *)p + ref : NULL;
}

static inline const char *plan_string(const struct plan *p, plan_ref ref)
{
	return ref ? (const char *)p + ref : NULL;
}

#endif

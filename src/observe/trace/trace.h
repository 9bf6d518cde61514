/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command set in motion: the processes it started and those that daemons started for it, their
 * namespace, mount, cgroup, security and exec calls, who ran when and who waited for whom. Recorded
 * from kernel tracepoints, system-wide, so nothing needs to be known of an engine beforehand.
 *
 *	record (recorder.c) -> build (build.c: who belongs to it) -> path (path.c: what made it wait)
 *	-> trace_text.c, trace_json.c, trace_svg.c
 *
 * All times are ns since trace.begin_ns, which is CLOCK_MONOTONIC when the command was forked.
 */
#ifndef CLOCHE_OBSERVE_TRACE_TRACE_H
#define CLOCHE_OBSERVE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

#define TRACE_SCHEMA_VERSION 1
#define TRACE_NONE SIZE_MAX /* no such index */
#define TRACE_NEVER UINT64_MAX

enum trace_role {
	TRACE_COMMAND,    /* what was asked for, and what it forked */
	TRACE_DAEMON,     /* was there before: dockerd, containerd, systemd */
	TRACE_SUPERVISOR, /* stays beside the container: a monitor, shim, conmon */
	TRACE_RUNTIME,    /* runc, crun, cloche's child before it is the container */
	TRACE_INIT,       /* the container's first process */
	TRACE_INSIDE,     /* started by it, inside */
	TRACE_HELPER,     /* everything else that was started: iptables, hooks */
};

/* What a call is about; also a line of the bill. */
enum trace_group {
	TRACE_NAMESPACES, /* clone and clone3 with flags of namespaces, unshare, setns, sethostname */
	TRACE_MOUNTS,     /* the mount calls, pivot_root, chroot */
	TRACE_CGROUPS,    /* mkdir, rmdir, attach; opens and writes of control files */
	TRACE_SECURITY,   /* seccomp, capabilities, ids, bpf */
	TRACE_PROCESSES, /* fork, exec, exit */
	TRACE_WAITS,     /* slept at least TRACE_WAIT_MIN_NS in one call */
	TRACE_DISK,      /* fsync and its like, as far as they are waits */
	TRACE_GROUP_COUNT,
};
#define TRACE_WAIT_MIN_NS 50000

struct trace_exec {
	uint64_t at_ns; /* the new program begins */
	char *program;  /* path as the kernel resolved it */
	char *command;  /* its arguments, joined by blanks; cut where they were long */
};

struct trace_process {
	int pid;       /* on the host */
	size_t parent; /* who forked it; TRACE_NONE for the command and for daemons without one here */
	enum trace_role role;
	bool before;               /* was there before the command */
	char *name;                /* last program's name, or the thread's */
	char *command;             /* of the last exec; "" when unknown */
	uint64_t start_ns, end_ns; /* 0 for one that was there before; TRACE_NEVER: still there */
	uint64_t contact_ns; /* daemons: when the first of ours woke it; only what is later counts */
	uint64_t cpu_ns;     /* on a processor, since the command began */
	uint64_t path_ns;    /* what it contributes to the path until the program runs */
	/* of that: in calls that are recorded; asleep outside of them; without a processor */
	uint64_t path_calls_ns, path_asleep_ns, path_ready_ns;
	uint64_t flags; /* of the clone that made it: CLONE_NEW* and others */
	struct trace_exec *execs;
	size_t exec_count;
	int depth; /* in the tree, for indentation */
};

struct trace_call {
	size_t process;
	int tid;
	enum trace_group group;
	const char *name; /* "mount"; for tracepoints without a call "cgroup_mkdir"... Static */
	char *text;       /* its arguments in words: "overlay on /x (ro,nosuid)"; heap */
	uint64_t begin_ns, end_ns; /* begin equals end where only an instant is known */
	int64_t result;            /* -errno on failure */
	uint64_t flags;            /* of clone, unshare, setns: CLONE_NEW*; else 0 */
};

enum trace_state {
	TRACE_RUNNING,
	TRACE_READY, /* could run, had no processor */
	TRACE_ASLEEP, /* for a timer, a disk, the kernel: nobody of the trace was what it waited for */
};

/* The path, from the end backwards: what ran, or what it waited for, at each moment. Without gaps. */
struct trace_step {
	size_t process;
	int tid;
	enum trace_state state;
	uint64_t begin_ns, end_ns;
	const char *in; /* the call it was in, for the longest part; NULL: none recorded */
};

struct trace_wait {
	size_t process;
	enum trace_state state; /* TRACE_ASLEEP or TRACE_READY */
	uint64_t begin_ns, end_ns;
	const char *in; /* "clock_nanosleep"; NULL: unknown */
};

struct trace_bill_line {
	char *what;
	uint64_t ns;
	size_t count; /* calls or processes behind it */
};

struct trace {
	struct strv command;
	uint64_t begin_ns;   /* CLOCK_MONOTONIC */
	uint64_t program_ns; /* the container's own program runs; TRACE_NEVER: none was found */
	uint64_t program_end_ns;
	uint64_t end_ns; /* the command ended */
	int exit_code;   /* of the command; 128 + n for signal n */
	size_t init;     /* process, or TRACE_NONE */
	/* In the order of a tree walk: parents before children, siblings by start. */
	struct trace_process *processes;
	size_t process_count;
	struct trace_call *calls; /* by begin_ns; without TRACE_WAITS, which are in waits and path */
	size_t call_count;
	struct trace_step
		*path; /* until program_ns (or the command's end where there is no program) */
	size_t path_count;
	struct trace_wait waits[5]; /* the longest of the path */
	size_t wait_count;
	struct trace_bill_line *phases, *programs; /* each sums to the path; longest first */
	size_t phase_count, program_count;
	size_t left_out_processes; /* others that ran on the host meanwhile and are not shown */
	size_t left_out_calls;
	/* the observer's own bill */
	uint64_t records;
	uint64_t lost;            /* the buffer was full, or a program could not run just then */
	uint64_t missed;          /* the same of switches and wake-ups: a step of the path less */
	uint64_t recorder_cpu_ns; /* this process, while the command ran */
	uint64_t kernel_cpu_ns;   /* in the programs of the tracepoints; 0: not counted here */
	uint64_t program_runs;
};

struct trace_options {
	int output_fd; /* of the command's standard output and error; -1: ours */
	/* In the child before the command; async-signal-safe; 0 or -errno. NULL: nothing. */
	int (*prepare_child)(void *opaque);
	void *opaque;
	int timeout_ms;     /* then the command is killed; 0: never */
	bool no_scheduling; /* leave out who ran when: no path, no waits, daemons not found */
};

/* Runs the command (argv[0] is looked up in PATH) and records until it ended. Signals that ask this
 * process to end are held back until then and handed on to the command, but for those of a terminal,
 * which the command has got itself. ERR_UNSUPPORTED with the reason where the kernel or a lack of rights
 * forbids recording: the command was not started then. */
int must_check trace_record(const struct trace_options *o, const char *const *argv,
			    struct trace **out, struct err *err);
void trace_free(struct trace *t);
static inline void cleanup_trace(struct trace **t)
{
	trace_free(*t);
}
#define auto_trace __attribute__((cleanup(cleanup_trace)))

const char *trace_role_name(enum trace_role role);
const char *trace_group_name(enum trace_group group);
const char *trace_state_name(enum trace_state state);

/* At most 100 columns, complete without colour. calls: list every call, not only the counts. */
void trace_text(const struct trace *t, bool calls, struct strbuf *out);
/* By trace.schema.json. */
void trace_json(const struct trace *t, struct strbuf *out);

#endif

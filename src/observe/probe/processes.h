/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All processes of this host at one moment, and which of them are a container's. One walk of /proc: what
 * is said of parents, members and counts is of the same moment, give or take a walk. Reads only.
 */
#ifndef CLOCHE_OBSERVE_PROBE_PROCESSES_H
#define CLOCHE_OBSERVE_PROBE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Pid namespaces nest at most 32 deep; the one that /proc was mounted in comes first. */
#define PROCESS_LEVELS_MAX 33

struct process {
	pid_t pid, parent, group, session;
	char state;    /* as proc(5) has it */
	char *name;    /* heap, the thread's name, at most 15 bytes */
	char *command; /* heap, arguments with blanks between; "" for a kernel thread or a zombie */
	char *cgroup;  /* heap, the whole /proc/PID/cgroup; "" when it could not be read */
	uint64_t start_ticks; /* after boot, sysconf(_SC_CLK_TCK) a second */
	uint64_t cpu_ticks;   /* used by itself */
	/* Of children that it has waited for, that is, which have ended. */
	uint64_t gone_children_ticks, gone_children_faults;
	unsigned threads;
	unsigned uid;
	uint64_t pid_ns;                   /* inode number, 0: not readable */
	pid_t ns_pids[PROCESS_LEVELS_MAX]; /* its number at each level, the last as it sees itself */
	size_t level_count;                /* 0: not readable */
	bool member;                       /* belongs to the container that was asked for */
};

/* How membership was decided. */
enum process_scope {
	PROCESS_SCOPE_GROUP,     /* is in the first process's cgroup, or below */
	PROCESS_SCOPE_NAMESPACE, /* has its pid namespace, which is not ours */
	PROCESS_SCOPE_TREE,      /* it and its descendants: nothing sets them apart */
};

struct process_table {
	struct process *items; /* heap, by pid */
	size_t count, member_count;
	enum process_scope scope;
	char *group; /* heap, what scope GROUP went by: "pids:/cloche/4f2a..." */
	uint64_t own_pid_ns;
	uint64_t ticks_per_s, now_ticks; /* of start_ticks' clock */
};

/* first: the container's first process. container: it is one of an engine's, so its cgroup is its own;
 * a plain process's cgroup usually is not. -ESRCH when first is gone. */
int must_check process_table_read(pid_t first, bool container, struct process_table *out,
				  struct err *err);
void process_table_free(struct process_table *t);
#define auto_processes __attribute__((cleanup(process_table_free)))

/* NULL when it is not there. */
const struct process *process_find(const struct process_table *t, pid_t pid);
/* How many have that pid namespace. */
size_t process_count_pid_ns(const struct process_table *t, uint64_t pid_ns);
/* The path of one hierarchy in the text of /proc/PID/cgroup: controller "pids", "name=systemd", or "" for
 * version 2. 0 and a heap string, or -ENOENT. */
int must_check process_group_path(const char *cgroup, const char *controller, char **out);
/* The supervisors: parents from that of pid up to where they end, nearest first. Returns how many there
 * are, of which at most max are put into out. */
size_t process_ancestors(const struct process_table *t, pid_t pid, const struct process **out,
			 size_t max);
/* Seconds since it was started. */
double process_age_s(const struct process_table *t, const struct process *p);

/* Parts, for tests: the text of /proc/PID/stat (but its name), and of /proc/PID/status. -EBADMSG. */
int must_check process_parse_stat(const char *text, struct process *p);
int must_check process_parse_status(const char *text, struct process *p);

#endif

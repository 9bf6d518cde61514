/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of one process as /proc/PID/mountinfo has them (proc_pid_mountinfo(5)). Only reads. */
#ifndef CLOCHE_OBSERVE_PROBE_MOUNTS_H
#define CLOCHE_OBSERVE_PROBE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct mount_entry {
	uint64_t id, parent;
	unsigned major, minor;
	char *root;    /* which part of the file system is mounted: "/" or a path in it */
	char *target;  /* where, as the process sees it */
	char *options; /* of this mount: "ro,nosuid" */
	char *type;    /* of the file system */
	char *source;  /* what it calls its source */
	char *super;   /* options of the file system: overlay's directories stand here */
	bool shared;   /* mounts made below it are handed on to peers (mount_namespaces(7)) */
	bool slave;    /* and are received */
};

struct mount_list {
	struct mount_entry *entries;
	size_t count, room;
};

/* pid 0: the caller's own. -ESRCH when the process is gone. */
int must_check mounts_read(pid_t pid, struct mount_list *out, struct err *err);
/* Lines that are none are left out; replaces *out. */
void mounts_parse(const char *mountinfo, struct mount_list *out);
void mounts_free(struct mount_list *l);
#define auto_mounts __attribute__((cleanup(mounts_free)))

/* What is mounted on exactly that target, the uppermost; NULL: nothing. */
const struct mount_entry *mounts_at(const struct mount_list *l, const char *target);
/* The mount that a path lies on, by its target. */
const struct mount_entry *mounts_holding(const struct mount_list *l, const char *path);
/* Whether a comma separated list has that word. */
bool mounts_has_option(const char *options, const char *word);
/* Whether nothing can be written through it: the mount or its file system is read-only. */
bool mounts_read_only(const struct mount_entry *m);
/* Where on the host the mounted part lies, by the host's own mounts: "/srv/data" for a bind mount. The
 * caller frees; NULL when the host has that part mounted nowhere. */
char *mounts_host_path(const struct mount_list *host, const struct mount_entry *m);

#endif

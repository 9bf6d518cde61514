/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else needs: names of files, the lock of a
 * container, small helpers.
 */
#ifndef CLOCHE_ENGINE_INTERNAL_H
#define CLOCHE_ENGINE_INTERNAL_H

#include "engine/engine.h"

#define RECORD_FILE "config.v2.json"
#define RECORD_HOSTCONFIG_FILE "hostconfig.json"
#define STATE_FILE "state.json"
#define LOCK_FILE "lock"
#define HOSTNAME_FILE "hostname"
#define ATTACH_SOCKET "attach.sock"
#define MONITOR_LOST_EXIT_CODE 137
#define HOST_RESTARTED_EXIT_CODE 255

/* Opens the directory that holds the record, data root first. An fd, or -ENOENT when no finished
 * record exists. */
int must_check container_record_dir(const struct engine *e, const char *id, bool *persistent);
/* Opens <run>/containers/<id>. An fd or -errno. */
int must_check container_run_dir(const struct engine *e, const char *id);

/* container_record_read() without the state. */
int must_check container_record_load(struct engine *e, const char *id, struct container *c,
				     struct err *err);
/* What names/<name> below names_fd holds: 0, -ENOENT for no such name, -EINVAL for a link without an
 * id, or another -errno. */
int must_check name_read(int names_fd, const char *name, char id[static ID_LEN + 1]);
/* The id that a name is reserved for: 0, -ENOENT, or -EINVAL for a link that holds no id. */
int must_check name_resolve(const struct engine *e, const char *name, char id[static ID_LEN + 1]);
/* True if id has neither a held lock nor a finished record. */
bool name_is_stale(struct engine *e, const char *id);
/* Removes a stale reservation. 0 also when it was gone, -EBUSY when it is not stale. */
int must_check name_sweep_stale(struct engine *e, const char *name);

/* Reads the state; a container that is just being started, or swept up after (lock held, no life
 * claimed), is given the time to say so. Its monitor writes the state right after it has answered the
 * front end, and what follows a start in a script must not come too early. */
int must_check container_read_settled(struct engine *e, struct container *c, struct err *err);
/* Thaws a container that is marked as paused, and takes the marker away. 0 also when it is not. */
int must_check container_thaw(struct engine *e, struct container *c, struct err *err);
/* The directories of its control groups, detecting the layout if need be. */
int must_check container_cgroup_dirs(struct engine *e, const struct container *c,
				     struct cgroup_dirs *out, struct err *err);
/* Locks the record for a change of it and reads it afresh: *record_dir is open until the change is
 * written, and closing it is the unlocking. */
int must_check container_record_lock(struct engine *e, struct container *c, int *record_dir,
				     struct err *err);
/* A connection to the monitor of a running container: fd or -errno; and the first thing to say. */
int must_check monitor_connect(const struct engine *e, const char *id);
int must_check monitor_send_attach(int fd, bool input, bool output);
/* Adds the mounts of the containers named by --volumes-from. */
int must_check container_volumes_from(struct engine *e, struct container *c, struct err *err);
/* True for states that have a PID 1. */
bool container_is_alive(const struct container *c);
/* True if no finished record of id exists (any more). */
bool container_is_gone(const struct engine *e, const char *id);
/* Takes the lock as container_lock() does, once whoever sweeps up after an end has finished. -EBUSY at
 * once when the container lives, or after timeout_ms; c->state is then fresh. -ENOENT when a container
 * that is not persistent has no run directory any more. */
int must_check container_wait_lock(struct engine *e, struct container *c, int timeout_ms,
				   int *lock_fd);
/* A pidfd of PID 1 that is certain to be PID 1, of a container that settles first when it is being
 * started; c->state is fresh then. fd or -errno, -ESRCH ("Container <id> is not running"). */
int must_check container_open_init(struct engine *e, struct container *c, struct err *err);
/* SIGKILL, then as container_stop(). */
int must_check container_kill_and_wait(struct engine *e, struct container *c, struct err *err);

/* Fills e->cgroups if that has not been done yet. */
int must_check engine_detect_cgroups(struct engine *e, struct err *err);
/* Kills what is in the group of id (parent as engine_cgroup_path() takes it) and removes that group in
 * every hierarchy. */
int must_check container_remove_cgroup(struct engine *e, const char *parent, const char *id,
				       struct err *err);
/* All of container_remove() but the locking, which the caller did. */
int must_check container_remove_locked(struct engine *e, struct container *c, bool volumes,
				       struct err *err);
/* What state.json says, whoever lives: 0, or -ENOENT when there is none. *s is empty before. */
int must_check container_state_stored(const struct engine *e, const char *id,
				      struct container_state *s, struct err *err);
/* Writes down, under the lock, that the monitor of c was lost: in the run directory if there is one,
 * and durably beside a persistent record. */
int must_check container_state_write_lost(struct engine *e, struct container *c, struct err *err);

/* Removes layer, record directory and run directory; the caller holds the lock. */
int must_check container_remove_remains(struct engine *e, const char *id, struct err *err);

/* Sets c->env from c->config.env: PATH in front when there is none, bare keys dropped. */
void container_complete_env(struct container *c);

/* Calls fn for every id that has a directory in <root>/containers, until it returns non-zero. */
int must_check engine_for_each_id(int root_fd, int (*fn)(const char *id, void *arg), void *arg);

#endif

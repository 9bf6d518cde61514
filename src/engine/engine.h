/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: one data root and one run root, opened once per process. Prints nothing, never exits;
 * every front end (command line, API) goes through here.
 */
#ifndef CLOCHE_ENGINE_ENGINE_H
#define CLOCHE_ENGINE_ENGINE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/program_log.h"
#include "base/strv.h"
#include "engine/container.h"
#include "engine/runtime_config.h"
#include "kernel/cgroup.h"

struct engine {
	char root[PATH_MAX];     /* data root, absolute */
	char run_root[PATH_MAX]; /* run root, absolute */
	int root_fd, run_fd;     /* directories, O_PATH-free, close-on-exec */
	/* The group that containers' groups are in: "/cloche", with systemd "/system.slice". Their own
	 * paths are engine/cgroup_path.h's to make. */
	struct program_log log; /* what is done here is told here */
	char cgroup_parent[256];
	char slice[256]; /* with systemd: "system.slice" unless configured */
	struct runtime_config runtimes;
	struct cgroup_layout cgroups;
	bool cgroups_detected;
	char bridge[IFNAMSIZ]; /* device of the default network, "": the usual one; "none": none */
	struct ip_prefix bridge_address; /* of the host in it; family 0: chosen */
	bool respect_firewall;           /* "host-firewall": touch no rules of others */
	int event_fd;                    /* the journal of events, -1 until the first event */
	/* Ids of containers that were seen without their monitor (engine/revive.h). */
	struct strv lost;
};

/* Where settings come from, strongest first: the argument, CLOCHE_ROOT / CLOCHE_RUN_ROOT,
 * /etc/cloche/daemon.json (or the file CLOCHE_CONFIG names: keys data-root, exec-root,
 * cgroup-parent and those of engine/runtime_config.h), the defaults. NULL arguments are "not given". Creates the directories that are
 * missing. */
int must_check engine_open(struct engine *e, const char *root, const char *run_root,
			   struct err *err);
void engine_close(struct engine *e);

/* ---- records (record.c) ---- */

/* Writes config.v2.json and hostconfig.json of c below dirfd (its record directory). */
int must_check container_record_write(const struct container *c, int dirfd, bool durable,
				      struct err *err);
/* Reads both, and the state; c must be initialised. */
int must_check container_record_read(struct engine *e, const char *id, struct container *c,
				     struct err *err);
/* Full id, name (with or without leading slash) or unique id prefix -> container with its state.
 * "No such container: x" (ERR_NOT_FOUND) or "multiple IDs found with provided prefix: x". */
int must_check container_find(struct engine *e, const char *reference, struct container *c,
			      struct err *err);
/* The same with what container_list_brief() reads of each: the fields of engine/brief.h and the state's
 * basics. container_exec() takes such a one, and completes it. */
int must_check container_find_brief(struct engine *e, const char *reference, struct container *c,
				    struct err *err);
/* Fresh state of c, from state.json and the lock. */
int must_check container_state_read(struct engine *e, struct container *c, struct err *err);
/* Every container of this engine, newest first, half-made ones left out; the caller frees. */
int must_check container_list(struct engine *e, struct container **out, size_t *count,
			      struct err *err);
/* The same at a fraction of the cost, with of each container only: id, name, created_ns, persistent,
 * image_id, argv, volume_paths, state (without counters, error and what else lists do not show), and of
 * config: image, rootfs, network_mode, auto_remove, labels, exposed_ports, publish, publish_all, kind,
 * source and target of the mounts, and the networks of the endpoints. Never to be written back. */
int must_check container_list_brief(struct engine *e, struct container **out, size_t *count,
				    struct err *err);
void container_list_free(struct container *list, size_t count);

/* An image_user_fn (image/image.h), context being the engine: 1 and the container that uses image_id,
 * a running one preferred; 0 when none does. */
int engine_image_user(void *engine, const char *image_id, char container_id[65], bool *running,
		      struct err *err);

/* ---- liveness (state.c) ---- */

/*
 * Takes the lock of a container, <run>/containers/<id>/lock, exclusively without waiting; with make,
 * its directory and file are made when missing. 0 and an open close-on-exec fd whose closing (by the
 * last process that has it) is the unlocking; -EBUSY when a monitor, a starter or a remover has it;
 * -ENOENT without make.
 *
 * Whoever makes a container must hold its lock before it makes anything else (name, record, layer,
 * cgroup) and until the record stands: that is how `system check` and the sweeping of stale names
 * tell what is being made from what a crash left. Those who only look (container_state_read) take it
 * shared for a moment; this function tells them from a holder in earnest, a bare flock() does not.
 */
int must_check container_lock(struct engine *e, const char *id, bool make, int *lock_fd);
/* True while somebody holds the lock. */
bool container_lock_is_held(const struct engine *e, const char *id);
/* "created", "running", ... as Docker spells State.Status. */
const char *container_status_text(enum container_status status);

/* ---- names (names.c) ---- */

bool container_name_is_valid(const char *name);

/* Reserves a name for an id by an atomic symlink. Invalid: 'Invalid container name (x), only
 * [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'; taken: Docker's Conflict text. */
int must_check name_reserve(struct engine *e, const char *name, const char *id, struct err *err);
/* Reserves a generated adjective_surname; *name is heap-owned by the caller. */
int must_check name_reserve_random(struct engine *e, const char *id, char **name, struct err *err);
void name_release(struct engine *e, const char *name, const char *id);

/* ---- lifecycle ---- */

/* What a front end hands to the start of a container. */
struct start_options {
	bool attach;     /* the caller relays stdio over *client_fd until exit */
	bool stdin_open; /* the caller will send stdin */
	bool timeline;
	uint64_t main_ns; /* when the front end's main() began; first stamp of the bill */
	uint64_t parsed_ns;
	uint16_t rows, columns; /* initial terminal size, 0 unknown */
	uint32_t restart_count; /* a start by the restart policy: how many there were; 0: by a user */
	/* Called once the record stands, before anything of the container runs; NULL: none. */
	void (*created)(void *context, const struct container *c);
	void *created_context;
};

/* Made by container_run()/container_start(); owned by the caller. */
struct start_handle {
	int client_fd; /* attach connection to the monitor (engine/monitor/protocol.h) */
	int plan_fd;   /* memfd of the plan with its stamps, -1 when there is none */
	int pid;       /* PID 1 of the container on the host, known once STARTED came */
};

/* Creates the record (name, id, merged configuration) without starting. c (initialised) is filled;
 * the contents of *config move into it, also on failure. Warnings go to *warnings as finished
 * sentences. */
int must_check container_create(struct engine *e, struct container_config *config, const char *name,
				struct container *c, struct strv *warnings, struct err *err);
/* create + start in one go, with all the overlap there is: the hot path of `run`. */
int must_check container_run(struct engine *e, struct container_config *config, const char *name,
			     const struct start_options *options, struct container *c,
			     struct start_handle *handle, struct strv *warnings, struct err *err);
/* Starts a created or exited container. Already running: 0 with handle->client_fd -1. */
int must_check container_start(struct engine *e, struct container *c,
			       const struct start_options *options, struct start_handle *handle,
			       struct err *err);
/* Blocks until the container of a handle runs (0 at once when there is no connection, as after the
 * start of a running one), or *err says why it does not. */
int must_check container_await_started(struct start_handle *handle, struct err *err);
/* Connects to a running container: handle->client_fd speaks engine/monitor/protocol.h. */
int must_check container_attach(struct engine *e, struct container *c, bool input,
				struct start_handle *handle, struct err *err);
/* container_stop(), then container_start() in the background, until it runs again. */
int must_check container_restart(struct engine *e, struct container *c, int64_t timeout_s,
				 const struct start_options *options, struct err *err);
/* Freezes and thaws all processes of a container, with Docker's words where that makes no sense. */
int must_check container_pause(struct engine *e, struct container *c, struct err *err);
int must_check container_unpause(struct engine *e, struct container *c, struct err *err);
/* Gives it another name, whatever its state; c is read afresh. */
int must_check container_rename(struct engine *e, struct container *c, const char *name,
				struct err *err);
/* Sends a signal to PID 1. "Container <id> is not running" (ERR_CONFLICT). One that asks for the end
 * (SIGKILL, the stop signal) keeps restart policies away and thaws a paused container. */
int must_check container_kill(struct engine *e, struct container *c, int signal, struct err *err);
/* Stop signal, wait at most timeout_s (-1: for ever), SIGKILL. 0 also when it was not running. */
int must_check container_stop(struct engine *e, struct container *c, int64_t timeout_s,
			      struct err *err);
/* Blocks until it is not running (or until its record is gone); *exit_code as recorded. */
int must_check container_wait(struct engine *e, struct container *c, int *exit_code,
			      struct err *err);
/* Removes record, layer, name, and what else is there. force kills first; volumes removes anonymous
 * volumes. Errors as docker-compat has them. */
int must_check container_remove(struct engine *e, struct container *c, bool force, bool volumes,
				struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes a user means: a running container of Cloche, Docker or Podman by its name or id, or a
 * plain process by its number. Engines are asked for where the container is, never for what it is: that
 * is read from the kernel, by the pid found here.
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_TARGET_H
#define CLOCHE_OBSERVE_SUBJECT_TARGET_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strv.h"

struct engine;

enum target_engine {
	TARGET_PROCESS, /* no engine: a process of this host */
	TARGET_CLOCHE,
	TARGET_DOCKER,
	TARGET_PODMAN,
};

/* All strings are heap-owned; "" where there is no such thing. */
struct target {
	enum target_engine engine;
	char *name; /* the container's, without slash; of a process the command's name */
	char *id;
	char *image;    /* the reference it was made from */
	char *image_id; /* "sha256:..." or as the engine writes it */
	char *runtime;  /* what the engine calls the OCI runtime */
	pid_t pid;      /* of its first process, as the host numbers it */
	uint64_t start_ticks;
	pid_t supervisor; /* the parent of that process: monitor, shim, conmon; 0: none that we see */
	/* Layer directories as the engine names them; empty where it does not. */
	struct strv lower;
	char *upper, *work, *merged;
	struct json_object *inspect; /* the engine's whole answer; NULL for a process */
};

/*
 * reference: "cloche:NAME", "docker:NAME", "podman:NAME", "pid:N" or a number; anything else is looked
 * for in all three engines, in this order. NAME is a name, an id or the beginning of one. e may be NULL:
 * there is no Cloche to ask then. ERR_NOT_FOUND says where was looked; ERR_CONFLICT: it does not run.
 */
int must_check target_resolve(struct engine *e, const char *reference, struct target *out,
			      struct err *err);
/* Whether the process found is still the same one. */
bool target_is_alive(const struct target *t);
void target_free(struct target *t);
#define auto_target __attribute__((cleanup(target_free)))

/* "cloche", "docker", "podman", "process". */
const char *target_engine_name(enum target_engine engine);
/* A text of the engine's answer by a path of members ("HostConfig.PidMode"); "" when there is none. */
const char *target_setting(const struct target *t, const char *path);

#endif

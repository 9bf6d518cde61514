/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container's control group is: <parent>/<id> with the cgroupfs driver, and with systemd's the
 * place that systemd gives to the scope PREFIX-<id>.scope of a slice. The only file that knows.
 */
#ifndef CLOCHE_ENGINE_CGROUP_PATH_H
#define CLOCHE_ENGINE_CGROUP_PATH_H

#include <limits.h>

#include "engine/engine.h"

#define SYSTEMD_DEFAULT_SLICE "system.slice"
#define UNIT_NAME_MAX 256

/* Below the hierarchies' mounts: "/cloche/<id>", "/system.slice/cloche-<id>.scope". parent is the
 * container's own --cgroup-parent; NULL or "": the engine's. ERR_INVALID for one that cannot be. */
int must_check engine_cgroup_path(const struct engine *e, const char *parent, const char *id,
				  char *out, size_t size, struct err *err);
/* The same for a container. */
int must_check container_cgroup_path(const struct engine *e, const struct container *c,
				     char out[static CGROUP_PATH_MAX], struct err *err);
/* What OCI runtimes take as cgroupsPath: the path, or "slice:prefix:id" for systemd. */
int must_check engine_oci_cgroup_path(const struct engine *e, const char *parent, const char *id,
				      char *out, size_t size, struct err *err);
/* "system.slice" as asked for; the caller does not free it. Only with the systemd driver. */
const char *engine_slice(const struct engine *e, const char *parent);
/* "cloche-<id>.scope". */
void engine_scope_name(const struct engine *e, const char *id, char out[static UNIT_NAME_MAX]);
/* The id in the name of a group directly below the engine's parent: true, or false when it is not a
 * container's. */
bool engine_cgroup_id(const struct engine *e, const char *name, char id[static ID_LEN + 1]);
/* "a-b.slice" -> "/a.slice/a-b.slice", "-.slice" -> "" (systemd.slice(5)). ERR_INVALID unless it is a
 * slice. */
int must_check systemd_expand_slice(const char *slice, char *out, size_t size, struct err *err);
/* Sets the engine's parent from the configuration; text NULL or "": the driver's default. */
int must_check engine_set_cgroup_parent(struct engine *e, const char *text, struct err *err);

#endif
